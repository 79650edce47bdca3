package sqlstore_test

import (
	"fmt"
	"strings"

	"github.com/hookonce/hookonce/store/sqlstore"
)

// The statements are for your migration tool.
func ExampleSchema() {
	schema, err := sqlstore.Schema(sqlstore.PostgreSQL, &sqlstore.Options{Table: "app.webhooks"})
	if err != nil {
		panic(err)
	}
	for line := range strings.Lines(schema) {
		if strings.HasPrefix(line, "CREATE") {
			fmt.Print(line)
		}
	}
	// Output:
	// CREATE TABLE IF NOT EXISTS app.webhooks_version (
	// CREATE TABLE IF NOT EXISTS app.webhooks_payloads (
	// CREATE TABLE IF NOT EXISTS app.webhooks_inbox (
	// CREATE TABLE IF NOT EXISTS app.webhooks_groups (
	// CREATE TABLE IF NOT EXISTS app.webhooks (
	// CREATE OR REPLACE VIEW app.webhooks_readable AS
}
