package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hookonce/hookonce/hmacverify"
)

// A sender delivers events to one server.
type sender struct {
	url    string
	client *http.Client
	signer *hmacverify.Signer
	next   atomic.Int64 // number of the next event
	known  int64        // how many were delivered at first; duplicates are of these
}

func newSender(address string, known int) (*sender, error) {
	signer, err := hmacverify.NewSigner(scheme(), nil, secret)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 1024, DisableCompression: true}
	return &sender{
		url:    "http://" + address,
		client: &http.Client{Transport: transport, Timeout: 30 * time.Second},
		signer: signer,
		known:  int64(known),
	}, nil
}

// bodyOf is an event of 470 bytes. Its ID is as long as those of most senders.
func bodyOf(n int64) []byte {
	e := event{ID: fmt.Sprintf("evt_%028x", uint64(n)*0x9e3779b97f4a7c15), Account: int(n % accounts)}
	text, _ := json.Marshal(e)
	e.Note = strings.Repeat("x", 470-len(text))
	text, _ = json.Marshal(e)
	return text
}

func (s *sender) deliver(ctx context.Context, n int64) error {
	request, err := s.signer.NewRequest(ctx, s.url+"/webhooks", nil, bodyOf(n))
	if err != nil {
		return err
	}
	response, err := s.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body)
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("a delivery was answered %d", response.StatusCode)
	}
	return nil
}

// prepare delivers the first events.
func (s *sender) prepare(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for range s.known {
		g.Go(func() error { return s.deliver(ctx, s.next.Add(1)) })
	}
	return g.Wait()
}

// A slice is what was measured for a while.
type slice struct {
	rate           float64 // deliveries a second
	cpu            time.Duration
	mallocs        float64 // both of a delivery
	p50, p99, p999 time.Duration
	memory         int64 // bytes of the server at the end
}

// measure delivers for a while by so many connections.
func (s *sender) measure(ctx context.Context, conns int, duplicates bool, d time.Duration) (slice, error) {
	before, err := s.usage(ctx, http.MethodGet, "/usage")
	if err != nil {
		return slice{}, err
	}
	var wg sync.WaitGroup
	times := make([][]time.Duration, conns)
	errs := make([]error, conns)
	start := time.Now()
	for i := range conns {
		wg.Go(func() {
			for n := int64(i); time.Since(start) < d && errs[i] == nil; n += int64(conns) {
				id := 1 + n%s.known
				if !duplicates {
					id = s.next.Add(1)
				}
				begin := time.Now()
				errs[i] = s.deliver(ctx, id)
				times[i] = append(times[i], time.Since(begin))
			}
		})
	}
	wg.Wait()
	took := time.Since(start)
	if err := errors.Join(errs...); err != nil {
		return slice{}, err
	}
	after, err := s.usage(ctx, http.MethodGet, "/usage")
	if err != nil {
		return slice{}, err
	}
	result := sliceOf(slices.Concat(times...), took)
	n := result.rate * took.Seconds()
	result.cpu = time.Duration(float64(after.CPU-before.CPU) / n)
	result.mallocs = float64(after.Mallocs-before.Mallocs) / n
	result.memory = after.Memory
	return result, nil
}

// sliceOf is what the times of all deliveries tell.
func sliceOf(all []time.Duration, took time.Duration) slice {
	slices.Sort(all)
	n := len(all)
	at := func(per1000 int) time.Duration { return all[min(n-1, n*per1000/1000)] }
	return slice{rate: float64(n) / took.Seconds(), p50: at(500), p99: at(990), p999: at(999)}
}

func (s *sender) usage(ctx context.Context, method, path string) (u usage, err error) {
	request, err := http.NewRequestWithContext(ctx, method, s.url+path, nil)
	if err != nil {
		return u, err
	}
	client := http.Client{Transport: s.client.Transport} // the work may take long
	response, err := client.Do(request)
	if err != nil {
		return u, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return u, err
	}
	if response.StatusCode != http.StatusOK {
		return u, fmt.Errorf("%s was answered %d: %s", path, response.StatusCode, bytes.TrimSpace(text))
	}
	return u, json.Unmarshal(text, &u)
}
