package torture

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// report prints what was done and the balance.
func (r *run) report(b *books, lines []*line) {
	out := r.out
	fmt.Fprintf(out, "%s, %v, seed %d\n", r.database.name, time.Since(r.start).Round(100*time.Millisecond), r.seed)
	t := r.sender.tally
	fmt.Fprintf(out, "  did: %d events in %d deliveries to %s, which were killed %d times, and paused for longer than a lease %d times\n",
		len(b.events), t.total.Load(), r.fleet, r.serverKills.Load(), r.serverPauses.Load())
	if r.proxy != nil {
		commits, statements, by := r.proxy.counted()
		killed := fmt.Sprintf("database killed %d times", r.databaseKills.Load())
		if r.size > 1 {
			killed = fmt.Sprintf("a node of %d killed %d times, and cut off from the others %d times", r.size, r.databaseKills.Load(), r.cutOffs.Load())
		}
		fmt.Fprintf(out, "       %s, and away for %v; network slow or stalled %d times\n",
			killed, time.Duration(r.away.Load()).Round(100*time.Millisecond), r.holdUps.Load())
		fmt.Fprintf(out, "       %d commits cut (%s), %d other statements\n", commits, counts(by, cutNames[cutStanding]), statements)
	}
	if r.logPath != "" {
		fmt.Fprintf(out, "       log held back %d times, and the process that writes it killed meanwhile %d times\n",
			r.logHolds.Load(), r.heldKills.Load())
	}
	fmt.Fprintf(out, "       handlers of %d events hung, of which those of %d did their work when it was too late\n",
		r.outside.hung.count(), r.outside.returned.count())
	_, repeated := r.outside.effects()
	fmt.Fprintf(out, "       %d old records to purge; the system outside received %d requests again, and recognized the key\n",
		r.oldRecords.Load(), repeated)
	fmt.Fprintf(out, "  answers: %s\n", counts(t.answers, ""))
	for _, l := range lines {
		fmt.Fprintf(out, "  %s\n", l)
	}
	verdict := "the books balance"
	switch {
	case !balanced(lines):
		verdict = "THE BOOKS DO NOT BALANCE"
	case !r.fulfilled():
		verdict = "NOT ALL OF IT WAS DONE IN TIME"
	}
	fmt.Fprintf(out, "  %s\n\n", verdict)
}

// counts formats numbers by name, except for one name.
func counts(of map[string]int, without string) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(of)) {
		if name != without {
			parts = append(parts, fmt.Sprintf("%d × %s", of[name], name))
		}
	}
	return strings.Join(parts, ", ")
}
