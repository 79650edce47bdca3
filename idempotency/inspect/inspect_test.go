package inspect_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/inbox"
	"github.com/hookonce/hookonce/idempotency/inspect"
	"github.com/hookonce/hookonce/idempotency/lease"
)

var everything = inspect.Viewer{Name: "ann", Payloads: true, Redeliver: true, Forget: true}

func keyOf(endpoint, id string) idempotency.Key { return idempotency.Key{Scope: endpoint, ID: id} }

// A site is a page that a browser may be at.
type site struct {
	t      *testing.T
	store  *fakeStore
	page   *inspect.Page
	viewer inspect.Viewer
	done   []inspect.Action
	mount  http.Handler
	prefix string
}

func newSite(t *testing.T, o inspect.Options) *site {
	t.Helper()
	s := &site{t: t, store: newFake(), viewer: everything, prefix: "/ops/"}
	o.Endpoints = []string{"stripe", "github"}
	o.Authorize = func(r *http.Request) (inspect.Viewer, bool) { return s.viewer, r.Header.Get("Cookie") != "" }
	o.Audit = func(_ context.Context, a inspect.Action) { s.done = append(s.done, a) }
	page, err := inspect.New(s.store, &o)
	if err != nil {
		t.Fatal(err)
	}
	s.page, s.mount = page, page
	return s
}

func (s *site) send(method, target string, header ...string) *httptest.ResponseRecorder {
	s.t.Helper()
	r := httptest.NewRequestWithContext(s.t.Context(), method, "http://example.com"+s.prefix+target, nil)
	r.Header.Set("Cookie", "session=1")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.mount.ServeHTTP(w, r)
	return w
}

func (s *site) get(target string, status int) string {
	s.t.Helper()
	w := s.send("GET", target)
	if w.Code != status {
		s.t.Errorf("GET %s: status %d, want %d: %s", target, w.Code, status, w.Body)
	}
	return w.Body.String()
}

func (s *site) wantText(target string, wants ...string) {
	s.t.Helper()
	text := s.get(target, 200)
	for _, want := range wants {
		if !strings.Contains(text, want) {
			s.t.Errorf("GET %s: does not say %q: %s", target, want, text)
		}
	}
}

// links returns the targets of links and forms.
func links(page string) (all []string) {
	for _, m := range regexp.MustCompile(`(?:href|action)="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		all = append(all, html.UnescapeString(m[1]))
	}
	return all
}

func event(page string, key idempotency.Key) string {
	return page + "?" + url.Values{"scope": {key.Scope}, "id": {key.ID}}.Encode()
}

func do(what string, key idempotency.Key) string {
	return "do?" + url.Values{"do": {what}, "scope": {key.Scope}, "id": {key.ID}}.Encode()
}

func TestNew_ChecksItsArguments(t *testing.T) {
	authorize := func(*http.Request) (inspect.Viewer, bool) { return inspect.Viewer{}, true }
	for want, new := range map[string]func() (*inspect.Page, error){
		"no store": func() (*inspect.Page, error) { return inspect.New(nil, &inspect.Options{Authorize: authorize}) },
		"no store: pass": func() (*inspect.Page, error) {
			return inspect.New((*fakeStore)(nil), &inspect.Options{Authorize: authorize, Endpoints: []string{"stripe"}})
		},
		"Authorize": func() (*inspect.Page, error) { return inspect.New(newFake(), nil) },
		"Endpoints": func() (*inspect.Page, error) {
			return inspect.New(newFake(), &inspect.Options{Authorize: authorize})
		},
	} {
		if _, err := new(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error about %s", err, want)
		}
	}
}

// Nothing is shown or done for a request that is not authorized.
func TestPage_RefusesStrangers(t *testing.T) {
	s := newSite(t, inspect.Options{})
	key := keyOf("stripe", "evt_secret")
	s.store.kill(t, "boom", key)
	for _, target := range []string{"", "entries?endpoint=stripe", "failures", event("event", key), event("payload", key), "confirm?do=forget", "no-such-page"} {
		w := s.send("GET", target, "Cookie", "")
		if w.Code != 403 || strings.Contains(w.Body.String(), "evt_secret") || strings.Contains(w.Body.String(), "stripe") {
			t.Errorf("GET %s: status %d, want 403 without data: %s", target, w.Code, w.Body)
		}
	}
	if w := s.send("POST", do("redeliver", key), "Cookie", ""); w.Code != 403 || len(s.done) != 0 {
		t.Errorf("POST: status %d, actions %v, want 403 and none", w.Code, s.done)
	}
}

// The page works under each prefix, and its links do not leave it.
func TestPage_Prefix(t *testing.T) {
	for _, test := range []struct {
		prefix string
		mount  func(h http.Handler) http.Handler
	}{
		{"/", func(h http.Handler) http.Handler { return h }},
		{"/ops/webhooks/", func(h http.Handler) http.Handler { return h }},
		{"/ops/", func(h http.Handler) http.Handler { return http.StripPrefix("/ops", h) }},
	} {
		s := newSite(t, inspect.Options{})
		s.prefix, s.mount = test.prefix, test.mount(s.page)
		key := keyOf("stripe", "evt_1")
		s.store.kill(t, "boom", key)
		seen := map[string]bool{}
		for visit := []string{""}; len(visit) > 0; visit = visit[1:] {
			for _, target := range links(s.get(visit[0], 200)) {
				u, err := url.Parse(target)
				if err != nil || u.IsAbs() || u.Host != "" || strings.HasPrefix(target, "/") {
					t.Errorf("%s: the link %q leaves the page", test.prefix, target)
				}
				target = strings.TrimPrefix(target, "./")
				if !seen[target] && !strings.HasPrefix(target, "do?") && !strings.HasPrefix(target, "#") && target != "event" {
					seen[target] = true
					visit = append(visit, target)
				}
			}
		}
		if !seen[event("event", key)] || !seen[event("payload", key)] || len(seen) < 10 {
			t.Errorf("%s: found %d pages: %v", test.prefix, len(seen), seen)
		}
	}
}

// What senders and errors say is shown as text, wherever it stands.
func TestPage_HostileText(t *testing.T) {
	const hostile = `"><script>alert(1)</script><img src=x onerror=alert(2)> javascript:alert(3) {{.}} ' & \` + "`"
	s := newSite(t, inspect.Options{Title: hostile})
	key := keyOf("stripe/"+hostile, hostile)
	delivery := hmacverify.Stored{Scheme: hostile, Type: hostile, Header: http.Header{hostile: {hostile}}, Body: []byte(hostile)}
	if _, err := s.store.Enqueue(t.Context(), []inbox.Entry{{Key: key, Group: hostile, Delivery: delivery}}); err != nil {
		t.Fatal(err)
	}
	s.page.Observe(t.Context(), idempotency.Event{Kind: idempotency.KindFailed, Key: key, Attempt: 1, Err: errors.New(hostile)})
	record := keyOf("github", hostile+"2")
	s.store.records[record] = lease.Status{Key: record, State: lease.Dead, LastError: hostile}
	for _, target := range []string{
		"", "entries?endpoint=stripe&state=waiting", "failures", event("event", key), event("payload", key), event("event", record),
		"confirm?" + url.Values{"do": {"forget"}, "scope": {key.Scope}, "id": {key.ID}}.Encode(),
	} {
		page := s.get(target, 200)
		if strings.Contains(page, "<script") || strings.Contains(page, "<img") || !strings.Contains(page, "alert(1)") {
			t.Errorf("GET %s: %s", target, page)
		}
		for _, l := range links(page) {
			if strings.HasPrefix(l, "event?") && !strings.Contains(l, url.QueryEscape(hostile)) {
				t.Errorf("GET %s: the link %q does not name the event", target, l)
			}
		}
	}
	for _, target := range []string{"entries?endpoint=" + url.QueryEscape(hostile), "entries?endpoint=stripe&after=" + url.QueryEscape(hostile), url.PathEscape(hostile)} {
		if w := s.send("GET", target); w.Code != 404 && w.Code != 400 || strings.Contains(w.Body.String(), "<script") {
			t.Errorf("GET %s: status %d: %s", target, w.Code, w.Body)
		}
	}
}

// The policy allows the style sheet of the page and nothing else, and the page needs
// nothing else.
func TestPage_Headers(t *testing.T) {
	s := newSite(t, inspect.Options{})
	for _, target := range []string{"", "failures", "no-such-page"} {
		w := s.send("GET", target)
		_, rest, _ := strings.Cut(w.Body.String(), "<style>")
		style, _, _ := strings.Cut(rest, "</style>")
		sum := sha256.Sum256([]byte(style))
		want := "style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
		policy := w.Header().Get("Content-Security-Policy")
		for _, want := range []string{want, "default-src 'none'", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'"} {
			if !strings.Contains(policy, want) {
				t.Errorf("%s: the policy %q has no %q", target, policy, want)
			}
		}
		if m := regexp.MustCompile(`(?i) (style|on[a-z]+)=|<script|<link|<iframe|<object`).FindString(w.Body.String()); m != "" {
			t.Errorf("%s: the page has %q", target, m)
		}
		for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Cache-Control": "private, no-store", "Referrer-Policy": "no-referrer"} {
			if got := w.Header().Get(name); got != want {
				t.Errorf("%s: %s: %q, want %q", target, name, got, want)
			}
		}
	}
}

func TestPage_Overview(t *testing.T) {
	s := newSite(t, inspect.Options{Title: "staging"})
	s.store.enqueue(t, keyOf("stripe", "evt_1"), keyOf("stripe", "evt_2"))
	s.store.kill(t, "boom", keyOf("github", "evt_3"))
	ctx := t.Context()
	for range 3 {
		s.page.Observe(ctx, idempotency.Event{Kind: idempotency.KindCompleted, Key: keyOf("stripe", "evt_0")})
	}
	s.page.Observe(ctx, idempotency.Event{Kind: idempotency.KindRefused, Endpoint: "stripe", Status: 401, Err: errors.New("signature does not match")})
	s.page.Observe(ctx, idempotency.Event{Kind: idempotency.KindDead, Key: keyOf("github", "evt_3"), Attempt: 20, Err: errors.New("boom")})
	s.page.Observe(ctx, idempotency.Event{Kind: idempotency.KindDead, Key: keyOf("other", "evt_4"), Err: errors.New("hidden")})
	s.wantText("", "staging", `<b>2</b> waiting`, `<b>1</b> dead`,
		"In the last 4 hours: 3 done, 0 failed, 0 dead, 1 refused.", "In the last 4 hours: 0 done, 0 failed, 1 dead, 0 refused.",
		"signature does not match", "boom", `<rect class="done"`)
	if text := s.get("", 200); strings.Contains(text, "hidden") || strings.Contains(text, "evt_4") {
		t.Errorf("shows an endpoint that is not in Options.Endpoints: %s", text)
	}
	s.viewer.Endpoints = []string{"github"}
	text := s.get("", 200)
	if strings.Contains(text, "stripe") || strings.Contains(text, "signature does not match") || !strings.Contains(text, "boom") {
		t.Errorf("a viewer of github sees: %s", text)
	}
}

// A viewer sees and changes events of the viewer's own endpoints only.
func TestPage_EndpointsOfTheViewer(t *testing.T) {
	s := newSite(t, inspect.Options{})
	key := keyOf("stripe", "evt_1")
	s.store.kill(t, "boom", key)
	s.store.records[key] = lease.Status{Key: key, State: lease.Dead, LastError: "boom"}
	s.viewer.Endpoints = []string{"github"}
	for _, target := range []string{"entries?endpoint=stripe", event("event", key), event("payload", key), "confirm?do=forget&scope=stripe&id=evt_1", "confirm?do=redeliver+all&endpoint=stripe"} {
		if text := s.get(target, 404); strings.Contains(text, "evt_1") {
			t.Errorf("GET %s: %s", target, text)
		}
	}
	if text := s.get("failures", 200); strings.Contains(text, "evt_1") {
		t.Errorf("failures of another endpoint: %s", text)
	}
	for _, target := range []string{do("redeliver", key), do("retry", key), do("forget", key), "do?do=redeliver+all&endpoint=stripe"} {
		if w := s.send("POST", target); w.Code != 404 || len(s.done) != 0 {
			t.Errorf("POST %s: status %d, actions %v, want 404 and none", target, w.Code, s.done)
		}
	}
}

// All pages of a list together have each event once, whatever bytes its key has.
func TestPage_ListsInPages(t *testing.T) {
	s := newSite(t, inspect.Options{})
	want := make(map[string]bool)
	for i := range 120 {
		id := fmt.Sprintf("evt_%03d\xff<", i)
		want[id] = true
		s.store.enqueue(t, keyOf("stripe", id))
		record := keyOf("github", id)
		s.store.records[record] = lease.Status{Key: record, State: lease.Released, LastError: "boom"}
	}
	for _, start := range []string{"entries?endpoint=stripe&state=waiting", "failures"} {
		got := make(map[string]bool)
		pages := 0
		for target := start; target != ""; pages++ {
			next := ""
			for _, l := range links(s.get(target, 200)) {
				u, _ := url.Parse(l)
				if id := u.Query().Get("id"); id != "" && strings.HasPrefix(l, "event?") {
					if got[id] {
						t.Errorf("%s: %q is there twice", start, id)
					}
					got[id] = true
				}
				if u.Query().Get("after") != "" {
					next = l
				}
			}
			target = next
		}
		if pages != 3 || len(got) != len(want) {
			t.Errorf("%s: %d events on %d pages, want %d on 3", start, len(got), pages, len(want))
		}
	}
}

// A store that cannot go through its records at once is searched page by page, and what was
// not looked at is not said to be in order.
func TestPage_FailuresSearched(t *testing.T) {
	s := newSite(t, inspect.Options{})
	s.store.slow = true
	done, failed := keyOf("github", "evt_1"), keyOf("github", "evt_2")
	s.store.records[done] = lease.Status{Key: done, State: lease.Done}
	s.store.records[failed] = lease.Status{Key: failed, State: lease.Released, LastError: "boom"}
	next := func(text string) string {
		for _, l := range links(text) {
			if strings.HasPrefix(l, "failures?") {
				return l
			}
		}
		t.Fatalf("no link goes on: %s", text)
		return ""
	}
	first := s.get("failures", 200)
	if strings.Contains(first, "<p>None.</p>") || !strings.Contains(first, "None so far.") || !strings.Contains(first, "Search on") {
		t.Errorf("the first page: %s", first)
	}
	second := s.get(next(first), 200)
	if !strings.Contains(second, "evt_2") || strings.Contains(second, "None so far") || !strings.Contains(second, "Search on") {
		t.Errorf("the second page: %s", second)
	}
	if third := s.get(next(second), 200); !strings.Contains(third, "<p>None.</p>") || strings.Contains(third, "Search on") {
		t.Errorf("the third page: %s", third)
	}
}

// Each action is done by a POST of a viewer who may, with its audit, and by no other.
func TestPage_Actions(t *testing.T) {
	dead := keyOf("stripe", "evt_dead")
	inline := keyOf("github", "evt_inline")
	rights := map[string]inspect.Viewer{
		"redeliver": {Name: "bob", Redeliver: true},
		"retry":     {Name: "bob", Redeliver: true},
		"forget":    {Name: "bob", Forget: true},
	}
	for what, viewer := range rights {
		t.Run(what, func(t *testing.T) {
			s := newSite(t, inspect.Options{})
			s.store.kill(t, "boom", dead)
			s.store.records[inline] = lease.Status{Key: inline, State: lease.Dead}
			key := inline
			if what == "redeliver" {
				key = dead
			}
			confirm := "confirm?" + strings.TrimPrefix(do(what, key), "do?")
			others := everything
			if what == "forget" {
				others.Forget = false
			} else {
				others.Redeliver = false
			}
			s.viewer = others
			if text := s.get(event("event", key), 200); slices.Contains(links(text), confirm) {
				t.Error("a viewer who may not is offered it")
			}
			s.get(confirm, 403)
			if w := s.send("POST", do(what, key)); w.Code != 403 {
				t.Errorf("a viewer who may not: status %d, want 403", w.Code)
			}
			s.viewer = viewer
			if text := s.get(event("event", key), 200); !slices.Contains(links(text), confirm) {
				t.Errorf("a viewer who may is not offered it: %v", links(text))
			}
			if text := s.get(confirm, 200); !slices.Contains(links(text), do(what, key)) {
				t.Errorf("the confirmation leads to %v", links(text))
			}
			if w := s.send("GET", do(what, key)); w.Code != 405 {
				t.Errorf("GET: status %d, want 405", w.Code)
			}
			for _, header := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Origin", "https://evil.example"}} {
				if w := s.send("POST", do(what, key), header...); w.Code != 403 {
					t.Errorf("from another site: status %d, want 403", w.Code)
				}
			}
			if len(s.done) != 0 {
				t.Fatalf("done already: %v", s.done)
			}
			w := s.send("POST", do(what, key), "Sec-Fetch-Site", "same-origin")
			if w.Code != 303 && w.Code != 200 {
				t.Errorf("status %d, want it done: %s", w.Code, w.Body)
			}
			if to := w.Header().Get("Location"); to != "" {
				s.wantText(to, `role="status"`)
			}
			if len(s.done) != 1 || s.done[0] != (inspect.Action{Viewer: "bob", Do: what, Key: key}) {
				t.Errorf("audited %v", s.done)
			}
			entry, _ := s.store.Entry(t.Context(), dead)
			switch record, known := s.store.records[inline]; what {
			case "redeliver":
				if entry.State != inbox.Waiting {
					t.Errorf("the entry is %v, want it waiting", entry.State)
				}
			case "retry":
				if record.State != lease.Released {
					t.Errorf("the record is %v, want it released", record.State)
				}
			case "forget":
				if known {
					t.Error("the record is still there")
				}
			}
			if w := s.send("POST", do(what, key)); w.Code/100 != 4 || len(s.done) != 2 || s.done[1].Err == nil {
				t.Errorf("a second time: status %d, audited %v, want 4xx and an error", w.Code, s.done)
			}
		})
	}
}

func TestPage_RedeliverAll(t *testing.T) {
	s := newSite(t, inspect.Options{})
	for i := range 130 {
		s.store.kill(t, "boom", keyOf("stripe", fmt.Sprint(i)))
	}
	s.store.kill(t, "boom", keyOf("github", "other"))
	s.wantText("entries?endpoint=stripe&state=dead", "Redeliver all")
	s.wantText("confirm?do=redeliver+all&endpoint=stripe", "130")
	if w := s.send("POST", "do?do=redeliver+all&endpoint=stripe"); w.Code != 200 || !strings.Contains(w.Body.String(), "130 events") {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
	if len(s.done) != 1 || s.done[0].Count != 130 || s.done[0].Key.Scope != "stripe" {
		t.Errorf("audited %v", s.done)
	}
	if n, _ := s.store.Count(t.Context(), "github", inbox.Dead, 10); n != 1 {
		t.Errorf("%d dead events of the other endpoint, want 1", n)
	}
}

func TestPage_Payload(t *testing.T) {
	key := keyOf("stripe", "evt_1")
	binary := []byte("\x00\xffPNG\x00<script>")
	long := []byte("a" + strings.Repeat("ä", 40_000))
	for _, test := range []struct {
		name  string
		body  []byte
		wants []string
	}{
		{"exact", []byte(`{"n": 12345678901234567890.10, "s":"<b>"}`), []string{"12345678901234567890.10", "&lt;b&gt;", "Webhook-Id", "evt_1"}},
		{"binary", binary, []string{"not text", "00 ff 50 4e 47 00"}},
		{"long", long, []string{"80001 bytes", "the beginning is shown"}},
		{"empty", nil, []string{"0 bytes"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newSite(t, inspect.Options{})
			s.store.payloads[key] = hmacverify.Stored{Scheme: "test", Header: http.Header{"Webhook-Id": {"evt_1"}}, Body: test.body}
			s.wantText(event("payload", key), test.wants...)
			if text := s.get(event("payload", key), 200); len(text) > 150_000 || strings.Contains(text, "\ufffd") {
				t.Errorf("the page has %d bytes, or a rune that is cut", len(text))
			}
			w := s.send("GET", event("payload", key)+"&download=1")
			if w.Body.String() != string(test.body) || w.Header().Get("Content-Type") != "application/octet-stream" || !strings.HasPrefix(w.Header().Get("Content-Disposition"), "attachment") {
				t.Errorf("download: %d bytes, %v", w.Body.Len(), w.Header())
			}
			if len(s.done) != 3 || s.done[0].Do != "show payload" || s.done[2].Do != "download payload" {
				t.Errorf("audited %v", s.done)
			}
			s.viewer.Payloads = false
			s.get(event("payload", key), 403)
		})
	}
}

func TestPage_RedactsPayloads(t *testing.T) {
	s := newSite(t, inspect.Options{Redact: func(d *hmacverify.Stored) {
		d.Body = []byte(strings.ReplaceAll(string(d.Body), "4242", "····"))
	}})
	key := keyOf("stripe", "evt_1")
	s.store.payloads[key] = hmacverify.Stored{Body: []byte(`{"card":"4242"}`)}
	for _, target := range []string{event("payload", key), event("payload", key) + "&download=1"} {
		if text := s.get(target, 200); strings.Contains(text, "4242") || !strings.Contains(text, "····") {
			t.Errorf("GET %s: %s", target, text)
		}
	}
}

// An event that is not stored is shown if this process has seen it, and one that is not
// known at all is said to be so.
func TestPage_Event(t *testing.T) {
	s := newSite(t, inspect.Options{})
	seen := keyOf("stripe", "evt_seen")
	s.page.Observe(t.Context(), idempotency.Event{Kind: idempotency.KindFailed, Key: seen, Attempt: 1, Err: errors.New("boom")})
	s.page.Observe(t.Context(), idempotency.Event{Kind: idempotency.KindDuplicate, Key: seen, Attempt: 1})
	s.wantText(event("event", seen), "boom", "duplicate", "not stored")
	if text := s.get(event("event", keyOf("stripe", "evt_unknown")), 404); !strings.Contains(text, "Nothing is known") {
		t.Errorf("an unknown event: %s", text)
	}
	tenant := keyOf("stripe/acme", "evt_1")
	s.store.enqueue(t, tenant)
	s.wantText("event?scope=stripe&tenant=acme&id=evt_1", "acme", "waiting")
	for _, bad := range []string{"event", "event?scope=stripe", "event?scope=stripe&id=" + strings.Repeat("x", 300)} {
		s.get(bad, 400)
	}
}

// What the store's errors say stays in the log.
func TestPage_StoreAway(t *testing.T) {
	s := newSite(t, inspect.Options{})
	s.store.err = errors.New("dial tcp 10.0.0.1:5432: password authentication failed")
	if text := s.get("", 503); strings.Contains(text, "10.0.0.1") || !strings.Contains(text, "did not answer") {
		t.Errorf("got %s", text)
	}
	s.store.err = context.DeadlineExceeded
	s.get("", 503)
}

// A payload that cannot be read, such as one that cannot be opened, is not said to be
// missing.
func TestPage_UnreadablePayload(t *testing.T) {
	s := newSite(t, inspect.Options{})
	key := keyOf("stripe", "evt_1")
	s.store.enqueue(t, key)
	s.store.payloads[key] = hmacverify.Stored{}
	s.store.err = errors.New("message authentication failed")
	s.wantText(event("event", key), "Show the payload")
	s.get(event("payload", key), 503)
}

// unread fails the test if it is read.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("the body is read")
	return 0, io.EOF
}

func TestPage_DoesNotReadBodies(t *testing.T) {
	s := newSite(t, inspect.Options{})
	key := keyOf("stripe", "evt_1")
	s.store.kill(t, "boom", key)
	r := httptest.NewRequestWithContext(t.Context(), "POST", "http://example.com/ops/"+do("redeliver", key), unread{t})
	r.Header.Set("Cookie", "session=1")
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	s.mount.ServeHTTP(w, r)
	if w.Code != 303 {
		t.Errorf("status %d, want 303", w.Code)
	}
}

func TestPage_Methods(t *testing.T) {
	s := newSite(t, inspect.Options{})
	if w := s.send("POST", "failures"); w.Code != 405 || w.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("POST of a page: status %d, Allow %q", w.Code, w.Header().Get("Allow"))
	}
	if w := s.send("HEAD", ""); w.Code != 200 {
		t.Errorf("HEAD: status %d, want 200", w.Code)
	}
}
