// Command rotation changes the secret of an endpoint without a restart and without
// refusing a delivery.
//
//	echo first > /tmp/secrets && go -C examples run ./rotation -secrets /tmp/secrets
//
// Send it an event from another terminal; the server logs which secret signed it:
//
//	go run ./hmacverify/send -secret first -url http://127.0.0.1:8080/webhooks
//
// The secrets are the lines of the file, newest first. To rotate:
//
//  1. Put the new secret on a line before the old one. Both are valid now.
//  2. Give the new one to the sender.
//  3. When no delivery was signed with the old one for as long as the sender retries,
//     delete its line.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/memstore"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "listen on this `address`")
	secrets := flag.String("secrets", "", "read the secrets from this `file`")
	flag.Parse()
	if err := run(*addr, *secrets); err != nil {
		log.Fatal(err)
	}
}

func run(addr, secrets string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	handler, err := newHandler(secrets)
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      45 * time.Second, // longer than the work may take
		IdleTimeout:       2 * time.Minute,
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	fmt.Printf("listening on http://%s\n", listener.Addr())
	stopped := make(chan error, 1)
	context.AfterFunc(ctx, func() { stopped <- server.Shutdown(context.WithoutCancel(ctx)) })
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-stopped // the requests in flight have been answered
}

func newHandler(file string) (http.Handler, error) {
	keys := &keyFile{file: file}
	if _, err := keys.read(); err != nil {
		return nil, err
	}
	verifier, err := hmacverify.New(preset.XSignature256(), &hmacverify.Options{Keys: keys.tenant})
	if err != nil {
		return nil, err
	}
	leases, err := lease.New(new(memstore.Store), nil)
	if err != nil {
		return nil, err
	}
	endpoint, err := idempotency.NewEndpoint("rotation", verifier, leases, nil)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("POST /webhooks", endpoint.WrapFunc(receive))
	return mux, nil
}

func receive(w http.ResponseWriter, r *http.Request, _ lease.Claim) error {
	d, _ := hmacverify.FromContext(r.Context())
	if d.Key > 0 {
		log.Printf("signed with secret %d: the sender has not finished its rotation", d.Key)
	}
	fmt.Fprintln(w, "signed with secret", d.Key)
	return nil
}

// A keyFile verifies with the secrets that its file holds at the time. Reading a small
// file costs less than the network; read a secret manager every minute instead.
type keyFile struct {
	file string

	mu   sync.Mutex
	last []string // that were valid
}

// tenant is an hmacverify.Options.Keys. The name is part of the events' keys, so it
// must stay the same when the secrets change.
func (k *keyFile) tenant(*http.Request) (hmacverify.Tenant, error) {
	keys, err := k.read()
	if err != nil {
		log.Printf("the secrets stay as they were: %v", err)
	}
	return hmacverify.Tenant{Name: "default", Keys: keys}, nil
}

// read returns the secrets in the file. If they are not valid it returns the error,
// and the last secrets that were.
func (k *keyFile) read() ([]string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	content, err := os.ReadFile(k.file)
	if err != nil {
		return k.last, err
	}
	keys := strings.Fields(string(content))
	if _, err := hmacverify.New(preset.XSignature256(), nil, keys...); err != nil {
		return k.last, err
	}
	k.last = keys
	return keys, nil
}
