package preset_test

import (
	"bytes"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
)

// An event is what a test wants of one event of a request.
type event struct {
	ID, Type string // a digest is shortened to "sha256"
	Body     string // text that it has
	Outer    map[string]string
}

const waba = "102290129340398"

// The requests of each sender that puts many events into one, see
// testdata/batches/README.md.
var batches = []struct {
	file   string
	scheme hmacverify.Scheme
	want   []event
	fresh  int // of the events of the retry, those that are new
}{
	{"hubspot", preset.HubSpot(), []event{
		{ID: "100:1234:62515:123:1564113600000", Type: "contact.creation", Body: `"changeFlag":"NEW"}`},
		{ID: "100:1235:62515:123:1564113600100", Type: "contact.propertyChange", Body: `"customer"`},
	}, 1},
	{"xero", preset.Xero(), []event{
		{ID: "sha256", Type: "CONTACT", Body: `717f2bfc`}, {ID: "sha256", Type: "INVOICE", Body: `44aa0707`},
	}, 1},
	{"sendgrid", preset.SendGrid(), []event{
		{ID: "rbtnWrG1DVDGGGFHFyun0A==", Type: "processed", Body: `1513299569`},
		{ID: "ZGVsaXZlcmVkLTA", Type: "delivered", Body: `1513299570`},
	}, 1},
	{"whatsapp", preset.Meta(), []event{
		{waba + ":sha256", "messages", `"messages":[{"from":"16505551234","id":"wamid.A1","timestamp":"1749416383","type":"text","text":{"body":"Does it come in another color?"}}]},"field"`, map[string]string{"entry.[].id": waba}},
		{waba + ":sha256", "messages", `"wa_id":"16505551234"}],"messages":[{"from":"16505551234","id":"wamid.A2"`, map[string]string{"entry.[].id": waba}},
		{waba + ":sha256", "message_template_status_update", `"APPROVED"`, map[string]string{"entry.[].id": waba}},
	}, 1},
	{"messenger", preset.Meta(), []event{
		{"PAGE1:sha256", "", `"mid.1"`, map[string]string{"entry.[].id": "PAGE1"}},
		{"PAGE1:sha256", "", `"delivery"`, map[string]string{"entry.[].id": "PAGE1"}},
		{"PAGE2:sha256", "name", `"New name"`, map[string]string{"entry.[].id": "PAGE2"}},
	}, 1}, // the same change of another page
	{"gocardless", preset.GoCardless(), []event{
		{ID: "EV123", Type: "mandates", Body: "cancelled"}, {ID: "EV456", Type: "mandates", Body: "expired"},
	}, 0},
	{"asana", preset.Asana(), []event{{ID: "sha256", Type: "changed", Body: "1337"}}, 0},
	{"line", preset.LINE(), []event{
		{"U8e742f61d673b39c7fff3cecb7536ef0:01FZ74A0TDDPYRVKNK77XKC3ZR", "message", "Hello, world", map[string]string{"destination": "U8e742f61d673b39c7fff3cecb7536ef0"}},
		{"U8e742f61d673b39c7fff3cecb7536ef0:01FZ74ASS536FW97EX38NKCZQK", "follow", "bb173f4d", map[string]string{"destination": "U8e742f61d673b39c7fff3cecb7536ef0"}},
	}, 0},
	{"quickbooks", preset.QuickBooks(), []event{
		{ID: `88cd52aa-33b6-4351-9aa4-47572edbd068:qbo.customer.merged.v1:2025-12-04T15\:25\:05Z`, Type: "qbo.customer.merged.v1", Body: "deletedid"},
	}, 0},
	{"quickbooks-before", preset.QuickBooks(), []event{
		{"1185883450:sha256", "Customer", "Create", map[string]string{"eventNotifications.[].realmId": "1185883450"}},
		{"1185883450:sha256", "Vendor", "Create", map[string]string{"eventNotifications.[].realmId": "1185883450"}},
		{"2185883450:sha256", "Vendor", "Create", map[string]string{"eventNotifications.[].realmId": "2185883450"}},
	}, 0},
	{"klaviyo", preset.Klaviyo(), []event{{ID: "4XqeHvBLeNs", Type: "event:klaviyo.email_delivered", Body: `"payload"`}}, 0},
	{"tailscale", preset.Tailscale(), []event{{ID: "sha256", Type: "test", Body: "example.com"}}, 0},
	{"fastspring", preset.FastSpring(), []event{{ID: "evt-1", Type: "order.completed", Body: "o1"}}, 0},
	{"unit", preset.Unit(), []event{{ID: "376", Type: "customer.created", Body: "10000"}}, 0},
}

func TestItems(t *testing.T) {
	t.Parallel()
	for _, tt := range batches {
		t.Run(tt.file, func(t *testing.T) {
			t.Parallel()
			body := batch(t, tt.file)
			var got []event
			for i, d := range itemsOf(t, tt.scheme, body) {
				e := event{ID: idOf(t, d), Type: d.EventType(), Outer: d.Outer}
				if before, _, ok := strings.Cut(e.ID, "sha256:"); ok {
					e.ID = before + "sha256"
				}
				if i < len(tt.want) && bytes.Contains(d.Body, []byte(tt.want[i].Body)) {
					e.Body = tt.want[i].Body
				}
				got = append(got, e)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
		})
	}
}

// A retry that groups events differently repeats the identities of those that it
// repeats.
func TestItems_RegroupedRetry(t *testing.T) {
	t.Parallel()
	for _, tt := range batches {
		if tt.fresh == 0 {
			continue
		}
		t.Run(tt.file, func(t *testing.T) {
			t.Parallel()
			first := identities(t, tt.scheme, batch(t, tt.file))
			again := identities(t, tt.scheme, batch(t, tt.file+"-retry"))
			fresh := 0
			for _, id := range again {
				if !slices.Contains(first, id) {
					fresh++
				}
			}
			if fresh != tt.fresh || len(again) < 2 {
				t.Errorf("got %d new events of %d, want %d\nfirst %q\nagain %q", fresh, len(again), tt.fresh, first, again)
			}
		})
	}
}

// Every sender with data of its batches is among them.
func TestItems_AllSenders(t *testing.T) {
	t.Parallel()
	for _, s := range preset.All() {
		tested := false
		for _, tt := range batches {
			tested = tested || tt.scheme.Name == s.Name
		}
		if tested != (len(s.Sender.Items) > 0) {
			t.Errorf("%s: tested %t, has %d Items", s.Name, tested, len(s.Sender.Items))
		}
	}
}

// What carries no event is no error, and has none.
func TestItems_Empty(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		scheme hmacverify.Scheme
		body   string
	}{
		{preset.LINE(), `{"destination":"U1","events":[]}`},
		{preset.Asana(), `{"events":[]}`},
		{preset.Xero(), `{"events":[],"lastEventSequence":0,"firstEventSequence":0,"entropy":"X"}`},
		{preset.Xero(), `{"events":null,"lastEventSequence":0,"firstEventSequence":0,"entropy":"X"}`},
		{preset.SendGrid(), ` [ ] `},
		{preset.Meta(), `{"object":"page","entry":[]}`},
	} {
		t.Run(tt.scheme.Name+tt.body, func(t *testing.T) {
			t.Parallel()
			if got := itemsOf(t, tt.scheme, []byte(tt.body)); len(got) != 0 {
				t.Errorf("got %d events", len(got))
			}
		})
	}
}

// A kind of entry that is not known here is not taken for an empty one.
func TestItems_UnknownShape(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		scheme hmacverify.Scheme
		body   string
	}{
		{preset.Meta(), `{"object":"page","entry":[{"id":"1","changes":[]},{"id":"2","news":[{}]}]}`},
		{preset.Meta(), `{"object":"page","entry":[7]}`},
		{preset.HubSpot(), `{"eventId":1}`},
		{preset.QuickBooks(), `{"eventNotifications":[{"realmId":"1"}]}`},
	} {
		t.Run(tt.scheme.Name+tt.body, func(t *testing.T) {
			t.Parallel()
			d := delivered(t, tt.scheme, []byte(tt.body))
			if got, err := d.Items(); !errors.Is(err, hmacverify.ErrItems) {
				t.Errorf("got %d events, error %v", len(got), err)
			}
		})
	}
}

func batch(t *testing.T, name string) []byte {
	t.Helper()
	body, err := os.ReadFile("testdata/batches/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func delivered(t *testing.T, s hmacverify.Scheme, body []byte) *hmacverify.Delivery {
	t.Helper()
	key, private := keyPair(s)
	d, err := newVerifier(t, s, testOptions(), key).Verify(signed(t, s, presetHeader(), string(body), private), body)
	wantErr(t, err, nil)
	return &d
}

func itemsOf(t *testing.T, s hmacverify.Scheme, body []byte) []*hmacverify.Delivery {
	t.Helper()
	items, err := delivered(t, s, body).Items()
	wantErr(t, err, nil)
	return items
}

func identities(t *testing.T, s hmacverify.Scheme, body []byte) (ids []string) {
	t.Helper()
	for _, d := range itemsOf(t, s, body) {
		ids = append(ids, idOf(t, d))
	}
	return ids
}

func idOf(t *testing.T, d *hmacverify.Delivery) string {
	t.Helper()
	id, err := d.IdempotencyID()
	wantErr(t, err, nil)
	return id
}
