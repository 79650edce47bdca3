package idv_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hookonce/hookonce/sessionstep"
	"github.com/hookonce/hookonce/sessionstep/idv"
)

// details is what a Submission's details hold.
type details struct {
	Vendor, Result, Time string
	Payload              map[string]any
}

func detailsOf(t testing.TB, s sessionstep.Submission) details {
	t.Helper()
	var d details
	if err := json.Unmarshal(s.Details, &d); err != nil {
		t.Fatalf("details %s: %v", s.Details, err)
	}
	return d
}

func TestDecoder_Details(t *testing.T) {
	t.Parallel()
	v := idv.Veriff()
	s, err := newDecoder(t, v).Decode(t.Context(), payload(t, "veriff", `"reasonCode": null`, `"reasonCode": 102`))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"vendor":"veriff","result":"approved","time":"2026-11-06T07:18:36.916Z","payload":{"verification":{` +
		`"attemptId":"11111111-2222-4333-8444-000000000003","code":9001,"decisionTime":"2026-11-06T07:18:36.916Z",` +
		`"id":"11111111-2222-4333-8444-000000000002","reasonCode":102,"status":"approved"}}}`
	if diff := cmp.Diff(want, string(s.Details)); diff != "" {
		t.Errorf("details (-want +got):\n%s", diff)
	}

	v.Details = []string{"*"}
	body := payload(t, "veriff")
	s, err = newDecoder(t, v).Decode(t.Context(), append([]byte("\xEF\xBB\xBF"), body...))
	if err != nil || !bytes.HasSuffix(s.Details, slices.Concat(bytes.TrimSpace(body), []byte{'}'})) {
		t.Errorf("the whole payload: got %s, error %v", s.Details, err)
	}

	v.Details, v.Time = nil, ""
	s, err = newDecoder(t, v).Decode(t.Context(), body)
	if want := `{"vendor":"veriff","result":"approved"}`; err != nil || string(s.Details) != want {
		t.Errorf("nothing: got %s, error %v, want %s", s.Details, err, want)
	}
}

func TestDecoder_Times(t *testing.T) {
	t.Parallel()
	d := newDecoder(t, idv.Sumsub())
	for written, want := range map[string]string{
		`"2026-11-06 07:18:36.916"`:      "2026-11-06T07:18:36.916Z",
		`"2026-11-06 07:18:36"`:          "2026-11-06T07:18:36Z",
		`"2026-11-06 09:18:36+0200"`:     "2026-11-06T07:18:36Z",
		`"2026-11-06T09:18:36.5+02:00"`:  "2026-11-06T07:18:36.5Z",
		`1793949516`:                     "2026-11-06T07:18:36Z",
		`"1793949516916"`:                "2026-11-06T07:18:36.916Z",
		`"yesterday"`:                    "",
		`"99999999999999999"`:            "",
		`1.7e9`:                          "",
		`true`:                           "",
		`"2026-11-06 07:18:36.916 GMT"`:  "",
		`"0000-00-00 00:00:00"`:          "",
		`"-1793949516"`:                  "",
		`"2026-11-06T07:18:36.9160001Z"`: "2026-11-06T07:18:36.9160001Z",
	} {
		s, err := d.Decode(t.Context(), payload(t, "sumsub", `"2026-11-06 07:18:36.916"`, written))
		if err != nil || detailsOf(t, s).Time != want {
			t.Errorf("%s: got details %s, error %v, want time %q", written, s.Details, err, want)
		}
	}
}
