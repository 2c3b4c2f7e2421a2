package web_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tandem/src/chassis/decimal"
	"tandem/src/chassis/failure"
	"tandem/src/chassis/web"
)

func TestReadBody(t *testing.T) {
	t.Run("requires Content-Type application/json", func(t *testing.T) {
		for _, mediaType := range []string{
			"application/json", "application/json; charset=utf-8", "Application/JSON;charset=UTF-8", " application/json ",
			"application/json; charset", "application/json;", "application/json ; =", "application/json; a=1; a=2", `application/json; x="`,
		} {
			_, err := readBody(mediaType, "{}")
			require.NoError(t, err, mediaType)
		}
		for _, mediaType := range []string{
			"", "text/plain", "application/jsonp", "application/x-www-form-urlencoded",
			"application/json,text/plain", "/", "application/problem+json",
		} {
			_, err := readBody(mediaType, "{}")
			require.Equal(t, failure.UnsupportedMediaType, failure.CodeOf(err), mediaType)
		}
		s := newService(t)
		r := newPost("/things", "text/plain", strings.NewReader(`{"name":"x"}`))
		require.Contains(t, requireProblem(t, s.serve(r), http.StatusUnsupportedMediaType)["error"], "application/json")
	})

	t.Run("takes application/merge-patch+json on PATCH", func(t *testing.T) {
		for method, want := range map[string]failure.Code{"PATCH": "", "POST": failure.UnsupportedMediaType} {
			for _, mediaType := range []string{"application/merge-patch+json", "Application/Merge-Patch+JSON; charset=utf-8"} {
				r := httptest.NewRequest(method, "/", strings.NewReader("{}"))
				r.Header.Set("Content-Type", mediaType)
				_, err := web.ReadBody(httptest.NewRecorder(), r)
				require.Equal(t, want, failure.CodeOf(err), "%s %s", method, mediaType)
			}
		}
		r := httptest.NewRequest("PATCH", "/", strings.NewReader("{}"))
		r.Header.Set("Content-Type", "application/json-patch+json")
		w := httptest.NewRecorder()
		_, err := web.ReadBody(w, r)
		require.Equal(t, failure.UnsupportedMediaType, failure.CodeOf(err))
		require.Equal(t, "application/json, application/merge-patch+json", w.Header().Get("Accept-Patch"))
		require.ErrorContains(t, err, "application/merge-patch+json")
	})

	t.Run("responds with 415 to a compressed body", func(t *testing.T) {
		for encoding, named := range map[string]string{
			"gzip": "gzip", "GZIP": "GZIP", "identity, br": "identity, br", "x": "x", strings.Repeat("y", 60_000): strings.Repeat("y", 256) + "…",
		} {
			s := newService(t)
			r := newPost("/things", "application/json", strings.NewReader(`{"name":"x"}`))
			r.Header.Set("Content-Encoding", encoding)
			w := s.serve(r)
			members := requireProblem(t, w, http.StatusUnsupportedMediaType)
			require.Equal(t, "Send the body without Content-Encoding: "+named+" is not supported.", members["error"])
			require.Equal(t, "identity", w.Header().Get("Accept-Encoding"))
			require.Empty(t, w.Header().Get("Accept-Patch"))
		}
		for _, encoding := range []string{"", "identity", "Identity"} {
			r := newPost("/things", "application/json", strings.NewReader(`{"name":"x"}`))
			r.Header.Set("Content-Encoding", encoding)
			require.Equal(t, http.StatusCreated, newService(t).serve(r).Code)
		}
	})

	t.Run("responds with 413 to a body over 1 MiB", func(t *testing.T) {
		fitting := `{"name":"` + strings.Repeat("x", web.MaxBody-len(`{"name":""}`)) + `"}`
		require.Len(t, fitting, web.MaxBody)
		s := newService(t)
		server := s.start(t)
		for name, wrap := range map[string]func(string) io.Reader{
			"with Content-Length": func(text string) io.Reader { return strings.NewReader(text) },
			"chunked":             func(text string) io.Reader { return io.MultiReader(strings.NewReader(text)) },
		} {
			t.Run(name, func(t *testing.T) {
				response, err := server.Client().Post(server.URL+"/things", "application/json", wrap(fitting))
				require.NoError(t, err)
				_, _ = io.Copy(io.Discard, response.Body)
				require.NoError(t, response.Body.Close())
				require.Equal(t, http.StatusCreated, response.StatusCode, "a body of the maximum size is read")

				response, err = server.Client().Post(server.URL+"/things", "application/json", wrap(fitting+" "))
				require.NoError(t, err)
				defer response.Body.Close()
				require.Equal(t, http.StatusRequestEntityTooLarge, response.StatusCode)
				members := requireProblemBody(t, response.Header, http.StatusRequestEntityTooLarge, response.Body)
				require.Equal(t, "The body is larger than 1048576 bytes.", members["error"])
			})
		}
	})

	t.Run("responds with 400 to a body that ends early", func(t *testing.T) {
		r := newPost("/", "application/json", io.MultiReader(strings.NewReader(`{"a":`), failingReader{}))
		_, err := web.ReadBody(httptest.NewRecorder(), r)
		require.Equal(t, failure.Invalid, failure.CodeOf(err))
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		require.ErrorContains(t, err, "did not arrive whole")
	})

	t.Run("says where a body is not a valid JSON object", func(t *testing.T) {
		const object, syntax = "The body must be a JSON object, not ", "The body is not valid JSON: syntax error at byte "
		tests := map[string]struct{ text, want string }{
			"null":                    {`null`, object + "null."},
			"list":                    {`[{"name":"x"}]`, object + "a list."},
			"number":                  {`7`, object + "a number."},
			"string":                  {`"x"`, object + "a string."},
			"boolean":                 {`true`, object + "a boolean."},
			"empty":                   {``, syntax + "0."},
			"spaces":                  {"  \n", syntax + "3."},
			"cut off":                 {`{"name": "x"`, syntax + "12."},
			"no quotes":               {`{key: "x"}`, syntax + "1."},
			"single quotes":           {`{'name': "x"}`, syntax + "1."},
			"trailing comma":          {`{"a": 1,}`, syntax + "7."},
			"missing comma":           {`{"a": 1 "b": 2}`, syntax + "8."},
			"comment":                 {`{"a": 1} // x`, syntax + "9."},
			"trailing text":           {`{"a": 1} x`, syntax + "9."},
			"two objects":             {`{}{}`, syntax + "2."},
			"leading zero":            {`{"a": 01}`, syntax + "7."},
			"plus sign":               {`{"a": +1}`, syntax + "6."},
			"NaN":                     {`{"a": NaN}`, syntax + "6."},
			"not UTF-8":               {"{\"a\": \"\xff\"}", syntax + "7."},
			"half a surrogate pair":   {`{"a": "\ud800"}`, syntax + "7."},
			"control character":       {"{\"a\": \"\n\"}", syntax + "7."},
			"byte order mark":         {"\uFEFF{}", "The body begins with a byte order mark; send it without."},
			"member twice":            {`{"a": 1, "a": 2}`, "The body is not usable JSON: it names a member twice, at byte 9."},
			"member twice by escapes": {`{"a": 1, "\u0061": 2}`, "The body is not usable JSON: it names a member twice, at byte 9."},
			"member twice deeper":     {`{"a": {"b": 1, "b": 2}}`, "The body is not usable JSON: it names a member twice, at byte 15."},
		}
		for name, tt := range tests {
			t.Run(name, func(t *testing.T) {
				_, err := readBody("application/json", tt.text)
				shown, isFailure := errors.AsType[*failure.Error](err)
				require.True(t, isFailure, "%v", err)
				require.Equal(t, failure.Invalid, shown.Code)
				require.Equal(t, tt.want, shown.Message)
				require.Empty(t, shown.Fields)
			})
		}
	})

	t.Run("refuses deep nesting", func(t *testing.T) {
		for _, text := range []string{strings.Repeat("[", 100_000), `{"a":` + strings.Repeat("[", 100_000), strings.Repeat(`{"a":`, 100_000)} {
			_, err := readBody("application/json", text)
			require.Equal(t, failure.Invalid, failure.CodeOf(err))
		}
	})
}

func TestBody(t *testing.T) {
	t.Run("reads members by type", func(t *testing.T) {
		body := parseBody(t, `{"s": "ü\u0000\"", "empty": "", "yes": true, "no": false, "n": 7, "price": 899.99, "unknown": [null]}`)
		require.Equal(t, "ü\x00\"", body.String("s"))
		require.Empty(t, body.String("empty"))
		require.Equal(t, "ü\x00\"", *body.OptionalString("s"))
		require.Nil(t, body.OptionalString("missing"))
		require.True(t, *body.OptionalBool("yes"))
		require.False(t, *body.OptionalBool("no"))
		require.Nil(t, body.OptionalBool("missing"))
		require.EqualValues(t, 7, body.Int("n"))
		require.Equal(t, decimal.Cents(89999), body.Cents("price"))
		require.NoError(t, body.Err(nil))
	})

	t.Run("reads a number by its value, not its spelling", func(t *testing.T) {
		tests := []struct {
			literal    string
			whole      int64
			wholeError string
			cents      decimal.Cents
			centsError string
		}{
			{"2", 2, "", 200, ""},
			{"1000000000000000000", 1e18, "", math.MinInt64, outOfRange},
			{"9223372036854775807", math.MaxInt64, "", math.MinInt64, outOfRange},
			{"-9223372036854775808", math.MinInt64, "", math.MinInt64, outOfRange},
			{"9223372036854775807.00e0", math.MaxInt64, "", math.MinInt64, outOfRange},
			{"2.0", 2, "", 200, ""},
			{"2e0", 2, "", 200, ""},
			{"20E-1", 2, "", 200, ""},
			{"0.02e+2", 2, "", 200, ""},
			{"-0", 0, "", 0, ""},
			{"-0.0", 0, "", 0, ""},
			{"0e999999999999", 0, "", 0, ""},
			{"-3", -3, "", -300, ""},
			{"1.5", 0, "must be a whole number", 150, ""},
			{"1.005", 0, "must be a whole number", 0, "must be a number with at most 2 decimals"},
			{"1e-400", 0, "must be a whole number", 0, "must be a number with at most 2 decimals"},
			{"1e400", math.MinInt64, outOfRange, math.MinInt64, outOfRange},
			{"-1e400", math.MinInt64, outOfRange, math.MinInt64, outOfRange},
			{"9223372036854775808", math.MinInt64, outOfRange, math.MinInt64, outOfRange},
			{`"2"`, 0, "must be a whole number", 0, "must be a number with at most 2 decimals"},
			{`null`, 0, "must be a whole number", 0, "must be a number with at most 2 decimals"},
			{`true`, 0, "must be a whole number", 0, "must be a number with at most 2 decimals"},
			{`[2]`, 0, "must be a whole number", 0, "must be a number with at most 2 decimals"},
		}
		for _, tt := range tests {
			t.Run(tt.literal, func(t *testing.T) {
				body := parseBody(t, `{"n": `+tt.literal+`}`)
				require.Equal(t, tt.whole, body.Int("n"))
				requireInvalid(t, body, tt.wholeError)
				body = parseBody(t, `{"n": `+tt.literal+`}`)
				require.Equal(t, tt.cents, body.Cents("n"))
				requireInvalid(t, body, tt.centsError)
			})
		}
	})

	t.Run("prefers the rule of the domain to a number that is out of range", func(t *testing.T) {
		body := parseBody(t, `{"n": 1e400, "other": -1e400}`)
		require.EqualValues(t, math.MinInt64, body.Int("n"))
		body.Int("other")
		broken := failure.Fields{{Name: "n", Message: "must be a whole number from 1 to 9"}}
		require.Equal(t, []failure.Field{
			{Name: "n", Message: "must be a whole number from 1 to 9"}, {Name: "other", Message: outOfRange},
		}, invalidFields(t, body.Err(broken)))
	})

	t.Run("names all invalid members in one error", func(t *testing.T) {
		body := parseBody(t, `{"name": 1, "email": null, "active": "true", "age": "2", "price": 1.005, "city": ""}`)
		body.String("name")
		body.OptionalString("email")
		body.OptionalBool("active")
		body.Int("age")
		body.Cents("price")
		body.String("city")
		body.String("street")
		body.Int("number")
		violations := failure.Fields{{Name: "city", Message: "must be longer"}, {Name: "name", Message: "must be longer"}}
		require.Equal(t, []failure.Field{
			{Name: "name", Message: "must be a string"},
			{Name: "email", Message: "must be a string"},
			{Name: "active", Message: "must be true or false"},
			{Name: "age", Message: "must be a whole number"},
			{Name: "price", Message: "must be a number with at most 2 decimals"},
			{Name: "street", Message: "is required"},
			{Name: "number", Message: "is required"},
			{Name: "city", Message: "must be longer"}, // name appears once, for its type
		}, invalidFields(t, body.Err(violations)))
	})
}

// outOfRange is the message for a number that no int64 has.
const outOfRange = "is out of range"

func readBody(mediaType, text string) (*web.Body, error) {
	return web.ReadBody(httptest.NewRecorder(), newPost("/", mediaType, strings.NewReader(text)))
}

// parseBody returns a body that must be valid.
func parseBody(t *testing.T, text string) *web.Body {
	t.Helper()
	body, err := readBody("application/json", text)
	require.NoError(t, err)
	return body
}

type failingReader struct{}

func (failingReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func requireInvalid(t *testing.T, body *web.Body, why string) {
	t.Helper()
	if why == "" {
		require.NoError(t, body.Err(nil))
		return
	}
	require.Equal(t, []failure.Field{{Name: "n", Message: why}}, invalidFields(t, body.Err(nil)))
}

func invalidFields(t *testing.T, err error) []failure.Field {
	t.Helper()
	invalid, isFailure := errors.AsType[*failure.Error](err)
	require.True(t, isFailure, "%v", err)
	require.Equal(t, failure.Invalid, invalid.Code)
	return invalid.Fields
}

// FuzzReadBody checks that ReadBody returns either an object whose members can be
// read or a failure that blames the caller.
func FuzzReadBody(f *testing.F) {
	for _, seed := range []string{
		`{}`, `null`, `[]`, `{"a": 1}`, `{"a": "\ud83d\ude00", "b": true}`, `{"a": 1e400}`, `{"a": -0.0}`, `{"a": 1, "a": 2}`,
		`{"a": {"b": [1, null]}} x`, "{\"a\": \"\xff\"}", `[[[[`, ``,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		r := newPost("/", "application/json", bytes.NewReader(text))
		body, err := web.ReadBody(httptest.NewRecorder(), r)
		if err != nil {
			require.Contains(t, []failure.Code{failure.Invalid, failure.TooLarge}, failure.CodeOf(err))
			return
		}
		var members map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(text, &members), "encoding/json accepts all that ReadBody accepts")
		for name, value := range members {
			text := body.OptionalString(name)
			require.Equal(t, value[0] == '"', text != nil)
			require.Equal(t, value[0] == 't' || value[0] == 'f', body.OptionalBool(name) != nil)
			body.Int(name)
			body.Cents(name)
			require.Error(t, body.Err(nil), "no value has the type of every method")
		}
		body = parseBody(t, string(text))
		require.NoError(t, body.Err(nil), "members that no method reads are ignored")
	})
}
