package records_test

import (
	"context"
	"database/sql"
	"strings"
	"testing"
	"time"

	"github.com/hookonce/hookonce/store/internal/records"
)

// server answers Locate.
type server struct {
	records.Conn
	tidb bool
}

func (s server) QueryRow(context.Context, string, ...any) records.Row { return located{s.tidb} }

type located struct{ tidb bool }

func (l located) Scan(dest ...any) error {
	*dest[0].(*sql.NullString) = sql.NullString{String: "`shop`", Valid: true}
	*dest[1].(*int64) = 1 << 20
	*dest[2].(*bool) = l.tidb
	return nil
}

// TiDB refuses LOCK IN SHARE MODE, see https://github.com/pingcap/tidb/issues/21005.
func TestLocate_TiDBHasNoSharedLocks(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"events", "shop.events"} {
		for tidb, want := range map[bool]string{false: "LOCK IN SHARE MODE", true: "FOR UPDATE"} {
			table, err := records.NewTable("records", records.MySQL, name, time.Second)
			if err != nil {
				t.Fatal(err)
			}
			table.Locate(t.Context(), server{tidb: tidb})
			for _, text := range []string{table.SQL().Find, table.SQL().FindDone, table.SQL().FindBatch} {
				if !strings.HasSuffix(text, want) || !strings.Contains(text, "shop`.events") && !strings.Contains(text, "shop.events") {
					t.Errorf("table %s, TiDB %v: got %s, want that it ends in %s", name, tidb, text, want)
				}
			}
		}
	}
}
