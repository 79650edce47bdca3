package sqltest_test

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/inbox"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// The recipe of package inbox: whatever the order in which the versions of a customer
// arrive, the newest stays, and the stale ones are ignored.
func TestStaleEvents(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		const n = 12
		db.SetMaxOpenConns(10)
		var mu sync.Mutex
		ignored := 0
		events := newEvents(t, db, d, &sqlstore.Options{Observe: func(_ context.Context, e idempotency.Event) {
			mu.Lock()
			defer mu.Unlock()
			if e.Kind == idempotency.KindIgnored {
				ignored++
			}
		}})
		mustExec(t, db, "CREATE TABLE customers (id INT PRIMARY KEY, email VARCHAR(80) NOT NULL, changed_at BIGINT NOT NULL, updates INT NOT NULL)")
		mustExec(t, db, "INSERT INTO customers VALUES (1, '', 0, 0)")
		query := "UPDATE customers SET email = $1, changed_at = $2, updates = updates + 1 WHERE id = 1 AND changed_at < $3"
		if d == sqlstore.MySQL {
			query = "UPDATE customers SET email = ?, changed_at = ?, updates = updates + 1 WHERE id = 1 AND changed_at < ?"
		}
		box, h, signer := newInbox(t, events, quickly(inbox.Options{}), func(ctx context.Context, tx *sql.Tx, d *hmacverify.Delivery) error {
			var version struct {
				Email string
				At    int64
			}
			if err := json.Unmarshal(d.Body, &version); err != nil {
				return idempotency.Permanent(err)
			}
			res, err := tx.ExecContext(ctx, query, version.Email, version.At, version.At)
			if err != nil {
				return err
			}
			if changed, err := res.RowsAffected(); err != nil || changed == 0 {
				return cmp.Or(err, idempotency.ErrIgnored)
			}
			return nil
		})
		for i := range n {
			at := (i*5 + 9) % n // all of them, in no order
			if i == n-1 {
				at = n - 1 // one more of the newest's time
			}
			body, err := json.Marshal(map[string]any{"email": fmt.Sprint("v", i), "at": at + 1})
			if err != nil {
				t.Fatal(err)
			}
			r, err := signer.NewRequest(t.Context(), "/webhooks", http.Header{"Webhook-Id": {fmt.Sprint("v", i)}}, body)
			if err != nil {
				t.Fatal(err)
			}
			w := httptest.NewRecorder()
			if h.ServeHTTP(w, r); w.Code != 202 {
				t.Fatalf("got %d, want 202", w.Code)
			}
		}
		stop := work(t, box, 4)
		eventually(t, "no entry", func() bool { return count(t, db, sqlstore.DefaultTable+"_inbox") == 0 })
		stop()
		var at, updates int
		if err := db.QueryRowContext(t.Context(), "SELECT changed_at, updates FROM customers").Scan(&at, &updates); err != nil {
			t.Fatal(err)
		}
		if at != n {
			t.Errorf("version %d stands, want the newest, %d", at, n)
		}
		if mu.Lock(); updates+ignored != n || ignored == 0 {
			t.Errorf("%d updates and %d stale events, want %d in all, and some stale", updates, ignored, n)
		}
		mu.Unlock()
	})
}
