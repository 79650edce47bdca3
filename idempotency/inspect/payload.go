package inspect

import (
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"unicode/utf8"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/idempotency"
)

// maxShown bounds what a page shows of a body. A download is whole.
const maxShown = 64 << 10

type payloadData struct {
	Key      idempotency.Key
	Stored   hmacverify.Stored
	Header   []headerLine
	Body     string
	Binary   bool
	Bytes    int
	Cut      bool
	Download string
}

type headerLine struct{ Name, Value string }

// payload shows what is stored of a delivery, or sends its body as a file.
func (q *request) payload() error {
	if !q.viewer.Payloads {
		return &refusal{http.StatusForbidden, "You may not see payloads."}
	}
	key, err := q.key()
	if err != nil {
		return err
	}
	download := q.parameter("download") != ""
	stored, err := q.page.store.Payload(q.Context(), key)
	a := Action{Do: "show payload", Key: key, Err: err}
	if download {
		a.Do = "download payload"
	}
	q.audit(a)
	if err != nil {
		return err
	}
	if q.page.o.Redact != nil {
		q.page.o.Redact(&stored)
	}
	if download {
		h := q.w.Header()
		h.Set("Content-Type", "application/octet-stream")
		h.Set("Content-Disposition", `attachment; filename="payload"`)
		h.Set("Content-Length", fmt.Sprint(len(stored.Body)))
		_, _ = q.w.Write(stored.Body)
		return nil
	}
	data := payloadData{Key: key, Stored: stored, Bytes: len(stored.Body), Download: eventLink("payload", key) + "&download=1"}
	for _, name := range slices.Sorted(maps.Keys(stored.Header)) {
		for _, value := range stored.Header[name] {
			data.Header = append(data.Header, headerLine{name, value})
		}
	}
	body := stored.Body
	if len(body) > maxShown {
		body, data.Cut = body[:maxShown], true
		for range utf8.UTFMax - 1 { // so that no rune is cut
			if !utf8.RuneStart(stored.Body[len(body)]) {
				body = body[:len(body)-1]
			}
		}
	}
	if data.Binary = !isText(body); data.Binary {
		data.Body = hex.Dump(body)
	} else {
		data.Body = string(body)
	}
	return q.show("payload", "Payload of "+key.ID, data)
}

// isText reports whether a page can show body as it is.
func isText(body []byte) bool {
	if !utf8.Valid(body) {
		return false
	}
	for _, c := range body {
		if c < ' ' && c != '\n' && c != '\r' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}
