package main

import (
	"fmt"
	"strings"
	"testing"
)

// hostileIDs are event IDs as they stand in JSON, each of them another event, and
// the answer to its first delivery.
var hostileIDs = []struct {
	id   string
	want int
}{
	{`evt_1`, 200},
	{`EVT_1`, 200},
	{`evt_1 `, 200},
	{` evt_1`, 200},
	{`evt_1\u0000`, 400},
	{`\u0000`, 400},
	{`evt_1\n`, 200},
	{`evt_1\r\nX-Injected: yes`, 200},
	{`' OR '1'='1`, 200},
	{`'; DROP TABLE idempotency_records; --`, 200},
	{`\"`, 200},
	{`\\`, 200},
	{`%s%n%d`, 200},
	{`$1`, 200},
	{`?`, 200},
	{"\u00e9", 200},                       // é in one code point
	{"e\u0301", 200},                      // and in two
	{"\u0435vt_1", 200},                   // a Cyrillic letter
	{"\uff45vt_1", 200},                   // a wide one
	{"evt_1\u200b", 200},                  // a space without width
	{"\u202eevt_1", 200},                  // from right to left
	{"ß", 200},                            // which some databases take for ss
	{"ss", 200},                           //
	{"😀", 200},                            // beyond three bytes
	{`\ud83d\ude01`, 200},                 // the same, escaped
	{`../../etc/passwd`, 200},             //
	{`<script>alert(1)</script>`, 200},    //
	{strings.Repeat("x", 255), 200},       // as long as may be
	{strings.Repeat("y", 256), 400},       //
	{strings.Repeat("z", 10_000), 400},    //
	{strings.Repeat("é", 127) + "x", 200}, // 255 bytes
	{strings.Repeat("é", 128), 400},       // 256
	{``, 400},
	{"evt\x01", 400},                 // a control character that is not escaped
	{"\xff", 400},                    // not UTF-8
	{"evt_1\xff", 400},               //
	{"evt_1\xfe", 400},               //
	{"\xc0\xaf", 400},                // a slash that is longer than it should be
	{"\xed\xa0\x80", 400},            // half of a surrogate pair
	{`\ud800`, 400},                  // the same, escaped
	{`\ud800x`, 400},                 //
	{`evt_2","eventId":"evt_3`, 400}, // the ID twice
}

func TestHostile_IDs(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, dbURL string) {
		h := newHostile(t, dbURL)
		accepted := 0
		for _, tt := range hostileIDs {
			name := fmt.Sprintf("%.40q", tt.id)
			got := h.signed(t, callback(tt.id))
			if got != tt.want {
				t.Errorf("%s: answered %d, want %d", name, got, tt.want)
			}
			again := h.signed(t, callback(tt.id))
			switch {
			case got == 200 && again != 409:
				t.Errorf("%s: the second delivery was answered %d, want 409", name, again)
			case got/100 == 4 && again != got:
				t.Errorf("%s: the second delivery was answered %d, want %d as the first", name, again, got)
			}
			if got == 200 {
				accepted++
			}
		}
		if got := h.records(t); got != accepted {
			t.Errorf("%d records, want one for each of %d events", got, accepted)
		}
		checkSubmissions(t, h, accepted)
	})
}

func checkSubmissions(t *testing.T, h *hostile, want int) {
	t.Helper()
	session, err := h.sessions.Session(t.Context(), "sess_1")
	if err != nil {
		t.Fatal(err)
	}
	if got := len(session.Steps[0].Submissions); got != want {
		t.Errorf("%d submissions, want one for each of %d events", got, want)
	}
}
