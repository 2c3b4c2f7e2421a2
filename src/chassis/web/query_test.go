package web_test

import (
	"encoding/base64"
	"math"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"tandem/src/chassis/failure"
	"tandem/src/chassis/web"
)

func TestQuery(t *testing.T) {
	t.Run("reads each kind of parameter", func(t *testing.T) {
		const (
			choice = "must be one of true, false, all"
			list   = "must be at most 3 whole numbers from 1 to 9223372036854775807, separated by commas"
			limit  = "must be a whole number from 1 to 500"
			cursor = "must be the unchanged next_cursor of an earlier response"
		)
		text := func(q *web.Query) any { return q.OneOf("v", "true", "false", "all") }
		id := func(q *web.Query) any { return q.ID("v") }
		ids := func(q *web.Query) any { return q.IDs("v", 3) }
		limits := func(q *web.Query) any { return q.Limit() }
		cursors := func(q *web.Query) any { return q.Cursor() }
		var none []int64
		tests := []struct {
			name  string
			read  func(*web.Query) any
			query string
			want  any    // if the value is valid
			wrong string // the message if it is not
		}{
			{"text", text, "", "", ""},
			{"text", text, "w=1", "", ""},
			{"text", text, "v=all", "all", ""},
			{"text", text, "v=", nil, choice},
			{"text", text, "v", nil, choice},
			{"text", text, "v=All", nil, choice},
			{"text", text, "v=true,false", nil, choice},
			{"text", text, "v=all&v=all", nil, repeated},

			{"id", id, "", int64(0), ""},
			{"id", id, "v=1", int64(1), ""},
			{"id", id, "v=9223372036854775807", int64(math.MaxInt64), ""},
			{"id", id, "v=9223372036854775808", nil, notID},
			{"id", id, "v=0", nil, notID},
			{"id", id, "v=-1", nil, notID},
			{"id", id, "v=1.0", nil, notID},
			{"id", id, "v=x", nil, notID},
			{"id", id, "v=", nil, notID},
			{"id", id, "v=+1", nil, notID},
			{"id", id, "v=1&v=2", nil, repeated},

			{"ids", ids, "", none, ""},
			{"ids", ids, "v=1", []int64{1}, ""},
			{"ids", ids, "v=3,1,2", []int64{3, 1, 2}, ""},
			{"ids", ids, "v=1%2C2", []int64{1, 2}, ""},
			{"ids", ids, "v=1,1", []int64{1, 1}, ""},
			{"ids", ids, "v=1,2,3,4", nil, list},
			{"ids", ids, "v=1,2,3,", nil, list},
			{"ids", ids, "v=", nil, list},
			{"ids", ids, "v=,", nil, list},
			{"ids", ids, "v=1,,2", nil, list},
			{"ids", ids, "v=1, 2", nil, list},
			{"ids", ids, "v=0", nil, list},
			{"ids", ids, "v=x", nil, list},
			{"ids", ids, "v=1&v=2", nil, repeated},

			{"limit", limits, "", web.DefaultLimit, ""},
			{"limit", limits, "limit=1", 1, ""},
			{"limit", limits, "limit=500", 500, ""},
			{"limit", limits, "limit=501", nil, limit},
			{"limit", limits, "limit=0", nil, limit},
			{"limit", limits, "limit=-1", nil, limit},
			{"limit", limits, "limit=", nil, limit},
			{"limit", limits, "limit=ten", nil, limit},
			{"limit", limits, "limit=1e2", nil, limit},
			{"limit", limits, "limit=1&limit=1", nil, repeated},

			{"cursor", cursors, "", int64(0), ""},
			{"cursor", cursors, "cursor=" + web.Cursor(7), int64(7), ""},
			{"cursor", cursors, "cursor=" + web.Cursor(7) + "=", nil, cursor},
			{"cursor", cursors, "cursor=" + web.Cursor(0), nil, cursor},
			{"cursor", cursors, "cursor=" + web.Cursor(-7), nil, cursor},
			{"cursor", cursors, "cursor=YWZ0ZXI6Nx", nil, cursor}, // differs from Cursor(7) only in bits that base64 ignores
			{"cursor", cursors, "cursor=YWZ0%0AZXI6Nw", nil, cursor},
			{"cursor", cursors, "cursor=" + encodeCursor("after:9223372036854775808"), nil, cursor},
			{"cursor", cursors, "cursor=7", nil, cursor},
			{"cursor", cursors, "cursor=", nil, cursor},
			{"cursor", cursors, "cursor=" + encodeCursor("after:007"), nil, cursor},
			{"cursor", cursors, "cursor=" + encodeCursor("after:+7"), nil, cursor},
			{"cursor", cursors, "cursor=" + encodeCursor("after:"), nil, cursor},
			{"cursor", cursors, "cursor=" + encodeCursor("before:7"), nil, cursor},
			{"cursor", cursors, "cursor=" + encodeCursor("7"), nil, cursor},
			{"cursor", cursors, "cursor=" + web.Cursor(7) + "&cursor=" + web.Cursor(7), nil, repeated},
		}
		for _, tt := range tests {
			t.Run(tt.name+" "+tt.query, func(t *testing.T) {
				q := parseQuery(tt.query)
				got := tt.read(q)
				if tt.wrong == "" {
					require.NoError(t, q.Err())
					require.Equal(t, tt.want, got)
					return
				}
				name := "v"
				if tt.name == "limit" || tt.name == "cursor" {
					name = tt.name
				}
				require.Equal(t, []failure.Field{{Name: name, Message: tt.wrong}}, invalidFields(t, q.Err()))
			})
		}
	})

	t.Run("names all invalid parameters in one error", func(t *testing.T) {
		q := parseQuery("user_id=x&status=nope&limit=0&cursor=*&ids=1,x&extra=1")
		q.ID("user_id")
		q.OneOf("status", "pending")
		q.Limit()
		q.Cursor()
		q.IDs("ids", 100)
		q.Reject("expand", "needs a limit of at most 100")
		var names []string
		for _, field := range invalidFields(t, q.Err()) {
			names = append(names, field.Name)
		}
		require.Equal(t, []string{"user_id", "status", "limit", "cursor", "ids", "expand"}, names)
	})

	t.Run("ignores a parameter that is not well-formed unless it is read", func(t *testing.T) {
		for _, text := range []string{"a=%zz", "a=%", "a=1;b=2", "utm=a;b", "note=100%", "%=1", ";", "&&=", "limi%=3"} {
			q := parseQuery(text + "&limit=7&" + text)
			require.Equal(t, 7, q.Limit(), text)
			require.NoError(t, q.Err(), text)
		}
		for _, text := range []string{"limit=%zz", "limit=7%", "limit=7;b=2", "limit=7&limit=%", "li%6dit=%"} {
			q := parseQuery(text)
			q.Limit()
			require.Equal(t, "limit", invalidFields(t, q.Err())[0].Name, text)
		}
	})

	t.Run("reads what url.ParseQuery reads", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			want := rapid.MapOf(rapid.String(), rapid.String()).Draw(t, "parameters")
			values := url.Values{}
			for name, value := range want {
				values.Set(name, value)
			}
			q := parseQuery(values.Encode())
			for name, value := range want {
				if got := q.OneOf(name, value); got != value || q.Err() != nil {
					t.Fatalf("%q is %q, not %q: %v", name, got, value, q.Err())
				}
			}
		})
	})

	t.Run("does not split a list beyond the limit", func(t *testing.T) {
		q := parseQuery("ids=" + strings.Repeat("1,", 1<<20))
		require.Nil(t, q.IDs("ids", 100))
		require.Error(t, q.Err())
	})
}

func TestCursor(t *testing.T) {
	t.Run("returns each ID unchanged", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			id := rapid.Int64Range(1, math.MaxInt64).Draw(t, "id")
			cursor := web.Cursor(id)
			if url.QueryEscape(cursor) != cursor {
				t.Fatalf("%q needs escaping", cursor)
			}
			q := parseQuery("cursor=" + cursor)
			if got := q.Cursor(); got != id || q.Err() != nil {
				t.Fatalf("%d became %d, %v", id, got, q.Err())
			}
		})
	})
}

func parseQuery(text string) *web.Query { return web.ReadQuery(&url.URL{RawQuery: text}) }

const (
	repeated = "must be given once"
	notID    = "must be a whole number from 1 to 9223372036854775807"
)

func encodeCursor(plain string) string { return base64.RawURLEncoding.EncodeToString([]byte(plain)) }

// FuzzCursor checks that a text is accepted as a cursor only if it is exactly what
// Cursor returns for the ID.
func FuzzCursor(f *testing.F) {
	for _, seed := range []string{
		web.Cursor(1), web.Cursor(math.MaxInt64), web.Cursor(0), web.Cursor(7) + "=", encodeCursor("after:+7"),
		"YWZ0\nZXI6Nw", "", "*", strconv.Itoa(7),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		q := parseQuery("cursor=" + url.QueryEscape(text))
		id := q.Cursor()
		if q.Err() == nil {
			require.Equal(t, text, web.Cursor(id))
			require.Positive(t, id)
		}
	})
}
