package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestHostile_BodyAgainstItsHeaders(t *testing.T) {
	t.Parallel()
	eachDatabase(t, bodyAgainstItsHeaders)
}

func bodyAgainstItsHeaders(t *testing.T, dbURL string) {
	h := newHostile(t, dbURL)
	body := callback("evt_1")
	mac := "X-Signature-256: " + h.sign(body)
	const start = "POST /webhooks/ai-verification HTTP/1.1\r\nHost: localhost\r\n"
	zipped := compressed(t, body)
	over := padded(maxBody + 1)
	tests := []struct {
		name, request string
		want          []int // 0: the connection is closed
	}{
		{"longer than what comes", start + mac + "\r\nContent-Length: 100000\r\n\r\n" + body, []int{400, 0}},
		{"shorter than what comes", start + mac + "\r\nContent-Length: 10\r\n\r\n" + body, []int{401}},
		{"of two lengths", start + mac + fmt.Sprintf("\r\nContent-Length: %d\r\nContent-Length: 5\r\n\r\n", len(body)) + body, []int{400}},
		{"of a negative length", start + mac + "\r\nContent-Length: -1\r\n\r\n" + body, []int{400}},
		{"of a length beyond all numbers", start + mac + "\r\nContent-Length: 99999999999999999999\r\n\r\n" + body, []int{400}},
		{"of the longest length", start + mac + "\r\nContent-Length: 9223372036854775807\r\n\r\n" + body, []int{413}},
		{"of no length", start + mac + "\r\n\r\n" + body, []int{401}},
		{"chunked, and of a length", start + mac + "\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", []int{400, 401}},
		{"chunked twice", start + mac + "\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", []int{400, 501}},
		{"in chunks that are none", start + mac + "\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n" + body, []int{400, 0}},
		{"in a chunk that breaks off", start + mac + "\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n" + body, []int{400, 0}},
		{"in a chunk beyond all numbers", start + mac + "\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n" + body, []int{400, 0}},
		{"signed in a trailer", start + "Trailer: X-Signature-256\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(body) + "0\r\n" + mac + "\r\n\r\n", []int{401}},
		{"over the limit, in chunks", start + "X-Signature-256: " + h.sign(over) + "\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(over) + "0\r\n\r\n", []int{413, 0}},
		{"one byte over the limit", post(over, "X-Signature-256: "+h.sign(over)), []int{413}},
		{"just of the limit", post(padded(maxBody), "X-Signature-256: "+h.sign(padded(maxBody))), []int{400}},
		{"compressed, and signed before", post(zipped, mac, "Content-Encoding: gzip"), []int{401}},
		{"empty", post("", "X-Signature-256: "+h.sign("")), []int{400}},
		{"not there, and not signed", post(""), []int{401}},
		{"of a method that has none", strings.Replace(post(body, mac), "POST", "GET", 1), []int{405}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := h.raw(t, tt.request); !slices.Contains(tt.want, got) {
				t.Errorf("responded %d, want one of %v", got, tt.want)
			}
		})
	}
	if got := h.records(t); got != 0 {
		t.Errorf("%d records, want 0", got)
	}
	// The same bytes are the same delivery, in chunks or not.
	if got := h.raw(t, start+mac+"\r\nTransfer-Encoding: chunked\r\n\r\n"+chunk(body)+"0\r\n\r\n"); got != 200 {
		t.Errorf("the authentic delivery in chunks was answered %d, want 200", got)
	}
	// And so is the same event when the sender signs what it has compressed.
	if got := h.raw(t, post(zipped, "X-Signature-256: "+h.sign(zipped), "Content-Encoding: gzip")); got != 409 {
		t.Errorf("the compressed delivery of the event was answered %d, want 409", got)
	}
}

// chunk returns s as one chunk for each byte of its first ten, and one for the
// rest.
func chunk(s string) string {
	var b strings.Builder
	for i := range 10 {
		fmt.Fprintf(&b, "1\r\n%c\r\n", s[i])
	}
	fmt.Fprintf(&b, "%x\r\n%s\r\n", len(s)-10, s[10:])
	return b.String()
}

// padded returns JSON of n bytes that is no callback.
func padded(n int) string { return `{"eventId":"` + strings.Repeat("x", n-14) + `"}` }

func compressed(t *testing.T, s string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	io.WriteString(w, s)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// Slow senders hold neither a database connection nor a claim: the body is read before
// anything is claimed. It measures the heap, so no other test runs beside it.
func TestHostile_SlowSenders(t *testing.T) {
	eachPostgreSQL(t, slowSenders)
}

func slowSenders(t *testing.T, dbURL string) {
	h := newHostile(t, dbURL)
	const slow = 10 * maxConns
	body := callback("evt_slow")
	head := strings.TrimSuffix(post(body, "X-Signature-256: "+h.sign(body)), body)
	before := heap()
	var conns []net.Conn
	for range slow {
		c := h.dial(t)
		if _, err := io.WriteString(c, head+body[:len(body)/2]); err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
	}
	time.Sleep(200 * time.Millisecond)
	if got := h.inUse(); got != 0 {
		t.Errorf("slow senders hold %d connections to the database, want 0", got)
	}
	if got := h.records(t); got != 0 {
		t.Errorf("slow senders have claimed %d events, want 0", got)
	}
	if growth := heap() - before; growth > slow*perConnection {
		t.Errorf("the heap has grown by %d bytes, want at most %d for each of %d senders", growth, perConnection, slow)
	}
	start := time.Now()
	if got := h.signed(t, callback("evt_quick")); got != 200 {
		t.Errorf("a quick sender was answered %d, want 200", got)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("a quick sender has waited for %v", took)
	}
	checkOneApplied(t, h, conns, body[len(body)/2:])
}

// What a sender announces costs no more than the limit allows, whether or not it
// comes.
func TestHostile_AnnouncedBodies(t *testing.T) {
	eachInTurn(t, announcedBodies)
}

func announcedBodies(t *testing.T, dbURL string) {
	h := newHostile(t, dbURL)
	const slow = 200
	before := heap()
	for range slow {
		c := h.dial(t)
		if _, err := io.WriteString(c, strings.TrimSuffix(post(padded(maxBody), "X-Signature-256: "+h.sign("another")), padded(maxBody)[1:])); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(200 * time.Millisecond)
	growth := heap() - before
	t.Logf("%d bytes for each of %d senders that announce %d and send 1", growth/slow, slow, maxBody)
	if growth > slow*(maxBody+perConnection) {
		t.Errorf("the heap has grown by %d bytes, want at most %d for each of %d senders", growth, maxBody+perConnection, slow)
	}
	if got := h.signed(t, callback("evt_1")); got != 200 {
		t.Errorf("a quick sender was answered %d, want 200", got)
	}
}

// checkOneApplied sends the rest of a body on each connection.
func checkOneApplied(t *testing.T, h *hostile, conns []net.Conn, rest string) {
	t.Helper()
	answers := make(map[int]int)
	for i, c := range conns {
		if i%2 == 1 {
			c.Close() // it has given up
			continue
		}
		if _, err := io.WriteString(c, rest); err != nil {
			t.Fatal(err)
		}
		answers[h.answer(c)]++
	}
	if answers[200] != 1 || answers[200]+answers[409]+answers[503] != (len(conns)+1)/2 {
		t.Errorf("when they went on they were answered %s, want one 200 and else 409", tally(answers))
	}
}

// perConnection is how many bytes a connection may cost: net/http's buffers, and a
// small body.
const perConnection = 64 << 10
