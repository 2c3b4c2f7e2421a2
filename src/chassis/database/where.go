package database

import (
	"strconv"
	"strings"
)

// Where builds the WHERE clause of a query and its arguments. The zero value
// has no condition.
type Where struct {
	sql  strings.Builder
	args []any
}

// And adds a condition. The text condition ends with the operator, and arg is what
// follows it: And("id >", 7) adds "id > $1" and the argument 7. condition is SQL,
// so it must not contain input of a request.
func (w *Where) And(condition string, arg any) {
	w.addKeyword()
	w.sql.WriteString(condition + " ")
	w.addParameter(arg)
}

// AndIn adds the condition that the column has one of the values. values must not
// be empty.
func (w *Where) AndIn(column string, values []int64) {
	w.addKeyword()
	w.sql.WriteString(column + " IN (")
	for i, value := range values {
		if i > 0 {
			w.sql.WriteString(", ")
		}
		w.addParameter(value)
	}
	w.sql.WriteString(")")
}

// Page returns the clauses that follow the table in a query (the conditions, the
// order by id and the limit) and the query's arguments. It must be the last call.
func (w *Where) Page(limit int) (string, []any) { return w.page(" ORDER BY id LIMIT ", limit) }

// PageBackwards is Page with the greatest IDs first.
func (w *Where) PageBackwards(limit int) (string, []any) {
	return w.page(" ORDER BY id DESC LIMIT ", limit)
}

func (w *Where) page(clauses string, limit int) (string, []any) {
	w.sql.WriteString(clauses)
	w.addParameter(limit)
	return w.sql.String(), w.args
}

// addKeyword adds WHERE before the first condition and AND before the others.
func (w *Where) addKeyword() {
	if w.sql.Len() == 0 {
		w.sql.WriteString(" WHERE ")
	} else {
		w.sql.WriteString(" AND ")
	}
}

// addParameter adds the next placeholder, such as $2, and its argument.
func (w *Where) addParameter(arg any) {
	w.args = append(w.args, arg)
	w.sql.WriteString("$" + strconv.Itoa(len(w.args)))
}
