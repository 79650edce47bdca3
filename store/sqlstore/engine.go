package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// An engine is what answers as a server of a dialect does.
type engine struct {
	name, version string
	notRun        bool // no test of ours ran on it
}

func (e engine) String() string { return e.name + " " + e.version }

const (
	cockroachDB = "CockroachDB"
	tidb        = "TiDB"
)

// engines are those that were never run, and how they give their version. Those that give
// none, such as Aurora DSQL and Spanner, pass for what they are like.
var engines = map[Dialect][]struct {
	name    string
	pattern *regexp.Regexp
}{
	PostgreSQL: {
		{cockroachDB, regexp.MustCompile(`^CockroachDB \S+ v?([0-9.]+)`)}, // CockroachDB CCL v25.4.14 (x86_64-…
		{"YugabyteDB", regexp.MustCompile(`-YB-([0-9.]+)`)},               // PostgreSQL 15.2-YB-2.25.0.0-b0 on …
		{"Greenplum", regexp.MustCompile(`Greenplum Database ([0-9.]+)`)}, // PostgreSQL 12.12 (Greenplum Database 7.1.0 …
	},
	MySQL: {
		{tidb, regexp.MustCompile(`-TiDB-v?([0-9.]+)`)},     // 8.0.11-TiDB-v7.5.0
		{"Vitess", regexp.MustCompile(`^([0-9.]+)-Vitess`)}, // 8.0.30-Vitess: the MySQL that it is like
		{"OceanBase", regexp.MustCompile(`OceanBase.*v([0-9.]+)`)},
	},
}

// engineOf returns the engine of a server that says that it is text.
func engineOf(d Dialect, text string) engine {
	for _, e := range engines[d] {
		if found := e.pattern.FindStringSubmatch(text); found != nil {
			return engine{e.name, strings.TrimSuffix(found[1], "."), true}
		}
	}
	return engine{name: string(d), version: text}
}

// checkTiDB reports a mode in which an event that was done is found out at COMMIT, after
// its work was done again. Versions differ in which of the settings they have.
func (s *Store) checkTiDB(ctx context.Context) error {
	for name, want := range map[string]string{"tidb_txn_mode": "pessimistic", "tidb_constraint_check_in_place_pessimistic": "ON"} {
		rows, err := s.db.QueryContext(ctx, "SHOW VARIABLES LIKE '"+name+"'")
		if err != nil {
			return fmt.Errorf("reading the server's settings: %w", err)
		}
		defer rows.Close()
		for rows.Next() {
			var ignored, value string
			if err := rows.Scan(&ignored, &value); err != nil {
				return err
			}
			if !strings.EqualFold(value, want) {
				return fmt.Errorf("%s is %q, so that the work of an event that was done would be called again: set it to %s", name, value, want)
			}
		}
		if err := rows.Err(); err != nil {
			return err
		}
	}
	return nil
}

// checkEngines reports a table of MySQL's whose engine is not InnoDB.
func (s *Store) checkEngines(ctx context.Context) error {
	if s.table.SQL().Engines == "" {
		return nil
	}
	schema, table, ok := strings.Cut(s.o.Table, ".")
	if !ok {
		schema, table = "", schema
	}
	var engine string
	row := s.db.QueryRowContext(ctx, s.table.SQL().Engines, schema, table, table+"_inbox", table+"_payloads", table+"_groups")
	switch err := row.Scan(&table, &engine); {
	case errors.Is(err, sql.ErrNoRows):
		return nil
	case err != nil:
		return fmt.Errorf("reading the engines of the tables: %w", err)
	}
	return fmt.Errorf("table %s does not roll back, because its engine is %s: change it to InnoDB", table, engine)
}
