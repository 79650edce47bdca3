package idempotency_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/store/memstore"
)

var _ idempotency.Runner = (*idempotency.Leased)(nil)

var evt = testKey("evt")

// run runs work under evt.
func run(ctx context.Context, l *idempotency.Leased, work func(ctx context.Context) error) error {
	_, err := l.Run(ctx, evt, idempotency.Fingerprint{}, func(ctx context.Context) (*idempotency.Result, error) {
		return nil, work(ctx)
	})
	return err
}

// takes is work that takes d of time.
func takes(d time.Duration) func(context.Context) error {
	return func(context.Context) error {
		time.Sleep(d)
		return nil
	}
}

// stuck is work that waits for the end of its context and returns the cause.
func stuck(ctx context.Context) error {
	<-ctx.Done()
	return context.Cause(ctx)
}

func fails(context.Context) error { return errBoom }

// bubble runs f under synctest, with a faulty store over a memstore and a
// journal of what is observed.
func bubble(t *testing.T, f func(t *testing.T, l *idempotency.Leased, store *faulty, j *journal)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, j := newFaulty(), new(journal)
		f(t, &idempotency.Leased{Store: store, Lease: 30 * time.Second, Observe: j.observe}, store, j)
	})
}

func checkError(t *testing.T, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("got error %v, want %v", got, want)
	}
}

func checkCalls(t *testing.T, store *faulty, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, store.calls()); diff != "" {
		t.Errorf("calls of the store (-want +got):\n%s", diff)
	}
}

func checkKinds(t *testing.T, j *journal, want ...idempotency.EventKind) {
	t.Helper()
	if diff := cmp.Diff(want, j.kinds()); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestLeasedClaimsRunsAndCompletes(t *testing.T) {
	bubble(t, func(t *testing.T, l *idempotency.Leased, store *faulty, j *journal) {
		want := &idempotency.Result{Status: 200, ContentType: "text/plain", Body: []byte("x")}
		got, err := l.Run(t.Context(), evt, idempotency.Fingerprint{}, func(ctx context.Context) (*idempotency.Result, error) {
			time.Sleep(time.Second)
			return want, nil
		})
		checkError(t, err, nil)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("first run (-want +got):\n%s", diff)
		}
		got, err = l.Run(t.Context(), evt, idempotency.Fingerprint{}, func(ctx context.Context) (*idempotency.Result, error) {
			t.Error("the work was run twice")
			return nil, nil
		})
		checkError(t, err, idempotency.ErrDuplicate)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("duplicate (-want +got):\n%s", diff)
		}
		checkCalls(t, store, "claim", "complete", "claim")
		want1 := []idempotency.Event{
			{Kind: idempotency.EventClaimed, Key: evt, Attempt: 1},
			{Kind: idempotency.EventCompleted, Key: evt, Attempt: 1, Duration: time.Second},
			{Kind: idempotency.EventDuplicate, Key: evt, Attempt: 1},
		}
		if diff := cmp.Diff(want1, j.events); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
	})
}

func TestLeasedInFlightTellsTheRemainingLease(t *testing.T) {
	bubble(t, func(t *testing.T, l *idempotency.Leased, _ *faulty, j *journal) {
		err := run(t.Context(), l, func(ctx context.Context) error {
			time.Sleep(4 * time.Second)
			err := run(ctx, l, takes(0))
			inFlight, ok := errors.AsType[*idempotency.InFlightError](err)
			if !ok || inFlight.RetryAfter != 26*time.Second || !errors.Is(err, idempotency.ErrInFlight) {
				t.Errorf("got %v, want an InFlightError of 26s", err)
			}
			return nil
		})
		checkError(t, err, nil)
		checkKinds(t, j, "claimed", "in_flight", "completed")
	})
}

func TestLeasedRefusesOtherContentAndTellsNoResult(t *testing.T) {
	bubble(t, func(t *testing.T, l *idempotency.Leased, _ *faulty, j *journal) {
		secret := func(context.Context) (*idempotency.Result, error) {
			return &idempotency.Result{Status: 200, Body: []byte("secret")}, nil
		}
		ours, theirs := idempotency.FingerprintOf([]byte("ours")), idempotency.FingerprintOf([]byte("theirs"))
		if _, err := l.Run(t.Context(), evt, ours, secret); err != nil {
			t.Fatal(err)
		}
		got, err := l.Run(t.Context(), evt, theirs, secret)
		checkError(t, err, idempotency.ErrMismatch)
		if got != nil {
			t.Errorf("a mismatch was given the result %+v", got)
		}
		checkKinds(t, j, "claimed", "completed", "mismatch")
	})
}

func TestLeasedDoesNotTouchTheStoreForAnInvalidKey(t *testing.T) {
	bubble(t, func(t *testing.T, l *idempotency.Leased, store *faulty, _ *journal) {
		_, err := l.Run(t.Context(), idempotency.Key{Scope: "test"}, idempotency.Fingerprint{}, nil)
		checkError(t, err, idempotency.ErrInvalidKey)
		checkCalls(t, store)
	})
}

// 30 is more likely to have been meant as seconds than as nanoseconds.
func TestLeasedRefusesALeaseThatCannotBeMeant(t *testing.T) {
	bubble(t, func(t *testing.T, l *idempotency.Leased, store *faulty, _ *journal) {
		for _, lease := range []time.Duration{-time.Second, 30, time.Millisecond - 1} {
			l.Lease = lease
			checkError(t, run(t.Context(), l, takes(0)), idempotency.ErrUnavailable)
		}
		checkCalls(t, store)
	})
}

func TestLeaseIsRenewedAtEachThirdOfItsLength(t *testing.T) {
	bubble(t, func(t *testing.T, l *idempotency.Leased, store *faulty, _ *journal) {
		var at []time.Duration
		start := time.Now()
		store.before = func(_ context.Context, verb string, _ int) error {
			if verb == "renew" {
				at = append(at, time.Since(start))
			}
			return nil
		}
		err := run(t.Context(), l, func(ctx context.Context) error {
			time.Sleep(95 * time.Second)
			if rec, won := look(t, store.Store, evt); won || rec.LeaseLeft != 25*time.Second {
				t.Errorf("after 95s: got %v with a lease of %v, want 25s", rec.State, rec.LeaseLeft)
			}
			return ctx.Err()
		})
		checkError(t, err, nil)
		want := []time.Duration{10, 20, 30, 40, 50, 60, 70, 80, 90}
		for i := range want {
			want[i] *= time.Second
		}
		if diff := cmp.Diff(want, at); diff != "" {
			t.Errorf("renewals (-want +got):\n%s", diff)
		}
	})
}

func TestShortWorkStartsNoGoroutine(t *testing.T) {
	bubble(t, func(t *testing.T, l *idempotency.Leased, store *faulty, _ *journal) {
		checkError(t, run(t.Context(), l, takes(10*time.Second-1)), nil)
		checkCalls(t, store, "claim", "complete")
	})
}

// The bubble ends in a deadlock if a goroutine is left over, and a renewal after
// Run has returned would show in the calls.
func TestNoRenewalOutlivesRun(t *testing.T) {
	bubble(t, func(t *testing.T, l *idempotency.Leased, store *faulty, _ *journal) {
		store.before = func(ctx context.Context, verb string, _ int) error {
			if verb == "renew" {
				time.Sleep(3 * time.Second) // under way when the work returns
				if ctx.Err() == nil {
					t.Error("the renewal was not asked to stop")
				}
			}
			return nil
		}
		start := time.Now()
		checkError(t, run(t.Context(), l, takes(11*time.Second)), nil)
		if got := time.Since(start); got != 13*time.Second {
			t.Errorf("Run returned after %v, want 13s, the end of the renewal under way", got)
		}
		n := len(store.calls())
		time.Sleep(time.Hour)
		if calls := store.calls(); len(calls) != n {
			t.Errorf("calls after Run: %v", calls[n:])
		}
	})
}

func TestLeaseIsRenewedThoughTheCallersContextHasEnded(t *testing.T) {
	bubble(t, func(t *testing.T, l *idempotency.Leased, store *faulty, _ *journal) {
		ctx, cancel := context.WithCancel(t.Context())
		checkError(t, run(ctx, l, func(context.Context) error {
			cancel() // and the work goes on all the same
			time.Sleep(time.Minute)
			checkState(t, store.Store, evt, idempotency.Claimed)
			return nil
		}), nil)
	})
}

func TestWorksContextEndsWithTheWork(t *testing.T) {
	bubble(t, func(t *testing.T, l *idempotency.Leased, _ *faulty, _ *journal) {
		var ctx context.Context
		run(t.Context(), l, func(c context.Context) error {
			ctx = c
			return c.Err()
		})
		if ctx.Err() != context.Canceled || t.Context().Err() != nil {
			t.Errorf("got %v and %v, want only the work's to be cancelled", ctx.Err(), t.Context().Err())
		}
	})
}

func TestExpiredLeaseIsStolenWithAHigherToken(t *testing.T) {
	bubble(t, func(t *testing.T, l *idempotency.Leased, store *faulty, j *journal) {
		rec, _ := look(t, store.Store, evt) // a process that dies
		time.Sleep(30 * time.Second)
		err := run(t.Context(), l, func(ctx context.Context) error {
			if a, _ := idempotency.AttemptFrom(ctx); a.Token <= rec.Token || a.Number != 2 {
				t.Errorf("got %+v after the token %d", a, rec.Token)
			}
			return nil
		})
		checkError(t, err, nil)
		checkKinds(t, j, "stolen", "claimed", "completed")
	})
}

func TestLostLeaseEndsTheWorkWithItsCause(t *testing.T) {
	bubble(t, func(t *testing.T, l *idempotency.Leased, store *faulty, j *journal) {
		start := time.Now()
		store.before = func(_ context.Context, verb string, n int) error {
			if verb == "renew" && n == 2 {
				return fmt.Errorf("store: %w", idempotency.ErrLeaseLost)
			}
			return nil
		}
		store.after = nil
		err := run(t.Context(), l, func(ctx context.Context) error {
			// The child that is made late must end as one that was there all along.
			early, stop := context.WithCancel(ctx)
			defer stop()
			err := stuck(early)
			if got := time.Since(start); got != 20*time.Second {
				t.Errorf("the work's context ended after %v, want 20s", got)
			}
			if early.Err() != context.Canceled || ctx.Err() != context.Canceled {
				t.Errorf("got %v and %v, want Canceled", early.Err(), ctx.Err())
			}
			checkError(t, context.Cause(ctx), idempotency.ErrLeaseLost)
			// As if somebody had stolen it.
			store.before = func(context.Context, string, int) error { return idempotency.ErrLeaseLost }
			return err
		})
		checkError(t, err, idempotency.ErrLeaseLost)
		checkKinds(t, j, "claimed", "lost")
	})
}

func TestLostLeaseIsSeenByWorkThatNeverWaited(t *testing.T) {
	bubble(t, func(t *testing.T, l *idempotency.Leased, store *faulty, _ *journal) {
		store.before = func(_ context.Context, verb string, _ int) error {
			if verb != "claim" {
				return idempotency.ErrLeaseLost
			}
			return nil
		}
		err := run(t.Context(), l, func(ctx context.Context) error {
			time.Sleep(15 * time.Second)
			checkError(t, context.Cause(ctx), idempotency.ErrLeaseLost)
			return ctx.Err()
		})
		checkError(t, err, idempotency.ErrLeaseLost)
	})
}

func TestLeaseThatCannotBeRenewedIsLostWhenItEnds(t *testing.T) {
	for _, tt := range []struct {
		name string
		fail func(ctx context.Context) error
	}{
		{"failing at once", func(context.Context) error { return errBoom }},
		{"not answering", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, l *idempotency.Leased, store *faulty, j *journal) {
				start := time.Now()
				store.before = func(ctx context.Context, verb string, n int) error {
					if verb == "renew" && n > 1 { // the lease ends after 10+30 seconds
						return tt.fail(ctx)
					}
					return nil
				}
				err := run(t.Context(), l, func(ctx context.Context) error {
					err := stuck(ctx)
					if got := time.Since(start); got < 40*time.Second || got > 40*time.Second+time.Millisecond {
						t.Errorf("lost after %v, want 40s", got)
					}
					checkError(t, err, idempotency.ErrLeaseLost)
					return errBoom
				})
				// Nobody has claimed it meanwhile, and the store is back: it is
				// this attempt that has failed.
				checkError(t, err, errBoom)
				if errors.Is(err, idempotency.ErrLeaseLost) {
					t.Errorf("got %v, though the release was written", err)
				}
				if n := store.count("renew"); n < 3 {
					t.Errorf("%d renewals: a failed one was not tried again", n)
				}
				if kinds := j.kinds(); kinds[len(kinds)-1] != idempotency.EventReleased {
					t.Errorf("got events %v, want the last to be released", kinds)
				}
			})
		})
	}
}

// Then it is not known whether somebody else is at it.
func TestFailureIsALostLeaseIfNeitherRenewalNorReleaseCanBeWritten(t *testing.T) {
	bubble(t, func(t *testing.T, l *idempotency.Leased, store *faulty, _ *journal) {
		store.before = func(_ context.Context, verb string, _ int) error {
			if verb != "claim" {
				return errors.New("no connection")
			}
			return nil
		}
		err := run(t.Context(), l, func(ctx context.Context) error {
			stuck(ctx)
			return errBoom
		})
		checkError(t, err, idempotency.ErrLeaseLost)
		checkError(t, err, errBoom)
	})
}

func TestOneFailedRenewalIsMadeUpFor(t *testing.T) {
	bubble(t, func(t *testing.T, l *idempotency.Leased, store *faulty, j *journal) {
		store.before = func(_ context.Context, verb string, n int) error {
			if verb == "renew" && n%3 != 0 {
				return errBoom
			}
			return nil
		}
		checkError(t, run(t.Context(), l, func(ctx context.Context) error {
			time.Sleep(5 * time.Minute)
			return ctx.Err()
		}), nil)
	})
}

// Work that has finished before it could be told of the loss may still complete:
// the store decides, by owner and token.
func TestWorkThatFinishesWithoutALeaseCompletesIfNobodyStole(t *testing.T) {
	bubble(t, func(t *testing.T, l *idempotency.Leased, store *faulty, _ *journal) {
		store.before = func(_ context.Context, verb string, _ int) error {
			if verb == "renew" {
				return errBoom
			}
			return nil
		}
		checkError(t, run(t.Context(), l, takes(time.Hour)), nil)
		checkState(t, store.Store, evt, idempotency.Done)
	})
}

func TestWorkThatFinishesAfterATheftIsNotDone(t *testing.T) {
	bubble(t, func(t *testing.T, l *idempotency.Leased, store *faulty, j *journal) {
		store.before = func(_ context.Context, verb string, _ int) error {
			if verb == "renew" {
				return errBoom
			}
			return nil
		}
		for _, result := range []error{nil, errBoom, idempotency.Permanent(errBoom)} {
			err := run(t.Context(), l, func(ctx context.Context) error {
				time.Sleep(time.Minute)
				if _, won := look(t, store.Store, evt); !won {
					t.Error("the lease has not ended")
				}
				return result
			})
			checkError(t, err, idempotency.ErrLeaseLost)
			if kinds := j.kinds(); kinds[len(kinds)-1] != idempotency.EventLost {
				t.Errorf("got events %v, want the last to be lost", kinds)
			}
			checkState(t, store.Store, evt, idempotency.Claimed) // by the thief
			time.Sleep(time.Minute)
		}
	})
}

// A claim whose answer comes when its lease has ended may be somebody else's by now.
func TestAClaimThatIsAnsweredTooLateIsRenewedFirst(t *testing.T) {
	for name, stolen := range map[string]bool{"still its own": false, "stolen": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, l *idempotency.Leased, store *faulty, j *journal) {
				store.after = func(_ context.Context, verb string, n int) error {
					if verb == "claim" {
						time.Sleep(time.Minute)
						if stolen {
							look(t, store.Store, evt)
						}
					}
					return nil
				}
				worked := false
				err := run(t.Context(), l, func(context.Context) error {
					worked = true
					return nil
				})
				if worked == stolen {
					t.Errorf("worked: %v, though stolen: %v", worked, stolen)
				}
				if stolen {
					checkError(t, err, idempotency.ErrLeaseLost)
				} else {
					checkError(t, err, nil)
				}
				if kinds := j.kinds(); slices.Contains(kinds, idempotency.EventLost) != stolen {
					t.Errorf("got events %v, though stolen: %v", kinds, stolen)
				}
			})
		})
	}
}

func TestFailedWorkIsReleasedThoughItsContextHasEnded(t *testing.T) {
	bubble(t, func(t *testing.T, l *idempotency.Leased, store *faulty, j *journal) {
		ctx, cancel := context.WithCancel(t.Context())
		err := run(ctx, l, func(ctx context.Context) error {
			cancel()
			return stuck(ctx)
		})
		checkError(t, err, context.Canceled)
		checkState(t, store.Store, evt, idempotency.Released)
		checkKinds(t, j, "claimed", "released")
	})
}

func TestFinishedWorkIsCompletedThoughItsContextHasEnded(t *testing.T) {
	bubble(t, func(t *testing.T, l *idempotency.Leased, store *faulty, _ *journal) {
		ctx, cancel := context.WithCancel(t.Context())
		checkError(t, run(ctx, l, func(ctx context.Context) error {
			cancel()
			return nil
		}), nil)
		checkState(t, store.Store, evt, idempotency.Done)
	})
}

func TestPanicReleasesThenGoesOnWithTheSameValue(t *testing.T) {
	bubble(t, func(t *testing.T, l *idempotency.Leased, store *faulty, j *journal) {
		value := &struct{ string }{"mine"}
		func() {
			defer func() {
				if got := recover(); got != any(value) {
					t.Errorf("got panic %v, want %v", got, value)
				}
				checkCalls(t, store, "claim", "renew", "release")
			}()
			run(t.Context(), l, func(context.Context) error {
				time.Sleep(11 * time.Second)
				panic(value)
			})
		}()
		rec, free := look(t, store.Store, evt)
		if !free || rec.LastError != "the work panicked" {
			t.Errorf("got %v because of %q", rec.State, rec.LastError)
		}
		checkKinds(t, j, "claimed", "released")
	})
}

func TestGoexitReleases(t *testing.T) {
	bubble(t, func(t *testing.T, l *idempotency.Leased, store *faulty, _ *journal) {
		exited := make(chan struct{})
		go func() {
			defer close(exited)
			run(t.Context(), l, func(context.Context) error {
				time.Sleep(11 * time.Second)
				runtime.Goexit()
				return nil
			})
			t.Error("Run returned")
		}()
		<-exited
		checkState(t, store.Store, evt, idempotency.Released)
	})
}

func TestEventIsDeadAfterMaxAttempts(t *testing.T) {
	for _, tt := range []struct {
		name    string
		attempt func(t *testing.T, l *idempotency.Leased, store *faulty)
	}{
		{"that failed", func(t *testing.T, l *idempotency.Leased, store *faulty) {
			checkError(t, run(t.Context(), l, fails), errBoom)
		}},
		{"that panicked", func(t *testing.T, l *idempotency.Leased, store *faulty) {
			defer func() { recover() }()
			run(t.Context(), l, func(context.Context) error { panic(1) })
		}},
		{"whose process died", func(t *testing.T, l *idempotency.Leased, store *faulty) {
			look(t, store.Store, evt)
			time.Sleep(time.Minute)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, l *idempotency.Leased, store *faulty, j *journal) {
				l.MaxAttempts = 3
				for range 3 {
					tt.attempt(t, l, store)
				}
				err := run(t.Context(), l, func(context.Context) error {
					t.Error("a fourth attempt")
					return nil
				})
				checkError(t, err, idempotency.ErrDead)
				checkState(t, store.Store, evt, idempotency.Dead)
				if kinds := j.kinds(); kinds[len(kinds)-1] != idempotency.EventDead {
					t.Errorf("got events %v, want the last to be dead", kinds)
				}
			})
		})
	}
}

func TestPermanentFailureIsDeadAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, l *idempotency.Leased, store *faulty, j *journal) {
		err := run(t.Context(), l, func(context.Context) error {
			return fmt.Errorf("sending: %w", idempotency.Permanent(errBoom))
		})
		checkError(t, err, errBoom)
		if !idempotency.IsPermanent(err) {
			t.Errorf("%v is not permanent any more", err)
		}
		checkError(t, run(t.Context(), l, fails), idempotency.ErrDead)
		checkKinds(t, j, "claimed", "dead", "dead")
	})
}

func TestStoreErrors(t *testing.T) {
	for _, tt := range []struct {
		name   string
		verb   string
		times  int // how often it fails
		lost   bool
		work   func(context.Context) error
		want   error
		state  idempotency.State
		events []idempotency.EventKind
	}{
		{"a claim that fails is unavailable", "claim", 1, false, takes(0), idempotency.ErrUnavailable, idempotency.Released,
			[]idempotency.EventKind{"store_error"}},
		{"a claim whose answer is lost is unavailable until its lease ends", "claim", 1, true, takes(0), idempotency.ErrUnavailable, idempotency.Claimed,
			[]idempotency.EventKind{"store_error"}},
		{"a completion is tried again", "complete", 3, false, takes(0), nil, idempotency.Done,
			[]idempotency.EventKind{"claimed", "completed"}},
		{"a completion whose answer is lost is asked for again", "complete", 1, true, takes(0), nil, idempotency.Done,
			[]idempotency.EventKind{"claimed", "completed"}},
		{"a completion that keeps failing is unavailable", "complete", 99, false, takes(0), idempotency.ErrUnavailable, idempotency.Claimed,
			[]idempotency.EventKind{"claimed", "store_error"}},
		{"a release is tried again", "release", 3, false, fails, errBoom, idempotency.Released,
			[]idempotency.EventKind{"claimed", "released"}},
		{"a release that keeps failing leaves the work's own error", "release", 99, false, fails, errBoom, idempotency.Claimed,
			[]idempotency.EventKind{"claimed", "store_error"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, l *idempotency.Leased, store *faulty, j *journal) {
				errStore := errors.New("no connection")
				fault := func(_ context.Context, verb string, n int) error {
					if verb == tt.verb && n <= tt.times {
						return errStore
					}
					return nil
				}
				if tt.lost {
					store.after = fault
				} else {
					store.before = fault
				}
				err := run(t.Context(), l, tt.work)
				checkError(t, err, tt.want)
				if errors.Is(err, idempotency.ErrUnavailable) {
					checkError(t, err, errStore)
				}
				checkKinds(t, j, tt.events...)
				checkState(t, store.Store, evt, tt.state)
			})
		})
	}
}

func TestFinishingGivesUpOnAStoreThatDoesNotAnswer(t *testing.T) {
	bubble(t, func(t *testing.T, l *idempotency.Leased, store *faulty, _ *journal) {
		store.before = func(ctx context.Context, verb string, _ int) error {
			if verb != "claim" {
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		}
		start := time.Now()
		checkError(t, run(t.Context(), l, takes(0)), idempotency.ErrUnavailable)
		if got := time.Since(start); got != 10*time.Second {
			t.Errorf("Run returned after %v, want 10s", got)
		}
	})
}

// The lease must not end while its completion is tried again.
func TestLeaseIsRenewedUntilTheEndIsRecorded(t *testing.T) {
	bubble(t, func(t *testing.T, l *idempotency.Leased, store *faulty, _ *journal) {
		l.Lease = 300 * time.Millisecond
		store.before = func(_ context.Context, verb string, n int) error {
			if verb == "complete" && n < 4 {
				return errBoom
			}
			return nil
		}
		checkError(t, run(t.Context(), l, takes(0)), nil)
		if n := store.count("renew"); n < 10 { // 1.3 seconds of pauses
			t.Errorf("%d renewals while the completion was tried, want one each 100ms", n)
		}
	})
}

// The record may be completed in the transaction of the effect, by a store that
// can. The runner's own completion then finds it done by itself.
func TestWorkMayCompleteItsOwnRecord(t *testing.T) {
	bubble(t, func(t *testing.T, l *idempotency.Leased, store *faulty, _ *journal) {
		var claim idempotency.Claim
		l.Store = claims{store, &claim}
		checkError(t, run(t.Context(), l, func(ctx context.Context) error {
			return store.Store.Complete(ctx, claim, nil)
		}), nil)
		checkError(t, run(t.Context(), l, fails), idempotency.ErrDuplicate)
	})
}

// claims is a store that remembers the latest claim.
type claims struct {
	idempotency.Store
	latest *idempotency.Claim
}

func (c claims) Claim(ctx context.Context, key idempotency.Key, terms idempotency.Terms) (idempotency.Record, bool, error) {
	rec, won, err := c.Store.Claim(ctx, key, terms)
	*c.latest = idempotency.Claim{Key: key, Owner: terms.Owner, Token: rec.Token}
	return rec, won, err
}

// An inner runner's loss is not the outer's, and the other way round.
func TestNestedRunsHaveLeasesOfTheirOwn(t *testing.T) {
	bubble(t, func(t *testing.T, outer *idempotency.Leased, store *faulty, _ *journal) {
		inner := &idempotency.Leased{Store: new(memstore.Store)}
		store.before = func(_ context.Context, verb string, _ int) error {
			if verb != "claim" {
				return idempotency.ErrLeaseLost
			}
			return nil
		}
		err := run(t.Context(), outer, func(ctx context.Context) error {
			err := run(ctx, inner, stuck) // the outer lease is lost
			if errors.Is(err, idempotency.ErrLeaseLost) {
				t.Errorf("inner run: got %v, though its lease was not lost", err)
			}
			checkState(t, inner.Store, evt, idempotency.Released)
			return err
		})
		checkError(t, err, idempotency.ErrLeaseLost)
	})
}

func TestErrorOfTheWorkIsNotTakenForTheRunners(t *testing.T) {
	bubble(t, func(t *testing.T, l *idempotency.Leased, store *faulty, _ *journal) {
		err := run(t.Context(), l, func(ctx context.Context) error {
			return fmt.Errorf("inner: %w", idempotency.ErrDuplicate)
		})
		if err == nil || errors.Is(err, idempotency.ErrDuplicate) {
			t.Errorf("got %v, which says that the event is done", err)
		}
		if got, want := err.Error(), "inner: idempotency: event already done"; got != want {
			t.Errorf("got text %q, want %q", got, want)
		}
		checkState(t, store.Store, evt, idempotency.Released)
	})
}

func TestWorkErrorKeepsWhatIsNoVerdict(t *testing.T) {
	t.Parallel()
	if err := idempotency.WorkError(nil); err != nil {
		t.Errorf("got %v", err)
	}
	if err := idempotency.WorkError(errBoom); err != errBoom {
		t.Errorf("got %v, want the same error", err)
	}
	err := idempotency.WorkError(idempotency.Permanent(idempotency.ErrDuplicate))
	if !idempotency.IsPermanent(err) || errors.Is(err, idempotency.ErrDuplicate) {
		t.Errorf("got %v, want it permanent and no duplicate", err)
	}
}

func TestReasonFitsAStore(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, text, want string }{
		{"as it is", "boom", "boom"},
		{"no NUL", "a\x00b", "a\uFFFDb"},
		{"valid UTF-8", "a\xffb", "a\uFFFDb"},
		{"cut", strings.Repeat("x", 600), strings.Repeat("x", idempotency.MaxReasonBytes)},
		{"cut between runes", "x" + strings.Repeat("€", 200), "x" + strings.Repeat("€", 170)},
	} {
		if got := idempotency.Reason(errors.New(tt.text)); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestPermanentOfNilIsNil(t *testing.T) {
	t.Parallel()
	if err := idempotency.Permanent(nil); err != nil || idempotency.IsPermanent(nil) {
		t.Errorf("got %v", err)
	}
}

// panics returns what f panics with.
func panics(f func()) (p any) {
	defer func() { p = recover() }()
	f()
	return nil
}

// A panic on the goroutine that renews would end the process.
func TestAPanicInARenewalIsTheWorks(t *testing.T) {
	for _, from := range []string{"store", "observer"} {
		t.Run(from, func(t *testing.T) {
			bubble(t, func(t *testing.T, l *idempotency.Leased, store *faulty, j *journal) {
				store.before = func(_ context.Context, verb string, _ int) error {
					if verb != "renew" {
						return nil
					}
					if from == "store" {
						panic("boom")
					}
					return errBoom
				}
				l.Observe = func(_ context.Context, e idempotency.Event) {
					if e.Kind == idempotency.EventStoreError {
						panic("boom")
					}
				}
				got := panics(func() {
					checkError(t, run(t.Context(), l, func(ctx context.Context) error {
						checkError(t, stuck(ctx), idempotency.ErrLeaseLost)
						return errBoom
					}), nil)
				})
				if got != "boom" {
					t.Errorf("recovered %v, want the panic", got)
				}
				checkState(t, store.Store, evt, idempotency.Released)
			})
		})
	}
}

func TestAnObserverThatPanicsDoesNotHoldTheEvent(t *testing.T) {
	bubble(t, func(t *testing.T, l *idempotency.Leased, store *faulty, j *journal) {
		l.Observe = func(_ context.Context, e idempotency.Event) {
			if e.Kind == idempotency.EventClaimed {
				panic("boom")
			}
		}
		if got := panics(func() { _ = run(t.Context(), l, takes(0)) }); got != "boom" {
			t.Errorf("recovered %v, want the panic", got)
		}
		checkState(t, store.Store, evt, idempotency.Released)
	})
}
