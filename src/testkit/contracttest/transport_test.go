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

// answer is what a service says, whatever it is asked.
type answer struct {
	status  int
	mime    string
	body    string
	headers map[string]string
}

func (a answer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	w.Header()["Content-Type"] = []string{a.mime}
	if a.mime == "" {
		w.Header()["Content-Type"] = nil
	}
	for name, value := range a.headers {
		w.Header().Set(name, value)
	}
	w.WriteHeader(a.status)
	if a.status != http.StatusNoContent {
		_, _ = io.WriteString(w, a.body)
	}
}

func problem(status int, body string) answer {
	return answer{status: status, mime: "application/problem+json", body: body}
}

func (a answer) with(name, value string) answer {
	a.headers = map[string]string{name: value}
	return a
}

const (
	note    = `{"id":1,"text":"a","at":"2025-01-15T10:30:00Z"}`
	newNote = `{"text":"a","copies":1,"price":0.1}`
)

// ask sends one request through a transport of the contract to a service that
// gives that answer.
func ask(t *testing.T, c *contracttest.Contract, method, target, body string, a answer) {
	t.Helper()
	server := httptest.NewServer(a)
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
	if method != http.MethodHead && a.status != http.StatusNoContent {
		require.Equal(t, a.body, string(got), "the body must reach the client")
	}
}

func TestTransportAcceptsWhatMatchesTheDocument(t *testing.T) {
	list := answer{status: 200, mime: "application/json; charset=utf-8", body: "[" + note + "]"}
	for name, x := range map[string]struct {
		method, target, body string
		answer               answer
	}{
		"list":                  {"GET", "/notes?limit=1&unknown=x", "", list},
		"comma list":            {"GET", "/notes?ids=1,2", "", list},
		"escaped comma list":    {"GET", "/notes?ids=1%2C2", "", list},
		"HEAD of a list":        {"HEAD", "/notes", "", list},
		"create":                {"POST", "/notes", newNote, answer{status: 201, mime: "application/json", body: note}},
		"no body":               {"DELETE", "/notes/1", "", answer{status: 204}},
		"required header":       {"GET", "/notes", "", problem(503, `{"title":"t","status":503}`).with("Retry-After", "1")},
		"wrong request refused": {"POST", "/notes", `{"text":""}`, problem(400, `{"title":"t","status":400}`)},
		"right request refused": {"POST", "/notes", newNote, problem(400, `{"title":"t","status":400}`)},
		"yaml":                  {"GET", "/document", "", answer{status: 200, mime: "application/yaml", body: "openapi: 3.0.3\n"}},
		"text":                  {"GET", "/metrics", "", answer{status: 200, mime: "text/plain; version=0.0.4", body: "up 1\n"}},
		"unknown path":          {"GET", "/nowhere", "", problem(404, `{"title":"t","status":404}`)},
		"unknown path by HEAD":  {"HEAD", "/nowhere", "", problem(404, `{"title":"t","status":404}`)},
		"unknown method":        {"PUT", "/notes/1", "", problem(405, `{"title":"t","status":405}`).with("Allow", "DELETE")},
	} {
		t.Run(name, func(t *testing.T) {
			contract, recorded := load(t, notes)
			ask(t, contract, x.method, x.target, x.body, x.answer)
			require.Empty(t, recorded.failures)
		})
	}
}

func TestTransportReportsWhatTheDocumentDoesNotSay(t *testing.T) {
	created := func(body string) answer { return answer{status: 201, mime: "application/json", body: body} }
	list := answer{status: 200, mime: "application/json", body: "[]"}
	for name, x := range map[string]struct {
		method, target, body string
		answer               answer
		want                 string
	}{
		"undocumented status":      {"GET", "/notes", "", answer{status: 202, mime: "application/json", body: "[]"}, "the status is not documented"},
		"undocumented redirect":    {"GET", "/notes", "", answer{status: 301}.with("Location", "/x"), "the status is not documented"},
		"undocumented status HEAD": {"HEAD", "/notes", "", answer{status: 202, mime: "application/json"}, "the status is not documented"},
		"other content type":       {"GET", "/notes", "", answer{status: 200, mime: "text/html", body: "[]"}, `the content type "text/html" is not documented`},
		"other content type HEAD":  {"HEAD", "/notes", "", answer{status: 200, mime: "text/html"}, `the content type "text/html" is not documented`},
		"no content type":          {"GET", "/notes", "", answer{status: 200, body: "[]"}, `the content type "" is not documented`},
		"missing member":           {"POST", "/notes", newNote, created(`{"id":1,"at":"2025-01-15T10:30:00Z"}`), `property "text" is missing`},
		"undocumented member":      {"POST", "/notes", newNote, created(strings.Replace(note, "{", `{"more":1,`, 1)), `property "more" is unsupported`},
		"null member":              {"POST", "/notes", newNote, created(strings.Replace(note, `"a"`, "null", 1)), `/text`},
		"no such day":              {"POST", "/notes", newNote, created(strings.Replace(note, "01-15", "02-30", 1)), "date-time"},
		"date without time":        {"POST", "/notes", newNote, created(strings.Replace(note, "T10:30:00Z", "", 1)), "date-time"},
		"no address":               {"POST", "/notes", newNote, created(strings.Replace(note, "{", `{"email":"a@",`, 1)), "email"},
		"address with a name":      {"POST", "/notes", newNote, created(strings.Replace(note, "{", `{"email":"A <a@b.c>",`, 1)), "email"},
		"malformed JSON":           {"GET", "/notes", "", answer{status: 200, mime: "application/json", body: "[" + note}, "malformed"},
		"two JSON values":          {"GET", "/notes", "", answer{status: 200, mime: "application/json", body: "[] []"}, "text behind it"},
		"duplicate member":         {"POST", "/notes", newNote, created(strings.Replace(note, "{", `{"id":1,`, 1)), "a name twice"},
		"missing header":           {"GET", "/notes", "", problem(503, `{"title":"t","status":503}`), `header "Retry-After" missing`},
		"wrong header":             {"GET", "/notes", "", problem(503, `{"title":"t","status":503}`).with("Retry-After", "soon"), "Retry-After"},
		"problem of other status":  {"POST", "/notes", newNote, problem(400, `{"title":"t","status":409}`), "the problem names the status 409"},
		"not the document":         {"GET", "/document", "", answer{status: 200, mime: "application/yaml", body: "a: 1\n"}, `property "openapi" is missing`},
		"empty text":               {"GET", "/metrics", "", answer{status: 200, mime: "text/plain"}, "minimum string length"},
		"wrong query accepted":     {"GET", "/notes?limit=0", "", list, "must be answered 4xx"},
		"too many ids accepted":    {"GET", "/notes?ids=1,2,3", "", list, "must be answered 4xx"},
		"wrong path accepted":      {"DELETE", "/notes/x", "", answer{status: 204}, "must be answered 4xx"},
		"wrong body accepted":      {"POST", "/notes", `{"text":"a","copies":"1","price":1}`, created(note), "must be answered 4xx"},
		"trailing text accepted":   {"POST", "/notes", newNote + "x", created(note), "text behind it"},
		"duplicate name accepted":  {"POST", "/notes", strings.Replace(newNote, "{", `{"text":"b",`, 1), created(note), "a name twice"},
		"missing body accepted":    {"POST", "/notes", "", created(note), "must be answered 4xx"},
		"wrong query breaks it":    {"GET", "/notes?limit=x", "", problem(503, `{"title":"t","status":503}`).with("Retry-After", "1"), "must be answered 4xx"},
		"unknown path accepted":    {"GET", "/nowhere", "", list, "the path is not documented"},
		"trailing slash accepted":  {"GET", "/notes/", "", list, "the path is not documented"},
		"unknown method accepted":  {"PUT", "/notes", newNote, list, "the method is not documented"},
		"plain 404":                {"GET", "/nowhere", "", answer{status: 404, mime: "text/plain", body: "no"}, `the content type "text/plain" is not documented`},
		"404 that is no Problem":   {"GET", "/nowhere", "", problem(404, `{"status":404}`), `property "title" is missing`},
		"405 without Allow":        {"PUT", "/notes", newNote, problem(405, `{"title":"t","status":405}`), "Allow is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			contract, recorded := load(t, notes)
			ask(t, contract, x.method, x.target, x.body, x.answer)
			require.Len(t, recorded.failures, 1)
			require.Contains(t, recorded.failures[0], x.want)
			require.Contains(t, recorded.failures[0], x.method+" "+x.target+" answered ")
		})
	}
}

func TestTransportReportsABodyWhereNoneIsDocumented(t *testing.T) {
	contract, recorded := load(t, strings.Replace(notes, "'204'", "'200'", 1))
	ask(t, contract, "DELETE", "/notes/1", "", answer{status: 200, mime: "application/json", body: "{}"})
	require.Len(t, recorded.failures, 1)
	require.Contains(t, recorded.failures[0], "a body is not documented")
}

func TestTransportReportsThatThereIsNoSchemaForProblems(t *testing.T) {
	contract, recorded := load(t, `{openapi: 3.0.3, info: {title: t, version: v}, paths: {}}`)
	ask(t, contract, "GET", "/x", "", problem(404, `{}`))
	require.Len(t, recorded.failures, 1)
	require.Contains(t, recorded.failures[0], "no schema Problem")
}

func TestTransportHandsTheRequestBodyOn(t *testing.T) {
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
		answer{status: 201, mime: "application/json", body: note}.ServeHTTP(w, req)
		return w.Result(), nil
	}))
	req := httptest.NewRequest("POST", "http://x/notes", strings.NewReader(newNote))
	req.Header.Set("Content-Type", "application/json")
	_, err := transport.RoundTrip(req)
	require.NoError(t, err)
	require.Empty(t, recorded.failures)
}

func TestTransportPassesErrorsOnAndJudgesNothing(t *testing.T) {
	contract, recorded := load(t, notes)
	refuse := roundTripper(func(*http.Request) (*http.Response, error) { return nil, io.ErrClosedPipe })
	_, err := contract.Transport(refuse).RoundTrip(httptest.NewRequest("GET", "/notes", nil))
	require.ErrorIs(t, err, io.ErrClosedPipe)

	req := httptest.NewRequest("POST", "/notes", iotest.ErrReader(io.ErrNoProgress))
	_, err = contract.Transport(refuse).RoundTrip(req)
	require.ErrorIs(t, err, io.ErrNoProgress)

	cut := roundTripper(func(*http.Request) (*http.Response, error) {
		body := io.MultiReader(strings.NewReader("[{"), iotest.ErrReader(io.ErrUnexpectedEOF))
		return &http.Response{StatusCode: 200, Body: io.NopCloser(body)}, nil
	})
	resp, err := contract.Transport(cut).RoundTrip(httptest.NewRequest("GET", "/notes", nil))
	require.NoError(t, err)
	got, err := io.ReadAll(resp.Body)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.Equal(t, "[{", string(got))
	require.Empty(t, recorded.failures)
}

func TestTransportServesManyGoroutines(t *testing.T) {
	contract, recorded := load(t, notes)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			ask(t, contract, "POST", "/notes", newNote, answer{status: 201, mime: "application/json", body: note})
		})
	}
	all.Wait()
	require.Empty(t, recorded.failures)
}

func TestTransportWithoutNextUsesTheDefault(t *testing.T) {
	contract, recorded := load(t, notes)
	server := httptest.NewServer(answer{status: 200, mime: "application/json", body: "[]"})
	defer server.Close()
	client := &http.Client{Transport: contract.Transport(nil)}
	resp, err := client.Get(server.URL + "/notes")
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Empty(t, recorded.failures)
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }
