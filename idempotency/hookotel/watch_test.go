package hookotel_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/inbox"
	"github.com/hookonce/hookonce/store/memstore"
)

// A queue is a memstore.Store that counts its looks, and can be made to fail.
type queue struct {
	*memstore.Store
	looks atomic.Int64
	limit atomic.Int64 // the largest that was asked for
	fail  atomic.Bool
	hang  atomic.Bool
}

func (q *queue) Count(ctx context.Context, endpoint string, state inbox.State, limit int) (int, error) {
	q.looks.Add(1)
	q.limit.Store(max(q.limit.Load(), int64(limit)))
	if q.hang.Load() {
		<-ctx.Done()
		return 0, ctx.Err()
	}
	if q.fail.Load() {
		return 0, errors.New("boom")
	}
	return q.Store.Count(ctx, endpoint, state, limit)
}

// newWatched returns a rig whose inbox has a queue, and groups by the first letter of IDs.
func newWatched(t *testing.T, f work) (*rig, *queue) {
	t.Helper()
	g := newRig(t, f)
	q := &queue{Store: g.store}
	var err error
	if g.box, err = inbox.New(q, nil); err != nil {
		t.Fatal(err)
	}
	g.accepts = inbox.Handle(g.box, g.later, f, &inbox.HandleOptions{
		Group: func(d *hmacverify.Delivery) string { return d.ID[:1] },
	})
	if err := g.telemetry.Watch(g.box, g.later, g.hooks); err != nil {
		t.Fatal(err)
	}
	return g, q
}

// gauges returns the gauges of an inbox for an endpoint, without what all names have.
func (g *rig) gauges(t *testing.T, endpoint string) map[string]float64 {
	t.Helper()
	gauges := make(map[string]float64)
	for point, value := range g.metrics(t) {
		if name, ok := strings.CutPrefix(point, "hookonce.inbox."); ok && strings.Contains(name, "name="+endpoint) {
			gauges[strings.TrimSuffix(strings.TrimSuffix(name, "messaging.destination.name="+endpoint), " ")] = value
		}
	}
	return gauges
}

func gauges(waiting, blocked, dead int, oldest float64) map[string]float64 {
	return map[string]float64{
		"events {event} hookonce.state=waiting": float64(waiting),
		"events {event} hookonce.state=blocked": float64(blocked),
		"events {event} hookonce.state=dead":    float64(dead),
		"oldest.age s":                          oldest,
	}
}

func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, q := newWatched(t, func(_ context.Context, _ claim, d *hmacverify.Delivery) error {
			return idempotency.Permanent(errors.New("boom"))
		})
		check := func(what string, want map[string]float64, looks int64) {
			t.Helper()
			if diff := cmp.Diff(want, g.gauges(t, "later")); diff != "" {
				t.Errorf("%s (-want +got)\n%s", what, diff)
			}
			if diff := cmp.Diff(gauges(0, 0, 0, 0), g.gauges(t, "hooks")); diff != "" {
				t.Errorf("%s, of the other endpoint (-want +got)\n%s", what, diff)
			}
			if got := q.looks.Load(); got != looks {
				t.Errorf("%s: %d looks at the queue, want %d", what, got, looks)
			}
		}
		check("empty", gauges(0, 0, 0, 0), 6) // two endpoints, three states
		for _, id := range []string{"a1", "a2", "a3", "b1"} {
			g.want(t, g.accepts, request(t, id, nil), 202)
			time.Sleep(time.Second)
		}
		check("soon after", gauges(0, 0, 0, 0), 6)
		time.Sleep(26 * time.Second)
		check("later", gauges(2, 2, 0, 30), 12)
		stop := g.run(t, 1)
		time.Sleep(31 * time.Second)
		stop()
		check("when all are dead", gauges(0, 0, 4, 0), 18)
		if got := q.limit.Load(); got != 10_000 {
			t.Errorf("up to %d events were counted, want 10,000", got)
		}
	})
}

func TestWatch_QueueAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, q := newWatched(t, succeed)
		collect := func() (n int, err error) {
			var all metricdata.ResourceMetrics
			err = g.reader.Collect(t.Context(), &all)
			for _, scope := range all.ScopeMetrics {
				for _, m := range scope.Metrics {
					if strings.HasPrefix(m.Name, "hookonce.inbox.") {
						n++
					}
				}
			}
			return n, err
		}
		q.fail.Store(true)
		if n, err := collect(); n != 0 || err == nil || !strings.Contains(err.Error(), "boom") {
			t.Errorf("%d metrics, error %v; want none, and the error", n, err)
		}
		if n, err := collect(); n != 0 || err != nil || q.looks.Load() != 1 {
			t.Errorf("%d metrics, error %v after %d looks: an error must not be asked for again at once", n, err, q.looks.Load())
		}
		q.fail.Store(false)
		q.hang.Store(true)
		time.Sleep(time.Minute)
		start := time.Now()
		if _, err := collect(); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 5*time.Second {
			t.Errorf("a queue that hangs holds the metrics for %v, error %v", time.Since(start), err)
		}
		q.hang.Store(false)
		time.Sleep(time.Minute)
		if n, err := collect(); n != 2 || err != nil {
			t.Errorf("%d metrics, error %v, want 2", n, err)
		}
	})
}

func TestWatch_ChecksItsArguments(t *testing.T) {
	t.Parallel()
	g := newRig(t, succeed)
	for _, err := range []error{g.telemetry.Watch(nil, g.later), g.telemetry.Watch(g.box)} {
		if err == nil || !strings.HasPrefix(err.Error(), "hookotel: ") {
			t.Errorf("got %v, want an error", err)
		}
	}
}

// More than are counted are shown as that many.
func TestWatch_IsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, _ := newWatched(t, succeed)
		entries := make([]inbox.Entry, 10_500)
		for i := range entries {
			entries[i].Key = idempotency.Key{Scope: "later", ID: fmt.Sprint(i)}
		}
		if _, err := g.store.Enqueue(t.Context(), entries); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if diff := cmp.Diff(gauges(10_000, 0, 0, 1), g.gauges(t, "later")); diff != "" {
			t.Errorf("gauges (-want +got)\n%s", diff)
		}
	})
}
