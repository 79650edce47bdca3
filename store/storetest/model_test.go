package storetest_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/memstore"
)

// The model check runs the real runner on a real store through every order in
// which three deliveries of one event can take their steps, with crashes, ends
// of leases, failures and lost answers at every point, within a budget. After
// each step, and after the sender's last redelivery, it looks for
//
//   - a lost event: a delivery was acknowledged without an effect, or the event
//     can never be finished;
//   - a double effect, if effects are committed together with completions.
//
// Nothing is random: a path is a list of choices, and all are tried, except that a
// path ends where it comes to a state that another one has been in.

const modelLease = 10 * time.Minute // much longer than the runner's own pauses

// A model is what is checked.
type model struct {
	name     string
	newStore func() lease.Store

	// withCompletion says that the effect is committed together with the
	// completion, as on one transaction; otherwise it stands at once.
	withCompletion bool

	leaseEnds int // how often the time of a lease may pass

	want string // part of the flaw that must be found; "" if none
}

func models() []model {
	sound := func() lease.Store { return new(memstore.Store) }
	broken := func(f flaw) func() lease.Store {
		return func() lease.Store { return newFlawed(f) }
	}
	const twice, lost, early = "the effect stands twice", "can never be finished", "without an effect"
	ends := 2
	if raceEnabled {
		ends = 1 // a tenth of the paths, as each takes ten times as long
	}
	return []model{
		{name: "lease completed in a transaction", newStore: sound, withCompletion: true, leaseEnds: ends},
		{name: "lease", newStore: sound, leaseEnds: ends},

		// What the fence is for, and that the check sees it missing.
		{name: "complete without a fence", newStore: broken(unfencedComplete), withCompletion: true, leaseEnds: 2, want: twice},
		{name: "release without a fence", newStore: broken(unfencedRelease), withCompletion: true, leaseEnds: 2, want: twice},
		{name: "done records that are stolen", newStore: broken(stealsDone), withCompletion: true, leaseEnds: 1, want: twice},
		{name: "leases without end", newStore: broken(leaseNeverEnds), withCompletion: true, leaseEnds: 1, want: lost},
		{name: "marked as done before the work", newStore: func() lease.Store { return marksFirst{sound()} }, leaseEnds: 1, want: early},

		// A renewal without a fence only wastes work, as completion has one.
		{name: "renew without a fence", newStore: broken(unfencedRenew), withCompletion: true, leaseEnds: 1},
	}
}

func TestModel(t *testing.T) {
	for _, m := range models() {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				paths, err := m.explore(t.Context())
				switch {
				case m.want == "" && err != nil:
					t.Errorf("path %d: %v", paths, err)
				case m.want != "" && (err == nil || !strings.Contains(err.Error(), m.want)):
					t.Errorf("in %d paths: %v, want to find that %q", paths, err, m.want)
				default:
					t.Logf("%d paths; found: %v", paths, err)
				}
			})
		})
	}
}

// explore tries all paths until one shows a flaw, and returns how many it took.
func (m model) explore(ctx context.Context) (paths int, err error) {
	seen := map[string]bool{}
	for p := new(path); p != nil; p = p.next() {
		paths++
		w := m.newWorld()
		err := w.walk(ctx, p, seen)
		w.stop()
		if err != nil {
			return paths, fmt.Errorf("%w, after:\n%s", err, strings.Join(p.steps, "\n"))
		}
	}
	return paths, nil
}

// A path is a sequence of choices among the steps that are possible.
type path struct {
	choices, options []int
	planned, depth   int
	steps            []string // as they were taken, for people
}

// isNew reports whether no other path was where this one is.
func (p *path) isNew() bool { return p.depth >= p.planned }

// choose takes one of n steps: as planned, or the first.
func (p *path) choose(steps []step) step {
	if p.depth == len(p.choices) {
		p.choices = append(p.choices, 0)
		p.options = append(p.options, len(steps))
	}
	s := steps[p.choices[p.depth]]
	p.depth++
	p.steps = append(p.steps, s.name)
	return s
}

// next returns the path that differs in the last choice that can be another one,
// and nil if there is none.
func (p *path) next() *path {
	for i := len(p.choices) - 1; i >= 0; i-- {
		if p.choices[i]+1 < p.options[i] {
			return &path{
				choices: append(slices.Clone(p.choices[:i]), p.choices[i]+1),
				options: slices.Clone(p.options[:i+1]),
				planned: i + 1,
			}
		}
	}
	return nil
}
