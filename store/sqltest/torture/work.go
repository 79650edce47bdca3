package torture

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
)

var errOnPurpose = errors.New("failed on purpose, after the work")

// unreliable makes some attempts fail after their work, and some take longer than
// their lease.
func unreliable[T any](s *server, f idempotency.Func[T]) idempotency.Func[T] {
	return func(ctx context.Context, tx T, d *hmacverify.Delivery) error {
		chance := 100
		if s.Fail {
			chance = rand.N(100)
		}
		switch chance {
		case 0, 1, 2:
			return errors.Join(errOnPurpose, f(ctx, tx, d))
		case 3:
			f(ctx, tx, d)
			panic(errOnPurpose)
		case 4:
			time.Sleep(s.Lease + s.Lease/4)
		}
		err := s.depend(ctx)
		if err == nil {
			err = f(ctx, tx, d)
		}
		return idempotency.WithStatus(http.StatusServiceUnavailable, err)
	}
}

func doomed(event string) bool { return hashOf(event)%10 == 3 }

// doomedWork makes the work of some events fail each time, if attempts are bounded.
func doomedWork[T any](s *server, m mode, f idempotency.Func[T]) idempotency.Func[T] {
	return func(ctx context.Context, tx T, d *hmacverify.Delivery) error {
		if s.MaxAttempts == 0 || !doomed(d.ID) {
			return f(ctx, tx, d)
		}
		s.tell(ctx, "failed", d.ID)
		if m == transactional {
			f(ctx, tx, d) // which is rolled back
		}
		return errOnPurpose
	}
}

// depend fails if the work depends on the system outside and that is away.
func (s *server) depend(ctx context.Context) error {
	if !s.Depend {
		return nil
	}
	return s.post(ctx, "/dependency")
}

// inTransaction writes to the ledger in the record's transaction.
func (a *access[T]) inTransaction(ctx context.Context, tx T, d *hmacverify.Delivery) error {
	return a.apply(ctx, tx, transactional, d.ID)
}

// inTransactionLater is inTransaction for what an inbox has accepted.
func (a *access[T]) inTransactionLater(ctx context.Context, tx T, d *hmacverify.Delivery) error {
	return a.apply(ctx, tx, later, d.ID)
}

// completeInTransaction writes to the ledger in the transaction that completes the
// lease.
func (a *access[T]) completeInTransaction(ctx context.Context, claim lease.Claim, _ *hmacverify.Delivery) error {
	if a.Fail {
		time.Sleep(rand.N(100 * time.Millisecond)) // slow work, as in lease mode
	}
	return a.inTx(ctx, func(tx T) error {
		if err := a.apply(ctx, tx, completed, claim.Key.ID); err != nil {
			return err
		}
		return a.store.CompleteTx(ctx, tx, claim)
	})
}

// apply does the work in tx.
func (a *access[T]) apply(ctx context.Context, tx T, m mode, event string) error {
	for _, s := range a.effect(m, event) {
		if err := a.exec(ctx, tx, s.query, s.args...); err != nil {
			return err
		}
	}
	return nil
}

// A statement is a part of the work.
type statement struct {
	query string
	args  []any
}

// effect is the work: it inserts a row, and for some events updates two rows that all
// events share, in random order.
func (s *server) effect(m mode, event string) []statement {
	var all []statement
	if m == transactional {
		for id := range s.reads {
			all = append(all, statement{s.bind("SELECT balance FROM accounts WHERE id = ?"), []any{id}})
		}
	}
	all = append(all, statement{
		s.bind("INSERT INTO ledger (mode, event, note) VALUES (?, ?, ?)"),
		[]any{string(m), event, strings.Repeat("x", s.Pad)},
	})
	if transfers(event) {
		for _, account := range accountsOf(event) {
			all = append(all, statement{s.bind("UPDATE accounts SET balance = balance + 1 WHERE id = ?"), []any{account}})
		}
	}
	return all
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
func (s *server) outside(ctx context.Context, c lease.Claim, _ *hmacverify.Delivery) error {
	return s.post(ctx, "/effects/"+c.Key.Downstream()+"/"+c.Key.ID)
}

// post sends a request to the system outside.
func (s *server) post(ctx context.Context, path string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.Outside+path, nil)
	if err != nil {
		return err
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, resp.Body)
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the outside ledger answered %d", resp.StatusCode)
	}
	return nil
}
