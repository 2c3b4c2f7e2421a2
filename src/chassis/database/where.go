package database

import (
	"strconv"
	"strings"
)

// Where gathers the conditions of a query and their arguments.
type Where struct {
	text strings.Builder
	args []any
}

// And adds a condition; its one parameter is written behind it: And("id >", 7).
func (w *Where) And(condition string, arg any) {
	w.join()
	w.text.WriteString(condition + " ")
	w.parameter(arg)
}

// AndIn adds the condition that a column has one of the values, at least one.
func (w *Where) AndIn(column string, values []int64) {
	w.join()
	w.text.WriteString(column + " IN (")
	for i, value := range values {
		if i > 0 {
			w.text.WriteString(", ")
		}
		w.parameter(value)
	}
	w.text.WriteString(")")
}

// Page returns the end of a query, after FROM: the conditions, the order by id,
// and a limit; and the arguments.
func (w *Where) Page(limit int) (string, []any) {
	w.text.WriteString(" ORDER BY id LIMIT ")
	w.parameter(limit)
	return w.text.String(), w.args
}

func (w *Where) join() {
	if w.text.Len() == 0 {
		w.text.WriteString(" WHERE ")
	} else {
		w.text.WriteString(" AND ")
	}
}

func (w *Where) parameter(arg any) {
	w.args = append(w.args, arg)
	w.text.WriteString("$" + strconv.Itoa(len(w.args)))
}
