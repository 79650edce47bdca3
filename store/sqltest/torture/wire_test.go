package torture

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"testing"
)

// postgreSQLMessage frames a typed message.
func postgreSQLMessage(kind byte, payload string) string {
	n := len(payload) + 4
	return string([]byte{kind, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}) + payload
}

func mySQLPacket(sequence byte, payload string) string {
	n := len(payload)
	return string([]byte{byte(n), byte(n >> 8), byte(n >> 16), sequence}) + payload
}

func TestFramer_Commit(t *testing.T) {
	t.Parallel()
	startup := postgreSQLMessage(0, "\x00\x03\x00\x00user\x00commit\x00\x00")[1:] // without a type
	tests := []struct {
		name    string
		frames  framer
		stream  []string
		commits []bool
		asks    []bool
	}{
		{
			name:   "PostgreSQL",
			frames: &postgreSQLFrames{},
			stream: []string{
				startup,
				postgreSQLMessage('Q', "begin\x00"),
				postgreSQLMessage('B', "\x00commit\x00"), // a value in a statement
				postgreSQLMessage('S', ""),
				postgreSQLMessage('Q', "COMMIT\x00"),
			},
			commits: []bool{false, false, false, false, true},
			asks:    []bool{false, true, false, true, true},
		},
		{
			name:   "PostgreSQL, prepared",
			frames: &postgreSQLFrames{},
			stream: []string{
				startup,
				postgreSQLMessage('P', "one\x00SELECT 1\x00\x00\x00"),
				postgreSQLMessage('P', "two\x00COMMIT\x00\x00\x00"),
				postgreSQLMessage('B', "\x00two\x00\x00\x00"),
				postgreSQLMessage('E', "\x00\x00\x00\x00\x00"),
				postgreSQLMessage('B', "\x00one\x00\x00\x00"),
				postgreSQLMessage('E', "\x00\x00\x00\x00\x00"),
				postgreSQLMessage('S', ""),
			},
			commits: []bool{false, false, false, false, true, false, false, false},
			asks:    []bool{false, false, false, false, false, false, false, true},
		},
		{
			name:   "MySQL",
			frames: mySQLFrames{},
			stream: []string{
				mySQLPacket(1, "\x03commit"), // part of the handshake
				mySQLPacket(0, "\x03START TRANSACTION"),
				mySQLPacket(0, "\x16commit"), // to be prepared
				mySQLPacket(0, "\x17commit"), // a prepared one, by its number
				mySQLPacket(0, "\x03COMMIT"),
			},
			commits: []bool{false, false, false, false, true},
			asks:    []bool{false, true, false, true, true},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var all bytes.Buffer
			for _, m := range tt.stream {
				all.WriteString(m)
			}
			r := bufio.NewReader(&all)
			for i, want := range tt.stream {
				m, err := tt.frames.next(r)
				if err != nil || string(m.bytes) != want {
					t.Fatalf("message %d: got %q, %v; want %q", i, m.bytes, err, want)
				}
				if m.commit != tt.commits[i] || m.asks != tt.asks[i] {
					t.Errorf("%q: commit %t, asks %t; want %t, %t", want, m.commit, m.asks, tt.commits[i], tt.asks[i])
				}
			}
			if _, err := tt.frames.next(r); !errors.Is(err, io.EOF) {
				t.Errorf("after the last message: got %v, want EOF", err)
			}
		})
	}
}
