package web

import (
	"net/http"
	"strconv"
)

// PathID reads the {id} of a route. Text that is no number names nothing, so it
// is for the handler to answer as it answers an unknown id.
func PathID(r *http.Request) (id int64, ok bool) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	return id, err == nil
}
