package web

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// JSON writes a response with the value encoded as JSON and a newline. If the
// value cannot be encoded, JSON returns an error and writes nothing.
func JSON(w http.ResponseWriter, status int, value any) error {
	return encode(w, status, "application/json", value)
}

// RawJSON writes a response with a body that is already encoded as JSON, and a
// newline.
func RawJSON(w http.ResponseWriter, status int, body []byte) error {
	return writeJSON(w, status, "application/json", slices.Clip(body)) // the caller keeps its bytes
}

// OpenAPI returns a handler that responds with an OpenAPI document in YAML.
func OpenAPI(document []byte) Handler {
	return func(w http.ResponseWriter, _ *http.Request) error {
		return Bytes(w, http.StatusOK, "application/yaml", document)
	}
}

func encode(w http.ResponseWriter, status int, mediaType string, value any) error {
	// A problem repeats text from the path, which may be invalid UTF-8.
	body, err := json.Marshal(value, jsontext.AllowInvalidUTF8(true))
	if err != nil {
		return fmt.Errorf("encode the response: %w", err)
	}
	return writeJSON(w, status, mediaType, body)
}

// writeJSON writes a response with JSON. A terminal needs the newline, which may go
// into the spare capacity of body. No cache may store the response: it may have
// personal data, and the next one may differ.
func writeJSON(w http.ResponseWriter, status int, mediaType string, body []byte) error {
	w.Header().Set("Cache-Control", "no-store")
	return Bytes(w, status, mediaType, append(body, '\n'))
}

// Bytes writes a response with a body that is encoded already. Its error is always nil.
// The body must not change afterwards.
func Bytes(w http.ResponseWriter, status int, mediaType string, body []byte) error {
	// One allocation, where three calls of Set make three.
	values := []string{mediaType, strconv.Itoa(len(body)), "nosniff"}
	header := w.Header()
	header["Content-Type"] = values[0:1:1]
	header["Content-Length"] = values[1:2:2]
	header["X-Content-Type-Options"] = values[2:3:3]
	w.WriteHeader(status)
	if rec, ok := w.(*responseRecorder); ok && rec.body == nil {
		rec.body = body[:len(body):len(body)] // not copied, unless more is written
		return nil
	}
	_, _ = w.Write(body)
	return nil
}
