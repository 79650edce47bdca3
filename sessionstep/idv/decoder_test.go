package idv_test

import (
	"bytes"
	"errors"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/hookonce/hookonce/sessionstep"
	"github.com/hookonce/hookonce/sessionstep/idv"
)

// payload returns the vendor's payload in testdata, with words replaced. Each must occur.
func payload(t testing.TB, vendor string, replace ...string) []byte {
	t.Helper()
	body, err := os.ReadFile("testdata/" + vendor + ".json")
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(replace); i += 2 {
		if !bytes.Contains(body, []byte(replace[i])) {
			t.Fatalf("%s.json has no %s", vendor, replace[i])
		}
		body = bytes.ReplaceAll(body, []byte(replace[i]), []byte(replace[i+1]))
	}
	return body
}

func vendorNamed(t testing.TB, name string) idv.Vendor {
	t.Helper()
	for _, v := range idv.All() {
		if v.Name == name {
			return v
		}
	}
	t.Fatalf("no vendor %s", name)
	return idv.Vendor{}
}

func newDecoder(t testing.TB, v idv.Vendor) *idv.Decoder {
	t.Helper()
	d, err := idv.New(v)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// results are the documented results of each vendor; "" is news.
var results = []struct {
	vendor  string
	name    string
	replace []string
	want    sessionstep.Outcome
}{
	{"persona", "approved", nil, "verified"},
	{"persona", "declined", []string{"inquiry.approved", "inquiry.declined"}, "rejected"},
	{"persona", "marked for review", []string{"inquiry.approved", "inquiry.marked-for-review"}, "needs_review"},
	{"persona", "completed", []string{"inquiry.approved", "inquiry.completed"}, "needs_review"},
	{"persona", "failed", []string{"inquiry.approved", "inquiry.failed"}, "needs_review"},
	{"persona", "expired", []string{"inquiry.approved", "inquiry.expired"}, "needs_review"},
	{"persona", "created", []string{"inquiry.approved", "inquiry.created"}, ""},
	{"persona", "started", []string{"inquiry.approved", "inquiry.started"}, ""},
	{"persona", "transitioned", []string{"inquiry.approved", "inquiry.transitioned"}, ""},
	{"persona", "redacted", []string{"inquiry.approved", "inquiry.redacted"}, ""},
	{"persona", "another family", []string{"inquiry.approved", "verification.passed"}, ""},

	{"stripe-identity", "verified", nil, "verified"},
	{"stripe-identity", "requires input", []string{"session.verified", "session.requires_input", `"last_error": null`, `"last_error": {"code": "document_expired", "reason": "The document of JANE has expired."}`}, "needs_review"},
	{"stripe-identity", "canceled", []string{"session.verified", "session.canceled"}, "needs_review"},
	{"stripe-identity", "created", []string{"session.verified", "session.created"}, ""},
	{"stripe-identity", "processing", []string{"session.verified", "session.processing"}, ""},
	{"stripe-identity", "redacted", []string{"session.verified", "session.redacted"}, ""},
	{"stripe-identity", "a payment", []string{"identity.verification_session.verified", "payment_intent.succeeded"}, ""},

	{"onfido", "approved", nil, "verified"},
	{"onfido", "declined", []string{`"approved"`, `"declined"`}, "rejected"},
	{"onfido", "review", []string{`"approved"`, `"review"`}, "needs_review"},
	{"onfido", "abandoned", []string{`"approved"`, `"abandoned"`}, "needs_review"},
	{"onfido", "error", []string{`"approved"`, `"error"`}, "needs_review"},
	{"onfido", "a task", []string{"workflow_run.completed", "workflow_task.completed"}, ""},
	{"onfido", "a check", []string{"workflow_run.completed", "check.completed"}, ""},

	{"veriff", "approved", nil, "verified"},
	{"veriff", "declined", []string{`"approved"`, `"declined"`}, "rejected"},
	{"veriff", "review", []string{`"approved"`, `"review"`}, "needs_review"},
	{"veriff", "resubmission requested", []string{`"approved"`, `"resubmission_requested"`}, "needs_review"},
	{"veriff", "expired", []string{`"approved"`, `"expired"`}, "needs_review"},
	{"veriff", "abandoned", []string{`"approved"`, `"abandoned"`}, "needs_review"},

	{"sumsub", "RED for good", nil, "rejected"},
	{"sumsub", "RED, to be tried again", []string{`"FINAL"`, `"RETRY"`}, "needs_review"},
	{"sumsub", "RED alone", []string{`"FINAL"`, `null`}, "needs_review"},
	{"sumsub", "GREEN", []string{`"RED"`, `"GREEN"`, `"FINAL"`, `null`}, "verified"},
	{"sumsub", "on hold", []string{"applicantReviewed", "applicantOnHold", `"RED"`, `null`, `"FINAL"`, `null`}, "needs_review"},
	{"sumsub", "on hold with a result", []string{"applicantReviewed", "applicantOnHold"}, "needs_review"},
	{"sumsub", "created", []string{"applicantReviewed", "applicantCreated"}, ""},
	{"sumsub", "pending", []string{"applicantReviewed", "applicantPending"}, ""},
	{"sumsub", "a workflow", []string{"applicantReviewed", "applicantWorkflowCompleted"}, ""},

	{"didit", "approved", nil, "verified"},
	{"didit", "declined", []string{`"Approved"`, `"Declined"`}, "rejected"},
	{"didit", "in review", []string{`"Approved"`, `"In Review"`}, "needs_review"},
	{"didit", "resubmitted", []string{`"Approved"`, `"Resubmitted"`}, "needs_review"},
	{"didit", "expired", []string{`"Approved"`, `"Expired"`}, "needs_review"},
	{"didit", "abandoned", []string{`"Approved"`, `"Abandoned"`}, "needs_review"},
	{"didit", "run out", []string{`"Approved"`, `"Kyc Expired"`}, "needs_review"},
	{"didit", "not started", []string{`"Approved"`, `"Not Started"`}, ""},
	{"didit", "in progress", []string{`"Approved"`, `"In Progress"`}, ""},
	{"didit", "awaiting the user", []string{`"Approved"`, `"Awaiting User"`}, ""},
	{"didit", "data", []string{"status.updated", "data.updated"}, ""},

	{"idenfy", "approved", nil, "verified"},
	{"idenfy", "denied", []string{"APPROVED", "DENIED"}, "rejected"},
	{"idenfy", "suspected", []string{"APPROVED", "SUSPECTED"}, "needs_review"},
	{"idenfy", "expired", []string{"APPROVED", "EXPIRED", `"final": true`, `"final": null`}, "needs_review"},
	{"idenfy", "expired for good", []string{"APPROVED", "EXPIRED"}, "needs_review"},
	{"idenfy", "reviewing", []string{"APPROVED", "REVIEWING", `"final": true`, `"final": false`}, ""},
	{"idenfy", "approved, not final", []string{`"final": true`, `"final": false`}, ""},
	{"idenfy", "denied, not final", []string{"APPROVED", "DENIED", `"final": true`, `"final": false`}, ""},
	{"idenfy", "suspected, not final", []string{"APPROVED", "SUSPECTED", `"final": true`, `"final": false`}, ""},
	{"idenfy", "approved, final or not", []string{`"final": true`, `"final": null`}, "needs_review"},

	{"checkr", "clear", nil, "verified"},
	{"checkr", "consider", []string{`"clear"`, `"consider"`}, "needs_review"},
	{"checkr", "canceled", []string{`"clear"`, `null`}, "needs_review"},
	{"checkr", "engaged though clear", []string{"report.completed", "report.engaged"}, "verified"},
	{"checkr", "engaged", []string{`"clear"`, `"consider"`, "report.completed", "report.engaged"}, "verified"},
	{"checkr", "adverse action", []string{`"clear"`, `"consider"`, "report.completed", "report.post_adverse_action"}, "rejected"},
	{"checkr", "created", []string{"report.completed", "report.created"}, ""},
	{"checkr", "an invitation", []string{"report.completed", "invitation.completed"}, ""},
}

// personal are the values of the payloads that say who the person is.
var personal = []string{"JANE", "DOE", "jane@", "+1555", "1990-04-01", "P1234567", "Example Street", "192.0.2", "files.example", "secret", "agent@"}

func TestDecoder_DocumentedResults(t *testing.T) {
	t.Parallel()
	for _, tt := range results {
		t.Run(tt.vendor+" "+tt.name, func(t *testing.T) {
			t.Parallel()
			s, err := newDecoder(t, vendorNamed(t, tt.vendor)).Decode(t.Context(), payload(t, tt.vendor, tt.replace...))
			if tt.want == "" {
				if !errors.Is(err, sessionstep.ErrNoResult) {
					t.Errorf("got %+v, error %v, want news", s, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if s.Status != tt.want || s.Session != "sess_1" {
				t.Errorf("got %q for session %q, want %q for sess_1", s.Status, s.Session, tt.want)
			}
			s.Step = sessionstep.DefaultStep
			if err := s.Validate(); err != nil {
				t.Error(err)
			}
			d := detailsOf(t, s)
			if d.Vendor != tt.vendor || d.Result == "" || !strings.HasPrefix(d.Time, "2026-11-06T07:18:36") || !strings.HasSuffix(d.Time, "Z") {
				t.Errorf("details %s: want vendor, result, and the time in UTC", s.Details)
			}
			for _, value := range personal {
				if bytes.Contains(s.Details, []byte(value)) {
					t.Errorf("the details hold %q: %s", value, s.Details)
				}
			}
		})
	}
}

// Every outcome of every table is in the test above; those of types that have to be
// asked for are not.
func TestVendors_EachOutcomeIsTested(t *testing.T) {
	t.Parallel()
	for _, v := range idv.All() {
		d := newDecoder(t, v)
		untested := maps.Clone(v.Outcomes)
		for _, tt := range results {
			if tt.vendor != v.Name {
				continue
			}
			if s, err := d.Decode(t.Context(), payload(t, tt.vendor, tt.replace...)); err == nil {
				delete(untested, detailsOf(t, s).Result)
			}
		}
		maps.DeleteFunc(untested, func(word string, o sessionstep.Outcome) bool {
			return o == idv.News || strings.HasPrefix(word, "applicantWorkflowCompleted/") // see TablesCanBeChanged
		})
		for word := range untested {
			t.Errorf("%s: no test of %q", v.Name, word)
		}
	}
}

// A word that a vendor adds is not lost, decides nothing, and is seen.
func TestDecoder_UnknownResult(t *testing.T) {
	t.Parallel()
	for vendor, tt := range map[string]struct {
		replace []string
		word    string
	}{
		"onfido": {[]string{`"approved"`, `"pardoned"`}, "pardoned"},
		"veriff": {[]string{`"approved"`, `"pardoned"`}, "pardoned"},
		"sumsub": {[]string{`"RED"`, `"YELLOW"`}, "applicantReviewed/YELLOW/FINAL"},
		"didit":  {[]string{`"Approved"`, `"Pardoned"`}, "Pardoned"},
		"idenfy": {[]string{"APPROVED", "PARDONED"}, "PARDONED/true"},
		"checkr": {[]string{`"clear"`, `"pardoned"`}, "report.completed/pardoned"},
	} {
		s, err := newDecoder(t, vendorNamed(t, vendor)).Decode(t.Context(), payload(t, vendor, tt.replace...))
		if err != nil || s.Status != sessionstep.NeedsReview || detailsOf(t, s).Result != tt.word {
			t.Errorf("%s: got %q, details %s, error %v, want needs_review and the word %q", vendor, s.Status, s.Details, err, tt.word)
		}
	}
}

func TestDecoder_Keys(t *testing.T) {
	t.Parallel()
	for vendor, want := range map[string]string{
		"persona":         "persona:evt_persona0001",
		"stripe-identity": "stripe-identity:evt_1stripe0001",
		"onfido":          "onfido:11111111-2222-4333-8444-000000000001/workflow_run.completed/approved/2026-11-06T09:18:36+02:00",
		"veriff":          "veriff:11111111-2222-4333-8444-000000000002/11111111-2222-4333-8444-000000000003/approved/2026-11-06T07:18:36.916Z",
		"sumsub":          "sumsub:64f000000000000000000001/applicantReviewed/2026-11-06 07:18:36.916/req-11111111-2222-4333-8444-000000000005",
		"didit":           "didit:11111111-2222-4333-8444-000000000006",
		"idenfy":          "idenfy:11111111-2222-4333-8444-000000000009/APPROVED/true/1793949516",
		"checkr":          "checkr:5b0000000000000000000001",
	} {
		s, err := newDecoder(t, vendorNamed(t, vendor)).Decode(t.Context(), payload(t, vendor))
		if err != nil || s.Key != want {
			t.Errorf("%s: got %q, error %v, want %q", vendor, s.Key, err, want)
		}
	}
}

// Parts that contain the separator do not make one key of two results. An ID that is the
// whole key stays as it is.
func TestDecoder_KeysAreSeparable(t *testing.T) {
	t.Parallel()
	v := idv.Vendor{Name: "acme", Session: "s", Result: []string{"r"}, Outcomes: map[string]sessionstep.Outcome{"ok": sessionstep.Verified}, Key: []string{"a", "b"}}
	seen := make(map[string]string)
	for _, body := range []string{`"a":"1/2","b":"3"`, `"a":"1","b":"2/3"`, `"a":"1%2F2","b":"3"`, `"a":"1","b":"2%2F3"`} {
		s, err := newDecoder(t, v).Decode(t.Context(), []byte(`{"s":"sess","r":"ok",`+body+`}`))
		if err != nil || seen[s.Key] != "" {
			t.Errorf("%s has the key %q, as %s; error %v", body, s.Key, seen[s.Key], err)
		}
		seen[s.Key] = body
	}
	v.Key = []string{"a"}
	if s, err := newDecoder(t, v).Decode(t.Context(), []byte(`{"s":"sess","r":"ok","a":"1/%2"}`)); err != nil || s.Key != "acme:1/%2" {
		t.Errorf("got %q, %v, want the ID as it is", s.Key, err)
	}
}

// What a person has sent again from Didit's dashboard has another time and other
// personal data.
func TestDecoder_SentAgainInAnotherBody(t *testing.T) {
	t.Parallel()
	d := newDecoder(t, idv.Didit())
	first, err := d.Decode(t.Context(), payload(t, "didit"))
	again, err2 := d.Decode(t.Context(), payload(t, "didit", `"timestamp": 1793949516`, `"timestamp": 1793999999`, "front.jpg", "front2.jpg"))
	if err := errors.Join(err, err2); err != nil || first.Key != again.Key {
		t.Errorf("got keys %q and %q, error %v, want one", first.Key, again.Key, err)
	}
}

// Results of one session that differ in what tells them apart have keys of their own.
func TestDecoder_SeveralResultsOfOneSession(t *testing.T) {
	t.Parallel()
	for vendor, replace := range map[string][]string{
		"onfido": {`"approved"`, `"review"`, "09:18:36+02:00", "09:10:00+02:00"},
		"veriff": {"444-000000000003", "444-0000000000ff"}, // another attempt
		"sumsub": {"36.916", "36.917"},
		"idenfy": {"APPROVED", "DENIED"},
	} {
		d := newDecoder(t, vendorNamed(t, vendor))
		one, err := d.Decode(t.Context(), payload(t, vendor))
		two, err2 := d.Decode(t.Context(), payload(t, vendor, replace...))
		if err := errors.Join(err, err2); err != nil || one.Key == two.Key || one.Session != two.Session {
			t.Errorf("%s: got keys %q and %q, error %v, want two", vendor, one.Key, two.Key, err)
		}
	}
}

func TestDecoder_OtherShapes(t *testing.T) {
	t.Parallel()
	veriff := newDecoder(t, idv.Veriff())
	for _, tt := range []struct {
		name, body string
		want       sessionstep.Outcome // "" is news
	}{
		{"the event webhook", `{"id":"v1","attemptId":"a1","feature":"selfid","code":7002,"action":"submitted","vendorData":"sess_1"}`, ""},
		{"user-defined status", `{"data":{"verification":{"id":"v1","userDefinedData":{"status":"x"}}},"attemptId":"a1","eventType":"user-status.created","vendorData":"sess_1"}`, ""},
		{"Full Auto", `{"status":"success","eventType":"fullauto","sessionId":"v1","attemptId":"a1","vendorData":"sess_1","time":"2026-11-06T07:18:36.916Z","data":{"verification":{"decision":"approved","decisionScore":0.98}}}`, "verified"},
		{"Full Auto with values", `{"eventType":"fullauto","sessionId":"v1","attemptId":"a1","vendorData":"sess_1","time":"2026-11-06T07:18:36.916Z","data":{"verification":{"decision":{"value":"declined"}}}}`, "rejected"},
	} {
		s, err := veriff.Decode(t.Context(), []byte(tt.body))
		if tt.want == "" && !errors.Is(err, sessionstep.ErrNoResult) || tt.want != "" && (err != nil || s.Status != tt.want || s.Session != "sess_1") {
			t.Errorf("Veriff, %s: got %q for %q, error %v, want %q", tt.name, s.Status, s.Session, err, tt.want)
		}
	}
	for _, replace := range [][]string{
		{"reference-id", "reference_id", "created-at", "created_at"},
		{"reference-id", "referenceId", "created-at", "createdAt"},
	} {
		s, err := newDecoder(t, idv.Persona()).Decode(t.Context(), payload(t, "persona", replace...))
		if err != nil || s.Session != "sess_1" || detailsOf(t, s).Time == "" {
			t.Errorf("Persona with %s: got session %q, details %s, error %v", replace[1], s.Session, s.Details, err)
		}
	}
}

func TestDecoder_SessionElsewhere(t *testing.T) {
	t.Parallel()
	for vendor, path := range map[string]string{
		"stripe-identity": "data.object.metadata.session",
		"onfido":          "payload.resource.tags.0",
		"didit":           "metadata.session",
		"idenfy":          "externalRef",
	} {
		v := vendorNamed(t, vendor)
		v.Session = path
		s, err := newDecoder(t, v).Decode(t.Context(), payload(t, vendor))
		if err != nil || s.Session != "sess_2" {
			t.Errorf("%s: got session %q, error %v, want sess_2", vendor, s.Session, err)
		}
	}
}

func TestDecoder_TablesCanBeChanged(t *testing.T) {
	t.Parallel()
	v := idv.Sumsub()
	v.Types = []string{"applicantWorkflowCompleted"}
	v.Outcomes["applicantWorkflowCompleted/RED/RETRY"] = idv.News
	d := newDecoder(t, v)
	v.Types[0], v.Outcomes["applicantWorkflowCompleted/RED/FINAL"] = "changed afterwards", idv.News
	for replace, want := range map[[2]string]error{
		{"applicantReviewed", "applicantWorkflowCompleted"}:      nil,
		{"applicantReviewed", "applicantReviewed"}:               sessionstep.ErrNoResult,
		{`"type": "applicantReviewed"`, `"reviewId": "r1"`}:      sessionstep.ErrMissingField,
		{`"type": "applicantReviewed"`, `"type": "applicantOn"`}: sessionstep.ErrNoResult,
	} {
		if _, err := d.Decode(t.Context(), payload(t, "sumsub", replace[:]...)); !errors.Is(err, want) {
			t.Errorf("%s: got error %v, want %v", replace[1], err, want)
		}
	}
	body := payload(t, "sumsub", "applicantReviewed", "applicantWorkflowCompleted", `"RED"`, `"GREEN"`, `"FINAL"`, `null`)
	if s, err := d.Decode(t.Context(), body); err != nil || s.Status != sessionstep.Verified {
		t.Errorf("a workflow's GREEN: got %q, error %v, want verified", s.Status, err)
	}
	body = payload(t, "sumsub", "applicantReviewed", "applicantWorkflowCompleted", "FINAL", "RETRY")
	if _, err := d.Decode(t.Context(), body); !errors.Is(err, sessionstep.ErrNoResult) {
		t.Errorf("an outcome that was changed to News: got error %v", err)
	}
	if _, err := newDecoder(t, idv.Sumsub()).Decode(t.Context(), payload(t, "sumsub")); err != nil {
		t.Errorf("the vendor's own table changed: %v", err)
	}
}

func TestAll_SortedByName(t *testing.T) {
	t.Parallel()
	var names []string
	for _, v := range idv.All() {
		names = append(names, v.Name)
	}
	if !slices.IsSorted(names) || len(slices.Compact(names)) != 8 {
		t.Errorf("got %v, want eight names, sorted", names)
	}
}
