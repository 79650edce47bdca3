package preset_test

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
)

const pagePath = "../../.github/SENDERS.md"

var update = flag.Bool("update", false, "write .github/SENDERS.md")

// TestSendersPage fails when the page does not say what the presets say.
func TestSendersPage(t *testing.T) {
	t.Parallel()
	got := sendersPage(functions(t))
	if *update {
		if err := os.WriteFile(pagePath, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(pagePath)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("the page is stale: run go test ./hmacverify/preset -run TestSendersPage -update\n(-want +got):\n%s", diff)
	}
}

const pageIntro = `<!-- Written by go test ./hmacverify/preset -run TestSendersPage -update. Change the presets, not this page. -->

# Senders

The %d senders that package [preset](../hmacverify/preset) knows: how they sign, how
they behave, and where that is known from. A receiver is wired from the same data:

` + "```go\nverifier, err := hmacverify.New(preset.Stripe(), nil, secret)\n```" + `

No sender was called to write this page, and a sender may change its ways. Sources
were read in %s unless a date is given. Before a fact decides about money, look
at the sender's page.

## How to read the tables

* **Time** is the unit of the signed time. Where there is none, only the identity
  stops a replay. **Tolerance** is given where it is not the default: 5 minutes, or
  longer where retries carry the first attempt's time or may do so.
* **Identity** is what tells one event from another: an ID that is signed; the
  *digest* of the body, where different events never have equal bodies; or *none*,
  where you have to find a key in the body.
* **Waits** is how long the sender waits for a response. **Success** is what it takes
  for success, any 2xx unless codes are given.
* **Retries** are of *all* failures, of *some* (see the notes), or *none*: what fails
  once is lost. *All* means that no exception was found. **For** is the time from the
  first attempt to the last.
* **Retry's time** is the signed time of a retry: *new*, or the *first* attempt's. A
  dash: no time is signed.
* **Duplicate** is what a delivery gets whose event was processed before: *2xx*
  without a body, *409*, or the *first response* again, where the response is the
  reply.
* **Blocks**: a delivery that fails holds back later ones.
* An empty field was not found. Nothing is guessed.

The notes name the kind of each source, the most reliable first: a *vector* (a
delivery that the sender published, verified in the tests), its *code*, its *docs*, a
*copy* of its page or an account of it, a *registry* of providers, or *hearsay* (users,
third parties, general knowledge).
`

// sendersPage returns the page.
func sendersPage(functions map[string]function) string {
	var b strings.Builder
	fmt.Fprintf(&b, pageIntro, len(functions), "2026-11")
	b.WriteString(highlights(functions))
	for _, t := range preset.Trades() {
		var members []function
		for _, name := range t.Names {
			members = append(members, functions[name])
		}
		fmt.Fprintf(&b, "\n## %s\n\n", t.Title)
		b.WriteString(table(signingColumns, members))
		b.WriteString("\n")
		b.WriteString(table(behaviourColumns, members))
		b.WriteString("\n<details><summary>Notes and sources</summary>\n\n")
		for _, f := range members {
			b.WriteString(notes(f))
		}
		b.WriteString("\n</details>\n")
	}
	return b.String()
}

// highlights lists the senders that need care, by what the care is.
func highlights(functions map[string]function) string {
	var b strings.Builder
	b.WriteString("\n## What to look out for\n\n")
	for _, h := range []struct {
		text string
		is   func(hmacverify.Scheme) bool
	}{
		{"**Never retry.** Store the event before you answer, or an outage loses it", func(s hmacverify.Scheme) bool {
			return s.Sender.Retries == hmacverify.RetriesNone
		}},
		{"**Retry for less than 10 minutes**", func(s hmacverify.Scheme) bool {
			return 0 < s.Sender.RetryWindow && s.Sender.RetryWindow < 10*time.Minute
		}},
		{"**Hold back later events** while one fails", func(s hmacverify.Scheme) bool { return s.Sender.Blocks }},
		{"**Stop sending** after failures, see their notes", func(s hmacverify.Scheme) bool { return s.Sender.Disables != "" }},
		{"**Take other 2xx for a failure** than the codes in the table", func(s hmacverify.Scheme) bool {
			return len(s.Sender.Success) > 0
		}},
		{"**Treat a response with a body as a failure**, so no response has one", func(s hmacverify.Scheme) bool { return s.Sender.NoBody }},
		{"**Get another status** than others, because of what they take the usual one for", func(s hmacverify.Scheme) bool {
			return len(s.Sender.Instead) > 0
		}},
		{"**Act on the response**, so a duplicate gets the first one again", func(s hmacverify.Scheme) bool {
			return s.Sender.Duplicate == hmacverify.Replay
		}},
		{"**Repeat the first signed time** in retries", func(s hmacverify.Scheme) bool {
			return s.Sender.RetryTime == hmacverify.RetryTimeFirst
		}},
		{"**Send many events in one request**, each of which is processed by itself", func(s hmacverify.Scheme) bool {
			return len(s.Sender.Items) > 0
		}},
		{"**Send many events in one request, or an array**, which is processed as a whole", func(s hmacverify.Scheme) bool {
			return s.Sender.Batch != "" && len(s.Sender.Items) == 0
		}},
		{"**Send bodies over 1 MiB**", func(s hmacverify.Scheme) bool { return s.Sender.MaxBody > 1<<20 }},
		{"**Sign nothing that tells events apart**", func(s hmacverify.Scheme) bool {
			return s.Identity == hmacverify.NoIdentity && len(s.Sender.Items) == 0
		}},
	} {
		var titles []string
		for _, s := range preset.All() {
			if h.is(s) {
				titles = append(titles, functions[s.Name].scheme.Sender.Title)
			}
		}
		slices.SortFunc(titles, func(a, b string) int { return strings.Compare(strings.ToLower(a), strings.ToLower(b)) })
		fmt.Fprintf(&b, "* %s: %s.\n", h.text, strings.Join(titles, ", "))
	}
	return b.String()
}

// notes is what stands below the tables of a sender.
func notes(f function) string {
	d := f.scheme.Sender
	parts := []string{"**" + d.Title + ".**"}
	for _, p := range []struct{ title, text string }{
		{"Retries", d.RetrySchedule},
		{"Stops sending after", d.Disables},
		{"Responses", responsesNote(d)},
		{"Set-up", strings.TrimSuffix(d.Setup, ".")},
		{"Events of a request", itemsNote(d.Items)},
		{"Batch", d.Batch},
		{"Largest body", size(d.MaxBody)},
		{"Bodies", d.BodyType},
	} {
		if p.text != "" {
			parts = append(parts, fmt.Sprintf("*%s:* %s.", p.title, escape(p.text)))
		}
	}
	if d.Order {
		parts = append(parts, "Delivers in order.")
	}
	if d.Notes != "" {
		parts = append(parts, escape(strings.TrimSuffix(d.Notes, "."))+".")
	}
	return fmt.Sprintf("* %s\n  *Known from:* %s.\n", strings.Join(parts, " "), sources(d.Facts))
}

// itemsNote says where events are, and what identifies them.
func itemsNote(all []hmacverify.Items) string {
	var parts []string
	for _, items := range all {
		by := slices.Concat(items.Outer, items.ID)
		if len(items.ID) == 0 {
			by = append(by, "their digest")
		}
		part := fmt.Sprintf("at %s, identified by %s", items.JSON, strings.Join(by, ", "))
		if len(items.Inner) > 0 {
			part += "; where there are any, at " + strings.Join(items.Inner, " and ") + " inside of them"
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, "; or ")
}

// responsesNote says what a sender gets instead of what others get.
func responsesNote(d hmacverify.Sender) string {
	var parts []string
	for _, from := range slices.Sorted(maps.Keys(d.Instead)) {
		parts = append(parts, fmt.Sprintf("%d instead of %d", d.Instead[from], from))
	}
	if d.NoBody {
		parts = append(parts, "no body")
	}
	return strings.Join(parts, ", ")
}

// sources lists facts, those about one thing first.
func sources(facts []hmacverify.Fact) string {
	kinds := map[hmacverify.Source]string{
		hmacverify.SourceVector: "vector", hmacverify.SourceCode: "code", hmacverify.SourceDocs: "docs",
		hmacverify.SourceCopy: "copy", hmacverify.SourceRegistry: "registry", hmacverify.SourceHearsay: "hearsay",
	}
	var named, rest []string
	for _, f := range facts {
		text := kinds[f.Source] + " (" + f.Where
		if f.Read != "2026-11" {
			text += ", " + f.Read
		}
		text += ")"
		if f.About == "" {
			rest = append(rest, text)
		} else {
			named = append(named, f.About+": "+text)
		}
	}
	if len(named) > 0 && len(rest) > 0 {
		rest[0] = "all else: " + rest[0]
	}
	return escape(strings.Join(append(named, rest...), "; "))
}
