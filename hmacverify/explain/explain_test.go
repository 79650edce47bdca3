package main

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
)

func TestMain(m *testing.M) {
	os.Unsetenv("WEBHOOK_SECRET") // which a developer may have set
	os.Exit(m.Run())
}

const (
	secret = "whsec_dGhlIHNlY3JldCBvZiB0aGUgdGVzdHM="
	event  = `{"id":"evt_1","type":"x"}`
)

var signedAt = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// capture returns a file with a delivery as the scheme's sender signs it, changed.
func capture(t *testing.T, s hmacverify.Scheme, url, body string, change func(header *string, body *string)) string {
	t.Helper()
	signer, err := hmacverify.NewSigner(s, &hmacverify.Options{URL: url, Now: func() time.Time { return signedAt }}, secret)
	if err != nil {
		t.Fatal(err)
	}
	h := http.Header{}
	if s.ID.Header != "" {
		name, _, _ := strings.Cut(s.ID.Header, ",")
		h.Set(name, "msg_1")
	}
	if err := signer.Sign(h, []byte(body)); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := h.Write(&b); err != nil {
		t.Fatal(err)
	}
	header := b.String()
	if change != nil {
		change(&header, &body)
	}
	name := filepath.Join(t.TempDir(), "captured")
	if err := os.WriteFile(name, []byte(header+"\r\n"+body), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func explain(args ...string) (status int, stdout, stderr string) {
	var out, errs bytes.Buffer
	status = run(args, strings.NewReader(""), &out, &errs)
	return status, out.String(), errs.String()
}

func TestExplain(t *testing.T) {
	t.Parallel()
	stripe, standard, square, github := preset.Stripe(), preset.StandardWebhooks(), preset.Square(), preset.GitHub()
	const url = "https://example.com/hooks"
	raw := standard
	raw.KeyEncoding, raw.KeyPrefix = hmacverify.RawKey, ""
	for _, tt := range []struct {
		name    string
		signs   hmacverify.Scheme
		signURL string
		change  func(header, body *string)
		args    []string
		status  int
		says    []string
	}{
		{"accepted at any time", stripe, "", nil, []string{"-scheme", "stripe"}, exitAccepted,
			[]string{"accepted: delivery of stripe", "signed at: 2026-11-23T12:00:00Z"}},
		{"accepted when it arrived", stripe, "", nil, []string{"-scheme", "stripe", "-at", "2026-11-23T12:00:01Z"}, exitAccepted, []string{"accepted:"}},
		{"too late, but else good", stripe, "", nil, []string{"-scheme", "stripe", "-at", "2026-12-24T12:00:00Z"}, exitRefused,
			[]string{"refused: hmacverify: timestamp", "apart from its time it would be accepted", "accepted from 2026-11-"}},
		{"names in lower case and bare newlines", stripe, "", func(h, _ *string) {
			*h = strings.ReplaceAll(strings.ToLower(*h), "\r\n", "\n")
		}, []string{"-scheme", "stripe"}, exitAccepted, []string{"accepted:"}},
		{"a request line", github, "", func(h, _ *string) { *h = "POST /hooks?a=1 HTTP/1.1\r\n" + *h }, []string{"-scheme", "github"}, exitAccepted,
			[]string{"accepted:", "sha256"}},
		{"another body", stripe, "", func(_, b *string) { *b = `{"id":"evt_2"}` }, []string{"-scheme", "stripe"}, exitRefused,
			[]string{"refused: hmacverify: signature does not match", `"1795435200.{\"id\":\"evt_2\"}"`, "none of the usual mistakes"}},
		{"no signature", stripe, "", func(h, _ *string) { *h = "A: b\r\n" }, []string{"-scheme", "stripe"}, exitRefused,
			[]string{"missing: Stripe-Signature"}},
		{"a newline that was added", stripe, "", func(_, b *string) { *b += "\n" }, []string{"-scheme", "stripe"}, exitRefused,
			[]string{"match if the body was sent without the newline"}},
		{"a body that was formatted", stripe, "", func(_, b *string) { *b = "{\n  \"id\": \"evt_1\",\n  \"type\": \"x\"\n}" }, []string{"-scheme", "stripe"}, exitRefused,
			[]string{"match if the body was sent without white space"}},
		{"a secret that is not base64 for this sender", raw, "", nil, []string{"-scheme", "standard-webhooks"}, exitRefused,
			[]string{"match if the whole secret is the key"}},
		{"another URL", square, url + "/", nil, []string{"-scheme", "square", "-url", url}, exitRefused,
			[]string{"match if the signed URL ends in a slash", `"https://example.com/hooks{`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			file := capture(t, tt.signs, tt.signURL, event, tt.change)
			status, out, errs := explain(append(tt.args, "-secret", secret, file)...)
			if status != tt.status {
				t.Errorf("exit status %d, want %d\n%s", status, tt.status, errs)
			}
			for _, want := range tt.says {
				if !strings.Contains(out, want) {
					t.Errorf("got\n%s\nwant it to say %q", out, want)
				}
			}
		})
	}
}

// Who sees the output must not be able to sign, and not to send what was printed.
func TestExplain_NoSecretAndNoSignature(t *testing.T) {
	t.Parallel()
	for _, s := range []hmacverify.Scheme{preset.Stripe(), preset.StandardWebhooks(), preset.Square(), preset.GitHub(), preset.Slack()} {
		for _, change := range []func(h, b *string){
			nil,
			func(_, b *string) { *b += "\n" },
			func(_, b *string) { *b = "other" },
		} {
			good, err := os.ReadFile(capture(t, s, "https://example.com/", event, nil))
			if err != nil {
				t.Fatal(err)
			}
			c, err := parseCapture(good)
			if err != nil {
				t.Fatal(err)
			}
			_, out, errs := explain("-scheme", s.Name, "-secret", secret, "-url", "https://example.com/", "-at", "2027-01-01T00:00:00Z",
				capture(t, s, "https://example.com/", event, change))
			signature := c.header.Get(s.Signature[0])
			signature = signature[max(0, len(signature)-40):]
			for _, text := range []string{secret, secret[6:], signature} {
				if strings.Contains(out+errs, text) {
					t.Errorf("%s: the output has %q\n%s%s", s.Name, text, out, errs)
				}
			}
		}
	}
}

func TestExplain_Usage(t *testing.T) {
	t.Parallel()
	good := capture(t, preset.GitHub(), "", event, nil)
	bad := filepath.Join(t.TempDir(), "bad")
	if err := os.WriteFile(bad, []byte("{\"id\": 1}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		args []string
		says string
	}{
		{"an unknown scheme", []string{"-scheme", "acme", "-secret", "x", good}, `no scheme "acme"`},
		{"no secret", []string{good}, "no secret"},
		{"no file", []string{"-secret", "x"}, "name one file"},
		{"a file that is not there", []string{"-secret", "x", good + "x"}, "no such file"},
		{"a file without headers", []string{"-secret", "x", bad}, "line 1 is not a header"},
		{"a time that is none", []string{"-secret", "x", "-at", "noon", good}, "-at"},
		{"a key with a newline", []string{"-secret", "x\n", good}, "white space"},
		{"a URL that the scheme needs", []string{"-scheme", "square", "-secret", "x", good}, "Options.URL"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			status, out, errs := explain(tt.args...)
			if status != exitUsage || out != "" || !strings.Contains(errs, tt.says) {
				t.Errorf("exit status %d, %q, %q, want it to say %q", status, out, errs, tt.says)
			}
		})
	}
	if status, _, errs := explain("-help"); status != exitAccepted || !strings.Contains(errs, "usage: explain") {
		t.Errorf("-help: exit status %d, %q", status, errs)
	}
}
