package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
)

// TestMain is also the main function of the servers that the tests start.
func TestMain(m *testing.M) {
	more = []group{
		{"sqlite/lossy", "sqlite", []way{{"by hand", byHand, atOnce}, {"lossy", lossy, atOnce}}},
		{"sqlite/refusing", "sqlite", []way{{"refusing", refusing, atOnce}}},
		{"sqlite/broken", "sqlite", []way{{"broken", broken, atOnce}}},
	}
	if i := slices.Index(os.Args, "-serve"); i >= 0 {
		if err := serve(context.Background(), os.Args[i+1], os.Args[i+3]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// lossy acknowledges every tenth event without doing its work.
func lossy(_ context.Context, s *site) (http.Handler, error) {
	words, n := s.words(), 0
	return receive(func(ctx context.Context, e event, _ []byte) error {
		if n++; n%10 == 0 {
			return nil
		}
		return s.insertFirst(ctx, words, e)
	}), nil
}

func refusing(context.Context, *site) (http.Handler, error) {
	return receive(func(context.Context, event, []byte) error { return errors.New("no") }), nil
}

func broken(context.Context, *site) (http.Handler, error) { return nil, errors.New("no") }

func testPlan(t *testing.T, only ...string) *plan {
	p := &plan{
		postgres: os.Getenv("HOOKONCE_POSTGRES"), mariadb: os.Getenv("HOOKONCE_MARIADB"),
		only: only, conns: []int{1, 4}, slice: 20 * time.Millisecond, rounds: 1, known: 40,
		svg: filepath.Join(t.TempDir(), "bench.svg"),
	}
	if p.postgres == "" || p.mariadb == "" {
		t.Fatal("set HOOKONCE_POSTGRES and HOOKONCE_MARIADB")
	}
	return p
}

// Each way does what it says, by the books, and in the known number of statements.
func TestRun(t *testing.T) {
	var out, progress strings.Builder
	p := testPlan(t, "/inline", "/lease", "/inbox")
	if err := p.run(t.Context(), &out, &reporter{out: &progress}); err != nil {
		t.Fatal(err)
	}
	for _, g := range groups() {
		if !p.has(g) {
			continue
		}
		for _, kind := range []string{"new events", "duplicates"} {
			_, table, found := strings.Cut(out.String(), g.name+", "+kind+"\n")
			if !found {
				t.Errorf("no table of %s, %s", g.name, kind)
			}
			table, _, _ = strings.Cut(table, "\n\n")
			lines := map[string]int{commitsAlone: 2}
			if kind == "duplicates" {
				lines[commitsAlone] = 0
			}
			for _, w := range g.ways {
				lines[w.name] = 2
			}
			for name, want := range lines {
				if n := strings.Count(table, "  "+name+"  "); n != want {
					t.Errorf("%s, %s: %d lines of %s, want %d:\n%s", g.name, kind, n, name, want, table)
				}
			}
		}
	}
	if n := strings.Count(progress.String(), "worked off"); n != 3 {
		t.Errorf("worked off %d inboxes, want 3: %s", n, &progress)
	}
	svg, err := os.ReadFile(p.svg)
	if err != nil || !strings.Contains(string(svg), "pgxpool/inline") {
		t.Errorf("the chart has %d bytes, error %v", len(svg), err)
	}
}

// The tables grow to the sizes that are asked for, and a purge deletes what they were
// filled with, and nothing else: the books are those of the events.
func TestGrow(t *testing.T) {
	var out, progress strings.Builder
	p := testPlan(t, "/inline")
	p.records = []int{1000, 3000}
	if err := p.run(t.Context(), &out, &reporter{out: &progress}); err != nil {
		t.Fatal(err)
	}
	for _, g := range groups() {
		if !p.has(g) {
			continue
		}
		_, table, found := strings.Cut(out.String(), "\n"+g.name+", new events")
		table, _, _ = strings.Cut(table, "\n\n")
		for _, want := range []string{"  1000   by hand", "  1000  hookonce", "  3000   by hand", "  3000  hookonce", "Purge deleted 3000 records"} {
			if !found || !strings.Contains(table, want) {
				t.Errorf("%s: no %q in the table:\n%s", g.name, want, table)
			}
		}
	}
}

// What is sent to a server is counted: the statements of a way by hand are known.
func TestCounter(t *testing.T) {
	p := testPlan(t)
	for _, g := range groups() {
		address, err := p.address(g.database)
		if err != nil {
			t.Fatal(err)
		}
		if address == "" || !strings.HasSuffix(g.name, "/inline") {
			continue
		}
		got, err := p.countOne(t.Context(), g, g.ways[0], address)
		if err != nil {
			t.Fatal(err)
		}
		for kind, want := range []float64{4, 3} { // BEGIN, INSERT, UPDATE, COMMIT; BEGIN, INSERT, ROLLBACK
			statements, turns := got[kind].statements, got[kind].turns
			if g.database == "mariadb" {
				turns = want // more, to prepare statements
			}
			if statements < want || statements > want+0.2 || turns < want || turns > want+0.2 {
				t.Errorf("%s: got %+v, want about %v", g.name, got[kind], want)
			}
		}
	}
}

// Figures of a way that loses events, or refuses them, are not shown.
func TestRun_NotAsPromised(t *testing.T) {
	for only, want := range map[string]string{
		"sqlite/lossy": "effects of", "sqlite/refusing": "answered 500", "sqlite/broken": "does not start", "nothing": "nothing to measure",
	} {
		var out, progress strings.Builder
		err := testPlan(t, only).run(t.Context(), &out, &reporter{out: &progress})
		if err == nil || !strings.Contains(err.Error(), want) || out.Len() > 0 {
			t.Errorf("%s: got %v, want an error about %q; printed %q", only, err, want, &out)
		}
	}
}

func TestBodyOf(t *testing.T) {
	seen := make(map[string]bool)
	for n := range int64(1000) {
		body := bodyOf(n)
		verifier, err := hmacverify.New(scheme(), nil, secret)
		if err != nil {
			t.Fatal(err)
		}
		s, err := newSender("127.0.0.1:1", 1)
		if err != nil {
			t.Fatal(err)
		}
		h := make(http.Header)
		if err := s.signer.Sign(h, body); err != nil {
			t.Fatal(err)
		}
		d, err := verifier.Verify(h, body)
		if err != nil || len(body) != 470 || seen[d.ID] {
			t.Fatalf("event %d: %d bytes, error %v", n, len(body), err)
		}
		seen[d.ID] = true
	}
}
