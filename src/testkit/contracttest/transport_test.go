package contracttest_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"tandem/src/testkit/contracttest"
)

// fixedResponse is a service that sends the same response to every request.
type fixedResponse struct {
	status      int
	contentType string
	body        string
	headers     map[string]string
}

func (f fixedResponse) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	w.Header()["Content-Type"] = []string{f.contentType}
	if f.contentType == "" {
		w.Header()["Content-Type"] = nil
	}
	for name, value := range f.headers {
		w.Header().Set(name, value)
	}
	w.WriteHeader(f.status)
	if f.status != http.StatusNoContent {
		_, _ = io.WriteString(w, f.body)
	}
}

func withBody(status int, contentType, body string) fixedResponse {
	return fixedResponse{status: status, contentType: contentType, body: body}
}

func problem(status int, body string) fixedResponse {
	return withBody(status, "application/problem+json", body)
}

func (f fixedResponse) withHeader(name, value string) fixedResponse {
	f.headers = map[string]string{name: value}
	return f
}

const (
	noteTime = "2025-01-15T10:30:00Z"
	note     = `{"id":1,"text":"a","at":"` + noteTime + `"}`
	newNote  = `{"text":"a","copies":1,"price":0.1}`
)

// noteJSON returns a note with a text, given as JSON, and a time. More members,
// each followed by a comma, come first.
func noteJSON(text, at, more string) string {
	return `{` + more + `"id":1,"text":` + text + `,"at":"` + at + `"}`
}

// send sends a request to a service with a fixed response, through a transport
// of the contract.
func send(t *testing.T, c *contracttest.Contract, method, target, body string, response fixedResponse) {
	t.Helper()
	server := httptest.NewServer(response)
	defer server.Close()
	client := &http.Client{
		Transport:     c.Transport(server.Client().Transport),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	req, err := http.NewRequest(method, server.URL+target, strings.NewReader(body))
	require.NoError(t, err)
	if body == "" {
		req.Body = nil
	} else {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := client.Do(req)
	require.NoError(t, err)
	got, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	if method != http.MethodHead && response.status != http.StatusNoContent {
		require.Equal(t, response.body, string(got), "the client must get the body")
	}
}

func TestTransport(t *testing.T) {
	t.Run("accepts an exchange that matches the document", func(t *testing.T) {
		list := withBody(200, "application/json; charset=utf-8", "["+note+"]")
		for name, test := range map[string]struct {
			method, target, body string
			response             fixedResponse
		}{
			"list":                     {"GET", "/notes?limit=1&unknown=x", "", list},
			"comma list":               {"GET", "/notes?ids=1,2", "", list},
			"escaped comma list":       {"GET", "/notes?ids=1%2C2", "", list},
			"HEAD of a list":           {"HEAD", "/notes", "", list},
			"create":                   {"POST", "/notes", newNote, withBody(201, "application/json", note)},
			"no body":                  {"DELETE", "/notes/1", "", fixedResponse{status: 204}},
			"required header":          {"GET", "/notes", "", problem(503, `{"title":"t","status":503}`).withHeader("Retry-After", "1")},
			"invalid request rejected": {"POST", "/notes", `{"text":""}`, problem(400, `{"title":"t","status":400}`)},
			"valid request rejected":   {"POST", "/notes", newNote, problem(400, `{"title":"t","status":400}`)},
			"yaml":                     {"GET", "/document", "", withBody(200, "application/yaml", "openapi: 3.0.3\n")},
			"text":                     {"GET", "/metrics", "", withBody(200, "text/plain; version=0.0.4", "up 1\n")},
			"unknown path":             {"GET", "/nowhere", "", problem(404, `{"title":"t","status":404}`)},
			"unknown path by HEAD":     {"HEAD", "/nowhere", "", problem(404, `{"title":"t","status":404}`)},
			"unknown method":           {"PUT", "/notes/1", "", problem(405, `{"title":"t","status":405}`).withHeader("Allow", "DELETE")},
		} {
			t.Run(name, func(t *testing.T) {
				contract, recorded := load(t, notes)
				send(t, contract, test.method, test.target, test.body, test.response)
				require.Empty(t, recorded.failures)
			})
		}
	})
	t.Run("reports an exchange that violates the document", func(t *testing.T) {
		created := func(body string) fixedResponse {
			return withBody(201, "application/json", body)
		}
		list := withBody(200, "application/json", "[]")
		for name, test := range map[string]struct {
			method, target, body string
			response             fixedResponse
			want                 string
		}{
			"undocumented status":         {"GET", "/notes", "", withBody(202, "application/json", "[]"), "the status is not documented"},
			"undocumented redirect":       {"GET", "/notes", "", fixedResponse{status: 301}.withHeader("Location", "/x"), "the status is not documented"},
			"undocumented status HEAD":    {"HEAD", "/notes", "", fixedResponse{status: 202, contentType: "application/json"}, "the status is not documented"},
			"other content type":          {"GET", "/notes", "", withBody(200, "text/html", "[]"), `the content type "text/html" is not documented`},
			"other content type HEAD":     {"HEAD", "/notes", "", fixedResponse{status: 200, contentType: "text/html"}, `the content type "text/html" is not documented`},
			"no content type":             {"GET", "/notes", "", fixedResponse{status: 200, body: "[]"}, `the content type "" is not documented`},
			"missing member":              {"POST", "/notes", newNote, created(`{"id":1,"at":"2025-01-15T10:30:00Z"}`), `property "text" is missing`},
			"undocumented member":         {"POST", "/notes", newNote, created(noteJSON(`"a"`, noteTime, `"more":1,`)), `property "more" is unsupported`},
			"null member":                 {"POST", "/notes", newNote, created(noteJSON("null", noteTime, "")), `/text`},
			"day out of range":            {"POST", "/notes", newNote, created(noteJSON(`"a"`, "2025-02-30T10:30:00Z", "")), "date-time"},
			"date without time":           {"POST", "/notes", newNote, created(noteJSON(`"a"`, "2025-01-15", "")), "date-time"},
			"invalid address":             {"POST", "/notes", newNote, created(noteJSON(`"a"`, noteTime, `"email":"a@",`)), "email"},
			"address with a name":         {"POST", "/notes", newNote, created(noteJSON(`"a"`, noteTime, `"email":"A <a@b.c>",`)), "email"},
			"malformed JSON":              {"GET", "/notes", "", withBody(200, "application/json", "["+note), "malformed"},
			"two JSON values":             {"GET", "/notes", "", withBody(200, "application/json", "[] []"), "trailing text"},
			"duplicate member":            {"POST", "/notes", newNote, created(noteJSON(`"a"`, noteTime, `"id":1,`)), "a duplicate name"},
			"missing header":              {"GET", "/notes", "", problem(503, `{"title":"t","status":503}`), `header "Retry-After" missing`},
			"invalid header":              {"GET", "/notes", "", problem(503, `{"title":"t","status":503}`).withHeader("Retry-After", "soon"), "Retry-After"},
			"problem of other status":     {"POST", "/notes", newNote, problem(400, `{"title":"t","status":409}`), "the status in the problem is 409"},
			"other YAML":                  {"GET", "/document", "", withBody(200, "application/yaml", "a: 1\n"), `property "openapi" is missing`},
			"empty text":                  {"GET", "/metrics", "", fixedResponse{status: 200, contentType: "text/plain"}, "minimum string length"},
			"invalid query accepted":      {"GET", "/notes?limit=0", "", list, "the status must be 4xx"},
			"too many ids accepted":       {"GET", "/notes?ids=1,2,3", "", list, "the status must be 4xx"},
			"invalid path accepted":       {"DELETE", "/notes/x", "", fixedResponse{status: 204}, "the status must be 4xx"},
			"invalid body accepted":       {"POST", "/notes", `{"text":"a","copies":"1","price":1}`, created(note), "the status must be 4xx"},
			"trailing text accepted":      {"POST", "/notes", newNote + "x", created(note), "trailing text"},
			"duplicate name accepted":     {"POST", "/notes", `{"text":"b","text":"a","copies":1,"price":0.1}`, created(note), "a duplicate name"},
			"missing body accepted":       {"POST", "/notes", "", created(note), "the status must be 4xx"},
			"invalid query gets 503":      {"GET", "/notes?limit=x", "", problem(503, `{"title":"t","status":503}`).withHeader("Retry-After", "1"), "the status must be 4xx"},
			"unknown path accepted":       {"GET", "/nowhere", "", list, "the path is not documented"},
			"trailing slash accepted":     {"GET", "/notes/", "", list, "the path is not documented"},
			"unknown method accepted":     {"PUT", "/notes", newNote, list, "the method is not documented"},
			"plain 404":                   {"GET", "/nowhere", "", withBody(404, "text/plain", "no"), `the content type "text/plain" is not documented`},
			"404 with an invalid problem": {"GET", "/nowhere", "", problem(404, `{"status":404}`), `property "title" is missing`},
			"405 without Allow":           {"PUT", "/notes", newNote, problem(405, `{"title":"t","status":405}`), "Allow is missing"},
		} {
			t.Run(name, func(t *testing.T) {
				contract, recorded := load(t, notes)
				send(t, contract, test.method, test.target, test.body, test.response)
				require.Len(t, recorded.failures, 1)
				require.Contains(t, recorded.failures[0], test.want)
				require.Contains(t, recorded.failures[0], test.method+" "+test.target+" got status ")
			})
		}
	})
	t.Run("reports an undocumented body", func(t *testing.T) {
		contract, recorded := load(t, strings.Replace(notes, "'204'", "'200'", 1))
		send(t, contract, "DELETE", "/notes/1", "", withBody(200, "application/json", "{}"))
		require.Len(t, recorded.failures, 1)
		require.Contains(t, recorded.failures[0], "a body is not documented")
	})
	t.Run("reports a document without the schema Problem", func(t *testing.T) {
		contract, recorded := load(t, `{openapi: 3.0.3, info: {title: t, version: v}, paths: {}}`)
		send(t, contract, "GET", "/x", "", problem(404, `{}`))
		require.Len(t, recorded.failures, 1)
		require.Contains(t, recorded.failures[0], "no schema Problem")
	})
	t.Run("passes the request body on", func(t *testing.T) {
		contract, recorded := load(t, notes)
		transport := contract.Transport(roundTripper(func(req *http.Request) (*http.Response, error) {
			body, err := io.ReadAll(req.Body)
			require.NoError(t, err)
			require.Equal(t, newNote, string(body))
			again, err := req.GetBody()
			require.NoError(t, err)
			body, err = io.ReadAll(again)
			require.NoError(t, err)
			require.Equal(t, newNote, string(body))
			w := httptest.NewRecorder()
			withBody(201, "application/json", note).ServeHTTP(w, req)
			return w.Result(), nil
		}))
		req := httptest.NewRequest("POST", "http://x/notes", strings.NewReader(newNote))
		req.Header.Set("Content-Type", "application/json")
		_, err := transport.RoundTrip(req)
		require.NoError(t, err)
		require.Empty(t, recorded.failures)
	})
	t.Run("passes errors on without comparison", func(t *testing.T) {
		contract, recorded := load(t, notes)
		fail := roundTripper(func(*http.Request) (*http.Response, error) { return nil, io.ErrClosedPipe })
		_, err := contract.Transport(fail).RoundTrip(httptest.NewRequest("GET", "/notes", nil))
		require.ErrorIs(t, err, io.ErrClosedPipe)

		req := httptest.NewRequest("POST", "/notes", iotest.ErrReader(io.ErrNoProgress))
		_, err = contract.Transport(fail).RoundTrip(req)
		require.ErrorIs(t, err, io.ErrNoProgress)

		truncate := roundTripper(func(*http.Request) (*http.Response, error) {
			body := io.MultiReader(strings.NewReader("[{"), iotest.ErrReader(io.ErrUnexpectedEOF))
			return &http.Response{StatusCode: 200, Body: io.NopCloser(body)}, nil
		})
		resp, err := contract.Transport(truncate).RoundTrip(httptest.NewRequest("GET", "/notes", nil))
		require.NoError(t, err)
		got, err := io.ReadAll(resp.Body)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		require.Equal(t, "[{", string(got))
		require.Empty(t, recorded.failures)
	})
	t.Run("is safe for concurrent use", func(t *testing.T) {
		contract, recorded := load(t, notes)
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				send(t, contract, "POST", "/notes", newNote, withBody(201, "application/json", note))
			})
		}
		all.Wait()
		require.Empty(t, recorded.failures)
	})
	t.Run("uses the default transport without next", func(t *testing.T) {
		contract, recorded := load(t, notes)
		server := httptest.NewServer(withBody(200, "application/json", "[]"))
		defer server.Close()
		client := &http.Client{Transport: contract.Transport(nil)}
		resp, err := client.Get(server.URL + "/notes")
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Empty(t, recorded.failures)
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }
