package sqlstore

import (
	"database/sql/driver"
	"encoding/hex"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxLiteral is how many bytes of a parameter go into the text of a statement, where they
// are twice as long, and maxText how long that may get.
const (
	maxLiteral = 4 << 10
	maxText    = 4 * maxLiteral
)

// inText returns a statement of ours for MySQL with its parameters in the text, or as it was
// if that is not possible. Those that are parameters of the protocol cost one more round
// trip: the driver prepares the statement each time, and on Galera an abort that comes then
// is lost. Bytes are written in hexadecimal, which nothing can be quoted out of, whatever
// the character set and the modes are.
func inText(query string, args []any) (string, []any) {
	if len(args) == 0 || strings.Count(query, "?") != len(args) {
		return query, args
	}
	var b strings.Builder
	b.Grow(len(query) + 64*len(args))
	rest := query
	for _, arg := range args {
		before, after, _ := strings.Cut(rest, "?")
		b.WriteString(before)
		if !writeLiteral(&b, arg) || b.Len() > maxText {
			return query, args
		}
		rest = after
	}
	b.WriteString(rest)
	return b.String(), nil
}

func writeLiteral(b *strings.Builder, arg any) bool {
	switch v := arg.(type) {
	case nil:
		b.WriteString("NULL")
	case int:
		b.WriteString(strconv.Itoa(v))
	case int64:
		b.WriteString(strconv.FormatInt(v, 10))
	case []byte:
		if v == nil {
			b.WriteString("NULL")
			break
		}
		return writeBytes(b, v)
	case string:
		if utf8.ValidString(v) {
			b.WriteString("_utf8mb4 ") // compares as text, and not byte for byte, as what a driver sends
		}
		return writeBytes(b, []byte(v))
	case driver.Valuer:
		value, err := v.Value()
		if _, again := value.(driver.Valuer); again || err != nil {
			return false
		}
		return writeLiteral(b, value)
	default:
		return false
	}
	return true
}

func writeBytes(b *strings.Builder, v []byte) bool {
	if len(v) > maxLiteral {
		return false
	}
	b.WriteString("X'")
	buf := make([]byte, 0, 128)
	for len(v) > 0 {
		n := min(len(v), 64)
		buf = hex.AppendEncode(buf[:0], v[:n])
		b.Write(buf)
		v = v[n:]
	}
	b.WriteByte('\'')
	return true
}
