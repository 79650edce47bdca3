package main

import (
	"encoding/binary"
	"io"
	"net"
	"sync/atomic"
)

// A counter stands between a way and its database's server, and counts what is sent there.
type counter struct {
	listener   net.Listener
	server     string
	mysql      bool
	statements atomic.Int64 // that are executed, BEGIN and COMMIT among them
	turns      atomic.Int64 // round trips: as often as the client waits for an answer
}

func newCounter(server string, mysql bool) (*counter, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	c := &counter{listener: listener, server: server, mysql: mysql}
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go c.relay(client)
		}
	}()
	return c, nil
}

func (c *counter) relay(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", c.server)
	if err != nil {
		return
	}
	defer server.Close()
	var waits atomic.Bool // the client for an answer
	go func() {
		defer client.Close()
		for b := make([]byte, 64<<10); ; {
			n, err := server.Read(b)
			waits.Store(false)
			if _, writeErr := client.Write(b[:n]); err != nil || writeErr != nil {
				return
			}
		}
	}()
	messages, sent := io.Pipe()
	defer sent.Close()
	go c.count(messages)
	for b := make([]byte, 64<<10); ; {
		n, err := client.Read(b)
		if n > 0 && !waits.Swap(true) {
			c.turns.Add(1)
		}
		_, _ = sent.Write(b[:n])
		if _, writeErr := server.Write(b[:n]); err != nil || writeErr != nil {
			return
		}
	}
}

// count reads the messages of a client, and counts those that execute a statement.
func (c *counter) count(r io.Reader) {
	next := nextPostgreSQL
	if c.mysql {
		next = nextMySQL
	} else if skipStartup(r) != nil {
		return
	}
	for {
		executes, err := next(r)
		if err != nil {
			_, _ = io.Copy(io.Discard, r)
			return
		}
		if executes {
			c.statements.Add(1)
		}
	}
}

// skipStartup reads the first message of a client of PostgreSQL, which has no type, and what
// asks for encryption before it.
func skipStartup(r io.Reader) error {
	for {
		var head [8]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return err
		}
		if _, err := io.CopyN(io.Discard, r, int64(binary.BigEndian.Uint32(head[:]))-8); err != nil {
			return err
		}
		const version3 = 3 << 16
		if v := binary.BigEndian.Uint32(head[4:]); v>>16 == version3>>16 {
			return nil
		}
	}
}

func nextPostgreSQL(r io.Reader) (executes bool, err error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return false, err
	}
	_, err = io.CopyN(io.Discard, r, int64(binary.BigEndian.Uint32(head[1:]))-4)
	return head[0] == 'E' || head[0] == 'Q', err
}

func nextMySQL(r io.Reader) (executes bool, err error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return false, err
	}
	length := int64(head[0]) | int64(head[1])<<8 | int64(head[2])<<16
	if length == 0 {
		return false, nil
	}
	var command [1]byte
	if _, err := io.ReadFull(r, command[:]); err != nil {
		return false, err
	}
	const query, execute = 0x03, 0x17
	_, err = io.CopyN(io.Discard, r, length-1)
	return head[3] == 0 && (command[0] == query || command[0] == execute), err
}
