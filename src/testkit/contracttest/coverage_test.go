package contracttest_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRequireAllSeen(t *testing.T) {
	t.Run("reports every response that no exchange had", func(t *testing.T) {
		contract, recorded := load(t, notes)
		contract.RequireAllSeen(recorded)
		require.Equal(t, []string{
			"DELETE /notes/{id}: the response 204 is documented, but no exchange had it",
			"GET /document: the response 200 is documented, but no exchange had it",
			"GET /metrics: the response 200 is documented, but no exchange had it",
			"GET /notes: the response 200 is documented, but no exchange had it",
			"GET /notes: the response 503 is documented, but no exchange had it",
			"POST /notes: the response 201 is documented, but no exchange had it",
			"POST /notes: the response 400 is documented, but no exchange had it",
		}, recorded.failures)
	})
	t.Run("reports nothing when exchanges had all responses", func(t *testing.T) {
		contract, recorded := load(t, notes)
		send(t, contract, "GET", "/notes", "", withBody(200, "application/json", "[]"))
		send(t, contract, "GET", "/notes", "", problem(503, `{"title":"t","status":503}`).withHeader("Retry-After", "1"))
		send(t, contract, "POST", "/notes", newNote, withBody(201, "application/json", note))
		send(t, contract, "POST", "/notes", "{}", problem(400, `{"title":"t","status":400}`))
		send(t, contract, "DELETE", "/notes/1", "", fixedResponse{status: 204})
		send(t, contract, "GET", "/document", "", withBody(200, "application/yaml", "openapi: 3.0.3"))
		send(t, contract, "GET", "/metrics", "", withBody(200, "text/plain", "up 1\n"))
		contract.RequireAllSeen(recorded)
		require.Empty(t, recorded.failures)
	})
	t.Run("ignores HEAD and invalid responses", func(t *testing.T) {
		contract, recorded := load(t, notes)
		send(t, contract, "HEAD", "/metrics", "", fixedResponse{status: 200, contentType: "text/plain"})
		require.Empty(t, recorded.failures)
		send(t, contract, "GET", "/metrics", "", fixedResponse{status: 200, contentType: "text/plain"})
		require.Len(t, recorded.failures, 1)
		contract.RequireAllSeen(recorded)
		require.Contains(t, recorded.failures, "GET /metrics: the response 200 is documented, but no exchange had it")
	})
	t.Run("counts any status of a class or of the default", func(t *testing.T) {
		contract, recorded := load(t, `
openapi: 3.0.3
info: {title: t, version: v}
paths:
  /x:
    get: {responses: {'4XX': {description: rejected}, default: {description: anything}}}
`)
		send(t, contract, "GET", "/x", "", fixedResponse{status: 404})
		send(t, contract, "GET", "/x", "", fixedResponse{status: 500})
		contract.RequireAllSeen(recorded)
		require.Empty(t, recorded.failures)
	})
}

func TestRequireSameRoutes(t *testing.T) {
	t.Run("accepts the documented routes", func(t *testing.T) {
		contract, recorded := load(t, notes)
		contract.RequireSameRoutes(recorded, []string{
			"GET /notes", "POST  /notes{$}", "DELETE /notes/{id}", "GET /document", "GET /metrics",
		})
		require.Empty(t, recorded.failures)
	})
	t.Run("reports missing and undocumented routes", func(t *testing.T) {
		contract, recorded := load(t, notes)
		contract.RequireSameRoutes(recorded, []string{
			"GET /notes", "GET /notes", "POST /notes", "DELETE /notes/{note}", "GET /document", "/metrics",
		})
		require.Equal(t, []string{
			"GET /notes is a route, but it is not documented (or it is listed twice)",
			"DELETE /notes/{note} is a route, but it is not documented (or it is listed twice)",
			"/metrics is a route, but it is not documented (or it is listed twice)",
			"DELETE /notes/{id} is documented, but it is not a route",
			"GET /metrics is documented, but it is not a route",
		}, recorded.failures)
	})
}
