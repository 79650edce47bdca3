package torture

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
)

// A message is one message from a client to its database server.
type message struct {
	bytes  []byte
	commit bool // it is a COMMIT
	asks   bool // the server answers it
}

// A framer reads the messages of one connection.
type framer interface {
	next(r *bufio.Reader) (message, error)
}

// maxMessage is longer than any message that we send.
const maxMessage = 16 << 20

var errTooLong = errors.New("message too long")

// postgreSQLFrames reads the PostgreSQL protocol; see
// https://www.postgresql.org/docs/current/protocol-message-formats.html
type postgreSQLFrames struct {
	started bool
	commits map[string]bool // prepared statements, by name: those that are COMMIT
	bound   bool            // a COMMIT is about to be executed
}

func (f *postgreSQLFrames) next(r *bufio.Reader) (message, error) {
	// The first message, which starts the session, has a length and no type.
	head := 4
	if f.started {
		head = 5
	}
	b := make([]byte, head, 256)
	if _, err := io.ReadFull(r, b); err != nil {
		return message{}, err
	}
	length := int(binary.BigEndian.Uint32(b[head-4:])) - 4
	b, err := readOn(r, b, length)
	if err != nil {
		return message{}, err
	}
	m := message{bytes: b}
	if f.started {
		m.asks = b[0] == 'Q' || b[0] == 'S' // Query, Sync
		m.commit = f.commit(b[0], bytes.Split(b[5:], []byte{0}))
	}
	f.started = true
	return m, nil
}

// commit reports whether a message with the strings is a COMMIT, which may be prepared
// as any statement.
func (f *postgreSQLFrames) commit(kind byte, strings [][]byte) bool {
	switch {
	case kind == 'Q':
		return isCommit(strings[0])
	case kind == 'P' && len(strings) > 1: // Parse: name, query
		if f.commits == nil {
			f.commits = make(map[string]bool)
		}
		f.commits[string(strings[0])] = isCommit(strings[1])
	case kind == 'B' && len(strings) > 1: // Bind: portal, name
		f.bound = f.commits[string(strings[1])]
	case kind == 'E': // Execute
		return f.bound
	}
	return false
}

// mySQLFrames reads the MySQL protocol; see
// https://dev.mysql.com/doc/dev/mysql-server/latest/PAGE_PROTOCOL.html
type mySQLFrames struct{}

func (mySQLFrames) next(r *bufio.Reader) (message, error) {
	b := make([]byte, 4, 256)
	if _, err := io.ReadFull(r, b); err != nil {
		return message{}, err
	}
	length := int(b[0]) | int(b[1])<<8 | int(b[2])<<16
	b, err := readOn(r, b, length)
	if err != nil {
		return message{}, err
	}
	m := message{bytes: b}
	// A command begins a new sequence of packets; the handshake does not.
	if b[3] == 0 && length > 0 {
		const query, execute = 0x03, 0x17
		m.asks = b[4] == query || b[4] == execute
		m.commit = b[4] == query && isCommit(b[5:])
	}
	return m, nil
}

func isCommit(query []byte) bool { return bytes.EqualFold(bytes.TrimSpace(query), []byte("commit")) }

// readOn appends n bytes to b.
func readOn(r io.Reader, b []byte, n int) ([]byte, error) {
	if n < 0 || n > maxMessage {
		return nil, errTooLong
	}
	from := len(b)
	b = append(b, make([]byte, n)...)
	_, err := io.ReadFull(r, b[from:])
	return b, err
}
