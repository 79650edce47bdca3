// Command lambda receives webhooks where there is no net/http: in a function that
// is called with an event, such as AWS Lambda's behind API Gateway.
//
//	go -C examples run ./lambda
//
// The function is in function.go, and is made of plain calls: Verify, RunTx. On
// Lambda, main is one line with github.com/aws/aws-lambda-go:
//
//	lambda.Start(f.handle)
//
// Here a stand-in for the gateway calls it, so that it can be tried without an
// account; it prints a command that sends it an event.
package main

import (
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	_ "modernc.org/sqlite"

	"github.com/hookonce/hookonce/examples/internal/local"
)

func main() {
	local.Main(func(m *local.Machine) (http.Handler, error) {
		secret := m.Secret("WEBHOOK_SECRET")
		m.Try("-secret", secret, "-url", m.URL+"/webhooks")
		m.See("/count")
		db, err := sql.Open("sqlite", m.SQLite())
		if err != nil {
			return nil, err
		}
		m.Defer(db.Close)
		f, err := newFunction(m.Context, db, secret)
		if err != nil {
			return nil, err
		}
		mux := http.NewServeMux()
		mux.Handle("/webhooks", gateway(f.handle))
		mux.HandleFunc("GET /count", func(w http.ResponseWriter, r *http.Request) {
			var n int
			if err := db.QueryRowContext(r.Context(), `SELECT count(*) FROM received`).Scan(&n); err != nil {
				http.Error(w, "database", http.StatusInternalServerError)
				return
			}
			fmt.Fprintln(w, n)
		})
		return mux, nil
	})
}

// gateway stands in for API Gateway: it makes JSON of a request, as that does
// with payload format 2.0, and a response of the JSON that it gets back.
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

// invoke calls the function with an event that has been JSON, as Lambda does.
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
