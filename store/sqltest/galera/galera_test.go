package galera_test

import "testing"

// TestGalera starts one cluster for all tests, because that takes seconds.
func TestGalera(t *testing.T) {
	c := newCluster(t)
	for _, test := range []struct {
		name string
		f    func(*testing.T, *cluster)
	}{
		{"an abort by another node is swallowed", testAbortIsSwallowed},
		{"a run starts again after an abort by another node", testRunAborted},
		{"a transaction of the caller's is refused where statements are prepared", testOwnTx},
		{"CompleteTx after an abort by another node", testCompleteAborted},
		{"the contract of stores", testContract},
		{"the books of runs", testRuns},
		{"the books of an inbox", testInbox},
		{"the books of ClaimTx", testClaimTx},
		{"the books of CompleteTx", testCompleteTx},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.f(t, c.in(t))
		})
	}
}
