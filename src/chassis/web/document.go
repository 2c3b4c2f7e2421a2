package web

import "net/http"

// Document answers with an OpenAPI document.
func Document(yaml []byte) Handler {
	return func(w http.ResponseWriter, _ *http.Request) error {
		return send(w, http.StatusOK, "application/yaml", yaml)
	}
}
