package torture

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
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
	code := m.Run()
	removeTemplates()
	os.Exit(code)
}

// untilSignal returns a context that a signal ends too, so that an interrupted test
// stops the servers that it has started.
func untilSignal(t *testing.T) context.Context {
	ctx, stop := signal.NotifyContext(t.Context(), syscall.SIGTERM, os.Interrupt)
	t.Cleanup(stop)
	return ctx
}

// eachEngine runs f for each of the databases: concurrently in a short run, which waits
// most of the time, and one after the other in a long one.
func eachEngine(t *testing.T, names []string, f func(t *testing.T, name string)) {
	for _, name := range names {
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
	eachEngine(t, append(slices.Clip(engineNames), "galera"), func(t *testing.T, name string) {
		if !*long {
			checkBalanced(t, name, shortPlan(engines()[name]))
			return
		}
		for _, name := range drivers(name) {
			checkBalanced(t, name, longPlan(engines()[name]))
		}
	})
}

// Handlers that ignore the end of their context hold up neither their own event nor
// others, and do no harm when they return. What is acknowledged while the log is held
// back survives that its writer is killed.
func TestQuiet(t *testing.T) {
	if !*long {
		t.Parallel()
	}
	eachEngine(t, engineNames, func(t *testing.T, name string) {
		for _, name := range drivers(name) {
			p := quietPlan(engines()[name])
			if *long {
				p.heldKills, p.hangs, p.returns, p.limit = 50*p.heldKills, 30*p.hangs, 30*p.returns, 30*time.Minute
			}
			checkBalanced(t, name, p)
		}
	})
}

// drivers returns the engines that are the same database by another driver.
func drivers(name string) []string {
	if name == "sqlite" {
		return []string{name, "sqlite3"} // its log can be held back
	}
	return []string{name}
}

func checkBalanced(t *testing.T, name string, p plan) {
	t.Helper()
	var out bytes.Buffer
	err := torture(untilSignal(t), name, p, *seed, "", &out)
	t.Log(out.String())
	if err != nil || !strings.Contains(out.String(), "the books balance") {
		t.Errorf("got %v, want balanced books", err)
	}
}

func TestOutage(t *testing.T) {
	if !*long {
		t.Parallel()
	}
	eachEngine(t, engineNames, func(t *testing.T, name string) {
		for title, outages := range map[string][]outage{"disk full": diskFull, "others": others} {
			t.Run(title, func(t *testing.T) {
				if !*long {
					t.Parallel()
				}
				checkOutages(t, name, outages)
			})
		}
	})
}

// longOutages is how often a long run has each outage.
const longOutages = 5

func checkOutages(t *testing.T, name string, outages []outage) {
	t.Helper()
	times := 1
	if *long {
		times = longOutages
	}
	for i := range times {
		var out bytes.Buffer
		err := bear(untilSignal(t), outages, name, *seed+uint64(i), "", 5*time.Minute, &out)
		t.Log(out.String())
		if errors.Is(err, errCannot) {
			t.Skip(err)
		}
		if err != nil || !strings.Contains(out.String(), "the books balance") {
			t.Errorf("got %v, want balanced books", err)
		}
	}
}

// Each mistake must unbalance the books: a check that never fails shows nothing.
func TestTorture_BrokenServerIsFound(t *testing.T) {
	t.Parallel()
	// One attempt in 25 fails: there must be so many that some do, and little else
	// that keeps attempts from being made.
	calm := func(e *engine, deliveries int) plan {
		p := smallPlan(e)
		p.deliveries, p.atOnce = deliveries, 60
		p.databaseKills, p.cutOffs, p.heldKills = 0, 0, 0
		p.serverKillEvery, p.databaseKillEvery, p.pauseEvery, p.holdLogEvery = 2*time.Second, time.Hour, time.Hour, time.Hour
		return p
	}
	restless := calm(mariaDB(), 1000)
	restless.serverKillEvery = 300 * time.Millisecond
	tests := []struct {
		engine, broken, finds string
		plan                  plan
	}{
		{"sqlite", markBefore, "acknowledged events without an effect", calm(sqliteEngine(), 3000)},
		{"postgres", markAfter, "events with more than one effect", calm(postgreSQL(), 1000)},
		{"sqlite", unfenced, "events with more than one effect", quietPlan(sqliteEngine())},
		{"mariadb", early, "acknowledged events without an effect", quietPlan(mariaDB())},
		{"postgres", impatient, "acknowledged events without an effect", quietPlan(postgreSQL())},
		{"mariadb", hasty, "acknowledged events without an effect", restless},
		{"sqlite", careless, "acknowledged events without an effect", calm(sqliteEngine(), 3000)},
	}
	for _, tt := range tests {
		t.Run(tt.engine+" "+tt.broken, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			err := torture(untilSignal(t), tt.engine, tt.plan, *seed, tt.broken, &out)
			checkFound(t, err, out.String(), tt.finds)
		})
	}
}

func TestOutage_BrokenServerIsFound(t *testing.T) {
	t.Parallel()
	tests := []struct{ engine, outage, broken, finds string }{
		{"sqlite", "dependency away", countsAll, "events that died though their work does not fail"},
		{"postgres", "database away", countsOutages, "events that died though their work does not fail"},
		{"sqlite", "dependency away", countsNone, "events whose work always fails that are not dead"},
		{"postgres", "failover", keeping, "events or copies that were never acknowledged"},
	}
	for _, tt := range tests {
		t.Run(tt.engine+" "+tt.broken, func(t *testing.T) {
			t.Parallel()
			i := slices.IndexFunc(others, func(o outage) bool { return o.title == tt.outage })
			var out bytes.Buffer
			err := bear(untilSignal(t), others[i:i+1], tt.engine, *seed, tt.broken, 30*time.Second, &out)
			checkFound(t, err, out.String(), tt.finds)
		})
	}
}

// checkFound checks that the books do not balance, and why.
func checkFound(t *testing.T, err error, report, finds string) {
	t.Helper()
	if !errors.Is(err, errImbalance) {
		t.Errorf("got %v, want %v\n%s", err, errImbalance, report)
	}
	if found := lineOf(report, finds); found == "" || strings.HasSuffix(found, " 0") {
		t.Errorf("the report lacks a count of %q:\n%s", finds, report)
	} else {
		t.Log(found)
	}
}

// smallPlan is a plan for the tests of the torture itself.
func smallPlan(e *engine) plan {
	p := shortPlan(e)
	p.deliveries, p.serverKills, p.databaseKills, p.cuts = 800, 3, 1, 5
	p.atOnce = 20
	if !e.hasServer() {
		p = p.oneProcess(e)
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
	small := smallPlan(sqliteEngine())
	small.deliveries, small.serverKills, small.limit = 100, 0, 3*time.Second
	for title, spoil := range map[string]func(p *plan){
		"kills of servers":     func(p *plan) { p.serverKills = 1_000_000 },
		"kills of nodes":       func(p *plan) { p.databaseKills = 1 },
		"nodes cut off":        func(p *plan) { p.cutOffs = 1 },
		"COMMITs that are cut": func(p *plan) { p.cuts = 1 },
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			p := small
			spoil(&p)
			var out bytes.Buffer
			err := torture(untilSignal(t), "sqlite", p, 1, "", &out)
			if !errors.Is(err, errImbalance) || !strings.Contains(out.String(), "NOT ALL OF IT WAS DONE IN TIME") {
				t.Errorf("got %v, want %v\n%s", err, errImbalance, out.String())
			}
		})
	}
}
