package storetest

import (
	"bytes"
	"crypto/rand"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sync/errgroup"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
)

const (
	// long is a lease that does not end while a check runs, however slow the
	// machine; short is one that is waited for. No check needs a short lease
	// to be alive still when a call returns.
	long  = time.Hour
	short = 60 * time.Millisecond

	// precision is how far a store's lengths of time may be off. Stores
	// commonly count in milliseconds.
	precision = 5 * time.Millisecond

	// patience is for how long a check waits for what must happen, pause is
	// how long it waits between two looks.
	patience = 10 * time.Second
	pause    = 10 * time.Millisecond

	// callers is the number of goroutines that call at once.
	callers = 16
)

// A trial is one check of one store, with a key of its own.
type trial struct {
	testing.TB
	store lease.Store
	key   idempotency.Key
}

func newTrial(t testing.TB, s lease.Store) *trial {
	return &trial{
		TB:    t,
		store: s,
		key:   idempotency.Key{Scope: "storetest-" + rand.Text(), ID: "event"},
	}
}

// sibling returns another key that was not used before.
func (t *trial) sibling(id string) idempotency.Key {
	return idempotency.Key{Scope: t.key.Scope, ID: id}
}

// ours and theirs are the fingerprints of two contents.
var (
	ours   = idempotency.FingerprintOf([]byte("ours"))
	theirs = idempotency.FingerprintOf([]byte("theirs"))
)

// terms returns those of a new owner, without a fingerprint.
func terms(length time.Duration) lease.Terms {
	return lease.Terms{Owner: lease.NewOwner(), Lease: length}
}

// marked returns terms with the fingerprint ours, so that peek can be used.
func marked(length time.Duration) lease.Terms {
	terms := terms(length)
	terms.Fingerprint = ours
	return terms
}

// claim claims key.
func (t *trial) claim(key idempotency.Key, terms lease.Terms) (rec lease.Record, won bool) {
	t.Helper()
	rec, won, err := t.store.Claim(t.Context(), key, terms)
	if err != nil {
		t.Fatalf("Claim: %v", err)
	}
	return rec, won
}

// win claims key, which must be free.
func (t *trial) win(key idempotency.Key, terms lease.Terms) (lease.Claim, lease.Record) {
	t.Helper()
	rec, won := t.claim(key, terms)
	if !won {
		t.Fatalf("Claim of a free key lost to the record %+v", rec)
	}
	return lease.Claim{Key: key, Owner: terms.Owner, Token: rec.Token}, rec
}

// lose claims key, which must not be free, and returns the record in the way.
func (t *trial) lose(key idempotency.Key, terms lease.Terms) lease.Record {
	t.Helper()
	rec, won := t.claim(key, terms)
	if won {
		t.Fatalf("Claim of a key that is not free won: %+v", rec)
	}
	return rec
}

// peek returns the record of a key that was claimed with marked terms. As claims
// with another fingerprint never win, it changes nothing, whatever the state.
func (t *trial) peek(key idempotency.Key) lease.Record {
	t.Helper()
	other := terms(long)
	other.Fingerprint = theirs
	return t.lose(key, other)
}

// steal claims key until a claim wins, because the lease of the one before has
// ended.
func (t *trial) steal(key idempotency.Key, terms lease.Terms) (lease.Claim, lease.Record) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(pause) {
		if rec, won := t.claim(key, terms); won {
			return lease.Claim{Key: key, Owner: terms.Owner, Token: rec.Token}, rec
		}
	}
	t.Fatalf("no claim has won within %v, though the lease must have ended", patience)
	panic("not reached")
}

// lapse claims the key of the trial and waits until the lease has expired.
func (t *trial) lapse(terms lease.Terms) (lease.Claim, lease.Record) {
	t.Helper()
	terms.Lease = short
	c, rec := t.win(t.key, terms)
	time.Sleep(short + 2*precision)
	return c, rec
}

// must ends the trial if err is not nil.
func (t *trial) must(what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func (t *trial) complete(c lease.Claim, r *idempotency.Result) {
	t.Helper()
	t.must("Complete", t.store.Complete(t.Context(), c, r))
}

func (t *trial) release(c lease.Claim, f lease.Failure) {
	t.Helper()
	t.must("Release", t.store.Release(t.Context(), c, f))
}

// wantLost checks that err says that the lease is lost.
func (t *trial) wantLost(what string, err error) {
	t.Helper()
	if !errors.Is(err, idempotency.ErrLeaseLost) {
		t.Errorf("%s = %v, want ErrLeaseLost", what, err)
	}
}

// wantRecord compares all but the lengths of time, and Counted, which has checks of
// its own. An empty body is as good as none.
func (t *trial) wantRecord(what string, got, want lease.Record) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(want, "LeaseLeft", "Age", "Counted"), cmp.Comparer(bytes.Equal)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// wantLeft checks that of a lease that was given at some time since start, as
// much is left as there should be.
func (t *trial) wantLeft(what string, got, length time.Duration, start time.Time) {
	t.Helper()
	low, high := length-time.Since(start)-precision, length+precision
	if got < low || got > high {
		t.Errorf("%s: LeaseLeft = %v, want %v to %v", what, got, low, high)
	}
}

// together calls f(0) to f(n-1) at once and waits for all to return.
func (t *trial) together(n int, f func(i int) error) {
	t.Helper()
	var g errgroup.Group
	start := make(chan struct{})
	for i := range n {
		g.Go(func() error {
			<-start
			return f(i)
		})
	}
	close(start)
	if err := g.Wait(); err != nil {
		t.Fatalf("one of %d callers: %v", n, err)
	}
}
