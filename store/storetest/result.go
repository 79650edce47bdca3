package storetest

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
)

func resultChecks() []check {
	return []check{
		{
			"a result is returned exactly as it was kept",
			"A duplicate would be answered with something else than the first delivery was.",
			resultExact,
		},
		{
			"only a done record has a result",
			"A delivery would be answered as done that is not.",
			resultOnlyWhenDone,
		},
		{
			"a kept result shares no memory with that of any caller",
			"A handler that reuses its buffers would change the answers of the past.",
			resultNotShared,
		},
	}
}

func resultExact(t *trial) {
	everyByte := make([]byte, 256)
	for i := range everyByte {
		everyByte[i] = byte(i)
	}
	for name, want := range map[string]*idempotency.Result{
		"none":          nil,
		"zero":          {},
		"status only":   {Status: 204},
		"empty body":    {Status: 200, ContentType: "text/plain", Body: []byte{}},
		"JSON":          {Status: 200, ContentType: "application/json; charset=utf-8", Body: []byte(`{"status":"success"}` + "\n")},
		"every byte":    {Status: 200, ContentType: "application/octet-stream", Body: everyByte},
		"invalid UTF-8": {Status: 200, Body: []byte("\xff\xfe\xc3\x28")},
		"spaces, NULs":  {Status: 200, Body: []byte("  body \x00 \x00\x00")},
		"64 KiB":        {Status: 200, Body: bytes.Repeat(everyByte, 256)},
		"long type":     {Status: 200, ContentType: "application/x; a=" + strings.Repeat("b", 100)},
	} {
		key := t.sibling(name)
		c, rec := t.win(key, terms(long))
		t.complete(c, want)
		rec.State, rec.Result = lease.Done, want
		t.wantRecord(fmt.Sprintf("record with the result %q", name), t.lose(key, terms(long)), rec)
	}
}

func resultOnlyWhenDone(t *trial) {
	c, rec := t.win(t.key, marked(long))
	for what, rec := range map[string]lease.Record{"winner": rec, "loser": t.lose(t.key, marked(long))} {
		if rec.Result != nil {
			t.Errorf("%s has the result %+v, want none", what, rec.Result)
		}
	}
	t.release(c, lease.Failure{})
	if rec := t.peek(t.key); rec.Result != nil {
		t.Errorf("released record has the result %+v, want none", rec.Result)
	}
}

func resultNotShared(t *trial) {
	given := &idempotency.Result{Status: 200, ContentType: "text/plain", Body: []byte("kept")}
	c, _ := t.win(t.key, terms(long))
	t.complete(c, given)
	given.Status = 500
	given.Body[0] = 'X'
	got := t.lose(t.key, terms(long)).Result
	want := &idempotency.Result{Status: 200, ContentType: "text/plain", Body: []byte("kept")}
	if got == nil || got.Status != want.Status || !bytes.Equal(got.Body, want.Body) {
		t.Fatalf("after the caller has changed what it had given, Result = %+v, want %+v", got, want)
	}
	got.Status = 500
	got.Body[0] = 'X'
	if got := t.lose(t.key, terms(long)).Result; got == nil || got.Status != want.Status || !bytes.Equal(got.Body, want.Body) {
		t.Errorf("after a caller has changed what it was given, Result = %+v, want %+v", got, want)
	}
}
