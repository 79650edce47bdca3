package main

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestHostile_FloodsOfHeaders(t *testing.T) {
	eachInTurn(t, floodsOfHeaders)
}

func floodsOfHeaders(t *testing.T, dbURL string) {
	h := newHostile(t, dbURL)
	body := callback("evt_1")
	mac := "X-Signature-256: " + h.sign(body)
	before := heap()
	many := func(n int, f func(i int) string) string {
		headers := []string{mac}
		for i := range n {
			headers = append(headers, f(i))
		}
		return post(body, headers...)
	}
	floods := map[string]string{
		"many headers":             many(100_000, func(i int) string { return fmt.Sprintf("X-%d: a", i) }),
		"one long header":          post(body, mac, "X-Long: "+strings.Repeat("a", 4<<20)),
		"one long name":            post(body, mac, strings.Repeat("a", 4<<20)+": a"),
		"a long path":              strings.Replace(post(body, mac), "/webhooks", "/"+strings.Repeat("a", 4<<20), 1),
		"many signatures":          many(500, func(int) string { return mac }),
		"many wrong ones":          many(500, func(i int) string { return fmt.Sprintf("X-Signature-256: %064x", i) }),
		"a long signature":         post(body, "X-Signature-256: "+strings.Repeat("a", 30<<10)),
		"a header that has no end": "POST /webhooks/ai-verification HTTP/1.1\r\nHost: localhost\r\nX-A: " + strings.Repeat("a", 1<<20),
	}
	for name, flood := range floods {
		t.Run(name, func(t *testing.T) { checkRefused(t, h.raw(t, flood)) })
	}
	if got := h.records(t); got != 0 {
		t.Errorf("%d records, want 0", got)
	}
	if growth := heap() - before; growth > 16<<20 {
		t.Errorf("the heap has grown by %d bytes, want at most 16 MiB", growth)
	}
}

// Of two thousand concurrent connections half are authentic, with several deliveries of
// each event; the others are forged.
func TestHostile_TwoThousandConnections(t *testing.T) {
	eachPostgreSQL(t, twoThousandConnections)
}

func twoThousandConnections(t *testing.T, dbURL string) {
	const n, events = 2000, 100
	h := newHostile(t, dbURL)
	before := heap()
	conns := make([]net.Conn, n)
	var (
		start   = make(chan struct{})
		wg      sync.WaitGroup
		mu      sync.Mutex // guards answers
		again   atomic.Int64
		answers = map[bool]map[int]int{true: {}, false: {}}
	)
	for i := range conns {
		authentic := i%2 == 0
		body := callback(fmt.Sprintf("evt_%d", i/2%events))
		mac := h.sign(body)
		if !authentic {
			mac = h.sign(body + " ")
		}
		wg.Go(func() {
			<-start
			status := 0
			for range 3 { // a busy machine sends some so late that the server has closed their connection
				c, err := net.Dial("tcp", h.addr)
				if err != nil {
					t.Error(err)
					return
				}
				conns[i] = c // open until all are answered
				c.SetDeadline(time.Now().Add(time.Minute))
				io.WriteString(c, post(body, "X-Signature-256: "+mac))
				if status = h.answer(c); status != 0 {
					break
				}
				c.Close()
				again.Add(1)
			}
			mu.Lock()
			defer mu.Unlock()
			answers[authentic][status]++
		})
	}
	close(start)
	wg.Wait()
	if got := again.Load(); got > n/100 {
		t.Errorf("%d connections were closed without an answer, want %d at most", got, n/100)
	}
	if got := answers[false]; got[401] != n/2 {
		t.Errorf("what is not authentic was answered %s, want 401", tally(got))
	}
	if got := answers[true]; got[200]+got[409]+got[503] != n/2 || got[200] > events {
		t.Errorf("what is authentic was answered %s, want each of %d events 200 at most once, else 409 or 503", tally(got), events)
	}
	if growth := heap() - before; growth > n*perConnection {
		t.Errorf("the heap has grown by %d bytes, want at most %d for each connection", growth, perConnection)
	}
	for _, c := range conns {
		if c != nil {
			c.Close()
		}
	}
	for event := range events { // those that got a 503 retry
		status := h.signed(t, callback(fmt.Sprintf("evt_%d", event)))
		if status != 200 && status != 409 {
			t.Errorf("delivered again, evt_%d was answered %d", event, status)
		}
	}
	if got := h.records(t); got != events {
		t.Errorf("%d records, want %d", got, events)
	}
	checkSubmissions(t, h, events)
	checkIdle(t, h)
}

// checkIdle waits until the server holds no connection to the database.
func checkIdle(t *testing.T, h *hostile) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); h.inUse() > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d connections are in use, want 0", h.inUse())
		}
	}
}
