package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// A plan is what is to be measured.
type plan struct {
	postgres, mariadb string
	only              []string
	conns             []int
	slice             time.Duration
	rounds            int
	records           []int // that the tables are to hold; nil: whatever comes
	svg               string
	known             int // events that are delivered before anything is measured
}

// A result is what was measured of a way with a number of connections.
type result struct {
	group, way string
	duplicates bool
	conns      int
	slices     []slice
	ratios     []float64 // of its rate to that of the way by hand, round by round
	cpu        []float64 // likewise
	count      count     // of a delivery
}

func (r *result) kind() string {
	if r.duplicates {
		return "duplicates"
	}
	return "new events"
}

// of is the median of what f tells of each slice.
func (r *result) of(f func(s slice) float64) float64 {
	values := make([]float64, len(r.slices))
	for i, s := range r.slices {
		values[i] = f(s)
	}
	return median(values)
}

func (r *result) rate() float64 { return r.of(func(s slice) float64 { return s.rate }) }

func cpuMicros(s slice) float64 { return float64(s.cpu) / 1e3 }
func p50(s slice) float64       { return float64(s.p50) / 1e6 } // milliseconds, as the next
func p99(s slice) float64       { return float64(s.p99) / 1e6 }
func p999(s slice) float64      { return float64(s.p999) / 1e6 }

// spread is the lowest and the highest ratio.
func (r *result) spread() string {
	return fmt.Sprintf("(%.2f, %.2f)", slices.Min(r.ratios), slices.Max(r.ratios))
}

// memory is the megabytes of the server after the first slice, at most, and after the last.
func (r *result) memory() string {
	most := slices.MaxFunc(r.slices, func(a, b slice) int { return cmp.Compare(a.memory, b.memory) })
	return fmt.Sprintf("%d, %d, %d", r.slices[0].memory>>20, most.memory>>20, r.slices[len(r.slices)-1].memory>>20)
}

// A reporter says what is being done: on a terminal in one line that changes.
type reporter struct {
	out      io.Writer
	terminal bool
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

func (r *reporter) step(format string, args ...any) {
	if r.terminal {
		_, _ = fmt.Fprintf(r.out, "\r\x1b[K"+format, args...)
	}
}

func (r *reporter) line(format string, args ...any) {
	r.step("")
	_, _ = fmt.Fprintf(r.out, format+"\n", args...)
}

// run measures, and prints a table of each group to out.
func (p *plan) run(ctx context.Context, out io.Writer, progress *reporter) error {
	if p.records != nil {
		return p.grow(ctx, out, progress)
	}
	var all []*result
	for _, g := range groups() {
		if !p.has(g) {
			continue
		}
		progress.line("%s: %d ways, %d numbers of connections, %d rounds of %v", g.name, len(g.ways), len(p.conns), p.rounds, p.slice)
		results, err := p.group(ctx, g, progress)
		progress.step("")
		if err != nil {
			return fmt.Errorf("%s: %w", g.name, err)
		}
		all = append(all, results...)
		writeTable(out, results)
	}
	if len(all) == 0 {
		return errors.New("there is nothing to measure: look at -groups, -postgres and -mariadb")
	}
	if p.svg != "" {
		return drawChart(p.svg, all)
	}
	return nil
}

func (p *plan) has(g group) bool {
	switch {
	case g.database == "mariadb" && p.mariadb == "", strings.HasPrefix(g.database, "p") && p.postgres == "":
		return false
	case len(p.only) == 0:
		return true
	}
	return slices.ContainsFunc(p.only, func(part string) bool { return strings.Contains(g.name, part) })
}

// group measures the ways of a group in turns.
func (p *plan) group(ctx context.Context, g group, progress *reporter) (results []*result, err error) {
	processes, err := p.startAll(ctx, g)
	defer func() {
		for _, w := range processes {
			err = errors.Join(err, w.stop())
		}
	}()
	if err != nil {
		return nil, err
	}
	counts, err := p.count(ctx, g)
	if err != nil {
		return nil, err
	}
	best, err := p.openFloor(ctx, g)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, best.close()) }()
	for kind, duplicates := range []bool{false, true} {
		for _, conns := range p.conns {
			some := make([]*result, len(processes))
			for i, w := range processes {
				some[i] = &result{group: g.name, way: w.way.name, duplicates: duplicates, conns: conns, count: counts[i][kind]}
			}
			commits := &result{group: g.name, way: commitsAlone, conns: conns, count: count{1, 1, math.NaN(), math.NaN()}}
			for round := range p.rounds {
				for i, w := range processes {
					progress.step("%s, %s, %d connections, round %d of %d: %s", g.name, some[i].kind(), conns, round+1, p.rounds, w.way.name)
					s, err := w.sender.measure(ctx, conns, duplicates, p.slice)
					if err != nil {
						return nil, fmt.Errorf("%s: %w", w.way.name, err)
					}
					some[i].add(s, some[0])
				}
				if duplicates {
					continue
				}
				s, err := best.measure(ctx, conns, p.slice)
				if err != nil {
					return nil, err
				}
				commits.add(s, some[0])
			}
			results = append(results, some...)
			if !duplicates {
				results = append(results, commits)
			}
		}
	}
	return results, checkBooks(ctx, processes, progress)
}

func (r *result) add(s slice, hand *result) {
	r.slices = append(r.slices, s)
	first := hand.slices[len(r.slices)-1]
	r.ratios = append(r.ratios, s.rate/first.rate)
	r.cpu = append(r.cpu, float64(s.cpu)/float64(first.cpu))
}

func (p *plan) startAll(ctx context.Context, g group) (all []*process, err error) {
	for _, w := range g.ways {
		process, err := p.start(ctx, g, w, "")
		if err != nil {
			return all, err
		}
		all = append(all, process)
	}
	return all, nil
}

// checkBooks has the work done of what was accepted, and compares the effects with the
// events.
func checkBooks(ctx context.Context, processes []*process, progress *reporter) error {
	for _, w := range processes {
		if w.way.when == never {
			continue
		}
		u, err := w.sender.usage(ctx, http.MethodPost, "/work")
		if err != nil {
			return fmt.Errorf("%s: %w", w.way.name, err)
		}
		events := w.sender.next.Load()
		if u.Effects != events {
			return fmt.Errorf("%s: %d effects of %d events", w.way.name, u.Effects, events)
		}
		if w.way.when == later {
			progress.line("%s: %d events were accepted, and worked off in %v: %.0f/s", w.way.name, events, u.Took.Round(time.Millisecond), float64(events)/u.Took.Seconds())
		}
	}
	return nil
}

// A count is how much a delivery takes.
// NaN is what could not be counted.
type count struct {
	statements, turns float64
	logBytes, syncs   float64 // of the server's write-ahead log
}

// count delivers some events to the ways through a counter: new ones, and duplicates.
func (p *plan) count(ctx context.Context, g group) ([][2]count, error) {
	counts := make([][2]count, len(g.ways))
	address, err := p.address(g.database)
	if err != nil {
		return nil, err
	}
	for i, w := range g.ways {
		if address == "" {
			nothing := count{math.NaN(), math.NaN(), math.NaN(), math.NaN()}
			counts[i] = [2]count{nothing, nothing}
			continue
		}
		if counts[i], err = p.countOne(ctx, g, w, address); err != nil {
			return nil, fmt.Errorf("%s: %w", w.name, err)
		}
	}
	return counts, nil
}

func (p *plan) countOne(ctx context.Context, g group, w way, address string) (counts [2]count, err error) {
	c, err := newCounter(address, g.database == "mariadb")
	if err != nil {
		return counts, err
	}
	defer c.listener.Close()
	process, err := p.start(ctx, g, w, c.listener.Addr().String())
	if err != nil {
		return counts, err
	}
	defer func() { err = errors.Join(err, process.stop()) }()
	for kind := range counts {
		statements, turns := c.statements.Load(), c.turns.Load()
		logBytes, syncs, err := p.log(ctx, g.database)
		if err != nil {
			return counts, err
		}
		for i := range p.known {
			id := int64(1 + i)
			if kind == 0 {
				id = process.sender.next.Add(1)
			}
			if err := process.sender.deliver(ctx, id); err != nil {
				return counts, err
			}
		}
		n := float64(p.known)
		moreBytes, moreSyncs, err := p.log(ctx, g.database)
		if err != nil {
			return counts, err
		}
		counts[kind] = count{
			float64(c.statements.Load()-statements) / n, float64(c.turns.Load()-turns) / n,
			float64(moreBytes-logBytes) / n, float64(moreSyncs-syncs) / n,
		}
	}
	return counts, nil
}

func writeTable(out io.Writer, results []*result) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	last := ""
	for _, r := range results {
		if title := r.group + ", " + r.kind(); title != last {
			last = title
			_, _ = fmt.Fprintf(w, "\n%s\nconnections\tway\trate/s\tof by hand\t(lowest, highest)\tCPU µs\tof by hand\tp50 ms\tp99\tp99.9\tallocations\tstatements\tround trips\tlog bytes\tsyncs\tmemory MB\t\n", title)
		}
		_, _ = fmt.Fprintf(w, "%d\t%s\t%.0f\t%.2f\t%s\t%.0f\t%.2f\t%.2f\t%.2f\t%.2f\t%.0f\t%s\t%s\t%s\t%s\t%s\t\n", r.conns, r.way,
			r.rate(), median(r.ratios), r.spread(), r.of(cpuMicros), median(r.cpu), r.of(p50), r.of(p99), r.of(p999),
			r.of(func(s slice) float64 { return s.mallocs }), number(r.count.statements), number(r.count.turns), number(r.count.logBytes), number(r.count.syncs), r.memory())
	}
	_ = w.Flush()
}

func number(f float64) string {
	if math.IsNaN(f) {
		return "–"
	}
	return fmt.Sprintf("%.1f", f)
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}
