package sessionstep_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/hookonce/hookonce/sessionstep"
)

func TestDecodeCallback(t *testing.T) {
	t.Parallel()
	want := sessionstep.Submission{Session: "s", Key: "e", Status: sessionstep.NeedsReview}
	with := func(details string) sessionstep.Submission {
		s := want
		s.Details = json.RawMessage(details)
		return s
	}
	long := strings.Repeat("é", 127) + "x"
	tests := map[string]struct {
		body string
		want sessionstep.Submission
	}{
		"without details":           {`{"eventId":"e","sessionId":"s","status":"needs_review"}`, want},
		"white space around":        {" \r\n\t{ \"eventId\" : \"e\",\"sessionId\":\"s\",\"status\":\"needs_review\" }\n", want},
		"another order":             {`{"status":"needs_review","sessionId":"s","eventId":"e"}`, want},
		"escapes in names":          {`{"event\u0049d":"e","sessionId":"s","status":"needs\u005freview"}`, want},
		"details as they were sent": {`{"eventId":"e","sessionId":"s","status":"needs_review","details":{"b":1, "a":1.00,"a":2}}`, with(`{"b":1, "a":1.00,"a":2}`)},
		"details that are null":     {`{"eventId":"e","sessionId":"s","status":"needs_review","details":null}`, with(`null`)},
		"details that are a string": {`{"eventId":"e","sessionId":"s","status":"needs_review","details":"x"}`, with(`"x"`)},
		"unknown fields":            {`{"v":2,"eventId":"e","sessionId":"s","status":"needs_review","v":{"eventId":"x"}}`, want},
		"names that differ in case": {`{"EVENTID":"x","eventId":"e","sessionid":1,"sessionId":"s","Status":"verified","status":"needs_review"}`, want},
		"a byte order mark":         {"\uFEFF" + `{"eventId":"e","sessionId":"s","status":"needs_review"}`, want},
		"mark, then white space":    {"\uFEFF\n" + `{"eventId":"e","sessionId":"s","status":"needs_review"}`, want},
		"eventId of 255 bytes":      {`{"eventId":"` + long + `","sessionId":"s","status":"needs_review"}`, sessionstep.Submission{Session: "s", Key: long, Status: "needs_review"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := sessionstep.DecodeCallback([]byte(test.body))
			if diff := cmp.Diff(test.want, got); diff != "" || err != nil {
				t.Errorf("error %v (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestDecodeCallback_Refuses(t *testing.T) {
	t.Parallel()
	const rest = `"sessionId":"s","status":"verified"`
	tests := map[string]struct {
		body string
		want error
	}{
		"nothing":                    {``, sessionstep.ErrMalformed},
		"no object":                  {`["eventId"]`, sessionstep.ErrMalformed},
		"null":                       {`null`, sessionstep.ErrMalformed},
		"half an object":             {`{"eventId":"e",` + rest, sessionstep.ErrMalformed},
		"trailing garbage":           {`{"eventId":"e",` + rest + `} x`, sessionstep.ErrMalformed},
		"a second object":            {`{"eventId":"e",` + rest + `}{}`, sessionstep.ErrMalformed},
		"a trailing comma":           {`{"eventId":"e",` + rest + `,}`, sessionstep.ErrMalformed},
		"a byte order mark alone":    {"\uFEFF", sessionstep.ErrMalformed},
		"two byte order marks":       {"\uFEFF\uFEFF" + `{"eventId":"e",` + rest + `}`, sessionstep.ErrMalformed},
		"a late byte order mark":     {" \uFEFF" + `{"eventId":"e",` + rest + `}`, sessionstep.ErrMalformed},
		"a trailing byte order mark": {`{"eventId":"e",` + rest + "}\uFEFF", sessionstep.ErrMalformed},
		"UTF-16 with its mark":       {"\xFE\xFF\x00{", sessionstep.ErrMalformed},
		"invalid UTF-8":              {"{\"eventId\":\"e\xff\"," + rest + `}`, sessionstep.ErrMalformed},
		"invalid UTF-8 elsewhere":    {"{\"eventId\":\"e\",\"x\":\"\xff\"," + rest + `}`, sessionstep.ErrMalformed},
		"half a surrogate pair":      {`{"eventId":"\ud800",` + rest + `}`, sessionstep.ErrMalformed},
		"NUL":                        {`{"eventId":"e\u0000",` + rest + `}`, sessionstep.ErrMalformed},
		"eventId that is a number":   {`{"eventId":1,` + rest + `}`, sessionstep.ErrMalformed},
		"eventId that is an object":  {`{"eventId":{},` + rest + `}`, sessionstep.ErrMalformed},
		"status that is a list":      {`{"eventId":"e","sessionId":"s","status":["verified"]}`, sessionstep.ErrMalformed},
		"eventId of 256 bytes":       {`{"eventId":"` + strings.Repeat("é", 128) + `",` + rest + `}`, sessionstep.ErrMalformed},
		"eventId twice":              {`{"eventId":"e","eventId":"e",` + rest + `}`, sessionstep.ErrMalformed},
		"eventId twice, once null":   {`{"eventId":null,"eventId":"e",` + rest + `}`, sessionstep.ErrMalformed},
		"eventId twice, once in \\u": {`{"event\u0049d":"e","eventId":"f",` + rest + `}`, sessionstep.ErrMalformed},
		"status twice":               {`{"eventId":"e","status":"rejected",` + rest + `}`, sessionstep.ErrMalformed},
		"details twice":              {`{"eventId":"e","details":1,"details":1,` + rest + `}`, sessionstep.ErrMalformed},
		"no eventId":                 {`{` + rest + `}`, sessionstep.ErrMissingField},
		"eventId of other case":      {`{"EVENTID":"e",` + rest + `}`, sessionstep.ErrMissingField},
		"empty eventId":              {`{"eventId":"",` + rest + `}`, sessionstep.ErrMissingField},
		"null eventId":               {`{"eventId":null,` + rest + `}`, sessionstep.ErrMissingField},
		"eventId inside of details":  {`{"details":{"eventId":"e"},` + rest + `}`, sessionstep.ErrMissingField},
		"no sessionId":               {`{"eventId":"e","status":"verified"}`, sessionstep.ErrMissingField},
		"no status":                  {`{"eventId":"e","sessionId":"s"}`, sessionstep.ErrMissingField},
		"empty status":               {`{"eventId":"e","sessionId":"s","status":""}`, sessionstep.ErrMissingField},
		"no eventId, unknown status": {`{"sessionId":"s","status":"x"}`, sessionstep.ErrMissingField},
		"unknown status":             {`{"eventId":"e","sessionId":"s","status":"approved"}`, sessionstep.ErrUnknownStatus},
		"status of other case":       {`{"eventId":"e","sessionId":"s","status":"Verified"}`, sessionstep.ErrUnknownStatus},
		"status with a space":        {`{"eventId":"e","sessionId":"s","status":"verified "}`, sessionstep.ErrUnknownStatus},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := sessionstep.DecodeCallback([]byte(test.body))
			if !errors.Is(err, test.want) {
				t.Errorf("got %+v, error %v, want %v", got, err, test.want)
			}
		})
	}
}

func FuzzDecodeCallback(f *testing.F) {
	f.Add([]byte(callback))
	f.Add([]byte(`{"event\u0049d":"e","EVENTID":"f","sessionId":"s","status":"rejected","x":[{}],"details":null}`))
	f.Add([]byte(`{"eventId":"e","sessionId":"s","status":"needs_review",}`))
	f.Add([]byte("{\"eventId\":\"\xff\\ud800\"}"))
	f.Add([]byte("\uFEFF" + callback))
	f.Fuzz(func(t *testing.T, body []byte) {
		s, err := sessionstep.DecodeCallback(body)
		if err != nil {
			for _, known := range []error{sessionstep.ErrMalformed, sessionstep.ErrMissingField, sessionstep.ErrUnknownStatus} {
				if errors.Is(err, known) {
					return
				}
			}
			t.Fatalf("error without a verdict: %v", err)
		}
		// A map matches names exactly, so it must have read the same. It refuses
		// the one byte order mark that is skipped here.
		body = bytes.TrimPrefix(body, []byte("\uFEFF"))
		var m map[string]json.RawMessage
		if err := json.Unmarshal(body, &m); err != nil || !utf8.Valid(body) {
			t.Fatalf("accepted %q: %v", body, err)
		}
		for name, got := range map[string]string{"eventId": s.Key, "sessionId": s.Session, "status": string(s.Status)} {
			var want string
			if err := json.Unmarshal(m[name], &want); err != nil || got != want {
				t.Errorf("%s: got %q, want %q, error %v", name, got, want, err)
			}
		}
		if diff := cmp.Diff(m["details"], s.Details); diff != "" {
			t.Errorf("details (-want +got):\n%s", diff)
		}
		s.Step = "step"
		if err := s.Validate(); err != nil {
			t.Errorf("what was decoded is not valid: %v", err)
		}
	})
}
