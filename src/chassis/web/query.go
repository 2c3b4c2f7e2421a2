package web

import (
	"encoding/base64"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"tandem/src/chassis/failure"
)

// Page sizes of a list.
const (
	DefaultLimit = 100
	MaxLimit     = 500
)

// Query reads the query parameters of a request. Its methods collect invalid
// values, and Err returns all of them in one error. Parameters that no method
// reads are ignored, also if they are not well-formed.
type Query struct {
	values  url.Values
	invalid failure.Fields
}

// ReadQuery parses the query of a URL. Unlike url.ParseQuery it keeps a value that
// is not well-formed, as it was sent: no kind of parameter accepts it, so that it
// is invalid if it is read.
func ReadQuery(u *url.URL) *Query {
	q := &Query{values: url.Values{}}
	for parameter := range strings.SplitSeq(u.RawQuery, "&") {
		escapedName, escapedValue, _ := strings.Cut(parameter, "=")
		name, err := url.QueryUnescape(escapedName)
		if err != nil {
			continue
		}
		value, err := url.QueryUnescape(escapedValue)
		if err != nil {
			value = escapedValue
		}
		q.values[name] = append(q.values[name], value)
	}
	return q
}

// OneOf returns a parameter that must have one of the allowed values. It returns
// the empty string if the parameter is missing or invalid.
func (q *Query) OneOf(name string, allowed ...string) string {
	value, given := q.single(name)
	if given && !slices.Contains(allowed, value) {
		q.invalid.Add(name, "must be one of "+strings.Join(allowed, ", "))
		return ""
	}
	return value
}

// ID returns a parameter that must be an ID, and 0 if it is missing.
func (q *Query) ID(name string) int64 {
	value, given := q.single(name)
	if !given {
		return 0
	}
	id, ok := parseID(value)
	if !ok || id < 1 {
		q.invalid.Add(name, "must be "+failure.IDRange)
	}
	return id
}

// IDs returns a parameter that must be a comma-separated list of at most limit IDs.
// It returns nil if the parameter is missing or invalid.
func (q *Query) IDs(name string, limit int) []int64 {
	value, given := q.single(name)
	if !given {
		return nil
	}
	parts := strings.SplitN(value, ",", limit+1)
	ids := make([]int64, len(parts))
	for i, part := range parts {
		id, ok := parseID(part)
		if !ok || id < 1 || i >= limit {
			q.invalid.Add(name, "must be at most "+strconv.Itoa(limit)+" whole numbers from 1 to 9223372036854775807, separated by commas")
			return nil
		}
		ids[i] = id
	}
	return ids
}

// Limit returns the parameter limit, the size of a page, and DefaultLimit if it is
// missing.
func (q *Query) Limit() int {
	value, given := q.single("limit")
	if !given {
		return DefaultLimit
	}
	limit, err := strconv.Atoi(value)
	if err != nil || limit < 1 || limit > MaxLimit {
		q.invalid.Add("limit", "must be a whole number from 1 to "+strconv.Itoa(MaxLimit))
	}
	return limit
}

// Cursor returns the ID in the parameter cursor: the page begins after this ID. It
// returns 0 if the parameter is missing, which means the first page.
func (q *Query) Cursor() int64 {
	value, given := q.single("cursor")
	if !given {
		return 0
	}
	id, ok := parseCursor(value)
	if !ok {
		q.invalid.Add("cursor", "must be the unchanged next_cursor of an earlier response")
	}
	return id
}

// Reject adds a parameter to the invalid ones that Err names.
func (q *Query) Reject(name, message string) { q.invalid.Add(name, message) }

// Err returns an Invalid failure that names every invalid parameter, and nil if
// all are valid.
func (q *Query) Err() error { return q.invalid.Err() }

// single returns the value of a parameter, which must not be repeated.
func (q *Query) single(name string) (value string, given bool) {
	values := q.values[name]
	if len(values) > 1 {
		q.invalid.Add(name, "must be given once")
		return "", false
	}
	if len(values) == 0 {
		return "", false
	}
	return values[0], true
}

// cursorPrefix distinguishes this format of cursors from later ones.
const cursorPrefix = "after:"

// Cursor returns the opaque cursor of the page that begins after an ID.
func Cursor(after int64) string {
	return base64.RawURLEncoding.EncodeToString([]byte(cursorPrefix + strconv.FormatInt(after, 10)))
}

// Page returns the first limit items and the cursor of the next page, which is
// empty if there are no more. The caller passes up to limit+1 items: the last one
// only shows that another page exists.
func Page[T any](items []T, limit int, id func(T) int64) (page []T, next string) {
	if len(items) <= limit {
		return items, ""
	}
	return items[:limit], Cursor(id(items[limit-1]))
}

func parseCursor(text string) (after int64, ok bool) {
	plain, _ := base64.RawURLEncoding.DecodeString(text)
	after, _ = strconv.ParseInt(strings.TrimPrefix(string(plain), cursorPrefix), 10, 64)
	// Base64 has several texts for the same bytes; only the one that Cursor returns
	// is valid.
	return after, after > 0 && Cursor(after) == text
}
