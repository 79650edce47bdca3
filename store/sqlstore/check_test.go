package sqlstore_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/hookonce/hookonce/store/sqlstore"
)

// versionOnly is a server that tells its version and knows nothing else.
type versionOnly string

var errNothingElse = errors.New("nothing else is known")

func (v versionOnly) Connect(context.Context) (driver.Conn, error) { return v, nil }
func (v versionOnly) Driver() driver.Driver                        { return nil }
func (v versionOnly) Prepare(string) (driver.Stmt, error)          { return nil, errNothingElse }
func (v versionOnly) Begin() (driver.Tx, error)                    { return nil, errNothingElse }
func (v versionOnly) Close() error                                 { return nil }

func (v versionOnly) QueryContext(_ context.Context, query string, _ []driver.NamedValue) (driver.Rows, error) {
	if !strings.Contains(query, "version") {
		return nil, errNothingElse
	}
	return &oneRow{value: string(v)}, nil
}

// oneRow is a result of one column and one row.
type oneRow struct {
	value string
	read  bool
}

func (r *oneRow) Columns() []string { return []string{"version"} }
func (r *oneRow) Close() error      { return nil }

func (r *oneRow) Next(dest []driver.Value) error {
	if r.read {
		return io.EOF
	}
	dest[0], r.read = r.value, true
	return nil
}

func TestCheck_TooOld(t *testing.T) {
	t.Parallel()
	tests := map[sqlstore.Dialect]struct{ old, new []string }{
		sqlstore.PostgreSQL: {
			old: []string{"130022", "90624", "0", "", "14", "14.1", "a"},
			new: []string{"140000", "140012", "150018", "180001"},
		},
		sqlstore.MySQL: {
			old: []string{
				"5.7.44", "5.7.44-log", "5.5.5", "", "x",
				"10.5.29-MariaDB", "5.5.5-10.5.29-MariaDB-log", "10.3.39-MariaDB-0ubuntu0.20.04.2", "5.5.68-MariaDB",
			},
			new: []string{
				"8.0.11", "8.0.43-0ubuntu0.24.04.1", "8.4.6", "9.4.0",
				"10.6.0-MariaDB", "5.5.5-10.6.22-MariaDB-log", "10.11.14-MariaDB-0+deb12u2", "11.8.3-MariaDB",
			},
		},
		sqlstore.SQLite: {
			old: []string{"3.37.2", "3.7.17", "2.8", "3", ""},
			new: []string{"3.38.0", "3.38", "3.50.4", "4.0"},
		},
	}
	check := func(t *testing.T, d sqlstore.Dialect, version string) error {
		t.Helper()
		db := sql.OpenDB(versionOnly(version))
		t.Cleanup(func() { db.Close() })
		s, err := sqlstore.New(db, d, nil)
		if err != nil {
			t.Fatal(err)
		}
		return s.Check(t.Context())
	}
	for d, test := range tests {
		for _, version := range test.old {
			if err := check(t, d, version); err == nil || errors.Is(err, errNothingElse) {
				t.Errorf("%s %q: got %v, want an error that says it is too old", d, version, err)
			}
		}
		for _, version := range test.new {
			if err := check(t, d, version); !errors.Is(err, errNothingElse) {
				t.Errorf("%s %q: got %v, want that it goes on to what the server does not know", d, version, err)
			}
		}
	}
}

func TestCheck_OtherServer(t *testing.T) {
	t.Parallel()
	db := sql.OpenDB(versionOnly("8.0.43"))
	t.Cleanup(func() { db.Close() })
	s, err := sqlstore.New(db, sqlstore.PostgreSQL, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Check(t.Context()); err == nil || errors.Is(err, errNothingElse) {
		t.Errorf("got %v, want an error about the version", err)
	}
}
