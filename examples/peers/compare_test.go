package peers_test

import (
	"slices"
	"testing"
	"time"
)

// compare measures ours as any benchmark does, and then both in turns. It reports the
// ratio, the time of their fastest turn, and their allocations.
func compare(b *testing.B, ours, theirs func()) {
	b.Helper()
	b.ReportAllocs()
	for b.Loop() {
		ours()
	}
	const pairs = 101
	n := turn(theirs)
	ratios, fastest := make([]float64, pairs), time.Hour
	for i := range ratios {
		their := batch(theirs, n)
		our := batch(ours, n)
		ratios[i] = float64(our) / float64(their)
		fastest = min(fastest, their)
	}
	slices.Sort(ratios)
	b.ReportMetric(ratios[pairs/2], "x-peer")
	b.ReportMetric(float64(fastest)/float64(n), "peer-ns/op")
	b.ReportMetric(testing.AllocsPerRun(10, theirs), "peer-allocs/op")
}

// turn returns how many calls of f take two milliseconds, at least one.
func turn(f func()) int {
	n := 1
	for batch(f, n) < 2*time.Millisecond {
		n *= 2
	}
	return n
}

func batch(f func(), n int) time.Duration {
	start := time.Now()
	for range n {
		f()
	}
	return time.Since(start)
}
