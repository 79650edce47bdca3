package hooktest_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/hooktest"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/memstore"
)

// payments is a program's endpoint.
type payments struct {
	http.Handler
	seen []string // the work's only effect
}

func newPayments(t *testing.T, secret string) *payments {
	t.Helper()
	verifier, err := hmacverify.New(preset.Stripe(), nil, secret)
	if err != nil {
		t.Fatal(err)
	}
	runner, err := lease.New(new(memstore.Store), nil)
	if err != nil {
		t.Fatal(err)
	}
	endpoint, err := idempotency.NewEndpoint("payments", verifier, runner, nil)
	if err != nil {
		t.Fatal(err)
	}
	p := &payments{}
	p.Handler = endpoint.Handle(p.receive)
	return p
}

func (p *payments) receive(_ context.Context, _ lease.Claim, d *hmacverify.Delivery) error {
	p.seen = append(p.seen, d.EventType()+" "+d.ID)
	return nil
}

func (p *payments) want(t *testing.T, want string) {
	t.Helper()
	if got := strings.Join(p.seen, ", "); got != want {
		t.Errorf("saw %q, want %q", got, want)
	}
}

// A test of one's own endpoint: an event that is delivered twice has one effect.
func TestExample_Retry(t *testing.T) {
	t.Parallel()
	stripe := hooktest.NewSender(t, preset.Stripe(), nil)
	endpoint := newPayments(t, stripe.Secret)
	event := stripe.Sample("evt_1")
	stripe.Deliver(t, endpoint, event).Want(t, 200, "")
	stripe.Deliver(t, endpoint, event).Want(t, 200, "duplicate")
	endpoint.want(t, "payment_intent.succeeded evt_1")
}

// The sender gives up, or the connection breaks: its retry must do nothing.
func TestExample_AnswerLost(t *testing.T) {
	t.Parallel()
	stripe := hooktest.NewSender(t, preset.Stripe(), nil)
	for name, lose := range map[string]func(testing.TB, http.Handler, hooktest.Event){
		"CutOff": stripe.CutOff,
		"GoAway": stripe.GoAway,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			endpoint := newPayments(t, stripe.Secret)
			event := stripe.Sample("evt_1")
			lose(t, endpoint, event)
			stripe.Deliver(t, endpoint, event).Want(t, 200, "duplicate")
			endpoint.want(t, "payment_intent.succeeded evt_1")
		})
	}
}

// All copies at once.
func TestExample_Copies(t *testing.T) {
	t.Parallel()
	stripe := hooktest.NewSender(t, preset.Stripe(), nil)
	endpoint := newPayments(t, stripe.Secret)
	hooktest.WantOnce(t, stripe.DeliverCopies(t, endpoint, 20, stripe.Sample("evt_1")))
	endpoint.want(t, "payment_intent.succeeded evt_1")
}

// Events come in any order.
func TestExample_Orders(t *testing.T) {
	t.Parallel()
	stripe := hooktest.NewSender(t, preset.Stripe(), nil)
	created := hooktest.Event{Body: `{"id":"evt_1","type":"invoice.created"}`}
	paid := hooktest.Event{Body: `{"id":"evt_2","type":"invoice.paid"}`}
	for events := range hooktest.Orders(created, paid) {
		endpoint := newPayments(t, stripe.Secret)
		for _, event := range events {
			stripe.Deliver(t, endpoint, event).Want(t, 200, "")
		}
		if len(endpoint.seen) != 2 {
			t.Errorf("saw %v, want two events", endpoint.seen)
		}
	}
}

// The function alone, without HTTP.
func TestExample_Function(t *testing.T) {
	t.Parallel()
	stripe := hooktest.NewSender(t, preset.Stripe(), nil)
	p := &payments{}
	if err := p.receive(t.Context(), lease.Claim{}, stripe.Delivery(t, stripe.Sample("evt_1"))); err != nil {
		t.Error(err)
	}
	p.want(t, "payment_intent.succeeded evt_1")
}
