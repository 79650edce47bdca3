package lease_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
)

// The lease is renewed at each third of its length, while the work runs.
func TestRunner_RenewsAtEachThird(t *testing.T) {
	bubble(t, func(t *testing.T, r *lease.Runner, store *faulty, _ *journal) {
		var at []time.Duration
		start := time.Now()
		store.before = func(_ context.Context, verb string, _ int) error {
			if verb == "renew" {
				at = append(at, time.Since(start))
			}
			return nil
		}
		err := do(t.Context(), r, func(ctx context.Context) error {
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

// Work that takes less than a third of its lease needs no renewal.
func TestRunner_ShortWork(t *testing.T) {
	bubble(t, func(t *testing.T, r *lease.Runner, store *faulty, _ *journal) {
		checkError(t, do(t.Context(), r, takes(10*time.Second-1)), nil)
		checkCalls(t, store, "claim", "complete")
	})
}

// The bubble ends in a deadlock if a goroutine is left over, and a renewal after Run
// has returned would show in the calls.
func TestRunner_RenewalEndsBeforeRun(t *testing.T) {
	bubble(t, func(t *testing.T, r *lease.Runner, store *faulty, _ *journal) {
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
		checkError(t, do(t.Context(), r, takes(11*time.Second)), nil)
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

func TestRunner_RenewsAfterCallersEnd(t *testing.T) {
	bubble(t, func(t *testing.T, r *lease.Runner, store *faulty, _ *journal) {
		ctx, cancel := context.WithCancel(t.Context())
		checkError(t, do(ctx, r, func(context.Context) error {
			cancel() // and the work goes on all the same
			time.Sleep(time.Minute)
			checkState(t, store.Store, lease.Claimed)
			return nil
		}), nil)
	})
}

// A lease that cannot be renewed is lost when it expires, and not before.
func TestRunner_RenewalKeepsFailing(t *testing.T) {
	for _, tt := range []struct {
		name string
		fail func(ctx context.Context) error
	}{
		{"failing at once", func(context.Context) error { return errBoom }},
		{"not answering", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *lease.Runner, store *faulty, j *journal) {
				start := time.Now()
				store.before = func(ctx context.Context, verb string, n int) error {
					if verb == "renew" && n > 1 { // the lease expires after 10+30 seconds
						return tt.fail(ctx)
					}
					return nil
				}
				err := do(t.Context(), r, func(ctx context.Context) error {
					err := stuck(ctx)
					if got := time.Since(start); got < 40*time.Second || got > 40*time.Second+time.Millisecond {
						t.Errorf("lost after %v, want 40s", got)
					}
					checkError(t, err, idempotency.ErrLeaseLost)
					return errBoom
				})
				// No one has claimed it meanwhile, and the store is back: it is this
				// attempt that has failed.
				checkError(t, err, errBoom)
				if errors.Is(err, idempotency.ErrLeaseLost) {
					t.Errorf("got %v, though the release was written", err)
				}
				if n := store.count("renew"); n < 3 {
					t.Errorf("%d renewals: a failed one was not retried", n)
				}
				checkLastKind(t, j, "failed")
			})
		})
	}
}

func TestRunner_RenewalFailsNowAndThen(t *testing.T) {
	bubble(t, func(t *testing.T, r *lease.Runner, store *faulty, j *journal) {
		store.before = func(_ context.Context, verb string, n int) error {
			if verb == "renew" && n%3 != 0 {
				return errBoom
			}
			return nil
		}
		checkError(t, do(t.Context(), r, func(ctx context.Context) error {
			time.Sleep(5 * time.Minute)
			return ctx.Err()
		}), nil)
	})
}

// The work's context ends with the lease, and ErrLeaseLost is its cause.
func TestRunner_LeaseLost(t *testing.T) {
	bubble(t, func(t *testing.T, r *lease.Runner, store *faulty, j *journal) {
		start := time.Now()
		store.before = func(_ context.Context, verb string, n int) error {
			if verb == "renew" && n == 2 {
				return fmt.Errorf("store: %w", idempotency.ErrLeaseLost)
			}
			return nil
		}
		err := do(t.Context(), r, func(ctx context.Context) error {
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
			store.failing(idempotency.ErrLeaseLost, "release") // as if it was stolen
			return err
		})
		checkError(t, err, idempotency.ErrLeaseLost)
		checkKinds(t, j, "claimed", "lease_lost")
	})
}

// Work that only polls its context sees the loss too.
func TestRunner_LeaseLostPolled(t *testing.T) {
	bubble(t, func(t *testing.T, r *lease.Runner, store *faulty, _ *journal) {
		store.failing(idempotency.ErrLeaseLost, "renew", "complete", "release")
		err := do(t.Context(), r, func(ctx context.Context) error {
			time.Sleep(15 * time.Second)
			synctest.Wait()
			checkError(t, context.Cause(ctx), idempotency.ErrLeaseLost)
			return ctx.Err()
		})
		checkError(t, err, idempotency.ErrLeaseLost)
	})
}

// The lease must not expire while its completion is retried.
func TestRunner_RenewsUntilRecorded(t *testing.T) {
	bubbleWith(t, lease.Options{Lease: 300 * time.Millisecond}, func(t *testing.T, r *lease.Runner, store *faulty, _ *journal) {
		store.before = func(_ context.Context, verb string, n int) error {
			if verb == "complete" && n < 4 {
				return errBoom
			}
			return nil
		}
		checkError(t, do(t.Context(), r, takes(0)), nil)
		if n := store.count("renew"); n < 10 { // 1.3 seconds of pauses
			t.Errorf("%d renewals while the completion was tried, want one each 100ms", n)
		}
	})
}

// A panic on the goroutine that renews would end the process. It continues on the
// runner's own.
func TestRunner_RenewalPanics(t *testing.T) {
	for _, from := range []string{"store", "observer"} {
		t.Run(from, func(t *testing.T) {
			observe := func(_ context.Context, e idempotency.Event) {
				if e.Kind == "store_error" {
					panic("boom")
				}
			}
			bubbleWith(t, lease.Options{Observe: observe}, func(t *testing.T, r *lease.Runner, store *faulty, _ *journal) {
				store.before = func(_ context.Context, verb string, _ int) error {
					if verb != "renew" {
						return nil
					}
					if from == "store" {
						panic("boom")
					}
					return errBoom
				}
				got := panics(func() {
					checkError(t, do(t.Context(), r, func(ctx context.Context) error {
						checkError(t, stuck(ctx), idempotency.ErrLeaseLost)
						return errBoom
					}), nil)
				})
				if got != "boom" {
					t.Errorf("recovered %v, want the panic", got)
				}
				checkState(t, store.Store, lease.Released)
			})
		})
	}
}

// A claim whose answer arrives when its lease has expired may be another's by now.
func TestRunner_ClaimAnsweredAfterLease(t *testing.T) {
	for name, stolen := range map[string]bool{"still its own": false, "stolen": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *lease.Runner, store *faulty, j *journal) {
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
				err := do(t.Context(), r, func(context.Context) error {
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
				if kinds := j.kinds(); slices.Contains(kinds, "lease_lost") != stolen {
					t.Errorf("observed %v, though stolen: %v", kinds, stolen)
				}
			})
		})
	}
}

// The lease counts from before the claim was sent, so the first renewal must not wait
// for a third of it from the answer (B3).
func TestRunner_ClaimAnsweredLate(t *testing.T) {
	bubble(t, func(t *testing.T, r *lease.Runner, store *faulty, _ *journal) {
		store.Store = watchful{store.Store}
		claimed := time.Now()
		store.after = func(_ context.Context, verb string, _ int) error {
			if verb == "claim" {
				time.Sleep(25 * time.Second)
			}
			return nil
		}
		checkError(t, do(t.Context(), r, func(ctx context.Context) error {
			time.Sleep(time.Minute)
			if rec, won := look(t, store.Store, evt); won {
				t.Errorf("stolen after %v, with everything healthy: %+v", time.Since(claimed), rec)
			}
			return ctx.Err()
		}), nil)
		if n := store.count("renew"); n < 2 {
			t.Errorf("%d renewals", n)
		}
	})
}

// watchful is a store that would notice a lease that was left to expire: each renewal
// fails as if another had claimed it meanwhile.
type watchful struct{ lease.Store }

func (w watchful) Renew(ctx context.Context, c lease.Claim, length time.Duration) error {
	if _, won, err := w.Store.Claim(ctx, c.Key, lease.Terms{Owner: lease.NewOwner(), Lease: time.Hour}); won || err != nil {
		return idempotency.ErrLeaseLost
	}
	return w.Store.Renew(ctx, c, length)
}

// A lease that had to be renewed before the work counts from that renewal: one
// failure of the next does not lose it.
func TestRunner_RenewalFailsAfterLateClaim(t *testing.T) {
	bubble(t, func(t *testing.T, r *lease.Runner, store *faulty, _ *journal) {
		store.after = func(_ context.Context, verb string, _ int) error {
			if verb == "claim" {
				time.Sleep(time.Minute)
			}
			return nil
		}
		store.before = func(_ context.Context, verb string, n int) error {
			if verb == "renew" && n == 2 {
				return errBoom
			}
			return nil
		}
		checkError(t, do(t.Context(), r, func(ctx context.Context) error {
			time.Sleep(5 * time.Minute)
			return context.Cause(ctx)
		}), nil)
	})
}
