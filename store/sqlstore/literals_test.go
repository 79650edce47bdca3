package sqlstore

import (
	"database/sql"
	"strings"
	"testing"
	"time"
)

func TestInText(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", maxLiteral)
	for _, tt := range []struct {
		name, query string
		args        []any
		want        string // "" if the parameters stay
	}{
		{"bytes", "SELECT ?, 1", []any{[]byte("a'\\\x00é?")}, "SELECT X'61275c00c3a93f', 1"},
		{"a question mark in a value", "? ?", []any{[]byte("?"), "?"}, "X'3f' _utf8mb4 X'3f'"},
		{"no bytes", "(?, ?)", []any{[]byte{}, ""}, "(X'', _utf8mb4 X'')"},
		{"nothing", "(?, ?, ?)", []any{nil, []byte(nil), sql.NullString{}}, "(NULL, NULL, NULL)"},
		{"numbers", "? ? ?", []any{-1, int64(-1 << 63), sql.NullInt64{Int64: 7, Valid: true}}, "-1 -9223372036854775808 7"},
		{"text", "?", []any{sql.NullString{String: "é", Valid: true}}, "_utf8mb4 X'c3a9'"},
		{"text that is not UTF-8", "?", []any{"\xff"}, "X'ff'"},
		{"more than a block", "?", []any{strings.Repeat("\x01", 129)}, "_utf8mb4 X'" + strings.Repeat("01", 129) + "'"},
		{"as long as may be", "?", []any{long}, "_utf8mb4 X'" + strings.Repeat("78", maxLiteral) + "'"},
		{"too long", "?", []any{long + "x"}, ""},
		{"too long together", "? ?", []any{long, long}, ""},
		{"of another type", "?", []any{time.Time{}}, ""},
		{"too few", "? ?", []any{1}, ""},
		{"too many", "?", []any{1, 2}, ""},
		{"none", "SELECT 1", nil, ""},
	} {
		query, args := inText(tt.query, tt.args)
		if tt.want == "" {
			if query != tt.query || len(args) != len(tt.args) {
				t.Errorf("%s: got %.80q with %d parameters, want what was given", tt.name, query, len(args))
			}
			continue
		}
		if query != tt.want || len(args) > 0 {
			t.Errorf("%s: got %.80q with %d parameters, want %.80q", tt.name, query, len(args), tt.want)
		}
	}
}
