package main

import (
	"testing"

	"github.com/hookonce/hookonce/examples/internal/hooktest"
	"github.com/hookonce/hookonce/hmacverify/preset"
)

func TestMain(m *testing.M) { hooktest.Main(m, main) }

const secret = "example" // as in the doc comment

// start starts the example and returns a sender to it.
func start(t *testing.T) (*hooktest.Process, *hooktest.Sender) {
	t.Helper()
	p := hooktest.Start(t, nil)
	return p, hooktest.NewSender(t, preset.GitHub(), p.URL+"/webhooks/github", secret)
}

const push = `{"ref":"refs/heads/main","after":"1a2b","repository":{"full_name":"octo/cat"}}`

func TestGitHub_RedeliveryUnderAnotherID(t *testing.T) {
	t.Parallel()
	p, s := start(t)
	s.SendID(t, "X-GitHub-Delivery", "1", push).Want(t, 200, "")
	s.SendID(t, "X-GitHub-Delivery", "1", push).Want(t, 200, "duplicate")
	s.SendID(t, "X-GitHub-Delivery", "2", push).Want(t, 200, "duplicate")
	hooktest.See(t, p.URL+"/pushes", "octo/cat refs/heads/main 1a2b")
}

func TestGitHub_Forgery(t *testing.T) {
	t.Parallel()
	p, _ := start(t)
	hooktest.NewSender(t, preset.GitHub(), p.URL+"/webhooks/github", "guessed").Send(t, push).Want(t, 401, "")
	hooktest.See(t, p.URL+"/pushes", "")
}

func TestGitHub_Ping(t *testing.T) {
	t.Parallel()
	p, s := start(t)
	s.Send(t, `{"zen":"Keep it logically awesome."}`).Want(t, 200, "")
	s.Send(t, `{"zen":`).Want(t, 400, "failed")
	hooktest.See(t, p.URL+"/pushes", "")
}

func TestGitHub_ConcurrentDuplicates(t *testing.T) {
	t.Parallel()
	p := hooktest.Start(t, nil)
	hooktest.CheckOnce(t, p.Try(t, "-n", "20"), 20, 200, 200)
	hooktest.See(t, p.URL+"/pushes", "octo/cat refs/heads/main 1a2b3c")
	p.Stop(t)
}
