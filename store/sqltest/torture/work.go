package torture

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/store/sqlstore"
)

var errOnPurpose = errors.New("failed on purpose, after the work")

// unreliable makes some attempts fail after their work, and some take longer than
// their lease.
func (s *server) unreliable(next http.Handler) http.Handler {
	if !s.Fail {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch rand.N(100) {
		case 0, 1, 2:
			next.ServeHTTP(discard{}, r)
			fail(w, r, errOnPurpose)
		case 3:
			next.ServeHTTP(discard{}, r)
			panic(errOnPurpose)
		case 4:
			time.Sleep(s.Lease + s.Lease/4)
			next.ServeHTTP(w, r)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// discard is a response writer for an answer that is not sent.
type discard struct{}

func (discard) Header() http.Header         { return make(http.Header) }
func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) WriteHeader(int)             {}

// fail reports err, and answers 503 for failures of another system.
func fail(w http.ResponseWriter, r *http.Request, err error) {
	idempotency.Fail(r, err)
	status := http.StatusServiceUnavailable
	if errors.Is(err, errOnPurpose) {
		status = http.StatusInternalServerError
	}
	http.Error(w, "failed", status)
}

// inTransaction writes to the ledger in the record's transaction.
func (s *server) inTransaction(w http.ResponseWriter, r *http.Request) {
	tx, ok := sqlstore.Tx(r.Context())
	if !ok {
		tx, ok = brokenTx(r.Context())
	}
	if !ok {
		fail(w, r, errors.New("no transaction"))
		return
	}
	if err := s.effect(r.Context(), tx, transactional); err != nil {
		fail(w, r, err)
	}
}

// completeInTransaction writes to the ledger in the transaction that completes the
// lease.
func (s *server) completeInTransaction(w http.ResponseWriter, r *http.Request) {
	err := func() error {
		if s.Fail {
			time.Sleep(rand.N(100 * time.Millisecond)) // slow work, as in lease mode
		}
		tx, err := s.db.BeginTx(r.Context(), nil)
		if err != nil {
			return err
		}
		defer tx.Rollback()
		if err := s.effect(r.Context(), tx, completed); err != nil {
			return err
		}
		if err := s.events.CompleteTx(r.Context(), tx); err != nil {
			return err
		}
		return tx.Commit()
	}()
	if err != nil {
		fail(w, r, err)
	}
}

// effect is the work: it inserts a row, and for some events updates two rows that all
// events share, in random order.
func (s *server) effect(ctx context.Context, tx *sql.Tx, m mode) error {
	a, ok := idempotency.AttemptFrom(ctx)
	if !ok {
		return errors.New("no attempt")
	}
	_, err := tx.ExecContext(ctx, s.bind("INSERT INTO ledger (mode, event, note) VALUES (?, ?, ?)"),
		string(m), a.Key.ID, strings.Repeat("x", s.Pad))
	if err != nil || !transfers(a.Key.ID) {
		return err
	}
	for _, account := range accountsOf(a.Key.ID) {
		_, err := tx.ExecContext(ctx, s.bind("UPDATE accounts SET balance = balance + 1 WHERE id = ?"), account)
		if err != nil {
			return err
		}
	}
	return nil
}

func hashOf(event string) int {
	h := fnv.New32a()
	io.WriteString(h, event)
	return int(h.Sum32() >> 4)
}

func transfers(event string) bool { return hashOf(event)%8 == 0 }

// accountsOf returns two different accounts.
func accountsOf(event string) [2]int {
	h := hashOf(event) / 8
	first := h % accounts
	return [2]int{first, (first + 1 + h/accounts%(accounts-1)) % accounts}
}

// outside requests the effect from the ledger outside the database, with the key by
// which that recognizes a retry.
func (s *server) outside(w http.ResponseWriter, r *http.Request) {
	a, ok := idempotency.AttemptFrom(r.Context())
	if !ok {
		fail(w, r, errors.New("no attempt"))
		return
	}
	url := s.Outside + "/effects/" + a.Key.Downstream() + "/" + a.Key.ID
	req, err := http.NewRequestWithContext(r.Context(), http.MethodPost, url, nil)
	if err != nil {
		fail(w, r, err)
		return
	}
	resp, err := s.client.Do(req)
	if err == nil {
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			err = fmt.Errorf("the outside ledger answered %d", resp.StatusCode)
		}
	}
	if err != nil {
		fail(w, r, err)
	}
}
