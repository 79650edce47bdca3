package idempotency_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
)

type batchFunc = idempotency.Func[lease.Claim]

// A calendar keeps which events were done, and how often.
type calendar struct {
	mu   sync.Mutex
	done map[string]int
	all  []string // IDs, in the order of the calls
}

// doing returns a function that does each event, unless f, which may be nil, fails.
func (c *calendar) doing(f func(id string, d *hmacverify.Delivery) error) batchFunc {
	return func(_ context.Context, _ lease.Claim, d *hmacverify.Delivery) error {
		id, err := d.IdempotencyID()
		if err != nil {
			return err
		}
		c.mu.Lock()
		c.all = append(c.all, id)
		c.mu.Unlock()
		if f != nil {
			err = f(id, d)
		}
		if err == nil {
			c.mu.Lock()
			defer c.mu.Unlock()
			if c.done == nil {
				c.done = map[string]int{}
			}
			c.done[id]++
		}
		return err
	}
}

func (c *calendar) calls() string { return strings.Join(c.all, " ") }

// What five senders publish, with one event failing at first, and a retry that groups
// the events otherwise: each is done once.
func TestBatch_RegroupedRetry(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		file   string
		scheme hmacverify.Scheme
		fails  int // event of the first request
		events int // of both requests together
	}{
		{"hubspot", preset.HubSpot(), 1, 3}, {"xero", preset.Xero(), 1, 3}, {"sendgrid", preset.SendGrid(), 1, 3},
		{"whatsapp", preset.Meta(), 1, 4}, {"messenger", preset.Meta(), 1, 4},
	} {
		t.Run(tt.file, func(t *testing.T) {
			t.Parallel()
			c, _ := newCorrespondent(t, tt.scheme, nil)
			e := batchEndpoint(t, c.verifier, c.rig, nil)
			var did calendar
			n := -1
			h := e.Handle(did.doing(func(string, *hmacverify.Delivery) error {
				if n++; n == tt.fails {
					return errBoom
				}
				return nil
			}))
			send := func(file string) int {
				return serve(h, c.request(t, "1", http.Header{"Content-Type": {"application/json"}}, payload(t, file), c.now)).Code
			}
			if got := []int{send(tt.file), send(tt.file + "-retry"), send(tt.file), send(tt.file + "-retry")}; !slices.Equal(got, []int{500, 200, 200, 200}) {
				t.Errorf("got responses %v", got)
			}
			if len(did.done) != tt.events || len(did.all) != tt.events+1 {
				t.Errorf("got %d events in %d calls, want %d in one more: %v", len(did.done), len(did.all), tt.events, did.all)
			}
			for id, n := range did.done {
				if n != 1 {
					t.Errorf("%s was done %d times", id, n)
				}
			}
		})
	}
}

func payload(t *testing.T, name string) []byte {
	t.Helper()
	body, err := os.ReadFile("../hmacverify/preset/testdata/batches/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// batched is a scheme of arrays of events with IDs.
func batched() hmacverify.Scheme {
	s := preset.XSignature256()
	s.Name, s.ID, s.Identity = "batched", hmacverify.Field{}, hmacverify.BodyDigest
	s.Sender = hmacverify.Sender{Items: []hmacverify.Items{{JSON: "[]", ID: []string{"id"}, Type: "type"}}}
	return s
}

func batchEndpoint(t *testing.T, v *hmacverify.Verifier, g *rig, o *idempotency.Options) *idempotency.Endpoint[lease.Claim] {
	t.Helper()
	e, err := idempotency.NewEndpoint("test", v, g.runner, o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// arrayOf returns a body of events with these IDs.
func arrayOf(ids ...string) string {
	var events []string
	for _, id := range ids {
		events = append(events, fmt.Sprintf(`{"id":%q,"type":"t-%s"}`, id, id))
	}
	return "[" + strings.Join(events, ",") + "]"
}

// by fails with what errs has for an event's ID.
func by(errs map[string]error) func(string, *hmacverify.Delivery) error {
	return func(id string, _ *hmacverify.Delivery) error { return errs[id] }
}

// The sender gets a 2xx only if no event is left, and else what makes it try again.
func TestBatch_Response(t *testing.T) {
	t.Parallel()
	errs := map[string]error{
		"fail": errBoom, "400": idempotency.WithStatus(400, errBoom), "503": idempotency.WithStatus(503, errBoom),
		"ignored": idempotency.ErrIgnored, "dead": idempotency.Permanent(idempotency.WithStatus(422, errBoom)),
	}
	const again = "ok a ignored dup" // of all events that the second time are duplicates
	for _, tt := range []struct {
		ids    string
		status int
		kind   idempotency.Kind // in the header; "" if the response has none
	}{
		{"ok a", 200, ""}, {"ok ignored", 200, ""}, {"ignored ignored2", 200, ""}, {"ok ok", 200, ""},
		{"ok fail a", 500, "failed"}, {"fail 400", 500, "failed"}, {"400 fail", 500, "failed"}, {"400 ok", 400, "failed"},
		{"fail 503 400", 500, "failed"}, {"503 400", 503, "failed"},
		{"dead ok", 200, ""}, {"dead ignored", 200, ""}, {"dead dead", 200, "dead"}, {"dead fail", 500, "failed"},
		{"ok ", 400, "invalid_key"}, {"400 ", 400, "failed"}, {" fail", 500, "failed"}, {" 400", 400, "failed"},
	} {
		t.Run(tt.ids, func(t *testing.T) {
			t.Parallel()
			g, s := newRig(t), newSigned(t, batched())
			var did calendar
			h := batchEndpoint(t, s.verifier, g, nil).Handle(did.doing(by(errs)))
			ids := strings.Split(tt.ids, " ")
			w := serve(h, s.request(t, arrayOf(ids...)))
			if got := idempotency.Kind(w.Header().Get(idempotency.StatusHeader)); w.Code != tt.status || got != tt.kind {
				t.Errorf("got %d %q, want %d %q; body %s", w.Code, got, tt.status, tt.kind, w.Body)
			}
			var want []string // each is tried once, whatever became of those before it
			for _, id := range ids {
				if id != "" && !slices.Contains(want, id) {
					want = append(want, id)
				}
			}
			if diff := cmp.Diff(strings.Join(want, " "), did.calls()); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
		})
	}
	t.Run("all duplicates", func(t *testing.T) {
		t.Parallel()
		g, s := newRig(t), newSigned(t, batched())
		h := batchEndpoint(t, s.verifier, g, nil).Handle(new(calendar).doing(by(errs)))
		serve(h, s.request(t, arrayOf(strings.Fields(again)...)))
		checkEmpty(t, serve(h, s.request(t, arrayOf("dup", "ok"))), 200, idempotency.KindDuplicate)
		checkEmpty(t, serve(h, s.request(t, arrayOf("ok"))), 200, idempotency.KindDuplicate)
	})
	t.Run("one that is in flight elsewhere is left", func(t *testing.T) {
		t.Parallel()
		g, s := newRig(t), newSigned(t, batched())
		h := batchEndpoint(t, s.verifier, g, nil).Handle(new(calendar).doing(nil))
		look(t, g.store, testKey("b")) // which claims it
		checkProblem(t, serve(h, s.request(t, arrayOf("a", "b", "c"))), 503, idempotency.KindInFlight)
		checkState(t, g.store, testKey("c"), lease.Done)
	})
	t.Run("a store that fails for one leaves it", func(t *testing.T) {
		t.Parallel()
		g, s := newRig(t), newSigned(t, batched())
		g.before = func(method string, n int) error {
			if method == "Claim" && n == 2 {
				return errBoom
			}
			return nil
		}
		h := batchEndpoint(t, s.verifier, g, nil).Handle(new(calendar).doing(nil))
		checkProblem(t, serve(h, s.request(t, arrayOf("a", "b", "c"))), 503, idempotency.KindUnavailable)
		checkState(t, g.store, testKey("b"), lease.Released)
		checkState(t, g.store, testKey("c"), lease.Done)
	})
}

// Each event is observed under its key, and gets its own delivery.
func TestBatch_Events(t *testing.T) {
	t.Parallel()
	g, s := newRig(t), newSigned(t, batched())
	var got []string
	h := batchEndpoint(t, s.verifier, g, nil).Handle(func(ctx context.Context, c lease.Claim, d *hmacverify.Delivery) error {
		in, _ := hmacverify.FromContext(ctx)
		got = append(got, fmt.Sprint(c.Key.ID, " ", d.EventType(), " ", string(d.Body), " ", in == d))
		if d.ID == "b" {
			return idempotency.WithStatus(409, errBoom)
		}
		return nil
	})
	serve(h, s.request(t, arrayOf("a", "b", "a")))
	if diff := cmp.Diff([]string{`a t-a {"id":"a","type":"t-a"} true`, `b t-b {"id":"b","type":"t-b"} true`}, got); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	var events []string
	for _, e := range g.observed() {
		if e.Kind != idempotency.KindClaimed {
			events = append(events, fmt.Sprint(e.Kind, " ", e.Endpoint, " ", e.Key.ID, " ", e.Status))
		}
	}
	if diff := cmp.Diff([]string{"completed test a 0", "failed test b 0", "duplicate test a 0"}, events); diff != "" {
		t.Errorf("observed (-want +got):\n%s", diff)
	}
}

// Without an event there is nothing to do, and what is not a batch is refused.
func TestBatch_OtherBodies(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		body   string
		status int
		kind   idempotency.Kind
	}{
		{`[]`, 200, idempotency.KindIgnored}, {` [ ] `, 200, idempotency.KindIgnored}, {`null`, 200, idempotency.KindIgnored},
		{`{}`, 400, idempotency.KindInvalidKey}, {``, 400, idempotency.KindInvalidKey}, {`[{"id":1}`, 400, idempotency.KindInvalidKey},
		{`[{"id":1}` + strings.Repeat(`,{"id":1}`, hmacverify.MaxItems) + `]`, 400, idempotency.KindInvalidKey},
	} {
		t.Run(tt.body[:min(len(tt.body), 20)], func(t *testing.T) {
			t.Parallel()
			g, s := newRig(t), newSigned(t, batched())
			var did calendar
			w := serve(batchEndpoint(t, s.verifier, g, nil).Handle(did.doing(nil)), s.request(t, tt.body))
			if w.Code != tt.status || len(did.all) > 0 {
				t.Errorf("got %d and %d calls, want %d and none", w.Code, len(did.all), tt.status)
			}
			checkKinds(t, g, tt.kind)
			if events := g.observed(); events[0].Status != tt.status {
				t.Errorf("observed %+v", events[0])
			}
		})
	}
}

// One event in a request is one like any other: the response is its own.
func TestBatch_OfOne(t *testing.T) {
	t.Parallel()
	g, s := newRig(t), newSigned(t, batched())
	h := batchEndpoint(t, s.verifier, g, nil).Handle(func(context.Context, lease.Claim, *hmacverify.Delivery) error {
		return idempotency.Permanent(idempotency.WithStatus(422, errBoom))
	})
	checkProblem(t, serve(h, s.request(t, arrayOf("a"))), 422, idempotency.KindDead)
	if e := g.observed()[len(g.observed())-1]; e.Key.ID != "a" || e.Status != 422 {
		t.Errorf("observed %+v", e)
	}
}

// Options.Timeout is for all events together. What it leaves is done by the retry.
func TestBatch_Timeout(t *testing.T) {
	bubble(t, func(t *testing.T, g *rig) {
		s := newSigned(t, batched())
		e := batchEndpoint(t, s.verifier, g, &idempotency.Options{Timeout: 5 * time.Second})
		var did calendar
		work := did.doing(nil)
		h := e.Handle(func(ctx context.Context, c lease.Claim, d *hmacverify.Delivery) error {
			select {
			case <-time.After(2 * time.Second):
				return work(ctx, c, d)
			case <-ctx.Done():
				return ctx.Err()
			}
		})
		start := time.Now()
		checkProblem(t, serve(h, s.request(t, arrayOf("a", "b", "c", "d"))), 503, idempotency.KindTimeout)
		if took := time.Since(start); took != 5*time.Second || did.calls() != "a b" {
			t.Errorf("got %q done in %v", did.calls(), took)
		}
		last := g.observed()[len(g.observed())-1]
		if last.Kind != idempotency.KindTimeout || last.Key.ID != "" || !strings.Contains(fmt.Sprint(last.Err), "1 of the request's 4 events") {
			t.Errorf("observed %+v", last)
		}
		if w := serve(h, s.request(t, arrayOf("a", "b", "c", "d"))); w.Code != 200 || did.calls() != "a b c d" {
			t.Errorf("retry: got %d, %q done", w.Code, did.calls())
		}
	})
}

// Work that does not end holds its goroutine, not the sender, and nothing is begun
// after it.
func TestBatch_Hangs(t *testing.T) {
	bubble(t, func(t *testing.T, g *rig) {
		s := newSigned(t, batched())
		e := batchEndpoint(t, s.verifier, g, &idempotency.Options{Timeout: 5 * time.Second})
		var did calendar
		h := e.Handle(did.doing(func(id string, _ *hmacverify.Delivery) error {
			time.Sleep(2 * time.Second)
			if id == "b" {
				time.Sleep(time.Minute)
				return errBoom
			}
			return nil
		}))
		w := httptest.NewRecorder()
		served := make(chan struct{})
		request := s.request(t, arrayOf("a", "b", "c"))
		go func() { defer close(served); h.ServeHTTP(w, request) }()
		time.Sleep(8 * time.Second)
		synctest.Wait()
		if w.Code != 503 || !w.Flushed {
			t.Errorf("got %d, flushed %t, while the work hangs", w.Code, w.Flushed)
		}
		<-served
		checkProblemBody(t, w)
		var events []string
		for _, e := range g.observed() {
			if e.Kind != idempotency.KindClaimed && e.Kind != idempotency.KindStoreError {
				events = append(events, fmt.Sprint(e.Kind, " ", e.Key.ID))
			}
		}
		if diff := cmp.Diff([]string{"completed a", "timeout b", "timeout "}, events); diff != "" || did.calls() != "a b" {
			t.Errorf("calls %q; observed (-want +got):\n%s", did.calls(), diff)
		}
	})
}

// checkProblemBody checks that a response was written once.
func checkProblemBody(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()
	if !json.Valid(w.Body.Bytes()) {
		t.Errorf("got %q", w.Body)
	}
}

// What was not begun is left, whatever became of what was.
func TestBatch_LeftBehind(t *testing.T) {
	bubble(t, func(t *testing.T, g *rig) {
		s := newSigned(t, batched())
		e := batchEndpoint(t, s.verifier, g, &idempotency.Options{Timeout: 5 * time.Second, ID: func(_ *http.Request, d *hmacverify.Delivery) (string, error) {
			time.Sleep(3 * time.Second)
			return d.ID, nil
		}})
		h := e.Handle(new(calendar).doing(nil))
		checkProblem(t, serve(h, s.request(t, arrayOf("a", "", "c"))), 503, idempotency.KindTimeout)
		if w := serve(h, s.request(t, arrayOf("a", ""))); w.Code != 400 {
			t.Errorf("got %d, want 400", w.Code)
		}
	})
}

// An observing runner keeps what is observed.
type observing struct {
	runnerFunc
	seen *[]string
}

func (o observing) Observe(_ context.Context, e idempotency.Event) {
	*o.seen = append(*o.seen, fmt.Sprint(e.Kind, " ", e.Key.ID, " ", e.Status))
}

// Work that ends after the response was sent is observed once, under its event's key.
func TestBatch_CompletedLate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSigned(t, batched())
		var seen []string
		slow := observing{func(_ context.Context, item idempotency.Item, _ idempotency.Work[int]) idempotency.Outcome {
			if item.Key.ID == "b" {
				time.Sleep(time.Minute)
			}
			return idempotency.Outcome{Kind: idempotency.KindCompleted}
		}, &seen}
		e, err := idempotency.NewEndpoint[int]("test", s.verifier, slow, nil)
		checkError(t, err, nil)
		w := serve(e.Handle(func(context.Context, int, *hmacverify.Delivery) error { return nil }), s.request(t, arrayOf("a", "b")))
		if checkProblemBody(t, w); w.Code != 503 {
			t.Errorf("got %d", w.Code)
		}
		if diff := cmp.Diff([]string{"completed a 0", "timeout b 503", "completed b 0"}, seen); diff != "" {
			t.Errorf("observed (-want +got):\n%s", diff)
		}
	})
}

// An event whose work panics does not keep the others from being done, now or in any
// retry.
func TestBatch_Panic(t *testing.T) {
	t.Parallel()
	g, s := newRig(t), newSigned(t, batched())
	var did calendar
	h := batchEndpoint(t, s.verifier, g, nil).Handle(did.doing(func(id string, _ *hmacverify.Delivery) error {
		if strings.HasPrefix(id, "bad") {
			panic(id)
		}
		return nil
	}))
	if got := panics(func() { serve(h, s.request(t, arrayOf("a", "bad1", "b", "bad2", "c"))) }); got == nil {
		t.Error("the server must see the panic")
	}
	if did.calls() != "a bad1 b bad2 c" || did.done["c"] != 1 {
		t.Errorf("got calls %q", did.calls())
	}
	checkState(t, g.store, testKey("bad1"), lease.Released)
	checkState(t, g.store, testKey("b"), lease.Done)
}

// The events of a request that are in flight wait together no longer than one does.
func TestBatch_WaitsOnce(t *testing.T) {
	bubble(t, func(t *testing.T, g *rig) {
		s := newSigned(t, batched())
		h := batchEndpoint(t, s.verifier, g, nil).Handle(new(calendar).doing(func(string, *hmacverify.Delivery) error {
			time.Sleep(20 * time.Second)
			return nil
		}))
		var others sync.WaitGroup
		for _, id := range []string{"a", "b", "c"} {
			r := s.request(t, arrayOf(id))
			others.Go(func() { serve(h, r) })
		}
		synctest.Wait()
		start := time.Now()
		checkProblem(t, serve(h, s.request(t, arrayOf("a", "b", "c"))), 503, idempotency.KindInFlight)
		if waited := time.Since(start); waited != idempotency.DefaultWait {
			t.Errorf("waited %v, want %v", waited, idempotency.DefaultWait)
		}
		others.Wait()
		checkEmpty(t, serve(h, s.request(t, arrayOf("a", "b", "c"))), 200, idempotency.KindDuplicate)
	})
}

// Copies of a request at the same time: each event is done once.
func TestBatch_Concurrent(t *testing.T) {
	t.Parallel()
	g, s := newRig(t), newSigned(t, batched())
	var did calendar
	h := batchEndpoint(t, s.verifier, g, nil).Handle(did.doing(nil))
	ids := strings.Fields("a b c d e f g h")
	var copies sync.WaitGroup
	for i := range 8 {
		r := s.request(t, arrayOf(append(slices.Clone(ids[i:]), ids[:i]...)...))
		copies.Go(func() { serve(h, r) })
	}
	copies.Wait()
	if w := serve(h, s.request(t, arrayOf(ids...))); w.Code != 200 {
		t.Errorf("got %d", w.Code)
	}
	for _, id := range ids {
		if did.done[id] != 1 {
			t.Errorf("%s was done %d times", id, did.done[id])
		}
	}
}

// Lines of JSON, which Sender.Items cannot describe.
func lines(d *hmacverify.Delivery) (items []*hmacverify.Delivery, err error) {
	for line := range strings.Lines(string(d.Body)) {
		var event struct{ ID, Type string }
		if err := json.Unmarshal([]byte(line), &event); err != nil {
			return nil, fmt.Errorf("%w: not JSON", hmacverify.ErrItems)
		}
		items = append(items, d.Item(event.ID, event.Type, []byte(line)))
	}
	return items, nil
}

func TestBatch_OptionsItems(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		items  func(d *hmacverify.Delivery) ([]*hmacverify.Delivery, error)
		body   string
		status int
		calls  string
	}{
		{"of a function", lines, `{"id":"a"}` + "\n" + `{"id":"b"}`, 200, "a b"},
		{"without an ID the digest counts", lines, `{}` + "\n" + `{ }`, 200,
			"sha256:ca3d163bab055381827226140568f3bef7eaac187cebd76878e0b63e9e442356 sha256:257c1be96ae69f4b01c2c69bdb6d78605f59175819fb007d0bf245bf48444c4a"},
		{"an error about the body", lines, `x`, 400, ""},
		{"any other error", func(*hmacverify.Delivery) ([]*hmacverify.Delivery, error) { return nil, errBoom }, `x`, 503, ""},
		{"a foreign delivery", func(*hmacverify.Delivery) ([]*hmacverify.Delivery, error) {
			return []*hmacverify.Delivery{{ID: "a", IDSigned: true}}, nil
		}, `x`, 503, ""},
		{"a nil delivery", func(*hmacverify.Delivery) ([]*hmacverify.Delivery, error) {
			return []*hmacverify.Delivery{nil, nil}, nil
		}, `x`, 503, ""},
		{"too many", func(d *hmacverify.Delivery) ([]*hmacverify.Delivery, error) {
			return slices.Repeat([]*hmacverify.Delivery{d.Item("a", "", nil)}, hmacverify.MaxItems+1), nil
		}, `x`, 400, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			g, s := newRig(t), newSigned(t, preset.XSignature256())
			var did calendar
			h := batchEndpoint(t, s.verifier, g, &idempotency.Options{Items: tt.items}).Handle(did.doing(nil))
			if w := serve(h, s.request(t, tt.body)); w.Code != tt.status || did.calls() != tt.calls {
				t.Errorf("got %d, calls %q; want %d, %q", w.Code, did.calls(), tt.status, tt.calls)
			}
		})
	}
}

// Options.ID gets one event, as its delivery and as the request's body.
func TestBatch_OptionsID(t *testing.T) {
	t.Parallel()
	g, s := newRig(t), newSigned(t, batched())
	e := batchEndpoint(t, s.verifier, g, &idempotency.Options{ID: func(r *http.Request, d *hmacverify.Delivery) (string, error) {
		var event struct{ ID string }
		if err := json.NewDecoder(r.Body).Decode(&event); err != nil {
			return "", err
		}
		if event.ID == "none" {
			return "", errBoom
		}
		return event.ID + "/" + d.EventType(), nil
	}})
	var keys []string
	h := e.Handle(func(_ context.Context, c lease.Claim, _ *hmacverify.Delivery) error {
		keys = append(keys, c.Key.ID)
		return nil
	})
	checkProblem(t, serve(h, s.request(t, arrayOf("a", "none", "b"))), 503, idempotency.KindUnavailable)
	if diff := cmp.Diff([]string{"a/t-a", "b/t-b"}, keys); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
}

// Options.CheckContent compares events, not requests.
func TestBatch_CheckContent(t *testing.T) {
	t.Parallel()
	g, s := newRig(t), newSigned(t, batched())
	h := batchEndpoint(t, s.verifier, g, &idempotency.Options{CheckContent: true}).Handle(new(calendar).doing(nil))
	for body, want := range map[string]int{`[{"id":"a"},{"id":"b"}]`: 200, `[{"id":"b"},{"id":"c"}]`: 200} {
		if w := serve(h, s.request(t, body)); w.Code != want {
			t.Errorf("%s: got %d, want %d", body, w.Code, want)
		}
	}
	checkProblem(t, serve(h, s.request(t, `[{"id":"a","x":1},{"id":"d"}]`)), 422, idempotency.KindMismatch)
	checkState(t, g.store, testKey("d"), lease.Done)
}

func TestBatch_Whole(t *testing.T) {
	t.Parallel()
	g, s := newRig(t), newSigned(t, batched())
	e := batchEndpoint(t, s.verifier, g, &idempotency.Options{Whole: true})
	var bodies []string
	h := e.Handle(func(_ context.Context, _ lease.Claim, d *hmacverify.Delivery) error {
		bodies = append(bodies, string(d.Body))
		return nil
	})
	serve(h, s.request(t, arrayOf("a", "b")))
	serve(h, s.request(t, arrayOf("a", "b")))
	if diff := cmp.Diff([]string{arrayOf("a", "b")}, bodies); diff != "" {
		t.Errorf("bodies (-want +got):\n%s", diff)
	}
	if w := serve(e.Wrap(noop), s.request(t, arrayOf("c"))); w.Code != 200 {
		t.Errorf("Wrap: got %d", w.Code)
	}
}

// A handler of requests is not given events.
func TestBatch_Wrap(t *testing.T) {
	t.Parallel()
	g, s := newRig(t), newSigned(t, batched())
	e := batchEndpoint(t, s.verifier, g, nil)
	for name, wrap := range map[string]func(){
		"Wrap": func() { e.Wrap(noop) },
		"WrapFunc": func() {
			e.WrapFunc(func(http.ResponseWriter, *http.Request, lease.Claim) error { return nil })
		},
	} {
		if got := fmt.Sprint(panics(wrap)); !strings.Contains(got, name+" gets a whole request") || !strings.Contains(got, "Options.Whole") {
			t.Errorf("%s: got panic %q", name, got)
		}
	}
}

func TestNewEndpoint_Items(t *testing.T) {
	t.Parallel()
	items := func(*hmacverify.Delivery) ([]*hmacverify.Delivery, error) { return nil, nil }
	none := batched()
	none.Identity = hmacverify.NoIdentity
	for _, tt := range []struct {
		name   string
		scheme *hmacverify.Scheme
		o      idempotency.Options
		want   string // in the error; "": none
	}{
		{"events have an identity where requests have none", &none, idempotency.Options{}, ""},
		{"but not the whole", &none, idempotency.Options{Whole: true}, "Options.ID"},
		{"a function and the whole", &none, idempotency.Options{Whole: true, Items: items}, "Options.Whole"},
		{"a function without a verifier", nil, idempotency.Options{AllowUnverified: true, ID: byHeader, Items: items}, "without a verifier"},
		{"data without a verifier", nil, idempotency.Options{AllowUnverified: true, ID: byHeader, Sender: none.Sender}, "without a verifier"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var v *hmacverify.Verifier
			if tt.scheme != nil {
				v = newSigned(t, *tt.scheme).verifier
			}
			_, err := idempotency.NewEndpoint("test", v, newRig(t).runner, &tt.o)
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got error %v, want one about %q", err, tt.want)
			}
		})
	}
}

// An accepter notes what it gets.
type accepter struct {
	items   [][]idempotency.Item
	outcome idempotency.Outcome
}

func (a *accepter) Accept(_ context.Context, items []idempotency.Item) idempotency.Outcome {
	a.items = append(a.items, items)
	return a.outcome
}

func (a *accepter) ids() (ids [][]string) {
	for _, items := range a.items {
		var of []string
		for _, item := range items {
			if item.Delivery.ID != item.Key.ID {
				of = append(of, "the delivery of "+item.Delivery.ID+" as")
			}
			of = append(of, item.Key.ID)
		}
		ids = append(ids, of)
	}
	return ids
}

// All events of a request are accepted in one call, hence one commit.
func TestBatch_Accept(t *testing.T) {
	t.Parallel()
	accepted := idempotency.Outcome{Kind: idempotency.KindAccepted}
	for _, tt := range []struct {
		name    string
		body    string
		outcome idempotency.Outcome
		status  int
		want    [][]string
		events  string // what is observed
	}{
		{"several", arrayOf("a", "b", "a"), accepted, 202, [][]string{{"a", "b", "a"}}, "accepted 3"},
		{"one", arrayOf("a"), accepted, 202, [][]string{{"a"}}, "accepted a 0"},
		{"one duplicate", arrayOf("a"), idempotency.OutcomeOf(idempotency.KindDuplicate, nil), 202, [][]string{{"a"}}, "duplicate a 0"},
		{"none", `[]`, accepted, 200, nil, "ignored 0"},
		{"duplicates", arrayOf("a", "b"), idempotency.OutcomeOf(idempotency.KindDuplicate, nil), 202, [][]string{{"a", "b"}}, "duplicate 2"},
		{"a queue that fails", arrayOf("a", "b"), idempotency.OutcomeOf(idempotency.KindUnavailable, errBoom), 503, [][]string{{"a", "b"}}, "unavailable 2"},
		{"one without an ID", arrayOf("a", "", "b"), accepted, 400, [][]string{{"a", "b"}}, "invalid_key 0,accepted 2"},
		{"and a queue that fails", arrayOf("a", ""), idempotency.OutcomeOf(idempotency.KindUnavailable, errBoom), 503, [][]string{{"a"}}, "invalid_key 0,unavailable 1"},
		{"all without an ID", arrayOf("", ""), accepted, 400, nil, "invalid_key 0,invalid_key 0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			g, s := newRig(t), newSigned(t, batched())
			a := &accepter{outcome: tt.outcome}
			if w := serve(batchEndpoint(t, s.verifier, g, nil).Accept(a), s.request(t, tt.body)); w.Code != tt.status {
				t.Errorf("got %d, want %d", w.Code, tt.status)
			}
			if diff := cmp.Diff(tt.want, a.ids()); diff != "" {
				t.Errorf("accepted (-want +got):\n%s", diff)
			}
			var events []string
			for _, e := range g.observed() {
				events = append(events, strings.Join(strings.Fields(fmt.Sprint(e.Kind, " ", e.Key.ID, " ", e.Count)), " "))
			}
			if got := strings.Join(events, ","); got != tt.events {
				t.Errorf("observed %q, want %q", got, tt.events)
			}
		})
	}
}
