package sqlstep_test

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/hookonce/hookonce/sessionstep/sqlstep"
	"github.com/hookonce/hookonce/store/sqlstore"
)

var dialects = []sqlstore.Dialect{sqlstore.PostgreSQL, sqlstore.MySQL, sqlstore.SQLite}

func TestSchema_TableNames(t *testing.T) {
	t.Parallel()
	for _, d := range dialects {
		t.Run(string(d), func(t *testing.T) {
			t.Parallel()
			got, err := sqlstep.Schema(d, &sqlstep.Options{Prefix: "app.kyc_"})
			if err != nil {
				t.Fatal(err)
			}
			for part, want := range map[string]int{
				"CREATE TABLE IF NOT EXISTS app.kyc_version (":     1,
				"CREATE TABLE IF NOT EXISTS app.kyc_sessions (":    1,
				"CREATE TABLE IF NOT EXISTS app.kyc_steps (":       1,
				"CREATE TABLE IF NOT EXISTS app.kyc_submissions (": 1,
				"CREATE TABLE IF NOT EXISTS app.kyc_changes (":     1,
				" INTO app.kyc_version (":                          1,
				"CREATE":                                           5,
				sqlstep.DefaultPrefix:                              0,
			} {
				if n := strings.Count(got, part); n != want {
					t.Errorf("%d of %q, want %d, in:\n%s", n, part, want, got)
				}
			}
		})
	}
}

func TestSchema_IsTheFile(t *testing.T) {
	t.Parallel()
	for _, d := range dialects {
		want, err := os.ReadFile("schema/" + string(d) + ".sql")
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range []*sqlstep.Options{nil, {}} {
			if got, err := sqlstep.Schema(d, o); got != string(want) || err != nil {
				t.Errorf("%s: error %v, got:\n%s", d, err, got)
			}
		}
	}
}

func TestSchema_Refuses(t *testing.T) {
	t.Parallel()
	for _, call := range []func(sqlstore.Dialect, *sqlstep.Options) (string, error){
		sqlstep.Schema,
		func(d sqlstore.Dialect, o *sqlstep.Options) (string, error) { return sqlstep.Upgrade(d, o, 0) },
	} {
		for _, d := range []sqlstore.Dialect{"", "oracle", "../schema/sqlite"} {
			if got, err := call(d, nil); err == nil {
				t.Errorf("dialect %q: got %q, want an error", d, got)
			}
		}
		if got, err := call(sqlstore.SQLite, &sqlstep.Options{Prefix: "a b"}); err == nil {
			t.Errorf("a prefix with a space: got %q, want an error", got)
		}
	}
}

// Migration tools split a file at semicolons that end a line, and golang-migrate
// would run what goose takes for the way down.
func TestSchema_FilesSuitMigrationTools(t *testing.T) {
	t.Parallel()
	files, err := os.ReadDir("schema")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := len(files), len(dialects)*(1+sqlstep.SchemaVersion); got != want {
		t.Errorf("%d files, want %d", got, want)
	}
	for _, file := range files {
		content, err := os.ReadFile("schema/" + file.Name())
		if err != nil {
			t.Fatal(err)
		}
		text := string(content)
		if strings.Count(text, "+goose") != 1 || !strings.Contains(text, "\n-- +goose Up\n") {
			t.Errorf("%s: want one goose annotation, -- +goose Up", file.Name())
		}
		if !strings.HasSuffix(text, ";\n") || strings.Count(text, ";") != strings.Count(text, ";\n") {
			t.Errorf("%s: want semicolons at the end of statements only", file.Name())
		}
	}
}

func TestSchema_FilesInsertTheVersion(t *testing.T) {
	t.Parallel()
	want := "\nVALUES (1, " + strconv.Itoa(sqlstep.SchemaVersion) + ")"
	for _, d := range dialects {
		schema, err := sqlstep.Schema(d, nil)
		if err != nil || !strings.Contains(schema, want) {
			t.Errorf("%s: error %v, no %q in:\n%s", d, err, want, schema)
		}
	}
}

func TestUpgrade_Versions(t *testing.T) {
	t.Parallel()
	for _, d := range dialects {
		for _, from := range []int{-1, sqlstep.SchemaVersion + 1} {
			if got, err := sqlstep.Upgrade(d, nil, from); err == nil {
				t.Errorf("%s: from version %d: got %q, want an error", d, from, got)
			}
		}
		if got, err := sqlstep.Upgrade(d, nil, sqlstep.SchemaVersion); got != "" || err != nil {
			t.Errorf("%s: from the current version: got %q, error %v, want neither", d, got, err)
		}
		got, err := sqlstep.Upgrade(d, &sqlstep.Options{Prefix: "app.kyc_"}, 0)
		if err != nil || !strings.Contains(got, " app.kyc_version ") || strings.Contains(got, sqlstep.DefaultPrefix) {
			t.Errorf("%s: error %v, the statements do not name app.kyc_version:\n%s", d, err, got)
		}
	}
}
