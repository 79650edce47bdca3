package memstore_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/memstore"
	"github.com/hookonce/hookonce/store/storetest"
)

// Purge is as storetest looks for it: else its check of Purge would be skipped.
var _ interface {
	Purge(ctx context.Context) (n int, err error)
} = (*memstore.Store)(nil)

func TestStore(t *testing.T) {
	storetest.RunInBubble(t, func(*testing.T) lease.Store { return new(memstore.Store) })
}

// The suite must also hold in real time, as it does for databases.
func TestStore_RealTime(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(*testing.T) lease.Store { return new(memstore.Store) })
}

func TestNew_Refuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		opts *memstore.Options
		ok   bool
	}{
		{"nothing of the defaults", nil, true},
		{"nothing of the zero options", &memstore.Options{}, true},
		{"a negative number of records", &memstore.Options{MaxRecords: -1}, false},
		{"a negative retention", &memstore.Options{Retention: -1, AllowShortRetention: true}, false},
		{"a retention under 72 hours", &memstore.Options{Retention: 72*time.Hour - 1}, false},
		{"no retention of 72 hours", &memstore.Options{Retention: 72 * time.Hour}, true},
		{"no retention that is asked for by name", &memstore.Options{Retention: time.Second, AllowShortRetention: true}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := memstore.New(tt.opts)
			if ok := err == nil; ok != tt.ok || ok != (s != nil) {
				t.Errorf("New(%+v) = %v, %v, want success %t", tt.opts, s, err, tt.ok)
			}
		})
	}
}

func TestStore_ClaimRefusesInvalidTerms(t *testing.T) {
	t.Parallel()
	s := new(memstore.Store)
	good := lease.Terms{Owner: lease.NewOwner(), Lease: time.Minute}
	for _, tt := range []struct {
		name  string
		key   idempotency.Key
		terms lease.Terms
	}{
		{"a key that is not valid", idempotency.Key{Scope: "s"}, good},
		{"no owner", key("a"), lease.Terms{Lease: time.Minute}},
		{"no lease", key("b"), lease.Terms{Owner: good.Owner}},
		{"a negative lease", key("c"), lease.Terms{Owner: good.Owner, Lease: -1}},
	} {
		if rec, won, err := s.Claim(t.Context(), tt.key, tt.terms); err == nil || won {
			t.Errorf("Claim with %s = %+v, %t, %v, want an error", tt.name, rec, won, err)
		}
	}
	c := claim(t, s, "d", time.Hour)
	if err := s.Renew(t.Context(), c, 0); err == nil || errors.Is(err, idempotency.ErrLeaseLost) {
		t.Errorf("Renew without a lease = %v, want an error of its own", err)
	}
	if got := s.Len(); got != 1 {
		t.Errorf("Len() = %d, want 1", got)
	}
}

func TestStore_FullRefusesNewKeys(t *testing.T) {
	t.Parallel()
	s := newStore(t, &memstore.Options{MaxRecords: 4})
	complete(t, s, claim(t, s, "done", time.Hour))
	c := claim(t, s, "dead", time.Hour)
	must(t, s.Release(t.Context(), c, lease.Failure{Dead: true}))
	c = claim(t, s, "released", time.Hour)
	must(t, s.Release(t.Context(), c, lease.Failure{}))
	live := claim(t, s, "claimed", time.Hour)

	for range 3 {
		if _, _, err := s.Claim(t.Context(), key("new"), terms(time.Hour)); !errors.Is(err, memstore.ErrFull) {
			t.Fatalf("Claim of a new key in a full store: %v, want ErrFull", err)
		}
	}
	for id, want := range map[string]lease.State{
		"done": lease.Done, "dead": lease.Dead, "claimed": lease.Claimed,
	} {
		rec, won, err := s.Claim(t.Context(), key(id), terms(time.Hour))
		if err != nil || won || rec.State != want {
			t.Errorf("Claim of %q = %+v, %t, %v, want to lose to a record that is %v", id, rec, won, err, want)
		}
	}
	if c := claim(t, s, "released", time.Hour); c.Token != 2 {
		t.Errorf("token of the released key = %d, want 2", c.Token)
	}
	complete(t, s, live)
	if got := s.Len(); got != 4 {
		t.Errorf("Len() = %d, want 4", got)
	}
}

func TestStore_FullReclaimsExpiredRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 500
		s := newStore(t, &memstore.Options{MaxRecords: n})
		for i := range n - 1 {
			complete(t, s, claim(t, s, fmt.Sprint("old ", i), time.Hour))
		}
		time.Sleep(idempotency.DefaultRetention - time.Hour)
		complete(t, s, claim(t, s, "young", time.Hour))
		time.Sleep(time.Hour)
		// Whatever shard a new key falls into, there is room for it.
		for i := range n - 1 {
			claim(t, s, fmt.Sprint("new ", i), time.Hour)
		}
		if _, _, err := s.Claim(t.Context(), key("one more"), terms(time.Hour)); !errors.Is(err, memstore.ErrFull) {
			t.Errorf("Claim of one more: %v, want ErrFull", err)
		}
		if _, won, err := s.Claim(t.Context(), key("young"), terms(time.Hour)); won || err != nil {
			t.Errorf("Claim of a record that has not expired: won %t, %v", won, err)
		}
	})
}

func TestStore_MaxRecordsConcurrently(t *testing.T) {
	t.Parallel()
	const limit, callers, each = 1000, 8, 500
	s := newStore(t, &memstore.Options{MaxRecords: limit})
	var won, full atomic.Int64
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			for j := range each {
				switch _, ok, err := s.Claim(t.Context(), key(fmt.Sprint(i, " ", j)), terms(time.Hour)); {
				case errors.Is(err, memstore.ErrFull):
					full.Add(1)
				case err == nil && ok:
					won.Add(1)
				default:
					t.Errorf("Claim: won %t, %v", ok, err)
				}
			}
		})
	}
	wg.Wait()
	if won.Load() != limit || full.Load() != callers*each-limit || s.Len() != limit {
		t.Errorf("%d claims have won and %d found the store full, Len() = %d; want %d, %d, %d",
			won.Load(), full.Load(), s.Len(), limit, callers*each-limit, limit)
	}
}

// An expired record is as good as none, and one that has not expired stands. The
// retention starts with the last thing that happened, not with the claim.
func TestStore_RecordsExpire(t *testing.T) {
	const length, work = time.Hour, 20 * time.Minute
	release := func(f lease.Failure) func(*testing.T, *memstore.Store, lease.Claim) {
		return func(t *testing.T, s *memstore.Store, c lease.Claim) {
			must(t, s.Release(t.Context(), c, f))
		}
	}
	for _, tt := range []struct {
		name  string
		leave func(t *testing.T, s *memstore.Store, c lease.Claim)
		after time.Duration // the end of the retention, from the claim
	}{
		{"done", complete, work + idempotency.DefaultRetention},
		{"dead", release(lease.Failure{Dead: true, Reason: "old"}), work + idempotency.DefaultRetention},
		{"released", release(lease.Failure{Reason: "old"}), work + idempotency.DefaultRetention},
		{"dead for want of attempts", func(t *testing.T, s *memstore.Store, c lease.Claim) {
			must(t, s.Release(t.Context(), c, lease.Failure{}))
			time.Sleep(work)
			once := terms(length)
			once.MaxAttempts = 1
			if rec, won, err := s.Claim(t.Context(), c.Key, once); won || err != nil || rec.State != lease.Dead {
				t.Fatalf("Claim = %+v, %t, %v, want Dead", rec, won, err)
			}
		}, 2*work + idempotency.DefaultRetention},
		{"abandoned", func(*testing.T, *memstore.Store, lease.Claim) {}, length + idempotency.DefaultRetention},
		{"abandoned after a renewal", func(t *testing.T, s *memstore.Store, c lease.Claim) {
			must(t, s.Renew(t.Context(), c, length))
		}, work + length + idempotency.DefaultRetention},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := new(memstore.Store)
				first := terms(length)
				first.Fingerprint = idempotency.FingerprintOf([]byte("old"))
				other := terms(length)
				other.Fingerprint = idempotency.FingerprintOf([]byte("new"))

				start := time.Now()
				rec, _, err := s.Claim(t.Context(), key("k"), first)
				must(t, err)
				time.Sleep(work)
				tt.leave(t, s, lease.Claim{Key: key("k"), Owner: first.Owner, Token: rec.Token})
				time.Sleep(tt.after - time.Since(start) - time.Nanosecond)
				if n, err := s.Purge(t.Context()); n != 0 || err != nil {
					t.Errorf("early Purge = %d, %v, want 0, nil", n, err)
				}
				if rec, won, err := s.Claim(t.Context(), key("k"), other); won || err != nil {
					t.Fatalf("early Claim = %+v, %t, %v, want to lose", rec, won, err)
				}
				time.Sleep(time.Nanosecond)
				rec, won, err := s.Claim(t.Context(), key("k"), other)
				if !won || err != nil || rec.Token != 1 || rec.Attempts != 1 || rec.LastError != "" || rec.Stolen || rec.Fingerprint != other.Fingerprint {
					t.Errorf("Claim of an expired key = %+v, %t, %v, want to win as if it were new", rec, won, err)
				}
			})
		})
	}
}

func TestStore_LeaseExpiresToTheNanosecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(memstore.Store)
		claim(t, s, "k", time.Minute)
		time.Sleep(time.Minute - time.Nanosecond)
		if rec, won, err := s.Claim(t.Context(), key("k"), terms(time.Minute)); won || err != nil || rec.LeaseLeft != 1 {
			t.Errorf("Claim = %+v, %t, %v, want to lose with 1ns left", rec, won, err)
		}
		time.Sleep(time.Nanosecond)
		claim(t, s, "k", time.Minute)
	})
}

func TestStore_DuplicatesDoNotExtendRetention(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(memstore.Store)
		complete(t, s, claim(t, s, "k", time.Hour))
		for range 30 {
			time.Sleep(idempotency.DefaultRetention / 30)
			if s.Len() == 1 {
				s.Claim(t.Context(), key("k"), terms(time.Hour))
			}
		}
		if c := claim(t, s, "other", time.Hour); c.Token != 1 {
			t.Fatalf("token %d, want 1", c.Token)
		}
		rec, _, err := s.Claim(t.Context(), key("k"), terms(time.Hour))
		if err != nil || rec.State != lease.Claimed {
			t.Errorf("after the retention: %+v, %v, want the key claimed anew", rec, err)
		}
	})
}

func TestStore_Purge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 50_000 // more than one batch of each shard
		s := new(memstore.Store)
		long := claim(t, s, "a lease longer than the retention", 2*idempotency.DefaultRetention)
		for i := range n {
			complete(t, s, claim(t, s, fmt.Sprint(i), time.Hour))
		}
		time.Sleep(idempotency.DefaultRetention)
		young := claim(t, s, "young", time.Hour)
		before := s.Len()

		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if got, err := s.Purge(ctx); got != 0 || !errors.Is(err, context.Canceled) {
			t.Errorf("Purge with a cancelled context = %d, %v", got, err)
		}
		got, err := s.Purge(t.Context())
		if want := before - 2; got != want || err != nil {
			t.Errorf("Purge = %d, %v, want %d, nil", got, err, want)
		}
		if got := s.Len(); got != 2 {
			t.Errorf("Len() = %d, want 2", got)
		}
		complete(t, s, young)
		complete(t, s, long)
		if claim(t, s, "0", time.Hour); s.Len() != 3 {
			t.Errorf("Len() = %d after a purged key was claimed again, want 3", s.Len())
		}
	})
}

// Without anybody calling Purge, a store through which events flow holds no more
// than those of one retention.
func TestStore_FreesMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(memstore.Store)
		for round := range 5 {
			for i := range 10_000 {
				complete(t, s, claim(t, s, fmt.Sprint(round, " ", i), time.Hour))
			}
			time.Sleep(idempotency.DefaultRetention)
		}
		if got := s.Len(); got > 11_000 {
			t.Errorf("Len() = %d after five rounds of 10000 records each, want about 10000", got)
		}
	})
}

func TestStore_AbsurdlyLongLeases(t *testing.T) {
	t.Parallel()
	s := new(memstore.Store)
	c := claim(t, s, "k", math.MaxInt64)
	for range 2 {
		rec, won, err := s.Claim(t.Context(), key("k"), terms(time.Hour))
		if won || err != nil || rec.LeaseLeft < 100*365*24*time.Hour {
			t.Errorf("Claim = %+v, %t, %v, want to lose to a lease of centuries", rec, won, err)
		}
		must(t, s.Renew(t.Context(), c, math.MaxInt64))
	}
}

// A key or a reason that is cut from a large buffer must not keep that buffer.
func TestStore_CopiesCallersMemory(t *testing.T) {
	s := new(memstore.Store)
	const large, n = 1 << 20, 64
	before := heap()
	for i := range n {
		id := strings.Repeat(string(rune('a'+i)), large)[:20]
		reason := strings.Repeat(string(rune('a'+i)), large)[:20]
		media := strings.Repeat(string(rune('a'+i)), large)[:20]
		c := claim(t, s, id, time.Hour)
		must(t, s.Release(t.Context(), c, lease.Failure{Reason: reason}))
		c = claim(t, s, id, time.Hour)
		must(t, s.Complete(t.Context(), c, &idempotency.Result{ContentType: media, Body: []byte(media)}))
	}
	if held := int64(heap()) - int64(before); held > n*large/4 {
		t.Errorf("%d records of 20 bytes hold %d bytes", n, held)
	}
	runtime.KeepAlive(s)
}

func TestStore_KeepsNoGoroutine(t *testing.T) {
	before := runtime.NumGoroutine()
	s := newStore(t, nil)
	complete(t, s, claim(t, s, "k", time.Hour))
	if after := runtime.NumGoroutine(); after != before {
		t.Errorf("%d goroutines after using a store, %d before", after, before)
	}
}

func newStore(t *testing.T, opts *memstore.Options) *memstore.Store {
	t.Helper()
	s, err := memstore.New(opts)
	must(t, err)
	return s
}

func key(id string) idempotency.Key { return idempotency.Key{Scope: "test", ID: id} }

func terms(length time.Duration) lease.Terms {
	return lease.Terms{Owner: lease.NewOwner(), Lease: length}
}

func claim(t *testing.T, s *memstore.Store, id string, length time.Duration) lease.Claim {
	t.Helper()
	terms := terms(length)
	rec, won, err := s.Claim(t.Context(), key(id), terms)
	if err != nil || !won {
		t.Fatalf("Claim of %q: %+v, %t, %v, want to win", id, rec, won, err)
	}
	return lease.Claim{Key: key(id), Owner: terms.Owner, Token: rec.Token}
}

func complete(t *testing.T, s *memstore.Store, c lease.Claim) {
	t.Helper()
	must(t, s.Complete(t.Context(), c, nil))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
