package lease_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/memstore"
)

// Each mistake is refused with an error that says what is wrong and the way out.
func TestNew_Refuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		store   lease.Store
		options *lease.Options
		want    []string // in the error
	}{
		{"nil store", nil, nil, []string{"no store", "sqlstore.Store", "memstore.Store"}},
		{"typed nil store", (*memstore.Store)(nil), nil, []string{"no store"}},
		{"negative lease", new(memstore.Store), &lease.Options{Lease: -time.Second}, []string{"negative", "0 for the default"}},
		{"negative attempts", new(memstore.Store), &lease.Options{MaxAttempts: -1}, []string{"negative"}},
		{"lease in nanoseconds", new(memstore.Store), &lease.Options{Lease: 30}, []string{"Options.Lease of 30ns", "30 * time.Second"}},
		{"lease too short", new(memstore.Store), &lease.Options{Lease: time.Millisecond - 1}, []string{"Options.Lease"}},
	} {
		r, err := lease.New(tt.store, tt.options)
		if r != nil || err == nil {
			t.Errorf("%s: got %v, %v, want an error", tt.name, r, err)
			continue
		}
		for _, want := range append(tt.want, "lease: ") {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q is not in the error %q", tt.name, want, err)
			}
		}
	}
}

func TestNew_CopiesOptions(t *testing.T) {
	t.Parallel()
	o := &lease.Options{Observe: new(journal).observe}
	store := &termsKeeper{Store: new(memstore.Store)}
	r, err := lease.New(store, o)
	if err != nil {
		t.Fatal(err)
	}
	if o.Lease != 0 {
		t.Errorf("the caller's options were changed: %+v", o)
	}
	o.Lease = time.Hour
	do(t.Context(), r, takes(0))
	if got := store.terms[0].Lease; got != lease.DefaultLease {
		t.Errorf("claimed for %v, want %v", got, lease.DefaultLease)
	}
}

// An observing store has an observer and a retention of its own.
type observing struct {
	lease.Store
	journal
}

func (o *observing) Observe(ctx context.Context, e idempotency.Event) { o.observe(ctx, e) }
func (o *observing) Retention() time.Duration                         { return 73 * time.Hour }

// Without Options.Observe, the store's observer is used.
func TestNew_ObserverOfStore(t *testing.T) {
	t.Parallel()
	store := &observing{Store: new(memstore.Store)}
	r, err := lease.New(store, nil)
	if err != nil {
		t.Fatal(err)
	}
	do(t.Context(), r, takes(0))
	checkKinds(t, &store.journal, "claimed", "completed")

	mine := new(journal)
	do(t.Context(), newRunner(t, store, mine, lease.Options{}), takes(0))
	checkKinds(t, mine, "duplicate")
	checkKinds(t, &store.journal, "claimed", "completed")
}

// Without any observer failures are logged. Not parallel: it sets slog's default.
func TestNew_LogsFailures(t *testing.T) {
	was := slog.Default()
	defer slog.SetDefault(was)
	var buf bytes.Buffer
	slog.SetDefault(slog.New(slog.NewTextHandler(&buf, nil)))
	r, err := lease.New(new(memstore.Store), nil)
	if err != nil {
		t.Fatal(err)
	}
	do(t.Context(), r, fails)
	do(t.Context(), r, takes(0))
	do(t.Context(), r, takes(0))
	got := buf.String()
	if want := `level=ERROR msg="webhook failed" endpoint=test id=evt attempt=1 error=boom` + "\n"; !strings.HasSuffix(got, want) || strings.Count(got, "\n") != 1 {
		t.Errorf("logged %q, want once %q", got, want)
	}
}

func TestRunner_Retention(t *testing.T) {
	t.Parallel()
	short, err := memstore.New(&memstore.Options{Retention: time.Hour, AllowShortRetention: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		store lease.Store
		want  time.Duration
	}{
		{"the store's", &observing{}, 73 * time.Hour},
		{"the store's default", new(memstore.Store), idempotency.DefaultRetention},
		{"short, but allowed", short, 0},
		{"not known", newFaulty(), 0},
	} {
		if got := newRunner(t, tt.store, nil, lease.Options{}).Retention(); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}
