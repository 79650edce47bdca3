package lease_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/memstore"
)

// Then it is not known whether another owner is at work.
func TestRunner_NeitherRenewedNorReleased(t *testing.T) {
	bubble(t, func(t *testing.T, r *lease.Runner, store *faulty, _ *journal) {
		store.failing(errors.New("no connection"), "renew", "release")
		err := do(t.Context(), r, func(ctx context.Context) error {
			stuck(ctx)
			return errBoom
		})
		checkError(t, err, idempotency.ErrLeaseLost)
		checkError(t, err, errBoom)
	})
}

// Work that has finished before its context could end may still complete: the store
// decides, by owner and token.
func TestRunner_CompletesExpiredLease(t *testing.T) {
	bubble(t, func(t *testing.T, r *lease.Runner, store *faulty, _ *journal) {
		store.failing(errBoom, "renew")
		checkError(t, do(t.Context(), r, takes(time.Hour)), nil)
		checkState(t, store.Store, lease.Done)
	})
}

func TestRunner_FinishesAfterTheft(t *testing.T) {
	bubble(t, func(t *testing.T, r *lease.Runner, store *faulty, j *journal) {
		store.failing(errBoom, "renew")
		for _, result := range []error{nil, errBoom, idempotency.Permanent(errBoom)} {
			err := do(t.Context(), r, func(ctx context.Context) error {
				time.Sleep(time.Minute)
				if _, won := look(t, store.Store, evt); !won {
					t.Error("the lease has not expired")
				}
				return result
			})
			checkError(t, err, idempotency.ErrLeaseLost)
			checkLastKind(t, j, "lease_lost")
			checkState(t, store.Store, lease.Claimed) // by the thief
			time.Sleep(time.Minute)
		}
	})
}

func TestRunner_ReleasesAfterContext(t *testing.T) {
	bubble(t, func(t *testing.T, r *lease.Runner, store *faulty, j *journal) {
		ctx, cancel := context.WithCancel(t.Context())
		err := do(ctx, r, func(ctx context.Context) error {
			cancel()
			return stuck(ctx)
		})
		checkError(t, err, context.Canceled)
		checkState(t, store.Store, lease.Released)
		checkKinds(t, j, "claimed", "timeout")
	})
}

func TestRunner_CompletesAfterContext(t *testing.T) {
	bubble(t, func(t *testing.T, r *lease.Runner, store *faulty, _ *journal) {
		ctx, cancel := context.WithCancel(t.Context())
		checkError(t, do(ctx, r, func(ctx context.Context) error {
			cancel()
			return nil
		}), nil)
		checkState(t, store.Store, lease.Done)
	})
}

// A panic releases the event and passes with its value.
func TestRunner_Panic(t *testing.T) {
	bubble(t, func(t *testing.T, r *lease.Runner, store *faulty, j *journal) {
		value := &struct{ string }{"mine"}
		func() {
			defer func() {
				if got := recover(); got != any(value) {
					t.Errorf("got panic %v, want %v", got, value)
				}
				checkCalls(t, store, "claim", "renew", "release")
			}()
			do(t.Context(), r, func(context.Context) error {
				time.Sleep(11 * time.Second)
				panic(value)
			})
		}()
		rec, free := look(t, store.Store, evt)
		if !free || rec.LastError != "the work panicked" {
			t.Errorf("got %v because of %q", rec.State, rec.LastError)
		}
		checkKinds(t, j, "claimed", "failed")
	})
}

func TestRunner_Goexit(t *testing.T) {
	bubble(t, func(t *testing.T, r *lease.Runner, store *faulty, _ *journal) {
		exited := make(chan struct{})
		go func() {
			defer close(exited)
			do(t.Context(), r, func(context.Context) error {
				time.Sleep(11 * time.Second)
				runtime.Goexit()
				return nil
			})
			t.Error("Run returned")
		}()
		<-exited
		checkState(t, store.Store, lease.Released)
	})
}

func TestRunner_MaxAttempts(t *testing.T) {
	for _, tt := range []struct {
		name    string
		attempt func(t *testing.T, r *lease.Runner, store *faulty)
	}{
		{"that failed", func(t *testing.T, r *lease.Runner, store *faulty) {
			do(t.Context(), r, fails)
		}},
		{"that panicked", func(t *testing.T, r *lease.Runner, store *faulty) {
			defer func() { recover() }()
			do(t.Context(), r, func(context.Context) error { panic(1) })
		}},
		{"whose process died", func(t *testing.T, r *lease.Runner, store *faulty) {
			look(t, store.Store, evt)
			time.Sleep(time.Minute)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubbleWith(t, lease.Options{MaxAttempts: 3}, func(t *testing.T, r *lease.Runner, store *faulty, j *journal) {
				for range 3 {
					tt.attempt(t, r, store)
					time.Sleep(idempotency.DefaultAttemptInterval)
				}
				err := do(t.Context(), r, func(context.Context) error {
					t.Error("a fourth attempt")
					return nil
				})
				checkError(t, err, idempotency.ErrDead)
				checkState(t, store.Store, lease.Dead)
				checkLastKind(t, j, "dead")
			})
		})
	}
}

func TestRunner_Permanent(t *testing.T) {
	bubble(t, func(t *testing.T, r *lease.Runner, store *faulty, j *journal) {
		err := do(t.Context(), r, func(context.Context) error {
			return fmt.Errorf("sending: %w", idempotency.Permanent(errBoom))
		})
		checkError(t, err, errBoom)
		if !idempotency.IsPermanent(err) {
			t.Errorf("%v is not permanent any more", err)
		}
		checkError(t, do(t.Context(), r, fails), idempotency.ErrDead)
		checkKinds(t, j, "claimed", "dead", "dead")
	})
}

func TestRunner_StoreErrors(t *testing.T) {
	for _, tt := range []struct {
		name   string
		verb   string
		times  int // how often it fails
		lost   bool
		work   func(context.Context) error
		want   error
		state  lease.State
		events []idempotency.Kind
	}{
		{"a claim that fails is unavailable", "claim", 1, false, takes(0), idempotency.ErrUnavailable, lease.Released,
			[]idempotency.Kind{"unavailable"}},
		{"a claim whose answer is lost is unavailable until its lease expires", "claim", 1, true, takes(0), idempotency.ErrUnavailable, lease.Claimed,
			[]idempotency.Kind{"unavailable"}},
		{"a completion is retried", "complete", 3, false, takes(0), nil, lease.Done,
			[]idempotency.Kind{"claimed", "completed"}},
		{"a completion whose answer is lost is repeated", "complete", 1, true, takes(0), nil, lease.Done,
			[]idempotency.Kind{"claimed", "completed"}},
		{"a completion that keeps failing is unavailable", "complete", 99, false, takes(0), idempotency.ErrUnavailable, lease.Claimed,
			[]idempotency.Kind{"claimed", "unavailable"}},
		{"a release is retried", "release", 3, false, fails, errBoom, lease.Released,
			[]idempotency.Kind{"claimed", "failed"}},
		{"a release that keeps failing leaves the work's own error", "release", 99, false, fails, errBoom, lease.Claimed,
			[]idempotency.Kind{"claimed", "store_error", "failed"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *lease.Runner, store *faulty, j *journal) {
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
				err := do(t.Context(), r, tt.work)
				checkError(t, err, tt.want)
				if errors.Is(err, idempotency.ErrUnavailable) {
					checkError(t, err, errStore)
				}
				checkKinds(t, j, tt.events...)
				checkState(t, store.Store, tt.state)
			})
		})
	}
}

// The end of the work is recorded within 10 seconds, or not.
func TestRunner_StoreDoesNotAnswer(t *testing.T) {
	bubble(t, func(t *testing.T, r *lease.Runner, store *faulty, _ *journal) {
		store.before = func(ctx context.Context, verb string, _ int) error {
			if verb != "claim" {
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		}
		start := time.Now()
		checkError(t, do(t.Context(), r, takes(0)), idempotency.ErrUnavailable)
		if got := time.Since(start); got != 10*time.Second {
			t.Errorf("Run returned after %v, want 10s", got)
		}
	})
}

// An observer that panics does not hold the event.
func TestRunner_ObserverPanics(t *testing.T) {
	observe := func(_ context.Context, e idempotency.Event) {
		if e.Kind == "claimed" {
			panic("boom")
		}
	}
	bubbleWith(t, lease.Options{Observe: observe}, func(t *testing.T, r *lease.Runner, store *faulty, _ *journal) {
		if got := panics(func() { _ = do(t.Context(), r, takes(0)) }); got != "boom" {
			t.Errorf("recovered %v, want the panic", got)
		}
		checkState(t, store.Store, lease.Released)
	})
}

// The last attempt that may fail is the one that makes the event dead.
func TestRunner_LastAttempt(t *testing.T) {
	bubbleWith(t, lease.Options{MaxAttempts: 2}, func(t *testing.T, r *lease.Runner, _ *faulty, j *journal) {
		if err := do(t.Context(), r, fails); !errors.Is(err, errBoom) || errors.Is(err, idempotency.ErrDead) {
			t.Errorf("first attempt: got %v, want a failure", err)
		}
		time.Sleep(idempotency.DefaultAttemptInterval)
		err := do(t.Context(), r, fails)
		checkError(t, err, idempotency.ErrDead)
		checkError(t, err, errBoom)
		checkKinds(t, j, "claimed", "failed", "claimed", "dead")
	})
}

// The sender must not stop before the event is recorded as dead.
func TestRunner_PermanentNotRecorded(t *testing.T) {
	bubble(t, func(t *testing.T, r *lease.Runner, store *faulty, _ *journal) {
		store.failing(errors.New("no connection"), "release")
		err := do(t.Context(), r, func(context.Context) error { return idempotency.Permanent(errBoom) })
		checkError(t, err, idempotency.ErrUnavailable)
		if errors.Is(err, errBoom) || errors.Is(err, idempotency.ErrDead) {
			t.Errorf("got %v, want only the store's failure", err)
		}
	})
}

// An effect that stands must not be repeated because the store cannot take its result.
func TestRunner_ResultNotKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, j := resultless{new(memstore.Store)}, new(journal)
		o := idempotency.Run(t.Context(), newRunner(t, store, j, lease.Options{}), idempotency.Item{Key: evt},
			func(context.Context, lease.Claim) (*idempotency.Result, error) {
				return &idempotency.Result{Status: 200}, nil
			})
		if o.Kind != idempotency.KindCompleted || o.Result != nil {
			t.Errorf("got %+v, want that it is completed without its result", o)
		}
		checkState(t, store, lease.Done)
		checkKinds(t, j, "claimed", "store_error", "completed")
	})
}

// A resultless store can keep no result.
type resultless struct{ lease.Store }

func (s resultless) Complete(ctx context.Context, c lease.Claim, r *idempotency.Result) error {
	if r != nil {
		return errors.New("packet too large")
	}
	return s.Store.Complete(ctx, c, nil)
}

// A release whose answer was lost and that is repeated is no lost lease.
func TestRunner_ReleaseAnswerLost(t *testing.T) {
	bubble(t, func(t *testing.T, r *lease.Runner, store *faulty, j *journal) {
		store.after = func(_ context.Context, verb string, n int) error {
			if verb == "release" && n == 1 {
				return errors.New("connection reset")
			}
			return nil
		}
		checkError(t, do(t.Context(), r, fails), errBoom)
		checkKinds(t, j, "claimed", "failed")
		checkCalls(t, store, "claim", "release", "release")
	})
}

// A lease is not renewed for work that ignores its deadline.
func TestRunner_HangingWork(t *testing.T) {
	bubble(t, func(t *testing.T, r *lease.Runner, store *faulty, _ *journal) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		returned := make(chan error)
		go func() { returned <- do(ctx, r, takes(time.Hour)) }()
		time.Sleep(time.Minute + 20*time.Second)
		if rec, free := look(t, store.Store, evt); free {
			t.Errorf("free while the last lease lasts: %+v", rec)
		}
		time.Sleep(lease.DefaultLease)
		if rec, free := look(t, store.Store, evt); !free {
			t.Errorf("still %v, 50s after the deadline", rec.State)
		}
		checkError(t, <-returned, idempotency.ErrLeaseLost)
	})
}
