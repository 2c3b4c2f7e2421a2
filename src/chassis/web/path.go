package web

import (
	"net/http"
	"net/url"
	"strconv"

	"github.com/gorilla/mux"

	"tandem/src/chassis/failure"
)

// PathValue returns a variable of the route's path template, unescaped. It returns
// the empty string if the template has no variable of that name.
func PathValue(r *http.Request, name string) string {
	escaped := mux.Vars(r)[name]
	if value, err := url.PathUnescape(escaped); err == nil {
		return value
	}
	return escaped
}

// PathID returns the path variable {id} as a number. If it is not a number, no
// object can have it as its ID: PathID then returns the error of notFound, which
// gets the text as it was sent, cut after MaxEcho characters.
func PathID(r *http.Request, notFound func(id any) *failure.Error) (int64, error) {
	text := PathValue(r, "id")
	id, ok := parseID(text)
	if !ok {
		return 0, notFound(echo(text))
	}
	return id, nil
}

// parseID parses an ID. It accepts canonical decimal numbers only, neither "+7"
// nor "007", so that each object has one URL.
func parseID(text string) (id int64, ok bool) {
	id, err := strconv.ParseInt(text, 10, 64)
	return id, err == nil && strconv.FormatInt(id, 10) == text
}
