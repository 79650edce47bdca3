package torture

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"
)

var (
	long = flag.Bool("long", false, "run until there is little left to doubt, instead of for seconds")
	seed = flag.Uint64("seed", newSeed(), "decides what is done to which process")
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

// untilSignal returns a context that a signal ends too, so that an interrupted test
// stops the servers that it has started.
func untilSignal(t *testing.T) context.Context {
	ctx, stop := signal.NotifyContext(t.Context(), syscall.SIGTERM, os.Interrupt)
	t.Cleanup(stop)
	return ctx
}

// eachEngine runs f for each database: concurrently in a short run, which waits
// most of the time, and one after the other in a long one.
func eachEngine(t *testing.T, f func(t *testing.T, name string)) {
	for _, name := range engineNames {
		t.Run(name, func(t *testing.T) {
			if !*long {
				t.Parallel()
			}
			f(t, name)
		})
	}
}

func TestTorture(t *testing.T) {
	if !*long {
		t.Parallel()
	}
	eachEngine(t, func(t *testing.T, name string) {
		p := shortPlan(engines()[name])
		if *long {
			p = longPlan(engines()[name])
		}
		var out bytes.Buffer
		err := torture(untilSignal(t), name, p, *seed, "", &out)
		t.Log(out.String())
		if err != nil || !strings.Contains(out.String(), "the books balance") {
			t.Errorf("got %v, want balanced books", err)
		}
	})
}

func TestOutage(t *testing.T) {
	if !*long {
		t.Parallel()
	}
	for _, o := range outages {
		t.Run(strings.ReplaceAll(o.title, " ", "_"), func(t *testing.T) {
			eachEngine(t, func(t *testing.T, name string) {
				var out bytes.Buffer
				err := o.run(untilSignal(t), name, *seed, &out)
				t.Log(out.String())
				if errors.Is(err, errCannot) {
					t.Skip(err)
				}
				if err != nil || !strings.Contains(out.String(), "the books balance") {
					t.Errorf("got %v, want balanced books", err)
				}
			})
		})
	}
}

// A claim outside of the work's transaction must unbalance the books: a check that
// never fails shows nothing.
func TestTorture_BrokenClaimIsFound(t *testing.T) {
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
			err := torture(untilSignal(t), tt.engine, p, *seed, tt.broken, &out)
			if !errors.Is(err, errImbalance) {
				t.Errorf("got %v, want %v\n%s", err, errImbalance, out.String())
			}
			if found := lineOf(out.String(), tt.finds); found == "" || strings.HasSuffix(found, " 0") {
				t.Errorf("the report lacks a count of %q:\n%s", tt.finds, out.String())
			} else {
				t.Log(found)
			}
		})
	}
}

// smallPlan is a plan for the tests of the torture itself.
func smallPlan(e *engine) plan {
	p := shortPlan(e)
	p.deliveries, p.serverKills, p.databaseKills, p.cuts = 800, 3, 1, 5
	p.atOnce = 20
	if !e.hasServer() {
		p = p.oneProcess()
	}
	return p
}

func lineOf(text, of string) string {
	for line := range strings.Lines(text) {
		if strings.Contains(line, of) {
			return strings.TrimSpace(line)
		}
	}
	return ""
}

func TestTorture_UnfulfilledPlanFails(t *testing.T) {
	t.Parallel()
	p := smallPlan(sqliteEngine())
	p.deliveries, p.serverKills, p.limit = 100, 1_000_000, 3*time.Second
	var out bytes.Buffer
	err := torture(untilSignal(t), "sqlite", p, 1, "", &out)
	if !errors.Is(err, errImbalance) || !strings.Contains(out.String(), "NOT ALL OF IT WAS DONE IN TIME") {
		t.Errorf("got %v, want %v\n%s", err, errImbalance, out.String())
	}
}
