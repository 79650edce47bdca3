package idempotency_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/store/memstore"
)

// The tests of this file are named after the known ways to lose an event (L) or
// to apply it twice (D). Those that only a database can show are in
// store/sqltest, those of a store alone in store/storetest.

// Watermill's deduplicator and every check-and-record design mark first.
func TestL1_FailedWorkDoesNotMarkTheEvent(t *testing.T) {
	bubble(t, func(t *testing.T, l *idempotency.Leased, _ *faulty, _ *journal) {
		checkError(t, run(t.Context(), l, fails), errBoom)
		ran := false
		checkError(t, run(t.Context(), l, func(context.Context) error { ran = true; return nil }), nil)
		if !ran {
			t.Error("the redelivery of a failed event was dropped")
		}
	})
}

// Samples that answer first and work later lose the event with the process.
func TestL2_No2xxLeavesBeforeTheRecordIsDurable(t *testing.T) {
	bubble(t, func(t *testing.T, l *idempotency.Leased, store *faulty, _ *journal) {
		store.before = func(_ context.Context, verb string, _ int) error {
			if verb == "complete" {
				time.Sleep(time.Minute)
			}
			return nil
		}
		start := time.Now()
		once := &idempotency.Middleware{Runner: l, Key: headerKey}
		once.Handler(answering(200, "x")).ServeHTTP(writerFunc(func() {
			if got := time.Since(start); got < time.Minute {
				t.Errorf("answered after %v, want after the completion", got)
			}
		}), newDelivery("evt", ""))
	})
}

// A writerFunc is a response writer that is called when something is sent.
type writerFunc func()

func (f writerFunc) Header() http.Header         { return make(http.Header) }
func (f writerFunc) WriteHeader(int)             { f() }
func (f writerFunc) Write(p []byte) (int, error) { f(); return len(p), nil }

// Fiber's middleware and Stripe's API keep a 503 as the result.
func TestL3_ErrorAnswerIsNeverReplayed(t *testing.T) {
	t.Parallel()
	once := &idempotency.Middleware{Runner: leased(), Key: headerKey, Duplicate: idempotency.Replay}
	status := 503
	h := once.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(status) }))
	var got []int
	for _, status = range []int{503, 422, 201, 500} {
		got = append(got, deliver(h, "evt", "").Code)
	}
	if want := []int{503, 422, 201, 201}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// Without a lease an event whose process died is in progress for ever.
func TestL4_EventOfADeadProcessIsFreeAfterItsLease(t *testing.T) {
	bubble(t, func(t *testing.T, l *idempotency.Leased, store *faulty, _ *journal) {
		look(t, store, evt) // claims for 30 seconds and is never heard of again
		time.Sleep(30*time.Second - time.Nanosecond)
		checkError(t, run(t.Context(), l, takes(0)), idempotency.ErrInFlight)
		time.Sleep(time.Nanosecond)
		checkError(t, run(t.Context(), l, takes(0)), nil)
	})
}

// duringTheFirst returns how a duplicate is answered that comes while the first
// delivery is handled: by this process, which collapses, or by another one.
func duringTheFirst(t *testing.T, policy idempotency.Policy) (same, other *httptest.ResponseRecorder) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		runner := leased()
		newHandler := func(inner http.HandlerFunc) http.Handler {
			once := &idempotency.Middleware{Runner: runner, Key: headerKey, Duplicate: policy, Dead: policy}
			return once.Handler(inner)
		}
		var here, there http.Handler
		there = newHandler(func(http.ResponseWriter, *http.Request) { t.Error("handled twice") })
		here = newHandler(func(http.ResponseWriter, *http.Request) {
			same, other = deliver(here, "evt", ""), deliver(there, "evt", "")
		})
		deliver(here, "evt", "")
	})
	return same, other
}

// If the first fails after that, nobody comes again.
func TestL5_InFlightDuplicateIsNever2xx(t *testing.T) {
	t.Parallel()
	for _, policy := range []idempotency.Policy{idempotency.Conflict, idempotency.Acknowledge, idempotency.Replay} {
		same, other := duringTheFirst(t, policy)
		checkProblem(t, same, 503, "in_flight")
		checkProblem(t, other, 503, "in_flight")
	}
}

// Some senders give up, or disable the endpoint, at a 4xx.
func TestL6_InFlightDuplicateIsNever4xxAndSaysWhenToComeAgain(t *testing.T) {
	t.Parallel()
	same, other := duringTheFirst(t, idempotency.Conflict)
	for _, tt := range []struct {
		w    *httptest.ResponseRecorder
		want string
	}{{same, "5"}, {other, "28"}} { // the other's wait of 2 seconds was spent already
		if got := tt.w.Header().Get("Retry-After"); tt.w.Code/100 == 4 || got != tt.want {
			t.Errorf("got %d with Retry-After %q, want a 503 with %q", tt.w.Code, got, tt.want)
		}
	}
}

// Databases fold case, trim spaces and compare numbers.
func TestL7_KeysAreComparedByteForByte(t *testing.T) {
	t.Parallel()
	h := (&idempotency.Middleware{Runner: leased(), Key: headerKey}).Handler(http.HandlerFunc(noop))
	for _, id := range []string{"a", "A", "a ", "a\x00", "á", "a\u0301", "1", "01", "1.0", "\xff", "\uFFFD"} {
		if w := deliver(h, id, ""); w.Code != 200 {
			t.Errorf("%q: got %d, it was taken for another event", id, w.Code)
		}
	}
}

// MySQL's INSERT IGNORE cuts a long key, which then equals others.
func TestL8_LongKeysAreRefusedAndNotCut(t *testing.T) {
	t.Parallel()
	longest := strings.Repeat("x", idempotency.MaxKeyBytes)
	for _, tt := range []struct {
		key idempotency.Key
		ok  bool
	}{
		{idempotency.Key{Scope: longest, ID: longest}, true},
		{idempotency.Key{Scope: longest + "x", ID: "x"}, false},
		{idempotency.Key{Scope: "x", ID: longest + "x"}, false},
		{idempotency.Key{Scope: "x"}, false},
		{idempotency.Key{ID: "x"}, false},
	} {
		err := tt.key.Validate()
		if (err == nil) != tt.ok || err != nil && !errors.Is(err, idempotency.ErrInvalidKey) {
			t.Errorf("%d and %d bytes: got %v, want ok to be %t", len(tt.key.Scope), len(tt.key.ID), err, tt.ok)
		}
		if err != nil && strings.Contains(err.Error(), "xx") {
			t.Errorf("the error holds the key: %v", err)
		}
	}
}

// Parts that are joined without a separator, and senders that share a namespace,
// make one key of two events.
func TestL9_ScopeAndIDCannotBeMistakenForOthers(t *testing.T) {
	t.Parallel()
	runner := leased()
	seen := make(map[string]idempotency.Key)
	for _, key := range []idempotency.Key{{"a", "bc"}, {"ab", "c"}, {"b", "bc"}, {"a", "b/c"}, {"a/b", "c"}, {"a\x00b", "c"}, {"a", "b\x00c"}} {
		if _, err := runner.Run(t.Context(), key, idempotency.Fingerprint{}, func(context.Context) (*idempotency.Result, error) {
			return nil, nil
		}); err != nil {
			t.Errorf("%v: %v", key, err)
		}
		if other, ok := seen[key.Downstream()]; ok {
			t.Errorf("%v and %v have the same downstream key", key, other)
		}
		seen[key.Downstream()] = key
	}
}

// Bodies of different events may be equal.
func TestL10_BodyIsTheKeyOnlyWhereTheSchemeSaysSo(t *testing.T) {
	t.Parallel()
	body := []byte(`{}`)
	for _, tt := range []struct {
		name  string
		d     hmacverify.Delivery
		id    string
		valid bool
	}{
		{"signed ID", hmacverify.Delivery{Scheme: "s", ID: "1", IDSigned: true, Body: body}, "1", true},
		{"unsigned ID", hmacverify.Delivery{Scheme: "s", ID: "1", Body: body}, "", false},
		{"unsigned ID, asked for by name", hmacverify.Delivery{Scheme: "s", ID: "1", Identity: hmacverify.InsecureUnsignedID, Body: body}, "1", true},
		{"body", hmacverify.Delivery{Scheme: "s", ID: "1", Identity: hmacverify.BodyDigest, Body: body},
			"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a", true},
		{"no identity", hmacverify.Delivery{Scheme: "s", ID: "1", Identity: hmacverify.NoIdentity, Body: body}, "", false},
	} {
		r := newDelivery("", "")
		key, err := idempotency.DeliveryKey(r.WithContext(hmacverify.NewContext(r.Context(), &tt.d)))
		if (err == nil) != tt.valid || key.ID != tt.id || tt.valid && key.Scope != "s" {
			t.Errorf("%s: got %v, %v; want %q", tt.name, key, err, tt.id)
		}
	}
}

// Oban's unique jobs, and every try-lock, tell the loser of a winner that may
// still roll back.
func TestL15_LoserIsADuplicateOnlyOfWhatIsCommitted(t *testing.T) {
	bubble(t, func(t *testing.T, l *idempotency.Leased, store *faulty, _ *journal) {
		checkError(t, run(t.Context(), l, func(ctx context.Context) error {
			checkError(t, run(ctx, l, takes(0)), idempotency.ErrInFlight)
			return errBoom
		}), errBoom)
		checkError(t, run(t.Context(), l, takes(0)), nil)
		checkError(t, run(t.Context(), l, takes(0)), idempotency.ErrDuplicate)
	})
}

// Senders disable an endpoint that fails for days.
func TestL17_PoisonEventDiesAndCanBeAcknowledged(t *testing.T) {
	bubble(t, func(t *testing.T, l *idempotency.Leased, _ *faulty, j *journal) {
		l.MaxAttempts = 2
		once := &idempotency.Middleware{Runner: l, Key: headerKey, Dead: idempotency.Acknowledge}
		h := once.Handler(answering(500, ""))
		for i, want := range []int{500, 500, 200, 200} {
			if got := deliver(h, "evt", "").Code; got != want {
				t.Errorf("delivery %d: got %d, want %d", i+1, got, want)
			}
		}
		checkKinds(t, j, "claimed", "released", "claimed", "dead", "dead", "dead")
	})
}

// The client's going away must not keep the end from being recorded.
func TestL19_EndIsRecordedThoughTheClientHasGone(t *testing.T) {
	bubble(t, func(t *testing.T, l *idempotency.Leased, store *faulty, _ *journal) {
		for _, tt := range []struct {
			status int
			want   idempotency.State
		}{{500, idempotency.Released}, {200, idempotency.Done}} {
			r := newDelivery("evt", "")
			ctx, cancel := context.WithCancel(r.Context())
			once := &idempotency.Middleware{Runner: l, Key: headerKey}
			once.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				cancel()
				if r.Context().Err() != nil {
					t.Error("the handler's context ended with the client's")
				}
				w.WriteHeader(tt.status)
			})).ServeHTTP(httptest.NewRecorder(), r.WithContext(ctx))
			checkState(t, store.Store, evt, tt.want)
			time.Sleep(time.Minute) // checkState has claimed it
		}
	})
}

// A result that the store cannot take must not undo work that is done.
func TestL20_ResultIsBoundedAndStoredOnlyForReplay(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		policy idempotency.Policy
		kept   bool
	}{{idempotency.Conflict, false}, {idempotency.Acknowledge, false}, {idempotency.Replay, true}} {
		runner := leased()
		once := &idempotency.Middleware{Runner: runner, Key: headerKey, Duplicate: tt.policy, MaxResponse: 10}
		deliver(once.Handler(answering(200, "0123456789")), "fits", "")
		if rec, _ := look(t, runner.Store, testKey("fits")); (rec.Result != nil) != tt.kept {
			t.Errorf("policy %d: result kept: %t, want %t", tt.policy, rec.Result != nil, tt.kept)
		}
		deliver(once.Handler(answering(200, "0123456789a")), "too long", "")
		checkState(t, runner.Store, testKey("too long"), idempotency.Released)
	}
}

// Of a check and a later insert, two can pass the check.
func TestD1_OneOfManyConcurrentClaimsRuns(t *testing.T) {
	t.Parallel()
	for range 100 {
		l := leased() // without the middleware, so nothing collapses
		var ran, done atomic.Int64
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				err := run(t.Context(), l, func(context.Context) error { ran.Add(1); return nil })
				switch {
				case err == nil:
					done.Add(1)
				case !errors.Is(err, idempotency.ErrInFlight) && !errors.Is(err, idempotency.ErrDuplicate):
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if ran.Load() != 1 || done.Load() != 1 {
			t.Fatalf("%d ran and %d are done, want 1 and 1", ran.Load(), done.Load())
		}
	}
}

// A lease without renewal must be longer than the longest work.
func TestD2_WorkLongerThanItsLeaseIsNotRepeated(t *testing.T) {
	bubble(t, func(t *testing.T, l *idempotency.Leased, _ *faulty, _ *journal) {
		go func() {
			for range 100 {
				time.Sleep(7 * time.Second)
				checkError(t, run(t.Context(), l, takes(0)), idempotency.ErrInFlight)
			}
		}()
		checkError(t, run(t.Context(), l, takes(701*time.Second)), nil)
	})
}

// Most peers let the owner of an expired claim complete or delete its successor's.
func TestD3_LateOwnerChangesNothing(t *testing.T) {
	for _, result := range []error{nil, errBoom, idempotency.Permanent(errBoom)} {
		t.Run(fmt.Sprint(result), func(t *testing.T) {
			bubble(t, func(t *testing.T, l *idempotency.Leased, store *faulty, _ *journal) {
				store.before = func(_ context.Context, verb string, n int) error {
					if verb == "renew" {
						return errBoom // the late owner is cut off
					}
					return nil
				}
				thief := &idempotency.Leased{Store: store.Store}
				late := make(chan error)
				go func() {
					late <- run(t.Context(), l, func(context.Context) error {
						time.Sleep(time.Minute)
						return result
					})
				}()
				time.Sleep(40 * time.Second)
				checkError(t, run(t.Context(), thief, func(context.Context) error {
					checkError(t, <-late, idempotency.ErrLeaseLost)
					checkError(t, run(t.Context(), thief, takes(0)), idempotency.ErrInFlight)
					return nil
				}), nil)
				checkState(t, store.Store, evt, idempotency.Done)
			})
		})
	}
}

// A steal that decides on what it has read before overwrites what came between.
func TestD4_OneOfManyThievesWins(t *testing.T) {
	bubble(t, func(t *testing.T, l *idempotency.Leased, store *faulty, _ *journal) {
		look(t, store, evt)
		time.Sleep(time.Minute)
		var ran atomic.Int64
		for range 50 {
			go run(t.Context(), l, func(context.Context) error { ran.Add(1); return nil })
		}
		synctest.Wait()
		if ran.Load() != 1 {
			t.Errorf("%d thieves ran the work, want 1", ran.Load())
		}
	})
}

// A claim without a deadline is taken for an orphan's.
func TestD5_EveryClaimHasALease(t *testing.T) {
	t.Parallel()
	store := leases{Store: new(memstore.Store)}
	for _, lease := range []time.Duration{0, time.Millisecond, time.Hour} {
		run(t.Context(), &idempotency.Leased{Store: store, Lease: lease}, func(context.Context) error { return errBoom })
		rec, _ := look(t, store.Store, evt)
		if rec.LeaseLeft <= 0 {
			t.Errorf("Lease %v: a claim of %v", lease, rec.LeaseLeft)
		}
	}
}

// leases is a store that refuses a claim without a lease.
type leases struct{ idempotency.Store }

func (l leases) Claim(ctx context.Context, key idempotency.Key, terms idempotency.Terms) (idempotency.Record, bool, error) {
	if terms.Lease <= 0 {
		panic("a claim without a lease")
	}
	return l.Store.Claim(ctx, key, terms)
}

// A waiter that gives up and deletes the claim lets a second one in.
func TestD6_WaitersWriteNothing(t *testing.T) {
	bubble(t, func(t *testing.T, l *idempotency.Leased, store *faulty, _ *journal) {
		once := &idempotency.Middleware{Runner: l, Key: headerKey}
		h := once.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { time.Sleep(5 * time.Second) }))
		statuses := deliverAll(h, 20)
		if statuses[200] != 1 || statuses[503] != 19 {
			t.Errorf("got statuses %v, want one 200 and 19 times 503", statuses)
		}
		checkCalls(t, store, "claim", "complete")
	})
}

// What the effect's own system needs to apply it once.
func TestD14_DownstreamKeyIsTheSameForEveryAttempt(t *testing.T) {
	bubble(t, func(t *testing.T, l *idempotency.Leased, _ *faulty, _ *journal) {
		applied := make(map[string]bool)
		for range 3 {
			run(t.Context(), l, func(ctx context.Context) error {
				a, _ := idempotency.AttemptFrom(ctx)
				applied[a.Key.Downstream()] = true
				return errBoom // after the effect
			})
		}
		if len(applied) != 1 {
			t.Errorf("%d effects, want 1", len(applied))
		}
	})
}

// Effects outside are not repeated by a retry that nobody asked for.
func TestD17_LeasedCallsTheWorkOnce(t *testing.T) {
	bubble(t, func(t *testing.T, l *idempotency.Leased, store *faulty, _ *journal) {
		store.before = func(_ context.Context, verb string, n int) error {
			if verb == "complete" && n < 3 {
				return errBoom
			}
			return nil
		}
		calls := 0
		checkError(t, run(t.Context(), l, func(context.Context) error { calls++; return nil }), nil)
		if calls != 1 {
			t.Errorf("the work was called %d times, want 1", calls)
		}
	})
}

// Shopify delivers one event once for each subscription, each under an ID of its own.
func TestD18_KeyFunctionNamesTheEventAndNotTheDelivery(t *testing.T) {
	t.Parallel()
	once := &idempotency.Middleware{Runner: leased(), Key: func(r *http.Request) (idempotency.Key, error) {
		return idempotency.Key{Scope: "shop", ID: r.Header.Get("X-Shopify-Event-Id")}, nil
	}}
	h := once.Handler(http.HandlerFunc(noop))
	for delivery, want := range []int{200, 409} {
		r := newDelivery(fmt.Sprint(delivery), "")
		r.Header.Set("X-Shopify-Event-Id", "evt")
		r.Header.Set("X-Shopify-Webhook-Id", fmt.Sprint(delivery))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("delivery %d: got %d, want %d", delivery, w.Code, want)
		}
	}
}

// A store that is down is no reason to run the work without a record.
func TestD19_NothingRunsWithoutARecord(t *testing.T) {
	bubble(t, func(t *testing.T, l *idempotency.Leased, store *faulty, j *journal) {
		store.before = func(context.Context, string, int) error { return io.ErrUnexpectedEOF }
		var told error
		once := &idempotency.Middleware{Runner: l, Key: headerKey, OnError: func(_ *http.Request, err error) { told = err }}
		w := deliver(once.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			t.Error("the handler was called")
		})), "evt", "")
		checkProblem(t, w, 503, "unavailable")
		checkError(t, told, io.ErrUnexpectedEOF)
		checkKinds(t, j, "store_error")
	})
}
