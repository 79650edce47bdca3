package hmacverify_test

import (
	"errors"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hookonce/hookonce/hmacverify"
)

// presetBody has whatever some preset looks for: IDs and types of all shapes.
const presetBody = `{"eventId":"evt_1","id":"evt_1","event_id":"evt_1","type":"t","_id":"evt_1",` +
	`"data":{"id":"evt_1"},"event":{"id":"evt_1"},"action":{"id":"evt_1"},"notificationId":"evt_1",` +
	`"webhookTimestamp":1795435200000}`

// presetHeader has the IDs that some presets sign.
func presetHeader() http.Header {
	h := http.Header{}
	for _, name := range []string{
		"webhook-id", "svix-id", "finch-event-id", "twitch-eventsub-message-id",
		"x-configcat-webhook-id", "x-sinch-webhook-signature-nonce",
	} {
		h.Set(name, "evt_1")
	}
	return h
}

// presetDelivery returns a verifier for the preset, and a delivery that it
// accepts. It reports false for schemes whose signature is in the body.
func presetDelivery(tb testing.TB, s hmacverify.Scheme) (*hmacverify.Verifier, http.Header, bool) {
	tb.Helper()
	if len(s.Signature) == 0 {
		return newVerifier(tb, s, testOptions(), testKey), nil, false
	}
	key, private := testKey, testKey
	if s.Algorithm == hmacverify.Ed25519 {
		key, private = ed25519Keys(s)
	}
	return newVerifier(tb, s, testOptions(), key), signed(tb, s, presetHeader(), presetBody, private), true
}

func TestPresets(t *testing.T) {
	t.Parallel()
	names := map[string]string{}
	for name, f := range presets {
		s := f()
		if other, ok := names[s.Name]; ok {
			t.Errorf("%s and %s are both called %q", name, other, s.Name)
		}
		names[s.Name] = name
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checkPreset(t, s)
		})
	}
	if len(presets) < 50 {
		t.Errorf("got %d presets, want at least 50", len(presets))
	}
}

func checkPreset(t *testing.T, s hmacverify.Scheme) {
	v, h, ok := presetDelivery(t, s)
	if !ok {
		t.Log("signature in the body: see TestVectors and TestExtract")
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

// Verify allocates the strings that it returns and no more, or an attacker decides
// how much garbage there is.
func TestVerifyAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes sync.Pool forget")
	}
	for name, f := range presets {
		s := f()
		v, h, ok := presetDelivery(t, s)
		if !ok || strings.Contains(s.Signed, "{params}") || s.Extract != nil || s.Algorithm == hmacverify.Ed25519 {
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
			t.Errorf("%s: got %v allocations, want %v", name, got, want)
		}
	}
}

func TestPresetDocumentation(t *testing.T) {
	t.Parallel()
	documented := presetDocs(t)
	t.Run("the table lists every preset", func(t *testing.T) {
		t.Parallel()
		for name := range documented {
			if presets[name] == nil {
				t.Errorf("%s is not in the table", name)
			}
		}
		if len(documented) != len(presets) {
			t.Errorf("got %d documented, want %d", len(documented), len(presets))
		}
	})
	kinds := map[hmacverify.Identity]string{
		hmacverify.SignedID: "SignedID", hmacverify.BodyDigest: "BodyDigest", hmacverify.NoIdentity: "NoIdentity",
	}
	own := []string{"XSignature256", "XSignature256Timestamp", "Anthropic", "StandardWebhooksEd25519"}
	for name, text := range documented {
		t.Run(name+" says what its identity rests on and where it is documented", func(t *testing.T) {
			t.Parallel()
			if kind := kinds[presets[name]().Identity]; !strings.Contains(text, "Identity: "+kind) {
				t.Errorf("does not say %q", "Identity: "+kind)
			}
			if !slices.Contains(own, name) && !strings.Contains(text, "https://") {
				t.Error("has no link")
			}
		})
	}
}

// presetDocs returns the doc comments of all functions that return a Scheme.
func presetDocs(t *testing.T) map[string]string {
	t.Helper()
	names, err := filepath.Glob("preset/*.go")
	if err != nil {
		t.Fatal(err)
	}
	fset, files := token.NewFileSet(), []*ast.File{}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	p, err := doc.NewFromFiles(fset, files, "github.com/hookonce/hookonce/hmacverify/preset")
	if err != nil {
		t.Fatal(err)
	}
	docs := map[string]string{}
	for _, f := range p.Funcs {
		if results := f.Decl.Type.Results; results != nil && len(results.List) == 1 {
			if r, ok := results.List[0].Type.(*ast.SelectorExpr); ok && r.Sel.Name == "Scheme" {
				docs[f.Name] = strings.Join(strings.Fields(f.Doc), " ")
			}
		}
	}
	return docs
}
