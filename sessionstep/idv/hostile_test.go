package idv_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/hookonce/hookonce/sessionstep"
	"github.com/hookonce/hookonce/sessionstep/idv"
)

func TestDecoder_Refuses(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 256)
	for _, tt := range []struct {
		name    string
		vendor  string
		replace []string
		want    error
	}{
		{"no session", "persona", []string{`"sess_1"`, `null`}, sessionstep.ErrSessionNotFound},
		{"an empty session", "didit", []string{`"sess_1"`, `""`}, sessionstep.ErrSessionNotFound},
		{"a session that is an object", "didit", []string{`"sess_1"`, `{"id":"sess_1"}`}, sessionstep.ErrMalformed},
		{"a session that is too long", "veriff", []string{"sess_1", long}, sessionstep.ErrMalformed},
		{"a session with NUL", "veriff", []string{"sess_1", `\u0000`}, sessionstep.ErrMalformed},
		{"a session that cannot be read", "veriff", []string{"sess_1", `\ud800`}, sessionstep.ErrMalformed},
		{"two sessions", "idenfy", []string{`"clientId": "sess_1"`, `"clientId": "sess_1", "clientId": "sess_2"`}, sessionstep.ErrMalformed},
		{"three sessions", "idenfy", []string{`"clientId": "sess_1"`, `"clientId": "a", "clientId": "b", "clientId": "c"`}, sessionstep.ErrMalformed},
		{"two sessions, one null", "idenfy", []string{`"clientId": "sess_1"`, `"clientId": "sess_1", "clientId": null`}, sessionstep.ErrMalformed},
		{"two sessions, one escaped", "idenfy", []string{`"clientId": "sess_1"`, `"clientId": "sess_1", "client\u0049d": "sess_2"`}, sessionstep.ErrMalformed},
		{"two results", "onfido", []string{`"status": "approved"`, `"status": "declined", "status": "approved"`}, sessionstep.ErrMalformed},
		{"two objects with the result", "sumsub", []string{`"reviewStatus"`, `"reviewResult": {"reviewAnswer": "GREEN"}, "reviewStatus"`}, sessionstep.ErrMalformed},
		{"two types", "checkr", []string{`"type": "report.completed"`, `"type": "report.created", "type": "report.completed"`}, sessionstep.ErrMalformed},
		{"two of what is kept", "didit", []string{`"workflow_id"`, `"workflow_id": "w1", "workflow_id"`}, sessionstep.ErrMalformed},
		{"two keys", "persona", []string{`"id": "evt_persona0001"`, `"id": "evt_1", "id": "evt_2"`}, sessionstep.ErrMalformed},
		{"no key", "persona", []string{`"id": "evt_persona0001",`, ``}, sessionstep.ErrMissingField},
		{"no event ID of Didit's", "didit", []string{`"event_id"`, `"eventId"`}, sessionstep.ErrMissingField},
		{"a key that is too long", "checkr", []string{`"5b0000000000000000000001"`, `"` + long + `"`}, sessionstep.ErrMalformed},
		{"a key with NUL", "checkr", []string{`"5b0000000000000000000001"`, `"\u0000"`}, sessionstep.ErrMalformed},
		{"a key that is an array", "checkr", []string{`"5b0000000000000000000001"`, `["e"]`}, sessionstep.ErrMalformed},
		{"no type", "stripe-identity", []string{`"type": "identity.verification_session.verified"`, `"kind": "x"`}, sessionstep.ErrMissingField},
		{"a type that is an object", "stripe-identity", []string{`"identity.verification_session.verified"`, `{}`}, sessionstep.ErrMalformed},
		{"no result", "onfido", []string{`"approved"`, `null`}, sessionstep.ErrMissingField},
		{"no result of Veriff's", "veriff", []string{`"approved"`, `null`}, sessionstep.ErrMissingField},
		{"a result that is an array", "idenfy", []string{`"APPROVED"`, `["APPROVED"]`}, sessionstep.ErrMalformed},
		{"other case", "idenfy", []string{`"clientId"`, `"clientid"`}, sessionstep.ErrSessionNotFound},
		{"trailing data", "veriff", []string{`"technicalData": {"ip": "192.0.2.1"}`, `"x": 1}} {"y": {"z": 1}`}, sessionstep.ErrMalformed},
		{"not UTF-8", "veriff", []string{"DOE", "\xff"}, sessionstep.ErrMalformed},
		{"an object that is a string", "onfido", []string{`"resource": {`, `"resource": "sess_1", "other": {`}, sessionstep.ErrSessionNotFound},
	} {
		t.Run(tt.vendor+", "+tt.name, func(t *testing.T) {
			t.Parallel()
			s, err := newDecoder(t, vendorNamed(t, tt.vendor)).Decode(t.Context(), payload(t, tt.vendor, tt.replace...))
			if !errors.Is(err, tt.want) {
				t.Fatalf("got %+v, error %v, want %v", s, err, tt.want)
			}
			if errors.Is(err, sessionstep.ErrSessionNotFound) && s.Key == "" {
				t.Error("no key by which a person finds the event")
			}
			for _, value := range append([]string{"sess_", "xxx", "evt_", "1111"}, personal...) {
				if strings.Contains(err.Error(), value) {
					t.Errorf("the error holds %q: %v", value, err)
				}
			}
		})
	}
}

// Names that no path names may occur twice: they are not read.
func TestDecoder_RepeatedElsewhere(t *testing.T) {
	t.Parallel()
	body := payload(t, "veriff", `"riskLabels": []`, `"riskLabels": [], "riskLabels": [1], "deep": `+strings.Repeat("[", 9000)+strings.Repeat("]", 9000))
	s, err := newDecoder(t, idv.Veriff()).Decode(t.Context(), body)
	if err != nil || s.Status != sessionstep.Verified {
		t.Errorf("got %q, error %v, want verified", s.Status, err)
	}
}

func TestDecoder_NotAnObject(t *testing.T) {
	t.Parallel()
	for _, v := range idv.All() {
		d := newDecoder(t, v)
		for _, body := range []string{"", " ", "null", "true", "1", `"a"`, "[]", "[{}]", "{}", "{", "\xEF\xBB\xBF", "nul", strings.Repeat("[", 20000)} {
			if s, err := d.Decode(t.Context(), []byte(body)); sessionstep.Status(err) != 400 {
				t.Errorf("%s, %.20q: got %+v, error %v, want one that is answered 400", v.Name, body, s, err)
			}
		}
	}
}

func TestDecoder_Zero(t *testing.T) {
	t.Parallel()
	if _, err := new(idv.Decoder).Decode(t.Context(), payload(t, "veriff")); sessionstep.Status(err) != 500 {
		t.Errorf("got error %v, want one that is answered 500", err)
	}
}

func TestNew_Refuses(t *testing.T) {
	t.Parallel()
	for field, change := range map[string]func(v *idv.Vendor){
		"Name":          func(v *idv.Vendor) { v.Name = "" },
		"Name ":         func(v *idv.Vendor) { v.Name = "per:sona" },
		"Session":       func(v *idv.Vendor) { v.Session = "" },
		"Result":        func(v *idv.Vendor) { v.Result = nil },
		"Outcomes":      func(v *idv.Vendor) { v.Outcomes = nil },
		"Outcomes[":     func(v *idv.Vendor) { v.Outcomes["inquiry.approved"] = "approved" },
		"Key":           func(v *idv.Vendor) { v.Key = nil },
		"Type":          func(v *idv.Vendor) { v.Type = "" },
		"Types":         func(v *idv.Vendor) { v.Types = nil },
		"a..b":          func(v *idv.Vendor) { v.Key = []string{"a..b"} },
		"a|":            func(v *idv.Vendor) { v.Session = "a|" },
		`"" is not`:     func(v *idv.Vendor) { v.Details = []string{""} },
		".created":      func(v *idv.Vendor) { v.Time = ".created" },
		"b.":            func(v *idv.Vendor) { v.Type = "b." },
		"c.|d":          func(v *idv.Vendor) { v.Result = []string{"a", "c.|d"} },
		"Outcomes[\"\"": func(v *idv.Vendor) { v.Outcomes[""] = "" },
	} {
		v := idv.Persona()
		change(&v)
		if _, err := idv.New(v); err == nil || !strings.Contains(err.Error(), strings.TrimSpace(field)) {
			t.Errorf("%s: got error %v, want one that names it", field, err)
		}
	}
}

// Whatever is signed, a decoder returns a submission that is valid, or an error that
// says who is to blame, and the same each time.
func FuzzDecoder(f *testing.F) {
	vendors := idv.All()
	for i, v := range vendors {
		f.Add(uint8(i), payload(f, v.Name))
		f.Add(uint8(i), []byte(`{"type":"applicantReviewed","webhook_type":"status.updated","status":{"overall":"APPROVED","overall":1},"data":[{"id":"\ud800"}]}`))
	}
	f.Fuzz(func(t *testing.T, i uint8, body []byte) {
		d := newDecoder(t, vendors[int(i)%len(vendors)])
		s, err := d.Decode(t.Context(), body)
		again, err2 := d.Decode(t.Context(), body)
		if s.Key != again.Key || string(s.Details) != string(again.Details) || (err == nil) != (err2 == nil) {
			t.Errorf("two decodings differ: %+v, %v and %+v, %v", s, err, again, err2)
		}
		if err != nil {
			if status := sessionstep.Status(err); status == 500 {
				t.Errorf("error %v is answered 500", err)
			}
			return
		}
		s.Step = sessionstep.DefaultStep
		if err := s.Validate(); err != nil {
			t.Errorf("%+v: %v", s, err)
		}
	})
}
