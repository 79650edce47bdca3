package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
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
	sender := installSender(t)
	out := command(t, filepath.Dir(sender), "node", sender, p.URL+"/webhooks", secret)
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

// installSender installs the library beside the sender, in a temporary directory, and
// returns the sender's path.
func installSender(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata")); err != nil {
		t.Fatal(err)
	}
	command(t, dir, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	return filepath.Join(dir, "sender.cjs")
}

// command runs a program and returns what it prints. Without the program the test
// fails.
func command(t *testing.T, dir, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s%s", name, err, stdout.String(), stderr.String())
	}
	return stdout.Bytes()
}

func TestStandardWebhooks_ConcurrentDuplicates(t *testing.T) {
	t.Parallel()
	p := hooktest.Start(t, nil)
	hooktest.CheckOnce(t, p.Try(t, "-n", "10"), 10, 200, 200)
	hooktest.See(t, p.URL+"/events", "msg_1 user.created")
}
