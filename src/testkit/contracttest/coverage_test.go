package contracttest_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRequireAllSeenNamesEveryAnswerThatNothingHasShown(t *testing.T) {
	contract, recorded := load(t, notes)
	contract.RequireAllSeen(recorded)
	require.Equal(t, []string{
		"DELETE /notes/{id}: 204 is documented, but no exchange has shown it",
		"GET /document: 200 is documented, but no exchange has shown it",
		"GET /metrics: 200 is documented, but no exchange has shown it",
		"GET /notes: 200 is documented, but no exchange has shown it",
		"GET /notes: 503 is documented, but no exchange has shown it",
		"POST /notes: 201 is documented, but no exchange has shown it",
		"POST /notes: 400 is documented, but no exchange has shown it",
	}, recorded.failures)
}

func TestRequireAllSeenIsContentOnceEverythingWasShown(t *testing.T) {
	contract, recorded := load(t, notes)
	ask(t, contract, "GET", "/notes", "", answer{status: 200, mime: "application/json", body: "[]"})
	ask(t, contract, "GET", "/notes", "", problem(503, `{"title":"t","status":503}`).with("Retry-After", "1"))
	ask(t, contract, "POST", "/notes", newNote, answer{status: 201, mime: "application/json", body: note})
	ask(t, contract, "POST", "/notes", "{}", problem(400, `{"title":"t","status":400}`))
	ask(t, contract, "DELETE", "/notes/1", "", answer{status: 204})
	ask(t, contract, "GET", "/document", "", answer{status: 200, mime: "application/yaml", body: "openapi: 3.0.3"})
	ask(t, contract, "GET", "/metrics", "", answer{status: 200, mime: "text/plain", body: "up 1\n"})
	contract.RequireAllSeen(recorded)
	require.Empty(t, recorded.failures)
}

func TestHeadAndWrongAnswersShowNothing(t *testing.T) {
	contract, recorded := load(t, notes)
	ask(t, contract, "HEAD", "/metrics", "", answer{status: 200, mime: "text/plain"})
	require.Empty(t, recorded.failures)
	ask(t, contract, "GET", "/metrics", "", answer{status: 200, mime: "text/plain"})
	require.Len(t, recorded.failures, 1)
	contract.RequireAllSeen(recorded)
	require.Contains(t, recorded.failures, "GET /metrics: 200 is documented, but no exchange has shown it")
}

func TestStatusClassesAndDefaultsAreShownByAnyOfTheirs(t *testing.T) {
	contract, recorded := load(t, `
openapi: 3.0.3
info: {title: t, version: v}
paths:
  /x:
    get: {responses: {'4XX': {description: refused}, default: {description: anything}}}
`)
	ask(t, contract, "GET", "/x", "", answer{status: 404})
	ask(t, contract, "GET", "/x", "", answer{status: 500})
	contract.RequireAllSeen(recorded)
	require.Empty(t, recorded.failures)
}

func TestRequireSameRoutesAcceptsTheDocumentedOnes(t *testing.T) {
	contract, recorded := load(t, notes)
	contract.RequireSameRoutes(recorded, []string{
		"GET /notes", "POST  /notes{$}", "DELETE /notes/{id}", "GET /document", "GET /metrics",
	})
	require.Empty(t, recorded.failures)
}

func TestRequireSameRoutesNamesWhatOneSideLacks(t *testing.T) {
	contract, recorded := load(t, notes)
	contract.RequireSameRoutes(recorded, []string{
		"GET /notes", "GET /notes", "POST /notes", "DELETE /notes/{note}", "GET /document", "/metrics",
	})
	require.Equal(t, []string{
		"GET /notes is a route, but it is not documented (or stands twice)",
		"DELETE /notes/{note} is a route, but it is not documented (or stands twice)",
		"/metrics is a route, but it is not documented (or stands twice)",
		"DELETE /notes/{id} is documented, but it is no route",
		"GET /metrics is documented, but it is no route",
	}, recorded.failures)
}
