package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hookonce/hookonce/examples/internal/hooktest"
)

func TestMain(m *testing.M) { hooktest.Main(m, main) }

func TestDownstream_ConcurrentDuplicates(t *testing.T) {
	t.Parallel()
	p := hooktest.Start(t, nil)
	hooktest.CheckOnce(t, p.Try(t, "-n", "10"), 10, 200, 409)
	hooktest.See(t, p.URL+"/service/payments", "1000 to alice")
	p.Stop(t)
}

func TestDownstream_LostResponse(t *testing.T) {
	t.Parallel()
	p := hooktest.Start(t, []string{"-lose-responses"})
	for _, want := range []hooktest.Outcome{
		{Status: 500, Code: "failed", Count: 1},
		{Status: 200, Count: 1},
		{Status: 409, Code: "duplicate", Count: 1},
	} {
		if diff := cmp.Diff([]hooktest.Outcome{want}, p.Try(t)); diff != "" {
			t.Errorf("responses (-want +got)\n%s", diff)
		}
		hooktest.See(t, p.URL+"/service/payments", "1000 to alice")
	}
}
