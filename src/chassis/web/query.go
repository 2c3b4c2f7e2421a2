package web

import (
	"encoding/base64"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"tandem/src/chassis/failure"
)

// Limits of a page of a list.
const (
	DefaultLimit = 100
	MaxLimit     = 500
)

// Query are the query values of a request. Names nobody reads are ignored; a
// value that cannot be meant is an error, named.
type Query struct {
	values url.Values
	bad    failure.Fields
}

// ReadQuery reads the query of a URL.
func ReadQuery(u *url.URL) *Query {
	values, err := url.ParseQuery(u.RawQuery)
	q := &Query{values: values}
	if err != nil {
		q.bad.Add("query", "is not well-formed")
	}
	return q
}

// Text reads a value that must be one of those allowed; empty where it is not
// given.
func (q *Query) Text(name string, allowed ...string) string {
	value, given := q.one(name)
	if given && !slices.Contains(allowed, value) {
		q.bad.Add(name, "must be one of "+strings.Join(allowed, ", "))
		return ""
	}
	return value
}

// ID reads a value that must be an id; 0 where it is not given.
func (q *Query) ID(name string) int64 {
	value, given := q.one(name)
	if !given {
		return 0
	}
	id, ok := parseID(value)
	if !ok || id < 1 {
		q.bad.Add(name, "must be a whole number from 1")
	}
	return id
}

// IDs reads a comma-separated list of at most that many ids; nil where it is not
// given.
func (q *Query) IDs(name string, most int) []int64 {
	value, given := q.one(name)
	if !given {
		return nil
	}
	parts := strings.SplitN(value, ",", most+1)
	ids := make([]int64, len(parts))
	for i, part := range parts {
		id, ok := parseID(part)
		if !ok || id < 1 || i >= most {
			q.bad.Add(name, "must be at most "+strconv.Itoa(most)+" whole numbers from 1, separated by commas")
			return nil
		}
		ids[i] = id
	}
	return ids
}

// Limit reads how many things a page may hold.
func (q *Query) Limit() int {
	value, given := q.one("limit")
	if !given {
		return DefaultLimit
	}
	limit, err := strconv.Atoi(value)
	if err != nil || limit < 1 || limit > MaxLimit {
		q.bad.Add("limit", "must be a whole number from 1 to "+strconv.Itoa(MaxLimit))
	}
	return limit
}

// Cursor reads the id after which a page begins; 0 for the first page.
func (q *Query) Cursor() int64 {
	value, given := q.one("cursor")
	if !given {
		return 0
	}
	id, ok := parseCursor(value)
	if !ok {
		q.bad.Add("cursor", "must be the next_cursor of an earlier answer, unchanged")
	}
	return id
}

// Reject notes that a value breaks a rule.
func (q *Query) Reject(name, message string) { q.bad.Add(name, message) }

// Err is one Invalid failure that names every value that cannot be meant.
func (q *Query) Err() error { return q.bad.Err() }

func (q *Query) one(name string) (value string, given bool) {
	values := q.values[name]
	if len(values) > 1 {
		q.bad.Add(name, "must be given once")
		return "", false
	}
	if len(values) == 0 {
		return "", false
	}
	return values[0], true
}

// cursorPrefix tells this form of cursor from any later one.
const cursorPrefix = "after:"

// Cursor is the opaque text from which a list goes on behind that id.
func Cursor(after int64) string {
	return base64.RawURLEncoding.EncodeToString([]byte(cursorPrefix + strconv.FormatInt(after, 10)))
}

// Page cuts what was found to a page of at most limit things, of which one more
// has to be asked for, and returns the cursor of the next page where there is one.
func Page[T any](found []T, limit int, id func(T) int64) (page []T, next string) {
	if len(found) <= limit {
		return found, ""
	}
	return found[:limit], Cursor(id(found[limit-1]))
}

func parseCursor(text string) (after int64, ok bool) {
	plain, _ := base64.RawURLEncoding.DecodeString(text)
	after, _ = strconv.ParseInt(strings.TrimPrefix(string(plain), cursorPrefix), 10, 64)
	// One id has one cursor: another text that decodes to it is none.
	return after, after > 0 && Cursor(after) == text
}
