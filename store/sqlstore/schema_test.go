package sqlstore_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/hookonce/hookonce/store/sqlstore"
)

var dialects = []sqlstore.Dialect{sqlstore.PostgreSQL, sqlstore.MySQL, sqlstore.SQLite}

func TestSchema_TableNames(t *testing.T) {
	t.Parallel()
	for _, d := range dialects {
		schema, err := sqlstore.Schema(d, &sqlstore.Options{Table: "app.events"})
		if err != nil {
			t.Fatal(err)
		}
		for part, want := range map[string]int{
			"CREATE TABLE IF NOT EXISTS app.events (":          1,
			"CREATE TABLE IF NOT EXISTS app.events_payloads (": 1,
			"CREATE TABLE IF NOT EXISTS app.events_version (":  1,
			"CREATE TABLE IF NOT EXISTS app.events_inbox (":    1,
			"CREATE TABLE IF NOT EXISTS app.events_groups (":   1,
			" app.events_readable AS":                          1,
			"CREATE":                                           6,
			sqlstore.DefaultTable:                              0,
		} {
			if got := strings.Count(schema, part); got != want {
				t.Errorf("%s: %d of %q, want %d, in:\n%s", d, got, part, want, schema)
			}
		}
		if _, err := sqlstore.Schema(d, &sqlstore.Options{Table: "a b"}); err == nil {
			t.Errorf("%s: a table name with a space: got no error", d)
		}
	}
	if schema, err := sqlstore.Schema("oracle", nil); err == nil {
		t.Errorf("an unknown dialect: got %q, want an error", schema)
	}
}

func TestSchema_IsTheFile(t *testing.T) {
	t.Parallel()
	for _, d := range dialects {
		want, err := os.ReadFile("schema/" + string(d) + ".sql")
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range []*sqlstore.Options{nil, {}, {KeepPayloads: true}} {
			if got, err := sqlstore.Schema(d, o); got != string(want) || err != nil {
				t.Errorf("%s: error %v, got:\n%s", d, err, got)
			}
		}
	}
}

// Migration tools split a file at semicolons that end a line, golang-migrate runs
// what goose would leave for the way down, and a tool that knows no dollar quotes
// must do.
func TestSchema_FilesSuitMigrationTools(t *testing.T) {
	t.Parallel()
	files, err := os.ReadDir("schema")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := len(files), len(dialects)*(1+sqlstore.SchemaVersion); got != want {
		t.Errorf("%d files, want %d", got, want)
	}
	for _, file := range files {
		content, err := os.ReadFile("schema/" + file.Name())
		if err != nil {
			t.Fatal(err)
		}
		text := string(content)
		if got := strings.Count(text, "+goose"); got != 1 || !strings.Contains(text, "\n-- +goose Up\n") {
			t.Errorf("%s: %d goose annotations, want one, -- +goose Up", file.Name(), got)
		}
		if strings.Contains(text, "$$") || !strings.HasSuffix(text, ";\n") {
			t.Errorf("%s: want statements without dollar quotes that end in a semicolon", file.Name())
		}
		for line := range strings.Lines(text) {
			if strings.Contains(strings.TrimSuffix(line, ";\n"), ";") && !strings.HasPrefix(line, "-- ") {
				t.Errorf("%s: a semicolon within the line %q", file.Name(), line)
			}
		}
	}
}

func TestUpgrade_Versions(t *testing.T) {
	t.Parallel()
	for _, d := range dialects {
		for _, from := range []int{-1, sqlstore.SchemaVersion + 1} {
			if got, err := sqlstore.Upgrade(d, nil, from); err == nil {
				t.Errorf("%s: from version %d: got %q, want an error", d, from, got)
			}
		}
		if got, err := sqlstore.Upgrade(d, nil, sqlstore.SchemaVersion); got != "" || err != nil {
			t.Errorf("%s: from the current version: got %q, error %v, want neither", d, got, err)
		}
		got, err := sqlstore.Upgrade(d, &sqlstore.Options{Table: "app.events"}, 0)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(got, "app.events_version") || strings.Contains(got, sqlstore.DefaultTable) {
			t.Errorf("%s: the statements do not name the table app.events:\n%s", d, got)
		}
	}
	for _, d := range []sqlstore.Dialect{"", "oracle"} {
		if got, err := sqlstore.Upgrade(d, nil, 0); err == nil {
			t.Errorf("dialect %q: got %q, want an error", d, got)
		}
	}
}

// The files say which version they create, each in a place of its own.
func TestSchema_FilesInsertTheVersion(t *testing.T) {
	t.Parallel()
	want := fmt.Sprintf("VALUES (1, %d)", sqlstore.SchemaVersion)
	for _, d := range dialects {
		schema, err := sqlstore.Schema(d, nil)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(schema, "\n")
		if !slices.ContainsFunc(lines, func(line string) bool { return strings.HasPrefix(line, want) }) {
			t.Errorf("%s: no line %q in:\n%s", d, want, schema)
		}
	}
}
