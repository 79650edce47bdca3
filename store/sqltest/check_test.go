package sqltest_test

import (
	"database/sql"
	"slices"
	"strings"
	"testing"

	"github.com/hookonce/hookonce/store/sqlstore"
)

// schemaOf returns the statements that create the tables, one by one, with
// replacements made.
func schemaOf(t *testing.T, d sqlstore.Dialect, o *sqlstore.Options, replacements ...string) []string {
	t.Helper()
	schema, err := sqlstore.Schema(d, o)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(withoutComments(schema)), " ")
	for i := 0; i < len(replacements); i += 2 {
		if !strings.Contains(text, replacements[i]) {
			t.Fatalf("the schema has no %q: %s", replacements[i], text)
		}
		text = strings.ReplaceAll(text, replacements[i], replacements[i+1])
	}
	return strings.Split(strings.TrimSuffix(text, ";"), ";")
}

// withoutComments cuts what follows two dashes.
func withoutComments(schema string) string {
	var text strings.Builder
	for line := range strings.Lines(schema) {
		line, _, _ = strings.Cut(strings.TrimSuffix(line, "\n"), "--")
		text.WriteString(line + "\n")
	}
	return text.String()
}

func newStore(t testing.TB, db *sql.DB, d sqlstore.Dialect, o *sqlstore.Options) *sqlstore.Store {
	t.Helper()
	events, err := sqlstore.New(db, d, quiet(o))
	if err != nil {
		t.Fatal(err)
	}
	return events
}

func TestCheck_TablesOfTheSchema(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		o := &sqlstore.Options{KeepPayloads: true, Table: "our_events"}
		for _, statement := range schemaOf(t, d, o) {
			mustExec(t, db, statement)
		}
		if err := newStore(t, db, d, o).Check(t.Context()); err != nil {
			t.Error(err)
		}
		for _, table := range []string{"our_events", "our_events_payloads"} {
			if n := count(t, db, table); n != 0 {
				t.Errorf("Check has left %d rows in %s", n, table)
			}
		}
	})
}

func TestCheck_TablesInUse(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		db.SetMaxOpenConns(1)
		events := newEvents(t, db, d, nil)
		if err := events.RunTx(t.Context(), key, effect); err != nil {
			t.Fatal(err)
		}
		if err := events.Check(t.Context()); err != nil {
			t.Error(err)
		}
		checkCounts(t, db, 1, 1)
	})
}

// A flaw is what is replaced in the schema, in turn by what, and what Check says
// of it: one of the parts between the bars.
type flaw struct {
	replacements []string
	want         string
}

var flaws = map[sqlstore.Dialect]map[string]flaw{
	"": {
		"a missing table":             {[]string{"idempotency_records", "other"}, "idempotency_records"},
		"missing columns":             {[]string{"last_error", "lasterror", "owner", "holder"}, "lacks the columns owner, last_error"},
		"a key of the ID alone":       {[]string{"PRIMARY KEY (scope, id)", "PRIMARY KEY (id)"}, "ON CONFLICT|for another"},
		"a missing table of payloads": {[]string{"idempotency_records_payloads", "other"}, "idempotency_records_payloads"},
		"a missing column of those":   {[]string{"delivery", "kind"}, "idempotency_records_payloads"},
	},
	sqlstore.PostgreSQL: {
		"a column too many":     {[]string{"fingerprint", "tenant INT NOT NULL, fingerprint"}, "tenant"},
		"no primary key":        {[]string{", PRIMARY KEY (scope, id)", ""}, "ON CONFLICT"},
		"padded characters":     {[]string{"bytea NOT NULL, id bytea", "char(255) NOT NULL, id char(255)"}, "too long"},
		"text":                  {[]string{"bytea NOT NULL, id bytea", "text NOT NULL, id text"}, "reading the key"},
		"text that folds case":  {[]string{"bytea NOT NULL, id bytea", "text COLLATE folding NOT NULL, id text COLLATE folding"}, "reading the key"},
		"numbers":               {[]string{"bytea NOT NULL, id bytea", "numeric NOT NULL, id numeric"}, "bytea"},
		"a narrow lease":        {[]string{"lease_until bigint", "lease_until integer"}, "out of range"},
		"a narrow time":         {[]string{"changed_at bigint", "changed_at integer"}, "out of range"},
		"a table without a log": {[]string{"CREATE TABLE", "CREATE UNLOGGED TABLE"}, "UNLOGGED"},
		"a narrow error":        {[]string{"last_error text", "last_error varchar(100)"}, "too long"},
		"a fingerprint in text": {[]string{"fingerprint bytea", "fingerprint text"}, "fingerprint"},
	},
	sqlstore.MySQL: {
		"no primary key":              {[]string{", PRIMARY KEY (scope, id)", ""}, "add PRIMARY KEY"},
		"a collation that folds case": {keysAre("VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci"), "for another|ncorrect string"},
		"a collation that pads":       {keysAre("VARCHAR(255) CHARACTER SET latin1 COLLATE latin1_bin"), "for another"},
		"UTF-8 that pads":             {keysAre("VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"), "for another|ncorrect string"},
		"keys of fixed length":        {keysAre("BINARY(255)"), "for another"},
		"keys that are cut":           {keysAre("VARBINARY(254)"), "for another|too long"},
		"a scope that folds case":     {[]string{"( scope VARBINARY(255)", "( scope VARCHAR(255) CHARACTER SET latin1 COLLATE latin1_swedish_ci"}, "for another"},
		"a scope that is cut":         {[]string{"( scope VARBINARY(255)", "( scope VARBINARY(100)"}, "for another|too long"},
		"an engine without rollback":  {[]string{"ENGINE = InnoDB", "ENGINE = MyISAM"}, "does not roll back"},
		"a narrow lease":              {[]string{"lease_until BIGINT", "lease_until INT"}, "lease_until"},
		"a narrow time":               {[]string{"changed_at BIGINT", "changed_at INT"}, "changed_at"},
		"a narrow fingerprint":        {[]string{"fingerprint VARBINARY(32)", "fingerprint VARBINARY(31)"}, "fingerprint"},
		"a narrow result":             {[]string{"result_body MEDIUMBLOB", "result_body BLOB"}, "result_body"},
		"a narrow error":              {[]string{"last_error VARBINARY(512)", "last_error VARBINARY(511)"}, "last_error"},
		"a narrow owner":              {[]string{"owner VARBINARY(16)", "owner VARBINARY(15)"}, "owner"},
		"a payload that is cut":       {[]string{" body LONGBLOB", " body BLOB"}, "payloads"},
		"a delivery that is cut":      {[]string{"delivery MEDIUMBLOB", "delivery VARBINARY(500)"}, "payloads"},
	},
	sqlstore.SQLite: {
		"a column too many":    {[]string{"fingerprint", "tenant INT NOT NULL, fingerprint"}, "tenant"},
		"no primary key":       {[]string{", PRIMARY KEY (scope, id)", "", "STRICT, WITHOUT ROWID", "STRICT"}, "ON CONFLICT"},
		"text that folds case": {[]string{"BLOB NOT NULL, id BLOB", "TEXT COLLATE NOCASE NOT NULL, id TEXT COLLATE NOCASE", "STRICT,", ""}, "not STRICT"},
		"strict text":          {[]string{"BLOB NOT NULL, id BLOB", "TEXT NOT NULL, id TEXT"}, "TEXT"},
		"numbers":              {[]string{"BLOB NOT NULL, id BLOB", "NUMERIC NOT NULL, id NUMERIC", "STRICT,", ""}, "not STRICT"},
		"no strict types":      {[]string{"STRICT,", ""}, "not STRICT"},
	},
}

func keysAre(kind string) []string {
	return []string{"VARBINARY(255) NOT NULL, id VARBINARY(255)", kind + " NOT NULL, id " + kind}
}

// Each of these tables would make the store fail, or mistake one event for
// another, some day.
func TestCheck_Flaws(t *testing.T) {
	t.Parallel()
	each(t, checkFlaws)
	t.Run("MariaDB that cuts silently", func(t *testing.T) {
		t.Parallel()
		checkFlaws(t, openMariaDB(t, "sql_mode", "''"), sqlstore.MySQL)
	})
}

// Such a collation merges no keys; but what is no text is cut without an error.
func TestCheck_TextThatDoesNotPadAndIsCutSilently(t *testing.T) {
	t.Parallel()
	db := openMariaDB(t, "sql_mode", "''")
	keys := keysAre("VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin")
	for _, statement := range schemaOf(t, sqlstore.MySQL, nil, keys...) {
		mustExec(t, db, statement)
	}
	err := newStore(t, db, sqlstore.MySQL, nil).Check(t.Context())
	if want := "for another"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want an error that says %q", err, want)
	}
}

func TestCheck_SettingsThatLoseRecords(t *testing.T) {
	t.Parallel()
	for value, name := range map[string]string{
		"0":                         "autocommit",
		"1":                         "completion_type",
		"'SIMULTANEOUS_ASSIGNMENT'": "sql_mode", // MariaDB's alone, and the next
		"'EMPTY_STRING_IS_NULL'":    "sql_mode",
	} {
		t.Run(name+"="+value, func(t *testing.T) {
			t.Parallel()
			db := openMariaDB(t, name, value)
			events := newEvents(t, db, sqlstore.MySQL, nil)
			err := events.Check(t.Context())
			if want := strings.Trim(value, "'01"); err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want an error that says %s", err, name)
			}
		})
	}
}

func checkFlaws(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
	if d == sqlstore.PostgreSQL {
		mustExec(t, db, "CREATE COLLATION folding (provider = icu, locale = 'und-u-ks-level2', deterministic = false)")
	}
	db.SetMaxIdleConns(0) // a connection may have statements prepared for the table before
	o := &sqlstore.Options{KeepPayloads: true}
	check := func(t *testing.T, f flaw) {
		for _, statement := range schemaOf(t, d, o, f.replacements...) {
			if !strings.Contains(statement, " VIEW ") { // the view takes bytes only
				mustExec(t, db, statement)
			}
		}
		defer func() {
			for _, table := range []string{sqlstore.DefaultTable, "other"} {
				for _, suffix := range []string{"", "_payloads", "_version"} {
					mustExec(t, db, "DROP TABLE IF EXISTS "+table+suffix)
				}
			}
		}()
		err := newStore(t, db, d, o).Check(t.Context())
		if err == nil || !containsOneOf(err.Error(), strings.Split(f.want, "|")) {
			t.Errorf("got %v, want an error that says %q", err, f.want)
		}
	}
	for _, of := range []sqlstore.Dialect{"", d} {
		for name, f := range flaws[of] {
			t.Run(name, func(t *testing.T) { check(t, f) })
		}
	}
}

func containsOneOf(s string, parts []string) bool {
	return slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(s, part) })
}
