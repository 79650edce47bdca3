// Command rotation changes the secret of an endpoint without a restart, and
// without refusing one delivery.
//
//	go -C examples run ./rotation
//
// The secrets are the lines of a file, the newest first. It prints the file's
// name and a command that sends. To rotate:
//
//  1. Put the new secret on a line before the old one. Both are good now.
//  2. Give the new one to the sender.
//  3. When no delivery was signed with the old one for as long as the sender
//     comes again, delete its line.
//
// Each answer says which it was, and so does each delivery's Key.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"strings"
	"sync"

	"github.com/hookonce/hookonce/examples/internal/local"
	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/store/memstore"
)

func main() {
	file := flag.String("secrets", "", "read the secrets from this `file`; default: one that is made up")
	local.Main(func(m *local.Machine) (http.Handler, error) {
		if *file == "" {
			*file = m.Path("secrets")
			secret := m.Secret("WEBHOOK_SECRET")
			if err := os.WriteFile(*file, []byte(secret+"\n"), 0o600); err != nil {
				return nil, err
			}
			m.Try("-secret", secret, "-url", m.URL+"/webhooks")
		}
		fmt.Println("file:", *file)
		return newHandler(&rotating{file: *file})
	})
}

func newHandler(keys *rotating) (http.Handler, error) {
	if _, err := keys.verifier(); err != nil {
		return nil, err
	}
	once := &idempotency.Middleware{Runner: &idempotency.Leased{Store: new(memstore.Store)}}
	mux := http.NewServeMux()
	mux.Handle("POST /webhooks", keys.Handler(once.Handler(http.HandlerFunc(receive))))
	return mux, nil
}

func receive(w http.ResponseWriter, r *http.Request) {
	d, _ := hmacverify.FromContext(r.Context())
	if d.Key > 0 {
		log.Printf("signed with secret %d: the sender has not finished its rotation", d.Key)
	}
	fmt.Fprintln(w, "signed with secret", d.Key)
}

// rotating verifies with whatever secrets are in its file at the time. Reading a
// small file costs less than the network; with a secret manager, ask it every
// minute instead.
type rotating struct {
	file string

	mu      sync.Mutex
	content []byte
	current *hmacverify.Verifier
}

// Handler is that of a Verifier, which does not change while a request is on its
// way through it.
func (k *rotating) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v, err := k.verifier()
		if err != nil {
			log.Print(err)
		}
		v.Handler(next).ServeHTTP(w, r)
	})
}

// verifier returns the verifier for what is in the file now. If that is no good
// it also returns the error, and the last one that was.
func (k *rotating) verifier() (*hmacverify.Verifier, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	content, err := os.ReadFile(k.file)
	if err != nil {
		return k.current, err
	}
	if k.current != nil && bytes.Equal(content, k.content) {
		return k.current, nil
	}
	v, err := hmacverify.New(preset.XSignature256(), nil, strings.Fields(string(content))...)
	if err != nil {
		return k.current, err
	}
	k.content, k.current = content, v
	return v, nil
}
