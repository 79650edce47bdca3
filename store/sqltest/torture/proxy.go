package torture

import (
	"bufio"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// A cut is a moment at which a connection is cut.
type cut int32

// The cuts. The client learns only that its connection has ended.
const (
	noCut       cut = iota
	cutBefore       // the server never sees the COMMIT
	cutMidway       // it was forwarded, and the connection is closed without waiting
	cutAfter        // the server has answered, and the answer is not forwarded
	cutStanding     // like cutAfter, for any statement
)

var cutNames = map[cut]string{
	cutBefore:   "before the COMMIT reached the server",
	cutMidway:   "right after it was forwarded",
	cutAfter:    "when the server had answered it",
	cutStanding: "when the server had answered another statement",
}

// A proxy sits between the servers and their database, with an address for each node of
// it. It recognizes a COMMIT, and misbehaves like a network.
type proxy struct {
	listeners []net.Listener
	frames    func() framer

	armed    atomic.Int32 // the cut of the next COMMIT
	armedAny atomic.Bool  // cut the next statement
	frozen   atomic.Int64 // nothing is forwarded until then, in nanoseconds since 1970
	latency  atomic.Int64 // of each message, in nanoseconds
	mu       sync.Mutex   // guards cuts
	cuts     map[cut]int
	links    sync.WaitGroup
	open     sync.Map // of *link, to close them at the end
	accepts  sync.WaitGroup
}

func newProxy(nodes []*database, frames func() framer) (*proxy, error) {
	p := &proxy{frames: frames, cuts: make(map[cut]int)}
	for _, node := range nodes {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			p.close()
			return nil, err
		}
		p.listeners = append(p.listeners, l)
		p.accepts.Go(func() { p.accept(l, node.address()) })
	}
	return p, nil
}

// address returns the address that leads to a node, as if they were in a ring.
func (p *proxy) address(node int) string {
	return p.listeners[node%len(p.listeners)].Addr().String()
}

func (p *proxy) accept(l net.Listener, to string) {
	for {
		client, err := l.Accept()
		if err != nil {
			return
		}
		p.links.Go(func() { p.serve(client, to) })
	}
}

func (p *proxy) serve(client net.Conn, to string) {
	server, err := net.DialTimeout("tcp", to, time.Second)
	if err != nil {
		client.Close()
		return
	}
	l := &link{proxy: p, client: client, server: server}
	p.open.Store(l, nil)
	defer p.open.Delete(l)
	var down sync.WaitGroup
	down.Go(l.down)
	l.up()
	down.Wait()
}

// close ends the proxy and all its connections.
func (p *proxy) close() {
	for _, l := range p.listeners {
		l.Close()
	}
	p.accepts.Wait()
	p.calm()
	p.open.Range(func(l, _ any) bool {
		l.(*link).close()
		return true
	})
	p.links.Wait()
}

// freeze stalls all connections for a while.
func (p *proxy) freeze(d time.Duration) { p.frozen.Store(time.Now().Add(d).UnixNano()) }

// calm ends all misbehaviour.
func (p *proxy) calm() {
	p.frozen.Store(0)
	p.latency.Store(0)
	p.armed.Store(int32(noCut))
	p.armedAny.Store(false)
}

// pass waits while a message is held up.
func (p *proxy) pass() {
	if latency := p.latency.Load(); latency > 0 {
		time.Sleep(time.Duration(rand.Int64N(latency)))
	}
	for {
		left := time.Until(time.Unix(0, p.frozen.Load()))
		if left <= 0 {
			return
		}
		time.Sleep(min(left, 50*time.Millisecond)) // calm may end it
	}
}

func (p *proxy) counted() (commits, statements int, by map[string]int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	by = make(map[string]int)
	for c, n := range p.cuts {
		by[cutNames[c]] += n
		if c == cutStanding {
			statements += n
		} else {
			commits += n
		}
	}
	return commits, statements, by
}

// due returns the cut for m, and disarms it.
func (p *proxy) due(m message) cut {
	c := noCut
	switch {
	case m.commit:
		c = cut(p.armed.Swap(int32(noCut)))
	case m.asks && p.armedAny.Load() && p.armedAny.CompareAndSwap(true, false):
		c = cutStanding
	}
	if c != noCut {
		p.mu.Lock()
		p.cuts[c]++
		p.mu.Unlock()
	}
	return c
}

// A link is one connection through the proxy.
type link struct {
	*proxy
	client, server net.Conn
	withhold       atomic.Bool // the server's next bytes end the connection
}

func (l *link) close() {
	// Half of the connections end with a reset instead of an end of file.
	if c, ok := l.client.(*net.TCPConn); ok && rand.N(2) == 0 {
		c.SetLinger(0)
	}
	l.client.Close()
	l.server.Close()
}

// up forwards what the client sends. It writes a message that is cut on its own.
func (l *link) up() {
	defer l.close()
	r := bufio.NewReaderSize(l.client, 32<<10)
	frames := l.frames()
	var out []byte
	for {
		m, err := frames.next(r)
		if err != nil {
			return
		}
		c := l.due(m)
		if c == cutBefore {
			return
		}
		out = append(out, m.bytes...)
		if c == noCut && r.Buffered() > 0 {
			continue
		}
		l.pass()
		if c == cutAfter || c == cutStanding {
			l.withhold.Store(true) // for good: more may follow before the answer
		}
		if _, err := l.server.Write(out); err != nil || c == cutMidway {
			return
		}
		out = out[:0]
	}
}

// down forwards what the server sends.
func (l *link) down() {
	defer l.close()
	b := make([]byte, 32<<10)
	for {
		n, err := l.server.Read(b)
		if n > 0 {
			l.pass()
			if l.withhold.Load() {
				return
			}
			if _, err := l.client.Write(b[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
