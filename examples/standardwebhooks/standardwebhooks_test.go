package main

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hookonce/hookonce/examples/internal/hooktest"
)

func TestMain(m *testing.M) { hooktest.Main(m, main) }

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" // as in the doc comment

// The sender is one that we did not write: the official JavaScript library.
func TestStandardWebhooks_OfficialLibrary(t *testing.T) {
	t.Parallel()
	p := hooktest.Start(t, nil)
	sender := hooktest.Node(t, "../senders/testdata", "testdata/sender.cjs", p.URL+"/webhooks", secret)
	sender.Stderr = t.Output()
	out, err := sender.Output()
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]string
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	want := map[string]string{
		"the first delivery":    "200",
		"a retry, signed again": "200 duplicate",
		"another event":         "200",
		"an altered body":       "401",
		"another secret":        "401",
		"an hour ago":           "401",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("responses (-want +got)\n%s", diff)
	}
	hooktest.See(t, p.URL+"/events", "msg_1 user.created\nmsg_2 user.created")
	p.Stop(t)
}

func TestStandardWebhooks_ConcurrentDuplicates(t *testing.T) {
	t.Parallel()
	p := hooktest.Start(t, nil)
	hooktest.CheckOnce(t, p.Try(t, "-n", "10"), 10, 200, 200)
	hooktest.See(t, p.URL+"/events", "msg_1 user.created")
}
