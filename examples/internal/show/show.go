// Package show lets you look at what an example has written. A program of yours does
// not need it.
package show

import (
	"database/sql"
	"fmt"
	"net/http"
)

// Rows returns a handler that responds with the rows of a query, one to a line. The
// query's parameters are the path's wildcards of these names.
func Rows(db *sql.DB, query string, params ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		args := make([]any, len(params))
		for i, name := range params {
			args[i] = r.PathValue(name)
		}
		rows, err := db.QueryContext(r.Context(), query, args...)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		defer rows.Close()
		if err := write(w, rows); err != nil {
			panic(http.ErrAbortHandler) // rather than end as if this were all
		}
	}
}

func write(w http.ResponseWriter, rows *sql.Rows) error {
	columns, err := rows.Columns()
	if err != nil {
		return err
	}
	values, pointers := make([]any, len(columns)), make([]any, len(columns))
	for i := range values {
		pointers[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(pointers...); err != nil {
			return err
		}
		fmt.Fprintln(w, values...)
	}
	return rows.Err()
}
