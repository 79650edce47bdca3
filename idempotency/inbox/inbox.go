package inbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"math/rand/v2"
	"net/http"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/idempotency"
)

// The defaults of [Options].
const (
	DefaultLease       = time.Minute
	DefaultMaxAttempts = 20
	DefaultPoll        = 5 * time.Second
	DefaultStop        = 30 * time.Second
)

// An Inbox accepts events for endpoints, and does their work later. Create one with
// [New], give it endpoints with [Handle], and start [Inbox.Run]. It is safe for
// concurrent use.
type Inbox struct {
	queue Queue
	o     Options // with the defaults filled in

	mu        sync.Mutex // guards endpoints
	endpoints map[string]*endpoint

	accepts accepts
	wake    chan struct{} // has a worker look before its next poll
}

// Options configures an [Inbox]. The zero value and nil use the defaults.
type Options struct {
	// Backoff returns the pause after the attempt of that number, from 1, has failed.
	// A random part of up to a fifth is added or taken away. Default [Backoff].
	Backoff func(attempt int) time.Duration

	// MaxAttempts is the number of attempts, crashes included, after which an event
	// is dead. Default [DefaultMaxAttempts], which takes three days with the default
	// Backoff.
	MaxAttempts int

	// MaxAge makes an event dead that fails when it was accepted longer ago than
	// that. Default 0: not limited.
	MaxAge time.Duration

	// Lease is how long an event stays with a process that has died. It does not
	// limit the work: while that runs, the lease is renewed every third of it.
	// Default [DefaultLease].
	Lease time.Duration

	// Poll is the longest time between two looks at the queue of a process that
	// finds nothing to do. It begins with 100 ms and doubles; what the process
	// accepts itself is seen at once. Default [DefaultPoll].
	Poll time.Duration

	// Stop is how long Run lets work finish after its context has ended. Work that
	// still runs then is canceled, and is done again later. Default [DefaultStop].
	Stop time.Duration

	// Around, if non-nil, is called for each attempt at the work of an event. It calls
	// next once, with ctx or a context made from it, and returns what next returns, which
	// is the outcome after the commit. It is for telemetry, which begins and ends a span.
	// Default: the work alone.
	Around func(ctx context.Context, j Job, d *hmacverify.Delivery, next func(context.Context) idempotency.Outcome) idempotency.Outcome
}

// Backoff is the default of Options.Backoff: 10 s, doubling up to 6 h.
func Backoff(attempt int) time.Duration {
	return min(10*time.Second<<min(attempt-1, 20), 6*time.Hour)
}

// New returns an Inbox whose entries are in q, such as a sqlstore.Store. o may be nil.
func New(q Queue, o *Options) (*Inbox, error) {
	if o == nil {
		o = new(Options)
	}
	v := reflect.ValueOf(q)
	switch {
	case !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil():
		return nil, errors.New("inbox: no queue: pass a sqlstore.Store")
	case min(o.MaxAge, o.Lease, o.Poll, o.Stop) < 0 || o.MaxAttempts < 0:
		return nil, errors.New("inbox: a number in Options is negative; leave it 0 for the default")
	}
	for name, d := range map[string]time.Duration{"MaxAge": o.MaxAge, "Lease": o.Lease, "Poll": o.Poll, "Stop": o.Stop} {
		if d > 0 && d < time.Millisecond {
			return nil, fmt.Errorf("inbox: Options.%s of %v is too short to be meant: write %d * time.Second for seconds", name, d, d)
		}
	}
	b := &Inbox{queue: q, o: *o, endpoints: make(map[string]*endpoint), wake: make(chan struct{}, 1)}
	if b.o.Backoff == nil {
		b.o.Backoff = Backoff
	}
	if b.o.Around == nil {
		b.o.Around = alone
	}
	b.o.MaxAttempts = cmp.Or(o.MaxAttempts, DefaultMaxAttempts)
	b.o.Lease = cmp.Or(o.Lease, DefaultLease)
	b.o.Poll = cmp.Or(o.Poll, DefaultPoll)
	b.o.Stop = cmp.Or(o.Stop, DefaultStop)
	return b, nil
}

// alone is the default of Options.Around.
func alone(ctx context.Context, _ Job, _ *hmacverify.Delivery, next func(context.Context) idempotency.Outcome) idempotency.Outcome {
	return next(ctx)
}

// An endpoint is an idempotency.Endpoint whose events an Inbox processes.
type endpoint struct {
	name    string
	group   func(*hmacverify.Delivery) string // nil: no groups
	timeout time.Duration
	process func(ctx context.Context, j Job, d *hmacverify.Delivery) idempotency.Outcome
	observe func(ctx context.Context, e idempotency.Event)
}

// HandleOptions configures [Handle]; nil uses the defaults.
type HandleOptions struct {
	// Group returns what an event belongs to, such as the customer's ID. Events of
	// one group are processed one at a time, in the order in which they were
	// accepted, and one that fails holds back those after it until it is done or
	// dead. "" is no group. More than [MaxGroupBytes] are shortened to a digest.
	// Default: no groups; events are processed as they come, concurrently.
	Group func(d *hmacverify.Delivery) string
}

// Handle returns a handler that stores the events of e in b, and responds; f is called
// for each of them later, by [Inbox.Run]. f is what e.Handle takes: it runs on e's
// runner, so that its work and the record of the event are one commit.
//
// An endpoint that processes its events at once, by e.Handle(f), is given to Handle as
// well if b is to redeliver its dead events; the handler is not used then.
//
// Call Handle before Run. It panics if f is nil, or if b has an endpoint of that name.
func Handle[T any](b *Inbox, e *idempotency.Endpoint[T], f idempotency.Func[T], o *HandleOptions) http.Handler {
	if o == nil {
		o = new(HandleOptions)
	}
	if f == nil {
		panic(fmt.Sprintf("inbox: endpoint %q: Handle with a nil function", e.Name()))
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.endpoints[e.Name()] != nil {
		panic(fmt.Sprintf("inbox: two endpoints with the name %q", e.Name()))
	}
	b.endpoints[e.Name()] = &endpoint{
		name:    e.Name(),
		group:   o.Group,
		timeout: e.Timeout(),
		process: func(ctx context.Context, j Job, d *hmacverify.Delivery) idempotency.Outcome {
			return e.Process(ctx, j.Key, j.Fingerprint, d, j.Attempts, f)
		},
		observe: e.Observe,
	}
	return e.Accept(b)
}

// all returns the endpoints.
func (b *Inbox) all() []*endpoint {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Collect(maps.Values(b.endpoints))
}

func (b *Inbox) endpoint(name string) *endpoint {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.endpoints[name]
}

// Redeliver makes a dead event due at once, with no attempts: it is processed from what
// was kept of its delivery, by the function that [Handle] was given. The event must be
// dead, in the inbox or in the records of an endpoint that keeps payloads; otherwise
// the error wraps [idempotency.ErrNotDead], [idempotency.ErrNotFound] or [idempotency.ErrNoPayload].
func (b *Inbox) Redeliver(ctx context.Context, key idempotency.Key) error {
	if err := key.Validate(); err != nil {
		return err
	}
	if err := b.queue.Redeliver(ctx, key); err != nil {
		return err
	}
	b.hurry()
	return nil
}

// RedeliverAll redelivers the dead events of an endpoint that match says, all if it is
// nil, and returns their number. It goes on from where it was stopped if it is called
// again.
func (b *Inbox) RedeliverAll(ctx context.Context, endpoint string, match func(Status) bool) (n int, err error) {
	var after *Status
	for {
		page, err := b.queue.Entries(ctx, endpoint, Dead, after, listPage)
		if err != nil {
			return n, err
		}
		for _, s := range page {
			if match != nil && !match(s) {
				continue
			}
			switch err := b.Redeliver(ctx, s.Key); {
			case errors.Is(err, idempotency.ErrNotDead), errors.Is(err, idempotency.ErrNotFound): // by another meanwhile
			case err != nil:
				return n, err
			default:
				n++
			}
		}
		if len(page) < listPage {
			return n, nil
		}
		after = &page[len(page)-1]
	}
}

const listPage = 100

// Lookup returns the state of an event in the inbox, or [idempotency.ErrNotFound]: also of one that
// is done, which the store's Lookup knows.
func (b *Inbox) Lookup(ctx context.Context, key idempotency.Key) (Status, error) {
	return b.queue.Entry(ctx, key)
}

// List returns up to limit entries of an endpoint in a state, in the order in which they
// are due, or have died; after is the last of the page before, nil for the first page.
func (b *Inbox) List(ctx context.Context, endpoint string, state State, after *Status, limit int) ([]Status, error) {
	return b.queue.Entries(ctx, endpoint, state, after, limit)
}

// Count returns how many entries of an endpoint are in a state, at most limit, so that it
// costs little however many there are.
func (b *Inbox) Count(ctx context.Context, endpoint string, state State, limit int) (int, error) {
	return b.queue.Count(ctx, endpoint, state, limit)
}

// Payload returns what is kept of an event's delivery, or [idempotency.ErrNoPayload].
func (b *Inbox) Payload(ctx context.Context, key idempotency.Key) (hmacverify.Stored, error) {
	return b.queue.Payload(ctx, key)
}

// hurry has a worker look at the queue.
func (b *Inbox) hurry() {
	signal(b.wake)
}

// jitter returns d with a random part of up to a fifth added or taken away.
func jitter(d time.Duration) time.Duration {
	spread := int64(d) / 5
	if d <= 0 || d > math.MaxInt64/2 || spread == 0 {
		return max(d, 0)
	}
	return d + time.Duration(rand.Int64N(2*spread)-spread)
}

// logPanic logs what work has panicked with, as net/http does.
func logPanic(name string, id string, value any, stack []byte) {
	slog.Error("webhook's work panicked", "endpoint", name, "id", id, "panic", fmt.Sprint(value), "stack", string(stack))
}
