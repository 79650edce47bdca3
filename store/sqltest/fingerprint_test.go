package sqltest_test

import (
	"database/sql"
	"errors"
	"testing"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// The fingerprint of a failed delivery is kept, as in lease mode: other content under
// the same key is a mismatch, and not the event that failed.
func TestRun_FingerprintOfFailure(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		events := newEvents(t, db, d, &sqlstore.Options{RecordFailures: true})
		ours, theirs := idempotency.FingerprintOf([]byte("ours")), idempotency.FingerprintOf([]byte("theirs"))
		boom := errors.New("boom")
		for _, first := range []idempotency.Fingerprint{{}, ours} { // the first one is not checked
			if err := runItem(t, events, idempotency.Item{Key: key, Fingerprint: first}, boom); !errors.Is(err, boom) {
				t.Fatal(err)
			}
		}
		if err := runItem(t, events, idempotency.Item{Key: key, Fingerprint: theirs}, nil); !errors.Is(err, idempotency.ErrMismatch) {
			t.Errorf("other content: got %v, want ErrMismatch", err)
		}
		if err := runItem(t, events, idempotency.Item{Key: key, Fingerprint: ours}, nil); err != nil {
			t.Errorf("the same content: %v", err)
		}
	})
}
