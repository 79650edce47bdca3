// Command lambda receives webhooks where there is no net/http: in a function that is
// called with an event, such as AWS Lambda's behind API Gateway.
//
//	WEBHOOK_SECRET=example go -C examples run ./lambda
//
// Send it an event from another terminal, and look at how many it has received:
//
//	go run ./hmacverify/send -secret example -url http://127.0.0.1:8080/webhooks
//	curl http://127.0.0.1:8080/count
//
// The function is in function.go and consists of plain calls: Verify, KeyOf, RunTx. On
// Lambda, main is one line with github.com/aws/aws-lambda-go:
//
//	lambda.Start(f.handle)
//
// Here a stand-in for the gateway calls it, so that it can be tried without an account.
package main

import (
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	_ "modernc.org/sqlite"

	"github.com/hookonce/hookonce/examples/internal/show"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "listen on this `address`")
	flag.Parse()
	if err := run(*addr, os.Getenv("WEBHOOK_SECRET")); err != nil {
		log.Fatal(err)
	}
}

func run(addr, secret string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	dir, err := os.MkdirTemp("", "hookonce-") // you have a database already
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "example.db")+
		"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(2000)")
	if err != nil {
		return err
	}
	defer db.Close()
	db.SetMaxOpenConns(16)

	f, err := newFunction(ctx, db, secret)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/webhooks", gateway(f.handle))
	mux.Handle("GET /count", show.Rows(db, `SELECT count(*) FROM received`))
	server := &http.Server{
		Handler:           mux,
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

// gateway stands in for API Gateway: it turns a request into JSON of payload format
// 2.0, and the JSON that it gets back into a response.
func gateway(handle func(context.Context, event) (response, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 10<<20)) // its own limit
		if err != nil {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return
		}
		e := event{Headers: map[string]string{}, Body: base64.StdEncoding.EncodeToString(body), IsBase64Encoded: true}
		e.RequestContext.HTTP.Method = r.Method
		for name, values := range r.Header {
			e.Headers[strings.ToLower(name)] = strings.Join(values, ",")
		}
		if strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
			e.Body, e.IsBase64Encoded = string(body), false
		}
		answer, err := invoke(r.Context(), handle, e)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		for name, value := range answer.Headers {
			w.Header().Set(name, value)
		}
		w.WriteHeader(answer.StatusCode)
		io.WriteString(w, answer.Body) // the client may be gone
	})
}

// invoke calls the function with an event that has passed through JSON, as on Lambda.
func invoke(ctx context.Context, handle func(context.Context, event) (response, error), e event) (answer response, err error) {
	text, err := json.Marshal(e)
	if err != nil {
		return answer, err
	}
	var received event
	if err := json.Unmarshal(text, &received); err != nil {
		return answer, err
	}
	return handle(ctx, received)
}
