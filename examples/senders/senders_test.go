package senders_test

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hookonce/hookonce/examples/internal/hooktest"
	"github.com/hookonce/hookonce/hmacverify"
)

var large = flag.Bool("large", false, "test the packages in testdata/large, which are large to download")

// An sdk is a sender's own package.
type sdk struct {
	name    string // of the npm package, and a word if it has two schemes
	scheme  hmacverify.Scheme
	key     string // of both sides; default textKey
	private string // the sender's, if it has another
	url     string // of the endpoint, if it is signed
	signs   bool   // all packages verify

	// header is what a delivery must have and the Signer does not set.
	header http.Header

	// body returns a delivery with a text in it that the signature covers. Default
	// jsonBody.
	body func(text string) []byte

	// not are the kinds of bodies that the package refuses, though genuine, and
	// notSigned those that it does not sign as they are.
	not, notSigned []string
}

const (
	textKey   = "key of the test ß"
	base64Key = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	hexKey    = "44782def547aaa06c910c43932b1eb0c71fc68d9d0c057550c48ec2acf6ba056"
)

// The texts say which byte is altered on the way: the first of "original".
var kinds = []struct {
	name string
	body func(of func(string) []byte) []byte
}{
	{"plain", func(of func(string) []byte) []byte { return of("original") }},
	{"emoji", func(of func(string) []byte) []byte { return of("original 👩‍👩‍👧 Zoë") }},
	{"U+2028", func(of func(string) []byte) []byte { return of("original \u2028 \u2029") }},
	{"trailing newline", func(of func(string) []byte) []byte { return append(of("original"), '\n') }},
	{"1 MiB", func(of func(string) []byte) []byte {
		return of("original" + strings.Repeat("x", 1<<20-len(of("original"))))
	}},
	// JSON that no package writes like this.
	{"rendered otherwise", func(of func(string) []byte) []byte {
		return bytes.Replace(of("original"), []byte(`,"`), []byte(` , "n":1.50,"u":"\u00e9\/","`), 1)
	}},
	{"empty", func(func(string) []byte) []byte { return nil }},
}

// jsonBody has what one or another package looks for in a body.
func jsonBody(text string) []byte {
	return fmt.Appendf(nil, `{"id":"evt_1","type":"storageUpdated","event":{"id":"1"},"events":[],"webhookTimestamp":%d,"text":"%s"}`,
		time.Now().UnixMilli(), text)
}

// TestSDKs delivers bodies of all kinds in both directions.
func TestSDKs(t *testing.T) {
	t.Parallel()
	packages, dir := small(), "testdata"
	if *large {
		packages, dir = big(), "testdata/large"
	}
	checkPackages(t, packages, dir)
	node := startNode(t, packages, dir)
	receivers := startReceivers(t, packages)
	for _, p := range packages {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			for _, kind := range kinds {
				body := kind.body(p.body)
				t.Run("verifies/"+kind.name, func(t *testing.T) {
					check(t, !slices.Contains(p.not, kind.name), func(altered bool) (int, string) {
						return p.deliver(t, node, body, altered)
					})
				})
				if p.signs {
					t.Run("signs/"+kind.name, func(t *testing.T) {
						check(t, !slices.Contains(p.notSigned, kind.name), func(altered bool) (int, string) {
							return p.order(t, node, receivers, body, altered)
						})
					})
				}
			}
		})
	}
}

// alter changes one byte, or adds one where there is none. What was JSON still is.
func alter(body []byte) []byte {
	if len(body) == 0 {
		return []byte(" ")
	}
	return bytes.Replace(body, []byte("original"), []byte("Original"), 1)
}

// deliver signs a body with our Signer and delivers it to the package. What the Signer
// refuses counts as refused by the receiver.
func (p *sdk) deliver(t *testing.T, node string, body []byte, altered bool) (status int, why string) {
	t.Helper()
	signer, err := hmacverify.NewSigner(p.scheme, &hmacverify.Options{URL: p.url}, cmp.Or(p.private, p.key))
	if err != nil {
		t.Fatal(err)
	}
	r, err := signer.NewRequest(t.Context(), node+"/verify/"+p.path(), p.header, body)
	if err != nil {
		return http.StatusBadRequest, err.Error()
	}
	if altered {
		sent := alter(body)
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(sent)), int64(len(sent))
	}
	return do(t, r)
}

// order has the package sign a body and deliver it to our Verifier.
func (p *sdk) order(t *testing.T, node, receivers string, body []byte, altered bool) (status int, why string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, node+"/sign/"+p.path(), bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	maps.Copy(r.Header, p.header)
	r.Header.Set("Deliver-To", receivers+"/"+p.path())
	if altered {
		r.Header.Set("Altered", "yes")
	}
	return do(t, r)
}

// path is the name in a URL.
func (p *sdk) path() string { return strings.ReplaceAll(p.name, " ", "-") }

func do(t *testing.T, r *http.Request) (status int, why string) {
	t.Helper()
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, strings.TrimSpace(string(body))
}

// check sends a delivery as it is and altered. What a package cannot take must be
// refused: the lists of those must not outlive their reasons.
func check(t *testing.T, takes bool, send func(altered bool) (status int, why string)) {
	t.Helper()
	switch got, why := send(false); {
	case !takes && got/100 != 4:
		t.Errorf("got %d, want a refusal: the package takes such bodies now", got)
	case !takes:
		return
	case got != http.StatusOK:
		t.Errorf("got %d (%s), want 200", got, why)
	}
	if got, why := send(true); got != http.StatusUnauthorized {
		t.Errorf("altered: got %d (%s), want 401", got, why)
	}
}

// startReceivers starts a server with a Verifier for each package that signs.
func startReceivers(t *testing.T, packages []sdk) (url string) {
	t.Helper()
	mux := http.NewServeMux()
	ok := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	for _, p := range packages {
		verifier, err := hmacverify.New(p.scheme, &hmacverify.Options{URL: p.url, ErrorHandler: showReason}, p.key)
		if err != nil {
			t.Fatal(err)
		}
		mux.Handle("/"+p.path(), verifier.Handler(ok))
	}
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

func showReason(w http.ResponseWriter, _ *http.Request, err error) {
	http.Error(w, err.Error(), hmacverify.Status(err))
}

// startNode starts the server that has the packages.
func startNode(t *testing.T, packages []sdk, dir string) (url string) {
	t.Helper()
	configuration := map[string]any{}
	for _, p := range packages {
		configuration[p.path()] = map[string]string{"secret": p.key, "url": p.url}
	}
	argument, err := json.Marshal(configuration)
	if err != nil {
		t.Fatal(err)
	}
	cmd := hooktest.Node(t, dir, "testdata/server.cjs", string(argument))
	cmd.Stderr = t.Output()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdin, err := cmd.StdinPipe() // its end ends the server, even if this process is killed
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		cmd.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("node ends without an address: %v", err)
	}
	return strings.TrimSpace(line)
}

// checkPackages prints the versions in the lock file, and checks that all packages
// that are asked for are tested.
func checkPackages(t *testing.T, packages []sdk, dir string) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(dir, "package-lock.json"))
	if err != nil {
		t.Fatal(err)
	}
	var lock struct {
		Packages map[string]struct {
			Version      string
			Dependencies map[string]string
		}
	}
	if err := json.Unmarshal(content, &lock); err != nil {
		t.Fatal(err)
	}
	wanted := lock.Packages[""].Dependencies
	for _, p := range packages {
		direction := "verifies"
		if p.signs {
			direction = "verifies and signs"
		}
		name, _, _ := strings.Cut(p.name, " ")
		t.Logf("%s %s: %s, scheme %s", name, lock.Packages["node_modules/"+name].Version, direction, p.scheme.Name)
		delete(wanted, name)
	}
	if len(wanted) > 0 {
		t.Errorf("in %s, and not tested: %v", dir, slices.Sorted(maps.Keys(wanted)))
	}
}
