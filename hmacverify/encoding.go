package hmacverify

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
)

// decompress replaces body and header by those of the same delivery without its
// Content-Encoding. It knows gzip; no sender is known that uses another. A body that is
// not what its header says stays as it is, unless it announces more than MaxBody.
func (v *Verifier) decompress(in *incoming, body []byte) ([]byte, error) {
	if !isGzip(in.header, body) {
		return body, nil
	}
	// Before the signature was checked, this bounds what an attacker can use up: one
	// body decompressed counts as one that has arrived.
	size := int64(binary.LittleEndian.Uint32(body[len(body)-4:])) // RFC 1952, section 2.3.1
	if limit := v.opts.MaxBody; size > limit {
		return nil, fmt.Errorf("%w: %d bytes decompressed, limit %d", ErrBodyTooLarge, size, limit)
	}
	if err := in.arrival.hold(size); err != nil {
		return nil, err
	}
	plain := make([]byte, size)
	if !inflate(plain, body) {
		in.arrival.drop(size)
		return body, nil
	}
	in.header = maps.Clone(in.header) // the caller's still describes its own body
	delete(in.header, "Content-Encoding")
	return plain, nil
}

// isGzip looks at the body first, which costs less than the look-up in the map.
func isGzip(h http.Header, body []byte) bool {
	const least = 18 // bytes of header and trailer
	if len(body) < least || body[0] != 0x1f || body[1] != 0x8b {
		return false
	}
	values := h["Content-Encoding"]
	return len(values) == 1 && (strings.EqualFold(values[0], "gzip") || strings.EqualFold(values[0], "x-gzip"))
}

// inflate fills plain, and reports whether that is all there is.
func inflate(plain, body []byte) bool {
	z, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return false
	}
	if _, err := io.ReadFull(z, plain); err != nil {
		return false
	}
	_, err = z.Read(make([]byte, 1)) // here the checksum is compared
	return err == io.EOF
}
