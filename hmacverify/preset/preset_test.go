package preset_test

import (
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
)

// presetBody has what some preset looks for: IDs and types of all shapes.
const presetBody = `{"eventId":"evt_1","id":"evt_1","event_id":"evt_1","type":"t","_id":"evt_1",` +
	`"data":{"id":"evt_1"},"event":{"id":"evt_1"},"action":{"id":"evt_1"},"notificationId":"evt_1",` +
	`"webhookTimestamp":1795435200000,"timestamp":1795435200000}`

// presetHeader has the headers that some presets sign.
func presetHeader() http.Header {
	h := http.Header{}
	for _, name := range []string{
		"webhook-id", "svix-id", "finch-event-id", "twitch-eventsub-message-id",
		"x-configcat-webhook-id", "x-sinch-webhook-signature-nonce",
	} {
		h.Set(name, "evt_1")
	}
	h.Set("x-crisp-request-timestamp", "1795435200")
	return h
}

// presetDelivery returns a verifier for the preset, and a delivery that it
// accepts. It reports false for schemes whose ExtractFunc finds the signature.
func presetDelivery(tb testing.TB, s hmacverify.Scheme) (*hmacverify.Verifier, http.Header, bool) {
	tb.Helper()
	if len(s.Signature) == 0 {
		return newVerifier(tb, s, testOptions(), testKey), nil, false
	}
	key, private := keyPair(s)
	return newVerifier(tb, s, testOptions(), key), signed(tb, s, presetHeader(), presetBody, private), true
}

func TestAll(t *testing.T) {
	t.Parallel()
	all := preset.All()
	t.Run("has every exported function that returns a Scheme, once", func(t *testing.T) {
		t.Parallel()
		docs, listed := parsed(t)
		for name := range docs {
			if !slices.Contains(listed, name) {
				t.Errorf("%s is in no list", name)
			}
		}
		if len(listed) != len(docs) || len(all) != len(docs) || len(docs) < 100 {
			t.Errorf("got %d listed and %d returned, want %d", len(listed), len(all), len(docs))
		}
	})
	t.Run("is sorted by unique names", func(t *testing.T) {
		t.Parallel()
		for i := range all[1:] {
			if all[i].Name >= all[i+1].Name {
				t.Errorf("%q stands before %q", all[i].Name, all[i+1].Name)
			}
		}
	})
	t.Run("returns schemes that a caller may change", func(t *testing.T) {
		t.Parallel()
		preset.All()[0].Signature[0] = "X-Changed"
		if got := preset.All()[0].Signature[0]; got == "X-Changed" {
			t.Errorf("got %q", got)
		}
	})
}

func TestByName(t *testing.T) {
	t.Parallel()
	for _, want := range preset.All() {
		if got, ok := preset.ByName(want.Name); !ok || got.Name != want.Name || got.Sender.Title != want.Sender.Title {
			t.Errorf("%s: got %q, %t", want.Name, got.Name, ok)
		}
	}
	for _, name := range []string{"", "Stripe", "stripe "} {
		if s, ok := preset.ByName(name); ok {
			t.Errorf("%q: got %q", name, s.Name)
		}
	}
}

func TestPreset_SignAndVerify(t *testing.T) {
	t.Parallel()
	for _, s := range preset.All() {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			checkPreset(t, s)
		})
	}
}

func checkPreset(t *testing.T, s hmacverify.Scheme) {
	v, h, ok := presetDelivery(t, s)
	if !ok {
		t.Log("its ExtractFunc finds the signature: see TestVectors, TestMailgunUnsignedBody_Retry and extract_test.go")
		return
	}
	d, err := v.Verify(h, []byte(presetBody))
	if err != nil {
		t.Fatalf("what Sign made is not accepted: %v", err)
	}
	if _, err := v.Verify(h, []byte(presetBody+" ")); !errors.Is(err, hmacverify.ErrMismatch) && s.Signed != "{url}{params}" {
		t.Errorf("an altered body: got %v, want ErrMismatch", err)
	}
	id, err := d.IdempotencyID()
	switch s.Identity {
	case hmacverify.SignedID:
		if id != "evt_1" || err != nil {
			t.Errorf("signed ID: got %q, %v", id, err)
		}
	case hmacverify.BodyDigest:
		if !strings.HasPrefix(id, "sha256:") || err != nil {
			t.Errorf("body digest: got %q, %v", id, err)
		}
	case hmacverify.NoIdentity:
		wantErr(t, err, hmacverify.ErrNoIdentity)
	default:
		t.Errorf("identity %d is not for presets", s.Identity)
	}
	if (s.Timestamp != hmacverify.Timestamp{}) && d.Time.IsZero() {
		t.Error("the signed time was not reported")
	}
}

// X signs with either key, each in a header of its own: an app that has only the newer
// one must get through.
func TestX_EitherHeader(t *testing.T) {
	t.Parallel()
	const older, newer = "consumer secret", "client secret"
	body := `{"for_user_id":"1"}`
	v := newVerifier(t, preset.X(), testOptions(), newer, older)
	both := signed(t, preset.X(), nil, body, newer, older)
	names := preset.X().Signature
	for _, tt := range []struct {
		name    string
		removed []string
		want    error
	}{
		{"both headers are accepted", nil, nil},
		{"the newer header alone is accepted", names[1:], nil},
		{"the older header alone is accepted", names[:1], nil},
		{"no header is refused", names, hmacverify.ErrMissing},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := both.Clone()
			for _, name := range tt.removed {
				h.Del(name)
			}
			_, err := v.Verify(h, []byte(body))
			wantErr(t, err, tt.want)
		})
	}
}

// Verify allocates the strings that it returns and no more, or an attacker decides
// how much garbage there is.
func TestPreset_VerifyAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes sync.Pool forget")
	}
	for _, s := range preset.All() {
		v, h, ok := presetDelivery(t, s)
		if !ok || strings.Contains(s.Signed, "{params}") || s.Extract != nil || s.Algorithm >= hmacverify.Ed25519 {
			continue // documented: these put the signed bytes together
		}
		body := []byte(presetBody)
		got := testing.AllocsPerRun(200, func() {
			if _, err := v.Verify(h, body); err != nil {
				t.Fatal(err)
			}
		})
		want := 0.0
		for _, path := range []string{s.ID.JSON, s.Timestamp.JSON} {
			if path != "" {
				want++ // the text found in the body
			}
		}
		if got > want {
			t.Errorf("%s: got %v allocations, want at most %v", s.Name, got, want)
		}
	}
}

// What a reader of the documentation sees without the source.
func TestPreset_Documentation(t *testing.T) {
	t.Parallel()
	kinds := map[hmacverify.Identity]string{
		hmacverify.SignedID: "SignedID", hmacverify.BodyDigest: "BodyDigest", hmacverify.NoIdentity: "NoIdentity",
	}
	says := regexp.MustCompile(`Identity: (SignedID|BodyDigest|NoIdentity)\b`)
	for _, f := range functions(t) {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			if !strings.HasPrefix(f.doc, f.name+" returns ") {
				t.Errorf("does not begin with %q", f.name+" returns")
			}
			want := []string{"Identity: " + kinds[f.scheme.Identity]}
			if diff := cmp.Diff(want, says.FindAllString(f.doc, -1)); diff != "" {
				t.Errorf("identity (-want +got):\n%s", diff)
			}
			if !strings.Contains(f.doc, f.scheme.Sender.Docs) {
				t.Errorf("does not link to %s", f.scheme.Sender.Docs)
			}
		})
	}
}
