package pgxstore_test

import (
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// A proxy stands between a pool and its server. It delays what goes to the server, counts
// round trips: how often a connection speaks after the server has; and ends a connection
// when it is asked to.
type proxy struct {
	delay time.Duration
	trips atomic.Int64
	lose  atomic.Int32 // loseRequest or loseAnswer: of the next request, with its connection
}

const (
	loseRequest int32 = 1 + iota
	loseAnswer
	losing // the answer is to come
)

// throughProxy has the connections of config go through a proxy.
func throughProxy(config *pgxpool.Config, delay time.Duration) *proxy {
	p := &proxy{delay: delay}
	dial := config.ConnConfig.DialFunc
	config.ConnConfig.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		server, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		client, inner := socketPair()
		go p.forward(server, inner)
		return client, nil
	}
	return p
}

// socketPair returns both ends of a connection of the loopback interface.
func socketPair() (net.Conn, net.Conn) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		panic(err)
	}
	inner, err := l.Accept()
	if err != nil {
		panic(err)
	}
	return client, inner
}

// A packet is to be delivered at a time.
type packet struct {
	due  time.Time
	data []byte
}

func (p *proxy) forward(server, client net.Conn) {
	var answered atomic.Bool
	answered.Store(true)
	var wg sync.WaitGroup
	wg.Go(func() {
		defer client.Close()
		buffer := make([]byte, 1<<16)
		for {
			n, err := server.Read(buffer)
			if err != nil {
				return
			}
			if p.lose.CompareAndSwap(losing, 0) {
				return
			}
			answered.Store(true)
			if _, err := client.Write(buffer[:n]); err != nil {
				return
			}
		}
	})
	packets := make(chan packet, 1024)
	wg.Go(func() {
		defer server.Close()
		for packet := range packets {
			time.Sleep(time.Until(packet.due))
			if _, err := server.Write(packet.data); err != nil {
				io.Copy(io.Discard, client)
			}
		}
	})
	buffer := make([]byte, 1<<16)
	for {
		n, err := client.Read(buffer)
		if err != nil {
			break
		}
		if p.lose.CompareAndSwap(loseRequest, 0) {
			break
		}
		p.lose.CompareAndSwap(loseAnswer, losing)
		if answered.Swap(false) {
			p.trips.Add(1)
		}
		packets <- packet{time.Now().Add(p.delay), append([]byte(nil), buffer[:n]...)}
	}
	close(packets)
	wg.Wait()
}

// countTrips returns how many round trips f takes, on a pool that is warm.
func countTrips(t *testing.T, p *proxy, f func()) int64 {
	t.Helper()
	before := p.trips.Load()
	f()
	return p.trips.Load() - before
}
