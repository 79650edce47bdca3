package steptest_test

import (
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hookonce/hookonce/sessionstep/steptest"
)

// A service that keeps the contract passes, so what is caught below is the flaw.
func TestRun_Flawless(t *testing.T) {
	t.Parallel()
	got := steptest.Failures(t, func() steptest.Service { return newFlawed(none).service() })
	if diff := cmp.Diff(map[string]string{}, got); diff != "" {
		t.Errorf("failures of a service without a flaw (-want +got):\n%s", diff)
	}
	steptest.Run(t, func(*testing.T) steptest.Service { return newFlawed(none).service() })
}

func TestRun_EveryFlawIsCaught(t *testing.T) {
	var mu sync.Mutex
	catches := map[string]int{}
	t.Run("service", func(t *testing.T) {
		for _, tt := range caughtBy {
			t.Run(string(tt.flaw), func(t *testing.T) {
				t.Parallel()
				failures := steptest.Failures(t, func() steptest.Service { return newFlawed(tt.flaw).service() })
				said, caught := failures[tt.check]
				if !caught {
					t.Errorf("not caught by the check %q; by others: %q", tt.check, failures)
				}
				t.Logf("caught by %d checks; %s: %s", len(failures), tt.check, said)
				mu.Lock()
				defer mu.Unlock()
				for name := range failures {
					catches[name]++
				}
			})
		}
	})
	for _, name := range steptest.CheckNames() {
		if catches[name] == 0 {
			t.Errorf("the check %q has caught nothing: it may not be able to fail", name)
		}
	}
}

// A hook that is missing is an error that says the way out, not a check that is left
// out in silence.
func TestRun_MissingHook(t *testing.T) {
	t.Parallel()
	for hook, remove := range map[string]func(*steptest.Service){
		"Submitter":      func(s *steptest.Service) { s.Submitter = nil },
		"Create":         func(s *steptest.Service) { s.Create = nil },
		"Close":          func(s *steptest.Service) { s.Close = nil },
		"Read":           func(s *steptest.Service) { s.Read = nil },
		"InTx":           func(s *steptest.Service) { s.InTx = nil },
		"NoTransactions": func(s *steptest.Service) { s.NoTransactions = true },
	} {
		failures := steptest.Failures(t, func() steptest.Service {
			s := newFlawed(none).service()
			remove(&s)
			return s
		})
		for _, name := range steptest.CheckNames() {
			if !strings.Contains(failures[name], "steptest: Service."+hook) && !strings.Contains(failures[name], "so is "+hook) {
				t.Errorf("without %s, the check %q says: %q", hook, name, failures[name])
			}
		}
	}
}

// TestVictim is what TestRun_Says runs.
func TestVictim(t *testing.T) {
	f := os.Getenv("STEPTEST_FLAW")
	if f == "" {
		t.Skip("runs in a process of its own")
	}
	steptest.Run(t, func(*testing.T) steptest.Service {
		s := newFlawed(flaw(f)).service()
		s.InTx, s.NoTransactions, s.NoDetails = nil, true, true
		return s
	})
}

// Run says why a failure matters, and lists what it has not checked.
func TestRun_Says(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(os.Args[0], "-test.run=^TestVictim$/(the_same_key|details|transaction)", "-test.v")
	cmd.Env = append(os.Environ(), "STEPTEST_FLAW="+string(keyOfSession))
	out, err := cmd.CombinedOutput()
	if err == nil {
		t.Errorf("a flawed service passes:\n%s", out)
	}
	for _, want := range []string{
		"--- FAIL: TestVictim/the_same_key_to_another_step_is_a_submission_of_its_own",
		"why it matters: A sender that numbers its results within each step",
		"--- PASS: TestVictim/the_same_key_in_another_session_is_a_submission_of_its_own",
		"not checked: Service.NoDetails is set",
		"--- SKIP: TestVictim/details_are_kept_byte_for_byte",
		"not checked: Service.NoTransactions is set",
		"--- SKIP: TestVictim/a_submission_in_a_transaction_is_there_after_the_commit",
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the output lacks %q:\n%s", want, out)
		}
	}
}
