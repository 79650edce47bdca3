package sqlstore_test

import (
	"fmt"
	"strings"

	"github.com/hookonce/hookonce/store/sqlstore"
)

// The statement is for your migration tool.
func ExampleSchema() {
	schema, err := sqlstore.Schema(sqlstore.PostgreSQL, &sqlstore.Options{Table: "app.webhooks"})
	if err != nil {
		panic(err)
	}
	first, _, _ := strings.Cut(strings.TrimSpace(schema), "\n")
	fmt.Println(first)
	// Output: CREATE TABLE IF NOT EXISTS app.webhooks (
}
