package main

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hookonce/hookonce/examples/internal/hooktest"
	"github.com/hookonce/hookonce/hmacverify/preset"
)

func TestMain(m *testing.M) { hooktest.Main(m, main) }

const secret = "whsec_example" // as in the doc comment

func payment(id string, cents int) string {
	return fmt.Sprintf(`{"id":%q,"type":"payment_intent.succeeded","data":{"object":{"customer":"cus_2","amount":%d}}}`, id, cents)
}

func TestStripe_Duplicate(t *testing.T) {
	t.Parallel()
	p := hooktest.Start(t, nil)
	s := hooktest.NewSender(t, preset.Stripe(), p.URL+"/webhooks/stripe", secret)
	s.Send(t, payment("evt_1", 100)).Want(t, 200, "")
	s.Send(t, payment("evt_1", 100)).Want(t, 200, "duplicate")
	s.Send(t, payment("evt_2", 100)).Want(t, 200, "")
	s.Send(t, `{"id":"evt_3","type":"invoice.paid"}`).Want(t, 200, "")
	s.Send(t, `{"type":"invoice.paid"}`).Want(t, 400, "invalid_key")
	s.Send(t, `{"id":"evt_4","type":"payment_intent.succeeded","data":1}`).Want(t, 400, "failed")
	hooktest.See(t, p.URL+"/balances/cus_2", "200")
}

func TestStripe_ConcurrentDuplicates(t *testing.T) {
	t.Parallel()
	p := hooktest.Start(t, nil)
	hooktest.CheckOnce(t, p.Try(t), 50, 200, 200)
	hooktest.See(t, p.URL+"/balances/cus_1", "1000")
}

func TestStripe_Forgery(t *testing.T) {
	t.Parallel()
	p := hooktest.Start(t, nil)
	for _, how := range []string{"-wrong-secret", "-stale", "-alter"} {
		if diff := cmp.Diff([]hooktest.Outcome{{Status: 401, Code: "invalid_signature", Count: 1}}, p.Try(t, how, "-n", "1")); diff != "" {
			t.Errorf("responses to %s (-want +got)\n%s", how, diff)
		}
	}
	hooktest.See(t, p.URL+"/balances/cus_1", "0")
	p.Stop(t)
}
