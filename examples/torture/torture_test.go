package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// TestMain is a server in the processes that a fleet starts.
func TestMain(m *testing.M) {
	if is, err := serveProcess(os.Args[1:]); is {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// smallPlan is enough for a test with the race detector.
func smallPlan(e *engine) plan {
	p := shortPlan(e)
	p.deliveries, p.serverKills, p.databaseKills, p.cuts = 800, 3, 1, 5
	p.atOnce = 20
	if !e.hasServer() {
		p = p.oneProcess()
	}
	return p
}

func TestTheBooksOfEachDatabaseBalance(t *testing.T) {
	t.Parallel()
	for _, name := range engineNames {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			err := torture(t.Context(), name, smallPlan(engines()[name]), newSeed(), "", &out)
			if err != nil || !strings.Contains(out.String(), "the books balance") {
				t.Errorf("%v\n%s", err, out.String())
			}
		})
	}
}

// A check that never fails shows nothing.
func TestAClaimOutsideOfTheTransactionIsFound(t *testing.T) {
	t.Parallel()
	tests := []struct {
		engine, broken, finds string
		deliveries            int
	}{
		{"sqlite", markBefore, "acknowledged events without an effect", 8000},
		{"postgres", markAfter, "events with more than one effect", 1600},
	}
	for _, tt := range tests {
		t.Run(tt.engine+" "+tt.broken, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			// One attempt in 25 fails: there must be so many that some do, and
			// few kills, after which there are no attempts for a while.
			p := smallPlan(engines()[tt.engine])
			p.deliveries, p.atOnce, p.serverKillEvery = tt.deliveries, 60, 2*time.Second
			err := torture(t.Context(), tt.engine, p, newSeed(), tt.broken, &out)
			if !errors.Is(err, errImbalance) {
				t.Errorf("got %v, want an imbalance\n%s", err, out.String())
			}
			if found := lineOf(out.String(), tt.finds); found == "" || strings.HasSuffix(found, " 0") {
				t.Errorf("the report does not say %q:\n%s", tt.finds, out.String())
			} else {
				t.Log(found)
			}
		})
	}
}

func lineOf(text, of string) string {
	for line := range strings.Lines(text) {
		if strings.Contains(line, of) {
			return strings.TrimSpace(line)
		}
	}
	return ""
}

func TestNothingIsLostInAnOutage(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := outages(t.Context(), "sqlite", newSeed(), &out); err != nil {
		t.Errorf("%v\n%s", err, out.String())
	}
	t.Log(out.String())
}

func TestWhatItDoesNotKnowIsRefused(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"-db", "oracle"}, {"-broken", "a little"}, {"-unknown"}} {
		if err := command(t.Context(), args, new(bytes.Buffer)); err == nil {
			t.Errorf("%v is taken", args)
		}
	}
}

func TestARunThatDoesNotFulfilItsPlanFails(t *testing.T) {
	t.Parallel()
	p := smallPlan(sqliteEngine())
	p.deliveries, p.serverKills, p.limit = 100, 1_000_000, 3*time.Second
	var out bytes.Buffer
	err := torture(context.WithoutCancel(t.Context()), "sqlite", p, 1, "", &out)
	if !errors.Is(err, errImbalance) || !strings.Contains(out.String(), "NOT ALL OF IT WAS DONE IN TIME") {
		t.Errorf("got %v, want an error\n%s", err, out.String())
	}
}
