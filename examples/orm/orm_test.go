package main

import (
	"testing"

	"github.com/hookonce/hookonce/examples/internal/hooktest"
	"github.com/hookonce/hookonce/hmacverify/preset"
)

func TestMain(m *testing.M) { hooktest.Main(m, main) }

func start(t *testing.T) (*hooktest.Process, *hooktest.Sender) {
	t.Helper()
	p := hooktest.Start(t, nil)
	return p, hooktest.NewSender(t, preset.XSignature256(), p.URL+"/webhooks", "example") // as in the doc comment
}

func TestORM_Duplicate(t *testing.T) {
	t.Parallel()
	p, s := start(t)
	s.Send(t, `{"eventId":"evt_1","owner":"bob","cents":100}`).Want(t, 200, "")
	s.Send(t, `{"eventId":"evt_1","owner":"bob","cents":100}`).Want(t, 409, "duplicate")
	hooktest.See(t, p.URL+"/owners/bob", "1 payments, 100 cents")
}

// The payment is stored before the credit fails.
func TestORM_SqlcFails(t *testing.T) {
	t.Parallel()
	p, s := start(t)
	event := `{"eventId":"evt_1","owner":"bob","cents":1000000}`
	s.Send(t, event).Want(t, 500, "failed")
	s.Send(t, event).Want(t, 500, "failed") // and not a duplicate
	hooktest.See(t, p.URL+"/owners/bob", "0 payments, 0 cents")
}

func TestORM_GormFails(t *testing.T) {
	t.Parallel()
	p, s := start(t)
	s.Send(t, `{"eventId":"evt_1","owner":"bob","cents":-1}`).Want(t, 500, "failed")
	s.Send(t, `{"eventId":"evt_1","owner":"bob","cents":1}`).Want(t, 200, "")
	hooktest.See(t, p.URL+"/owners/bob", "1 payments, 1 cents")
}

func TestORM_ConcurrentDuplicates(t *testing.T) {
	t.Parallel()
	p := hooktest.Start(t, nil)
	hooktest.CheckOnce(t, p.Try(t, "-n", "20"), 20, 200, 409)
	hooktest.See(t, p.URL+"/owners/alice", "1 payments, 1000 cents")
	p.Stop(t)
}
