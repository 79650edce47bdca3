package inbox_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/inbox"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/memstore"
)

// A world is an endpoint "hooks" with an inbox on a memstore.Store.
type world struct {
	t       *testing.T
	store   *memstore.Store
	box     *inbox.Inbox
	handler http.Handler
	signer  *hmacverify.Signer

	mu     sync.Mutex
	events []idempotency.Event
	calls  []string // IDs, in the order in which the work began
}

type work = idempotency.Func[lease.Claim]

func newWorld(t *testing.T, o *inbox.Options, ho *inbox.HandleOptions, f work) *world {
	t.Helper()
	w := &world{t: t, store: new(memstore.Store)}
	w.open(o, ho, f)
	return w
}

func (w *world) open(o *inbox.Options, ho *inbox.HandleOptions, f work) {
	t := w.t
	verifier, err := hmacverify.New(preset.StandardWebhooks(), nil, "whsec_"+strings.Repeat("c2VjcmV0", 4))
	if err != nil {
		t.Fatal(err)
	}
	w.signer, err = hmacverify.NewSigner(preset.StandardWebhooks(), nil, "whsec_"+strings.Repeat("c2VjcmV0", 4))
	if err != nil {
		t.Fatal(err)
	}
	runner, err := lease.New(w.store, &lease.Options{Observe: w.observe})
	if err != nil {
		t.Fatal(err)
	}
	endpoint, err := idempotency.NewEndpoint("hooks", verifier, runner, nil)
	if err != nil {
		t.Fatal(err)
	}
	w.box, err = inbox.New(w.store, o)
	if err != nil {
		t.Fatal(err)
	}
	w.handler = inbox.Handle(w.box, endpoint, func(ctx context.Context, c lease.Claim, d *hmacverify.Delivery) error {
		w.mu.Lock()
		w.calls = append(w.calls, d.ID)
		w.mu.Unlock()
		return f(ctx, c, d)
	}, ho)
}

func (w *world) observe(_ context.Context, e idempotency.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, e)
}

// deliver sends an event, and returns the status of the response.
func (w *world) deliver(id string) int { return w.send(id, `{"type":"order.paid"}`) }

func (w *world) send(id, body string) int {
	w.t.Helper()
	r, err := w.signer.NewRequest(w.t.Context(), "http://localhost/", http.Header{"Webhook-Id": {id}}, []byte(body))
	if err != nil {
		w.t.Fatal(err)
	}
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	return rec.Code
}

// run starts the inbox, and returns a function that stops it.
func (w *world) run(workers int) (stop func()) {
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan error, 1)
	go func() { done <- w.box.Run(ctx, workers) }()
	return func() {
		w.t.Helper()
		cancel()
		if err := <-done; err != nil {
			w.t.Errorf("Run: %v", err)
		}
	}
}

// pass gives the goroutines time to do what they can do now.
func pass() { sleep(200 * time.Millisecond) }

// sleep sleeps, and lets what is to happen at its end happen.
func sleep(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (w *world) called() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(w.calls, " ")
}

// seen counts the observations of a kind.
func (w *world) seen(kind idempotency.Kind) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.events {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

func (w *world) lookup(id string) (inbox.Status, error) {
	return w.box.Lookup(w.t.Context(), key(id))
}

func (w *world) wantState(id string, want inbox.State) {
	w.t.Helper()
	if s, err := w.lookup(id); err != nil || s.State != want {
		w.t.Errorf("%s: got %v, error %v, want %v", id, s.State, err, want)
	}
}

func (w *world) wantDone(id string) {
	w.t.Helper()
	if s, err := w.lookup(id); !errors.Is(err, idempotency.ErrNotFound) {
		w.t.Errorf("%s: got %+v, error %v, want no entry", id, s, err)
	}
}

func key(id string) idempotency.Key { return idempotency.Key{Scope: "hooks", ID: id} }

func succeed(context.Context, lease.Claim, *hmacverify.Delivery) error { return nil }

func TestInbox_AcceptsThenProcesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got *hmacverify.Delivery
		w := newWorld(t, nil, nil, func(_ context.Context, _ lease.Claim, d *hmacverify.Delivery) error {
			got = d
			return nil
		})
		if status := w.deliver("evt_1"); status != 202 {
			t.Errorf("first delivery: %d, want 202", status)
		}
		w.wantState("evt_1", inbox.Waiting)
		if status := w.deliver("evt_1"); status != 202 {
			t.Errorf("retry of a waiting event: %d, want 202", status)
		}
		stop := w.run(2)
		pass()
		stop()
		w.wantDone("evt_1")
		if got == nil || string(got.Body) != `{"type":"order.paid"}` || got.ID != "evt_1" || got.EventType() != "order.paid" {
			t.Errorf("the work got %+v", got)
		}
		if got.Header.Get("Webhook-Signature") != "" {
			t.Error("the signature was stored")
		}
		if status := w.deliver("evt_1"); status != 202 {
			t.Errorf("retry of a done event: %d, want 202", status)
		}
		if w.called() != "evt_1" {
			t.Errorf("calls: %q, want one", w.called())
		}
		if a, d, c := w.seen("accepted"), w.seen("duplicate"), w.seen("completed"); a != 1 || d != 2 || c != 1 {
			t.Errorf("observed %d accepted, %d duplicates, %d completed, want 1, 2, 1", a, d, c)
		}
	})
}

// The pauses grow as Backoff says, and the event dies when its attempts are used up.
func TestInbox_RetriesThenDies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fail := true
		var at []time.Duration
		start := time.Now()
		w := newWorld(t, &inbox.Options{MaxAttempts: 4}, nil, func(context.Context, lease.Claim, *hmacverify.Delivery) error {
			at = append(at, time.Since(start))
			if fail {
				return errors.New("the mail server is away")
			}
			return nil
		})
		w.deliver("evt_1")
		stop := w.run(2)
		sleep(time.Hour)
		if len(at) != 4 {
			t.Fatalf("%d attempts, want 4", len(at))
		}
		for i, pause := range []time.Duration{10 * time.Second, 20 * time.Second, 40 * time.Second} {
			// A fifth less or more, and a poll.
			if d := at[i+1] - at[i]; d < pause*4/5 || d > pause*6/5+6*time.Second {
				t.Errorf("pause %d: %v, want about %v", i+1, d, pause)
			}
		}
		s, err := w.lookup("evt_1")
		if err != nil || s.State != inbox.Dead || s.Attempts != 4 || s.LastError != "the mail server is away" {
			t.Errorf("got %+v, error %v, want it dead after 4 attempts", s, err)
		}
		if n := w.seen("dead"); n != 1 {
			t.Errorf("observed %d deaths, want 1", n)
		}
		if status := w.deliver("evt_1"); status != 202 {
			t.Errorf("retry of a dead event: %d, want 202", status)
		}
		fail = false
		if err := w.box.Redeliver(t.Context(), key("evt_1")); err != nil {
			t.Fatal(err)
		}
		pass()
		stop()
		w.wantDone("evt_1")
	})
}

func TestInbox_PermanentDiesAtOnceAndCanBeRedelivered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		err := idempotency.Permanent(errors.New("no such order"))
		w := newWorld(t, nil, nil, func(context.Context, lease.Claim, *hmacverify.Delivery) error { return err })
		w.deliver("evt_1")
		stop := w.run(1)
		pass()
		w.wantState("evt_1", inbox.Dead)
		err = nil
		if n, err := w.box.RedeliverAll(t.Context(), "hooks", nil); n != 1 || err != nil {
			t.Errorf("RedeliverAll: %d, error %v, want 1", n, err)
		}
		pass()
		stop()
		w.wantDone("evt_1")
		if err := w.box.Redeliver(t.Context(), key("evt_1")); !errors.Is(err, idempotency.ErrNotDead) {
			t.Errorf("Redeliver of a done event: error %v, want ErrNotDead", err)
		}
		if err := w.box.Redeliver(t.Context(), key("evt_2")); !errors.Is(err, idempotency.ErrNotFound) {
			t.Errorf("Redeliver of no event: error %v, want ErrNotFound", err)
		}
	})
}

// While all work fails, the events that wait keep their attempts.
func TestInbox_OutageIsProbed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var back atomic.Bool
		w := newWorld(t, nil, nil, func(context.Context, lease.Claim, *hmacverify.Delivery) error {
			if !back.Load() {
				return errors.New("the mail server is away")
			}
			return nil
		})
		for i := range 300 {
			w.deliver(fmt.Sprint(i))
		}
		stop := w.run(2)
		sleep(5 * time.Second)
		before := w.seen("failed")
		if before > 60 {
			t.Errorf("%d attempts in 5 s of an outage, want about one a second after 20", before)
		}
		sleep(time.Minute)
		if n := w.seen("failed") - before; n < 30 || n > 60 {
			t.Errorf("%d attempts in the next minute, want about one a second", n)
		}
		back.Store(true)
		sleep(2 * time.Minute)
		stop()
		if n := w.seen("completed"); n != 300 {
			t.Errorf("%d completed, want 300", n)
		}
	})
}

// Work that says when to try again is not counted as failed.
func TestRetryIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Time
		w := newWorld(t, &inbox.Options{MaxAttempts: 1}, nil, func(context.Context, lease.Claim, *hmacverify.Delivery) error {
			at = append(at, time.Now())
			if len(at) < 4 {
				return idempotency.RetryIn(time.Hour, nil)
			}
			return nil
		})
		w.deliver("evt_1")
		stop := w.run(1)
		sleep(4 * time.Hour)
		stop()
		w.wantDone("evt_1")
		if len(at) != 4 || at[3].Sub(at[0]) < 3*time.Hour {
			t.Errorf("attempts at %v, want 4, an hour apart", at)
		}
	})
}

// What is around the work sees each attempt and its outcome, and its context reaches the
// work.
func TestInbox_Around(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type mark struct{}
		var seen []string
		around := func(ctx context.Context, j inbox.Job, d *hmacverify.Delivery, next func(context.Context) idempotency.Outcome) idempotency.Outcome {
			o := next(context.WithValue(ctx, mark{}, j.Attempts))
			seen = append(seen, fmt.Sprint(j.Key.ID, " ", d.EventType(), " ", j.Attempts, " ", o.Kind))
			return o
		}
		w := newWorld(t, &inbox.Options{Around: around}, nil, func(ctx context.Context, _ lease.Claim, _ *hmacverify.Delivery) error {
			switch ctx.Value(mark{}) {
			case 1:
				if len(seen) == 0 {
					return fmt.Errorf("early: %w", idempotency.RetryIn(time.Minute, nil))
				}
				return errors.New("boom")
			case 2:
				return nil
			}
			return errors.New("the context is not that of Around")
		})
		w.deliver("evt_1")
		stop := w.run(1)
		sleep(10 * time.Minute)
		stop()
		w.wantDone("evt_1")
		want := "evt_1 order.paid 1 postponed, evt_1 order.paid 1 failed, evt_1 order.paid 2 completed"
		if got := strings.Join(seen, ", "); got != want {
			t.Errorf("seen %s, want %s", got, want)
		}
	})
}

func TestInbox_MaxAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, &inbox.Options{MaxAge: time.Minute, MaxAttempts: 1000}, nil, func(context.Context, lease.Claim, *hmacverify.Delivery) error {
			return idempotency.RetryIn(25*time.Second, errors.New("not yet"))
		})
		w.deliver("evt_1")
		stop := w.run(1)
		sleep(time.Hour)
		stop()
		w.wantState("evt_1", inbox.Dead)
		if s, _ := w.lookup("evt_1"); w.called() != "evt_1 evt_1 evt_1 evt_1" || s.LastError != "not yet" {
			t.Errorf("calls: %q, last error %q", w.called(), s.LastError)
		}
	})
}

// Events of a group are processed one at a time, in order. One that fails holds back
// those after it, and no other group.
func TestHandle_Group(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		tries, busy := 0, 0
		w := newWorld(t, &inbox.Options{MaxAttempts: 3}, &inbox.HandleOptions{Group: func(d *hmacverify.Delivery) string { return d.ID[:1] }},
			func(_ context.Context, _ lease.Claim, d *hmacverify.Delivery) error {
				mu.Lock()
				defer mu.Unlock()
				if d.ID[0] == 'a' {
					if busy++; busy > 1 {
						t.Errorf("%s is processed beside another", d.ID)
					}
					mu.Unlock()
					time.Sleep(time.Millisecond)
					mu.Lock()
					busy--
				}
				if d.ID == "a2" {
					tries++
					return errors.New("boom")
				}
				return nil
			})
		for _, id := range []string{"a1", "a2", "a3", "a4", "b1"} {
			w.deliver(id)
		}
		w.wantState("a2", inbox.Blocked)
		stop := w.run(4)
		pass()
		w.wantState("a2", inbox.Waiting)
		w.wantState("a3", inbox.Blocked)
		w.wantDone("b1")
		sleep(10 * time.Minute)
		w.wantState("a2", inbox.Dead)
		w.wantDone("a3")
		w.wantDone("a4")
		stop()
		var order []string
		for id := range strings.FieldsSeq(w.called()) {
			if id[0] == 'a' {
				order = append(order, id)
			}
		}
		if got := strings.Join(order, " "); got != "a1 a2 a2 a2 a3 a4" {
			t.Errorf("order: %s", got)
		}
	})
}

func TestInbox_PanicIsAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		panicked := false
		w := newWorld(t, nil, nil, func(context.Context, lease.Claim, *hmacverify.Delivery) error {
			if !panicked {
				panicked = true
				panic("boom")
			}
			return nil
		})
		w.deliver("evt_1")
		stop := w.run(1)
		pass()
		if s, err := w.lookup("evt_1"); err != nil || s.State != inbox.Waiting || s.LastError != "the work panicked" {
			t.Errorf("got %+v, error %v", s, err)
		}
		sleep(time.Minute)
		stop()
		w.wantDone("evt_1")
	})
}

// When the process stops, what runs may finish, and what was not begun goes back.
func TestRun_StopsInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil, nil, func(ctx context.Context, _ lease.Claim, d *hmacverify.Delivery) error {
			select {
			case <-time.After(10 * time.Second):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
		for i := range 4 {
			w.deliver(fmt.Sprint("evt_", i))
		}
		stop := w.run(2)
		pass()
		sleep(time.Second)
		start := time.Now()
		stop()
		if d := time.Since(start); d < 8*time.Second || d > 9*time.Second {
			t.Errorf("stopped after %v, want when the work was done, 9s", d)
		}
		w.wantDone("evt_0")
		w.wantDone("evt_1")
		for _, id := range []string{"evt_2", "evt_3"} {
			if s, err := w.lookup(id); err != nil || s.State != inbox.Waiting || s.Attempts != 0 || s.Due > 0 {
				t.Errorf("%s: got %+v, error %v, want it due, with no attempt", id, s, err)
			}
		}
	})
}

// Work that ignores the end of its context does not keep Run, and is given back.
func TestRun_StopIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		w := newWorld(t, &inbox.Options{Stop: 3 * time.Second}, nil, func(ctx context.Context, _ lease.Claim, d *hmacverify.Delivery) error {
			<-release
			return errors.New("late")
		})
		w.deliver("evt_1")
		stop := w.run(1)
		pass()
		start := time.Now()
		stop()
		if d := time.Since(start); d > 6*time.Second {
			t.Errorf("stopped after %v", d)
		}
		if s, err := w.lookup("evt_1"); err != nil || s.State != inbox.Waiting || s.Attempts != 0 {
			t.Errorf("got %+v, error %v, want it waiting, with no attempt", s, err)
		}
		close(release)
	})
}

// A lease is renewed while the work runs, however long that takes.
func TestRun_RenewsLeases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, &inbox.Options{Lease: 3 * time.Second}, nil, func(context.Context, lease.Claim, *hmacverify.Delivery) error {
			time.Sleep(20 * time.Second)
			return nil
		})
		w.deliver("evt_1")
		stop := w.run(1)
		pass()
		other := &world{t: t, store: w.store} // another process
		other.open(&inbox.Options{Lease: 3 * time.Second}, nil, succeed)
		stopOther := other.run(1)
		sleep(15 * time.Second)
		w.wantState("evt_1", inbox.InFlight)
		sleep(10 * time.Second)
		stopOther()
		stop()
		w.wantDone("evt_1")
		if w.called() != "evt_1" || other.called() != "" {
			t.Errorf("calls: %q and %q", w.called(), other.called())
		}
	})
}

// A process dies with several events in its hands. Those are tried again one by one, so
// that the one that kills processes does not take the others with it.
func TestRun_SuspectsOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var busy, most atomic.Int64
		w := newWorld(t, &inbox.Options{Lease: 3 * time.Second}, nil, func(context.Context, lease.Claim, *hmacverify.Delivery) error {
			most.Store(max(most.Load(), busy.Add(1)))
			time.Sleep(time.Second)
			busy.Add(-1)
			return nil
		})
		for i := range 5 {
			w.deliver(fmt.Sprint("evt_", i))
		}
		jobs, err := w.store.Dequeue(t.Context(), "hooks", 10, 3*time.Second, false) // by a process that dies
		if len(jobs) != 5 || err != nil {
			t.Fatalf("dequeued %d, error %v", len(jobs), err)
		}
		stop := w.run(4)
		sleep(time.Minute)
		stop()
		for i := range 5 {
			w.wantDone(fmt.Sprint("evt_", i))
		}
		if n := most.Load(); n != 1 {
			t.Errorf("%d suspects at once, want 1", n)
		}
	})
}

// An event that kills its process each time is dead after MaxAttempts.
func TestRun_CrashesCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, &inbox.Options{MaxAttempts: 2}, nil, succeed)
		w.deliver("evt_1")
		for i := range 2 {
			if jobs, err := w.store.Dequeue(t.Context(), "hooks", 1, time.Second, i > 0); len(jobs) != 1 || err != nil {
				t.Fatalf("dequeued %d, error %v", len(jobs), err)
			}
			time.Sleep(2 * time.Second)
		}
		stop := w.run(1)
		sleep(time.Minute)
		stop()
		w.wantState("evt_1", inbox.Dead)
		if w.called() != "" || w.seen("dead") != 1 {
			t.Errorf("calls %q, %d deaths, want no call and one death", w.called(), w.seen("dead"))
		}
	})
}

func TestNew_ChecksItsArguments(t *testing.T) {
	var none *memstore.Store
	for name, tt := range map[string]struct {
		q    inbox.Queue
		o    *inbox.Options
		want string
	}{
		"no queue":       {nil, nil, "pass a sqlstore.Store"},
		"a nil queue":    {none, nil, "pass a sqlstore.Store"},
		"a negative age": {new(memstore.Store), &inbox.Options{MaxAge: -1}, "negative"},
		"a short lease":  {new(memstore.Store), &inbox.Options{Lease: 30}, "30 * time.Second"},
	} {
		if b, err := inbox.New(tt.q, tt.o); b != nil || err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, error %v, want one with %q", name, b, err, tt.want)
		}
	}
	b, err := inbox.New(new(memstore.Store), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Run(t.Context(), 1); err == nil || !strings.Contains(err.Error(), "call Handle") {
		t.Errorf("Run without an endpoint: error %v", err)
	}
}
