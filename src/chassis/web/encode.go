package web

import (
	"fmt"
	"net/http"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// JSON answers with a value. The error is that of a value which has no JSON
// form; nothing has been sent then.
func JSON(w http.ResponseWriter, status int, value any) error {
	return write(w, status, "application/json", value)
}

// Raw answers with text that is JSON already.
func Raw(w http.ResponseWriter, status int, text []byte) error {
	return send(w, status, "application/json", text)
}

func write(w http.ResponseWriter, status int, mediaType string, value any) error {
	// A path that is echoed may hold bytes that are no UTF-8.
	text, err := json.Marshal(value, jsontext.AllowInvalidUTF8(true))
	if err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	return send(w, status, mediaType, text)
}

// send writes an answer. That the caller is gone by now is nobody's error.
func send(w http.ResponseWriter, status int, mediaType string, text []byte) error {
	header := w.Header()
	header.Set("Content-Type", mediaType)
	header.Set("Content-Length", strconv.Itoa(len(text)))
	header.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(text)
	return nil
}
