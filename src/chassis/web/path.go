package web

import (
	"net/http"
	"net/url"
	"strconv"

	"github.com/gorilla/mux"

	"tandem/src/chassis/failure"
)

// PathValue returns a variable of the route's path, unescaped; empty if the route
// has no variable of that name.
func PathValue(r *http.Request, name string) string {
	escaped := mux.Vars(r)[name]
	if value, err := url.PathUnescape(escaped); err == nil {
		return value
	}
	return escaped
}

// PathID reads the {id} of a route. Text that is no number names nothing, so it
// is answered as an unknown id is: the failure is unknown's.
func PathID(r *http.Request, unknown func(id any) *failure.Error) (int64, error) {
	text := PathValue(r, "id")
	id, ok := parseID(text)
	if !ok {
		return 0, unknown(text)
	}
	return id, nil
}

// parseID reads an id in its one form: "+7" and "007" are none.
func parseID(text string) (id int64, ok bool) {
	id, err := strconv.ParseInt(text, 10, 64)
	return id, err == nil && strconv.FormatInt(id, 10) == text
}
