package sqltest_test

import (
	"context"
	"database/sql"
	"encoding/hex"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// readable is a row of the view, with the times as a person reads them.
type readable struct {
	endpoint, id, state              string
	attempts                         int
	changedAt, leaseUntil, lastError sql.NullString
}

func readView(t *testing.T, db *sql.DB, key idempotency.Key) (r readable) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), `
SELECT endpoint, id, state, attempts, CAST(changed_at AS char(26)), CAST(lease_until AS char(26)), last_error
FROM `+sqlstore.DefaultTable+`_readable`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := rows.Scan(&r.endpoint, &r.id, &r.state, &r.attempts, &r.changedAt, &r.leaseUntil, &r.lastError); err != nil {
			t.Fatal(err)
		}
		if r.endpoint == key.Scope && r.id == key.ID {
			return r
		}
	}
	t.Fatalf("no row of %v, error %v", key, rows.Err())
	return r
}

// fromNow returns the time between now and a time of the view, which is in UTC.
func fromNow(t *testing.T, at sql.NullString) time.Duration {
	t.Helper()
	parsed, err := time.Parse("2006-01-02 15:04:05.999999", strings.TrimSpace(at.String))
	if err != nil {
		t.Error(err)
	}
	return time.Until(parsed)
}

func TestView_States(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		if zone := map[sqlstore.Dialect]string{
			sqlstore.PostgreSQL: "SET TIME ZONE 'Asia/Tokyo'",
			sqlstore.MySQL:      "SET time_zone = '+09:00'",
		}[d]; zone != "" {
			db.SetMaxOpenConns(1)
			mustExec(t, db, zone)
		}
		events := newEvents(t, db, d, &sqlstore.Options{RecordFailures: true})
		if err := events.RunTx(t.Context(), keyOf("done"), effect); err != nil {
			t.Fatal(err)
		}
		claim(t, events, "claimed", time.Hour)
		released := claim(t, events, "released", time.Hour)
		if err := events.Release(t.Context(), released, lease.Failure{Reason: "bööm"}); err != nil {
			t.Fatal(err)
		}
		dead := claim(t, events, "dead", time.Hour)
		if err := events.Release(t.Context(), dead, lease.Failure{Reason: "boom", Dead: true}); err != nil {
			t.Fatal(err)
		}
		for state, lastError := range map[string]string{"done": "", "claimed": "", "released": "bööm", "dead": "boom"} {
			got := readView(t, db, keyOf(state))
			if got.state != state || got.attempts != 1 || got.lastError.String != lastError {
				t.Errorf("%s: got %+v", state, got)
			}
			if d := fromNow(t, got.changedAt); d.Abs() > time.Minute {
				t.Errorf("%s: changed at %s, want now in UTC", state, got.changedAt.String)
			}
			if got.leaseUntil.Valid != (state == "claimed") {
				t.Errorf("%s: leased until %+v, want NULL unless it is claimed", state, got.leaseUntil)
			}
			if got.leaseUntil.Valid && (fromNow(t, got.leaseUntil)-time.Hour).Abs() > time.Minute {
				t.Errorf("%s: leased until %s, want an hour from now in UTC", state, got.leaseUntil.String)
			}
		}
	})
}

// Keys are bytes, and the view must neither fail on any nor show two keys as one
// where text would end.
func TestView_KeysOfAnyBytes(t *testing.T) {
	t.Parallel()
	shown := map[string]map[sqlstore.Dialect]string{
		"evt_1/'x'\"\n":  {sqlstore.PostgreSQL: "evt_1/'x'\"\n", sqlstore.MySQL: "evt_1/'x'\"\n", sqlstore.SQLite: "evt_1/'x'\"\n"},
		"é€😀":            {sqlstore.PostgreSQL: `\303\251\342\202\254\360\237\230\200`, sqlstore.MySQL: "é€😀", sqlstore.SQLite: "é€😀"},
		"a\\b":           {sqlstore.PostgreSQL: `a\\b`, sqlstore.MySQL: `a\b`, sqlstore.SQLite: `a\b`},
		"\xff\xfe":       {sqlstore.PostgreSQL: `\377\376`, sqlstore.MySQL: "0xFFFE", sqlstore.SQLite: "\xff\xfe"},
		"\xed\xa0\x80":   {sqlstore.PostgreSQL: `\355\240\200`, sqlstore.SQLite: "\xed\xa0\x80"},
		"a\x00b":         {sqlstore.PostgreSQL: `a\000b`, sqlstore.MySQL: "a\x00b", sqlstore.SQLite: "0x610062"},
		allBytes()[:255]: {sqlstore.SQLite: "0x" + strings.ToUpper(hex.EncodeToString([]byte(allBytes()[:255])))},
		allBytes()[1:]:   {sqlstore.SQLite: allBytes()[1:]},
	}
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, nil)
		for id := range shown {
			for _, key := range []idempotency.Key{{Scope: "scope", ID: id}, {Scope: id, ID: "id"}} {
				if err := events.RunTx(t.Context(), key, effect); err != nil {
					t.Fatal(err)
				}
			}
		}
		if got, want := count(t, db, sqlstore.DefaultTable+"_readable"), 2*len(shown); got != want {
			t.Errorf("%d rows, want %d", got, want)
		}
		for _, by := range shown {
			if want, ok := by[d]; ok {
				readView(t, db, idempotency.Key{Scope: "scope", ID: want})
				readView(t, db, idempotency.Key{Scope: want, ID: "id"})
			}
		}
	})
}

// allBytes returns every byte once.
func allBytes() string {
	var b strings.Builder
	for i := range 256 {
		b.WriteByte(byte(i))
	}
	return b.String()
}

func TestVersion_OtherThanOurs(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		const table = sqlstore.DefaultTable + "_version"
		events := newEvents(t, db, d, nil)
		for _, test := range []struct {
			name, statement string
			want            []string
		}{
			{"older", "UPDATE " + table + " SET version = 0", []string{"version 0", "version 1 is needed", "Upgrade"}},
			{"newer", "UPDATE " + table + " SET version = 2", []string{"version 2", "up to 1", "release"}},
			{"empty", "DELETE FROM " + table, []string{table, "empty", "version 1"}},
			{"none", "DROP TABLE " + table, []string{"version 0", "version 1 is needed", "Upgrade"}},
		} {
			mustExec(t, db, test.statement)
			for call, f := range map[string]func(context.Context) error{"Check": events.Check, "CreateTables": events.CreateTables} {
				err := f(t.Context())
				for _, part := range test.want {
					if err == nil || !strings.Contains(err.Error(), part) {
						t.Errorf("%s, %s: got %v, want an error that says %q", test.name, call, err, part)
					}
				}
			}
		}
	})
}

// execFile runs the statements of a schema one by one.
func execFile(t *testing.T, db *sql.DB, schema string) {
	t.Helper()
	for statement := range strings.SplitAfterSeq(strings.TrimSpace(schema), ";\n") {
		mustExec(t, db, statement)
	}
}

func version0(t *testing.T, d sqlstore.Dialect) (records, payloads string) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("testdata/version0_%s.sql", d))
	if err != nil {
		t.Fatal(err)
	}
	records, payloads, ok := strings.Cut(string(text), ";\n\n")
	if !ok {
		t.Fatalf("want two statements in:\n%s", text)
	}
	return records, payloads
}

// shapeOf returns the columns of a table in the order of their names, with what the
// database says of their types.
func shapeOf(t *testing.T, db *sql.DB, table string) (columns []string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "SELECT * FROM "+table)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	types, err := rows.ColumnTypes()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range types {
		nullable, _ := c.Nullable()
		columns = append(columns, fmt.Sprint(c.Name(), " ", c.DatabaseTypeName(), " ", nullable))
	}
	slices.Sort(columns)
	return columns
}

func TestUpgrade_FromVersion0(t *testing.T) {
	t.Parallel()
	for name, keep := range map[string]bool{"with payloads": true, "without payloads": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) { upgrade(t, db, d, keep) })
		})
	}
}

func upgrade(t *testing.T, db *sql.DB, d sqlstore.Dialect, keep bool) {
	db.SetMaxIdleConns(0) // a connection may have statements prepared for the table before
	records, payloads := version0(t, d)
	mustExec(t, db, records)
	mustExec(t, db, "CREATE TABLE effects (name text NOT NULL)")
	o := &sqlstore.Options{KeepPayloads: true}
	events := newStore(t, db, d, o)
	if err := newStore(t, db, d, nil).RunTx(t.Context(), key, effect); err != nil {
		t.Fatal(err)
	}
	if keep {
		mustExec(t, db, payloads)
		insertVersion0(t, db, d, key, "sender", `text/"plain"`)
		insertVersion0(t, db, d, keyOf("bytes"), "se\xffnder", "")
	}

	statements, err := sqlstore.Upgrade(d, o, 0)
	if err != nil {
		t.Fatal(err)
	}
	execFile(t, db, statements)

	for _, f := range []func(context.Context) error{events.Check, events.CreateTables} {
		if err := f(t.Context()); err != nil {
			t.Error(err)
		}
	}
	readView(t, db, key)
	if keep {
		checkPayload(t, events, &hmacverify.Delivery{Scheme: "sender", Header: http.Header{"Content-Type": {`text/"plain"`}}, Body: []byte("body")})
		if p, err := events.Payload(t.Context(), keyOf("bytes")); string(p.Body) != "body" || p.Header.Get("Content-Type") != "" || !strings.HasPrefix(p.Scheme, "se") || err != nil {
			t.Errorf("got payload %+v, error %v", p, err)
		}
	}
	fresh := newStore(t, db, d, &sqlstore.Options{Table: "fresh"})
	if err := fresh.CreateTables(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{"", "_payloads", "_version", "_readable"} {
		if diff := cmp.Diff(shapeOf(t, db, "fresh"+suffix), shapeOf(t, db, sqlstore.DefaultTable+suffix)); diff != "" {
			t.Errorf("columns of %q, upgraded from created (-want +got):\n%s", suffix, diff)
		}
	}
	checkCounts(t, db, 1, 1)
}

func insertVersion0(t *testing.T, db *sql.DB, d sqlstore.Dialect, key idempotency.Key, source, contentType string) {
	t.Helper()
	query := "INSERT INTO " + sqlstore.DefaultTable + "_payloads (scope, id, source, content_type, body, changed_at) VALUES (?, ?, ?, ?, ?, 1)"
	if d == sqlstore.PostgreSQL {
		query = strings.Replace(query, "?, ?, ?, ?, ?", "$1, $2, $3, $4, $5", 1)
	}
	_, err := db.ExecContext(t.Context(), query,
		[]byte(key.Scope), []byte(key.ID), []byte(source), []byte(contentType), []byte("body"))
	if err != nil {
		t.Fatal(err)
	}
}

// A server that cannot be reached must not be taken for one of another kind.
func TestCheck_ServerUnreachable(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		driver, dsn string
		d           sqlstore.Dialect
	}{
		{"pgx", "postgres://nobody@127.0.0.1:1/none?sslmode=disable", sqlstore.PostgreSQL},
		{"postgres", "postgres://nobody@127.0.0.1:1/none?sslmode=disable", sqlstore.PostgreSQL},
		{"mysql", "nobody@tcp(127.0.0.1:1)/none", sqlstore.MySQL},
		{"sqlite", "file:" + t.TempDir() + "/none/test.db", sqlstore.SQLite},
		{"sqlite3", "file:" + t.TempDir() + "/none/test.db", sqlstore.SQLite},
	} {
		err := newStore(t, open(t, test.driver, test.dsn), test.d, nil).Check(t.Context())
		if err == nil || !strings.Contains(err.Error(), "cannot connect") || strings.Contains(err.Error(), "dialect") {
			t.Errorf("%s: got %v, want an error that says that it cannot connect", test.driver, err)
		}
	}
}

func TestCheck_OtherDialect(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		other := sqlstore.MySQL
		if d == sqlstore.MySQL {
			other = sqlstore.PostgreSQL
		}
		err := newStore(t, db, other, nil).Check(t.Context())
		if err == nil || !strings.Contains(err.Error(), string(other)) {
			t.Errorf("got %v, want an error that names the dialect", err)
		}
	})
}

func TestCheck_MissingTables(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		err := newStore(t, db, d, nil).Check(t.Context())
		for _, part := range []string{sqlstore.DefaultTable + " does not exist", "CreateTables", "Schema"} {
			if err == nil || !strings.Contains(err.Error(), part) {
				t.Errorf("got %v, want an error that says %q", err, part)
			}
		}
	})
}
