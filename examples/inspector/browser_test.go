package main

import (
	"context"
	"encoding/base64"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/hookonce/hookonce/examples/internal/hooktest"
)

var update = flag.Bool("update", false, "write the screenshots of the README")

func TestMain(m *testing.M) { hooktest.Main(m, main) }

// A browser is a tab of a real Chromium, which is signed in.
type browser struct {
	t    *testing.T
	ctx  context.Context
	home string

	mu       sync.Mutex
	problems []string // dialogs, exceptions, violations of the policy
}

func open(t *testing.T, p *hooktest.Process) *browser {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.WindowSize(1100, 900))
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 3*time.Minute)
	t.Cleanup(cancel)
	b := &browser{t: t, ctx: ctx, home: p.URL + "/ops/webhooks/"}
	err := chromedp.Listen(ctx, func(event any) {
		switch e := event.(type) {
		case *page.EventJavascriptDialogOpening:
			b.problem("a dialog: " + e.Message)
		case *runtime.EventExceptionThrown:
			b.problem("an exception: " + e.ExceptionDetails.Text)
		case *log.EventEntryAdded:
			if e.Entry.Level == log.EntryLevelError && !strings.Contains(e.Entry.Text, "favicon") && !strings.Contains(e.Entry.Text, "status of 4") {
				b.problem(e.Entry.Text)
			}
		}
	})
	if err != nil {
		t.Fatalf("Chromium does not start: %v", err)
	}
	credentials := base64.StdEncoding.EncodeToString([]byte("oncall:example"))
	call(b, network.Enable, network.EnableParams{})
	call(b, log.Enable, cdp.Empty{})
	call(b, network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: network.Headers{"Authorization": "Basic " + credentials}})
	return b
}

// call sends a command of the protocol.
func call[P, R any](b *browser, c cdp.Command[P, R], params P) R {
	b.t.Helper()
	result, err := chromedp.Call(b.ctx, c, params)
	if err != nil {
		b.t.Fatal(err)
	}
	return result
}

func (b *browser) problem(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.problems = append(b.problems, text)
}

func (b *browser) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// visit opens a page, by a link relative to the first.
func (b *browser) visit(link string) { b.t.Helper(); b.do(chromedp.Navigate(b.home + link)) }

// click clicks the first link or button with the text, and waits for the page that follows.
func (b *browser) click(text string) {
	b.t.Helper()
	path := fmt.Sprintf(`//main//a[starts-with(normalize-space(.), %[1]q)] | //main//button[starts-with(normalize-space(.), %[1]q)] | //header//a[normalize-space(.)=%[1]q]`, text)
	if _, err := chromedp.RunResponse(b.ctx, chromedp.Click(chromedp.Search(path))); err != nil {
		b.t.Fatalf("click %q: %v\n%s", text, err, b.text())
	}
}

func (b *browser) text() string {
	b.t.Helper()
	return eval[string](b, "document.body.innerText")
}

// value runs an action that returns something.
func value[T any](b *browser, a chromedp.Action[T]) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, a)
	if err != nil {
		b.t.Fatal(err)
	}
	return v
}

func (b *browser) want(texts ...string) {
	b.t.Helper()
	got := b.text()
	for _, want := range texts {
		if !strings.Contains(got, want) {
			b.t.Errorf("the page does not say %q:\n%s", want, got)
		}
	}
}

// eval evaluates an expression in the page; what the browser's tools do is not bound by the
// page's policy.
func eval[T any](b *browser, expression string) T {
	b.t.Helper()
	return value(b, chromedp.Evaluate[T](expression))
}

// check checks what must hold on each page.
func (b *browser) check() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.problems) > 0 {
		b.t.Errorf("Chromium reports %q", b.problems)
	}
	b.problems = nil
}

// start starts the example and waits until the events of "away" are dead.
func start(t *testing.T) (*hooktest.Process, *browser) {
	t.Helper()
	p := hooktest.Start(t, []string{"-db", filepath.Join(t.TempDir(), "test.db")})
	b := open(t, p)
	for end := time.Now().Add(time.Minute); ; time.Sleep(200 * time.Millisecond) {
		b.visit("")
		if strings.Contains(b.text(), "3 dead") {
			return p, b
		}
		if time.Now().After(end) {
			t.Fatalf("not three dead events in a minute:\n%s", b.text())
		}
	}
}

// A person finds what is dead, looks at it, and redelivers it; and so on for each action.
func TestInspector_Actions(t *testing.T) {
	t.Parallel()
	_, b := start(t)
	b.want("example", "stripe", "shop", "no account belongs to the customer", "warehouse: 503 Service Unavailable")
	b.check()

	b.click("3 dead")
	b.want("shop", "warehouse: 503 Service Unavailable", "group away")
	b.click("msg_004")
	b.want("dead, died", "Attempts\n3", "Redeliver…", "Forget…")
	b.click("Redeliver…")
	b.want("Redeliver?", "is processed again from its stored payload")
	b.click("Cancel")
	b.want("dead, died")
	b.click("Redeliver…")
	b.click("Redeliver")
	b.want("The event waits to be processed again.")

	b.click("Failed events")
	b.click("evt_007")
	b.want("dead, since", "no account belongs to the customer", "Allow the sender to retry…")
	b.click("Show the payload")
	b.want(`"card":"…"`, "invoice.paid", "Download", "Headers")
	if text := b.text(); strings.Contains(text, "4242") {
		t.Errorf("the card's number is shown:\n%s", text)
	}
	b.click("Back to the event")
	b.click("Allow the sender to retry…")
	b.click("Allow the sender to retry")
	b.want("The next delivery of the event is processed.", "failed, since")
	b.click("Forget…")
	b.click("Forget")
	b.want("The event was forgotten.")

	b.visit("entries?endpoint=shop&state=dead")
	b.click("Redeliver all…")
	b.want("All dead events of this endpoint")
	b.click("Redeliver all")
	b.want("events wait to be processed again.")

	b.visit("")
	b.do(chromedp.SetValue(chromedp.CSS("#scope"), "stripe"), chromedp.SendKeys(chromedp.CSS("#id"), "evt_001"))
	if _, err := chromedp.RunResponse(b.ctx, chromedp.SendKeys(chromedp.CSS("#id"), kb.Enter)); err != nil {
		t.Fatal(err)
	}
	b.want("evt_001", "done, since")
	b.visit("event?scope=stripe&id=evt_unknown")
	b.want("Nothing is known of this event")
	b.check()
}

// What a sender puts into IDs, types and bodies is text in the page.
func TestInspector_HostileDeliveries(t *testing.T) {
	t.Parallel()
	p, b := start(t)
	const script = `<script>alert(1)</script><img src=x onerror=alert(2)>`
	ids := map[string]string{
		script + "1":            `{"type":"` + script + `","data":{"warehouse":"` + script + `"}}`,
		`javascript:alert(3)//`: "\x00\xff\xfebinary" + script,
		"long":                  strings.Repeat("<b>word</b> ", 50_000),
	}
	for id, body := range ids {
		deliver(t, p, id, body)
	}
	for id := range ids {
		key := "scope=shop&id=" + queryEscape(id)
		for _, link := range []string{"event?" + key, "payload?" + key, "confirm?do=forget&" + key} {
			b.visit(link)
			if n := eval[int](b, `document.querySelectorAll("script, img, b").length`); n != 0 {
				t.Errorf("%s: %d elements that were sent", link, n)
			}
		}
		b.visit("event?" + key)
		b.want(id)
	}
	b.visit("")
	time.Sleep(200 * time.Millisecond) // in which an image that is missing would call its handler
	b.check()
}

// pages are one of each.
var pages = []string{
	"", "entries?endpoint=shop&state=dead", "entries?endpoint=stripe&state=waiting", "failures",
	"event?scope=shop&id=msg_014", "payload?scope=shop&id=msg_014",
	"confirm?do=forget&scope=stripe&id=evt_007", "event?scope=shop&id=none",
}

// At the width of a phone and in both color schemes: nothing is cut off, texts have a
// contrast of 4.5, and what can be used has a name.
func TestInspector_Accessible(t *testing.T) {
	t.Parallel()
	_, b := start(t)
	for _, scheme := range []string{"light", "dark"} {
		b.prefer(scheme)
		for _, width := range []int64{360, 1100} {
			b.do(chromedp.EmulateViewport(width, 900))
			for _, link := range pages {
				b.visit(link)
				where := fmt.Sprintf("%s, %s, %d px", link, scheme, width)
				if got := eval[int64](b, "document.documentElement.scrollWidth"); got > width {
					t.Errorf("%s: the page is %d px wide", where, got)
				}
				for _, low := range eval[[]string](b, lowContrast) {
					t.Errorf("%s: %s", where, low)
				}
				b.checkNames(where)
			}
		}
	}
	b.checkFocus()
	b.check()
}

// prefer sets the color scheme that the user prefers.
func (b *browser) prefer(scheme string) {
	b.t.Helper()
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
}

// checkNames checks that each link, button, field and image has an accessible name, and
// that there is one heading of the first level and one main landmark.
func (b *browser) checkNames(where string) {
	b.t.Helper()
	roles := make(map[string]int)
	for _, n := range call(b, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{}).Nodes {
		if n.Ignored || n.Role == nil {
			continue
		}
		role := strings.Trim(string(n.Role.Value), `"`)
		roles[role]++
		if slices.Contains([]string{"link", "button", "textbox", "combobox", "image", "heading", "region", "navigation"}, role) && (n.Name == nil || string(n.Name.Value) == `""`) {
			b.t.Errorf("%s: a %s has no name", where, role)
		}
	}
	if roles["main"] != 1 || roles["heading"] == 0 {
		b.t.Errorf("%s: %d main landmarks, %d headings", where, roles["main"], roles["heading"])
	}
	if n := eval[int](b, `document.querySelectorAll("h1").length`); n != 1 {
		b.t.Errorf("%s: %d headings of the first level, want 1", where, n)
	}
}

// checkFocus goes through the first page with the Tab key: everything that can be used is
// reached, from the top to the bottom, and shows that it has the focus.
func (b *browser) checkFocus() {
	b.t.Helper()
	b.visit("")
	usable := eval[int](b, `document.querySelectorAll("a, button, input, select, [tabindex='0']").length`)
	last, seen := -1.0, 0
	for i := range usable {
		b.do(chromedp.KeyEvent(kb.Tab))
		focus := eval[struct {
			Text    string
			Top     float64
			Outline string
		}](b, `(() => { const e = document.activeElement, s = getComputedStyle(e); return {
			text: e.innerText || e.id, top: Math.round((e.getBoundingClientRect().top + scrollY) / 60), outline: s.outlineStyle} })()`)
		if i == 0 && focus.Text != "Skip to the content" {
			b.t.Errorf("the first stop is %q, want the link to the content", focus.Text)
		}
		if focus.Outline == "none" {
			b.t.Errorf("%q does not show the focus", focus.Text)
		}
		if focus.Top+8 < last {
			b.t.Errorf("the focus jumps back to %q", focus.Text)
		}
		last, seen = max(last, focus.Top), seen+1
	}
	if seen < 15 {
		b.t.Errorf("%d stops, want those of the whole page", seen)
	}
}

// lowContrast lists the texts of a page that stand out too little, by WCAG 2.1's formula.
const lowContrast = `(() => {
	const channel = v => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4
	const parse = c => c.match(/[\d.]+/g).map(Number)
	const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b)
	const back = e => {
		for (; e; e = e.parentElement) {
			const c = parse(getComputedStyle(e).backgroundColor)
			if (c.length < 4 || c[3] > 0) return c
		}
		return matchMedia("(prefers-color-scheme: dark)").matches ? [0, 0, 0] : [255, 255, 255]
	}
	const low = []
	for (const e of document.querySelectorAll("body *")) {
		if (![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()) || !e.getClientRects().length || e.closest("svg, option")) continue
		const a = luminance(parse(getComputedStyle(e).color)), b = luminance(back(e))
		const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)
		if (ratio < 4.5) low.push(e.tagName + " " + e.innerText.slice(0, 30) + ": contrast " + ratio.toFixed(2))
	}
	return low
})()`

// The screenshots of the README are of this page.
func TestInspector_Screenshots(t *testing.T) {
	t.Parallel()
	_, b := start(t)
	for _, shot := range []struct {
		file, link, scheme string
		width, height      int64
	}{
		{"inspector.png", "", "light", 1100, 900},
		{"inspector-event.png", "event?scope=shop&id=msg_014", "dark", 1100, 700},
		{"inspector-phone.png", "", "dark", 390, 844},
	} {
		b.prefer(shot.scheme)
		b.do(chromedp.EmulateViewport(shot.width, shot.height))
		b.visit(shot.link)
		picture := value(b, chromedp.CaptureScreenshot())
		file := filepath.Join("..", "..", ".github", shot.file)
		if *update {
			if err := os.WriteFile(file, picture, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if committed, err := os.ReadFile(file); err != nil || len(committed) < 10_000 || len(picture) < 10_000 {
			t.Errorf("%s: %d bytes committed, %d now, error %v: run the test with -update, and look at it", shot.file, len(committed), len(picture), err)
		}
	}
}
