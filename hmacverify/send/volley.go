package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// progressEvery is the time between two lines of progress.
const progressEvery = 2 * time.Second

// maxAnswer is how much of an answer's body is kept, in bytes.
const maxAnswer = 16 << 10

// statusHeader is idempotency.StatusHeader, which says what became of a delivery
// that the endpoint's handler did not answer. Importing idempotency for it would
// reverse the direction of imports.
const statusHeader = "Idempotency-Status"

// A volley sends deliveries concurrently.
type volley struct {
	deliveries []*delivery
	parallel   int
	client     *http.Client
	progress   io.Writer
}

// An answer is the outcome of one delivery.
type answer struct {
	status int
	code   string // of the endpoint, for answers that its handler did not give
	header http.Header
	body   []byte
	took   time.Duration
	err    error // nil if the delivery was answered
}

// newClient returns a client that follows no redirects, as most senders do.
func newClient(o *options) *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = o.parallel
	transport.MaxIdleConns = 0
	return &http.Client{
		Transport:     transport,
		Timeout:       o.timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// fire sends all deliveries and returns their answers.
func (v *volley) fire(ctx context.Context) []answer {
	answers := make([]answer, len(v.deliveries))
	var next, done atomic.Int64
	stop := v.report(&done)
	defer stop()
	start := make(chan struct{})
	var senders sync.WaitGroup
	for range min(v.parallel, len(v.deliveries)) {
		senders.Go(func() {
			<-start
			for i := next.Add(1) - 1; i < int64(len(answers)); i = next.Add(1) - 1 {
				answers[i] = v.send(ctx, v.deliveries[i])
				done.Add(1)
			}
		})
	}
	close(start)
	senders.Wait()
	return answers
}

func (v *volley) send(ctx context.Context, d *delivery) (a answer) {
	start := time.Now()
	a.err = a.exchange(ctx, v.client, d)
	a.took = time.Since(start)
	return a
}

func (a *answer) exchange(ctx context.Context, client *http.Client, d *delivery) error {
	req, err := http.NewRequestWithContext(ctx, d.method, d.url, bytes.NewReader(d.body))
	if err != nil {
		return err
	}
	req.Header = d.header.Clone()
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	a.status, a.header = resp.StatusCode, resp.Header
	if a.body, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer)); err != nil {
		return err
	}
	a.code = code(resp.Header, a.body)
	return nil
}

// code returns the code that the endpoint gives with its answer, if any.
func code(h http.Header, body []byte) string {
	if s := h.Get(statusHeader); s != "" {
		return s
	}
	var problem struct{ Code string }
	if strings.HasPrefix(h.Get("Content-Type"), "application/problem+json") {
		_ = json.Unmarshal(body, &problem) // a malformed body has no code
	}
	return problem.Code
}

// report prints the progress from time to time, until stop is called.
func (v *volley) report(done *atomic.Int64) (stop func()) {
	ticker := time.NewTicker(progressEvery)
	end := make(chan struct{})
	var reporter sync.WaitGroup
	start := time.Now()
	reporter.Go(func() {
		for {
			select {
			case <-end:
				return
			case <-ticker.C:
				n := done.Load()
				fmt.Fprintf(v.progress, "%d of %d answered, %.0f a second\n",
					n, len(v.deliveries), float64(n)/time.Since(start).Seconds())
			}
		}
	})
	return func() {
		ticker.Stop()
		close(end)
		reporter.Wait()
	}
}
