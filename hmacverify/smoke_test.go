package hmacverify_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hookonce/hookonce/hmacverify"
)

func TestSmoke(t *testing.T) {
	body := `{"eventId":"evt_1","type":"x","id":"evt_2","event_id":"evt_3"}`
	for _, s := range []hmacverify.Scheme{hmacverify.XSignature256(), hmacverify.XSignature256Timestamp(), hmacverify.GitHub(), hmacverify.Stripe(), hmacverify.Slack(), hmacverify.Shopify(), hmacverify.StandardWebhooks()} {
		t.Run(s.Name, func(t *testing.T) {
			key := "c2VjcmV0c2VjcmV0"
			v, err := hmacverify.New(s, nil, key)
			if err != nil {
				t.Fatal(err)
			}
			sg, err := hmacverify.NewSigner(s, nil, key)
			if err != nil {
				t.Fatal(err)
			}
			r := httptest.NewRequest("POST", "/", strings.NewReader(body))
			r.Header.Set("webhook-id", "msg_1")
			if err := sg.Sign(r.Header, []byte(body)); err != nil {
				t.Fatal(err)
			}
			d, err := v.Verify(r.Header, []byte(body))
			if id, idErr := d.IdempotencyID(); err != nil || idErr != nil || id == "" {
				t.Errorf("got %q, %v, %v", id, err, idErr)
			}
			rec := httptest.NewRecorder()
			v.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {})).ServeHTTP(rec, r)
			if rec.Code != 200 {
				t.Error(rec.Code)
			}
			r.Header.Del(s.Signature[0])
			rec = httptest.NewRecorder()
			v.Handler(nil).ServeHTTP(rec, r)
			if rec.Code != 401 {
				t.Error(rec.Code)
			}
		})
	}
}

