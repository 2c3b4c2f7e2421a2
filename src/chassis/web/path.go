package web

import (
	"net/http"
	"strconv"

	"tandem/src/chassis/failure"
)

// PathID reads the {id} of a route. Text that is no number names nothing, so it
// is answered as an unknown id is: the failure is unknown's.
func PathID(r *http.Request, unknown func(id any) *failure.Error) (int64, error) {
	text := r.PathValue("id")
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
