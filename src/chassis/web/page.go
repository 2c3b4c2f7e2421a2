package web

import "net/http"

// Bytes writes a response with a body that is encoded already. The body must not change
// afterwards.
func Bytes(w http.ResponseWriter, status int, mediaType string, body []byte) error {
	return write(w, status, mediaType, body)
}
