//go:build linux

package patroni_test

import (
	"fmt"
	"net"
	"sync"
	"testing"
	"time"
)

// A link is a proxy that stands for the network before a server. Held, it forwards nothing,
// and loses nothing: connections stay open, and new ones get no answer.
type link struct {
	listener net.Listener
	to       string

	mu    sync.Mutex
	open  chan struct{} // closed while the link forwards
	conns map[net.Conn]bool
}

func newLink(t *testing.T, toPort int) *link {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	k := &link{listener: l, to: fmt.Sprintf("127.0.0.1:%d", toPort), open: make(chan struct{}), conns: make(map[net.Conn]bool)}
	close(k.open)
	go k.accept()
	t.Cleanup(func() {
		l.Close()
		k.reset()
	})
	return k
}

func (k *link) port() int { return k.listener.Addr().(*net.TCPAddr).Port }

func (k *link) accept() {
	for {
		client, err := k.listener.Accept()
		if err != nil {
			return
		}
		k.add(client)
		go k.serve(client)
	}
}

func (k *link) serve(client net.Conn) {
	defer k.drop(client)
	k.pass()
	server, err := net.Dial("tcp", k.to)
	if err != nil {
		return
	}
	k.add(server)
	defer k.drop(server)
	done := make(chan struct{}, 2)
	for _, pair := range [][2]net.Conn{{client, server}, {server, client}} {
		go func() {
			k.forward(pair[0], pair[1])
			done <- struct{}{}
		}()
	}
	<-done
}

// forward copies until either connection ends. What it learns while the link is held, it
// passes on afterwards.
func (k *link) forward(from, to net.Conn) {
	b := make([]byte, 32<<10)
	for {
		n, err := from.Read(b)
		k.pass()
		if n > 0 {
			if _, err := to.Write(b[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return // io.EOF, or closed
		}
	}
}

// pass waits until the link forwards.
func (k *link) pass() {
	k.mu.Lock()
	open := k.open
	k.mu.Unlock()
	<-open
}

func (k *link) add(c net.Conn) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.conns[c] = true
}

func (k *link) drop(c net.Conn) {
	k.mu.Lock()
	delete(k.conns, c)
	k.mu.Unlock()
	c.Close()
}

// hold has the link forward nothing.
func (k *link) hold() {
	k.mu.Lock()
	defer k.mu.Unlock()
	select {
	case <-k.open:
		k.open = make(chan struct{})
	default:
	}
}

// giveUp ends held connections after a while, as the operating system of a client does that
// has set tcp_user_timeout.
func (k *link) giveUp(after time.Duration) {
	time.AfterFunc(after, func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		select {
		case <-k.open:
			return
		default:
		}
		for c := range k.conns {
			c.Close()
		}
	})
}

// release has the link forward again, first what it has held back.
func (k *link) release() {
	k.mu.Lock()
	defer k.mu.Unlock()
	select {
	case <-k.open:
	default:
		close(k.open)
	}
}

// reset ends all connections, and has the link forward.
func (k *link) reset() {
	k.mu.Lock()
	for c := range k.conns {
		c.Close()
	}
	k.mu.Unlock()
	k.release()
}
