package hmacverify_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hookonce/hookonce/hmacverify"
)

// batchScheme is a scheme whose requests have several events.
func batchScheme(items ...hmacverify.Items) hmacverify.Scheme {
	return hmacverify.Scheme{
		Name: "acme", Signature: []string{"X-Sig"}, Identity: hmacverify.BodyDigest,
		Sender: hmacverify.Sender{Items: items},
	}
}

// batchOf returns a verified delivery.
func batchOf(tb testing.TB, s hmacverify.Scheme, body string) *hmacverify.Delivery {
	tb.Helper()
	d, err := newVerifier(tb, s, testOptions(), testKey).Verify(signed(tb, s, http.Header{"X-Other": {"1"}}, body, testKey), []byte(body))
	if err != nil {
		tb.Fatal(err)
	}
	return &d
}

func TestItems_Identity(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		items hmacverify.Items
		body  string
		want  []string // "" for an event without identity
	}{
		{"one field is the ID as it is", hmacverify.Items{JSON: "[]", ID: []string{"id"}}, `[{"id":"a:b"},{"id":7}]`, []string{"a:b", "7"}},
		{"several are joined, and differ if their parts do",
			hmacverify.Items{JSON: "[]", ID: []string{"a", "b"}}, `[{"a":"x:y","b":"z"},{"a":"x","b":"y:z"},{"a":"x\\:y","b":"z"}]`,
			[]string{`x\:y:z`, `x:y\:z`, `x\\\:y:z`}},
		{"as do a digest of theirs and its parts", hmacverify.Items{JSON: "[]", ID: []string{"a", "b"}},
			`[{"a":"sha256:x","b":"sha256:y"},{"a":"sha256:x:sha256","b":"y"}]`, []string{`sha256\:x:sha256\:y`, `sha256\:x\:sha256:y`}},
		{"the first must be there, the others may be absent",
			hmacverify.Items{JSON: "[]", ID: []string{"a", "b"}}, `[{"a":1},{"b":2},{"a":null,"b":2},7]`, []string{"1:", "", "", ""}},
		{"an ID that is too long is none", hmacverify.Items{JSON: "[]", ID: []string{"id"}}, `[{"id":"` + strings.Repeat("a", 256) + `"}]`, []string{""}},
		{"as are those that are too long together", hmacverify.Items{JSON: "[]", ID: []string{"a", "b"}},
			`[{"a":"` + strings.Repeat("a", 200) + `","b":"` + strings.Repeat("b", 200) + `"}]`, []string{""}},
		{"what is around an event is a part of it", hmacverify.Items{JSON: "e.[].x.[]", ID: []string{"id"}, Outer: []string{"e.[].who", "app"}},
			`{"app":"A","e":[{"who":"1","x":[{"id":"a"}]},{"who":"2","x":[{"id":"a"}]},{"x":[{"id":"a"}]}]}`, []string{"A:1:a", "A:2:a", "A::a"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			items, err := batchOf(t, batchScheme(tt.items), tt.body).Items()
			wantErr(t, err, nil)
			var got []string
			for _, d := range items {
				id, err := d.IdempotencyID()
				if id == "" {
					wantErr(t, err, hmacverify.ErrNoIdentity)
				}
				got = append(got, id)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("IDs (-want +got):\n%s", diff)
			}
		})
	}
}

// Bodies are the bytes of the request, and all else is its delivery's.
func TestItems_Delivery(t *testing.T) {
	t.Parallel()
	s := batchScheme(hmacverify.Items{JSON: "events.[]", ID: []string{"id"}, Type: "kind.name"})
	whole := batchOf(t, s, "\xEF\xBB\xBF"+` { "events" : [ {"id":1, "kind":{"name":"a"}} , {"id":1,"x":"]}\"," } ] , "more":{} } `)
	items, err := whole.Items()
	if wantErr(t, err, nil); len(items) != 2 {
		t.Fatalf("got %d events, want 2", len(items))
	}
	for i, want := range []string{`{"id":1, "kind":{"name":"a"}}`, `{"id":1,"x":"]}\"," }`} {
		d := items[i]
		if string(d.Body) != want || d.ID != "1" || !d.IDSigned || d.Scheme != "acme" || d.Header.Get("X-Other") != "1" {
			t.Errorf("got %v, body %s", d, d.Body)
		}
		if again, err := d.Items(); err != nil || len(again) != 1 || again[0] != d {
			t.Errorf("got %v, error %v: an event is not divided again", again, err)
		}
		if cap(d.Body) != len(d.Body) {
			t.Error("an append to the body would overwrite the next event")
		}
		stored := d.Stored()
		if restored, err := stored.RestoreUnverified(); err != nil || restored.ID != "1" || restored.Header.Get("X-Sig") != "" {
			t.Errorf("got %v, error %v", restored, err)
		}
	}
	if got := items[0].EventType() + "," + items[1].EventType(); got != "a," {
		t.Errorf("got types %q", got)
	}
}

// Where an event holds several after all, each gets what is around it, and no other.
func TestItems_Inner(t *testing.T) {
	t.Parallel()
	s := batchScheme(hmacverify.Items{JSON: "[]", Inner: []string{"v.s", "v.m"}})
	for body, want := range map[string][]string{
		`[{"v":{"m":[1, {"a":[]}],"k":"x","s":[ 3 ]}},{"v":{}}]`: {
			`{"v":{"m":[1],"k":"x","s":[]}}`, `{"v":{"m":[{"a":[]}],"k":"x","s":[]}}`, `{"v":{"m":[],"k":"x","s":[3]}}`, `{"v":{}}`,
		},
		`[{"v":{"m":[]}}]`: {`{"v":{"m":[]}}`},
	} {
		items, err := batchOf(t, s, body).Items()
		wantErr(t, err, nil)
		var got []string
		for _, d := range items {
			got = append(got, string(d.Body))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("bodies of %s (-want +got):\n%s", body, diff)
		}
	}
}

// A type in a header is that of all events, unless each has its own.
func TestItems_TypeInAHeader(t *testing.T) {
	t.Parallel()
	for own, want := range map[string]string{"": "h", "type": "b"} {
		s := batchScheme(hmacverify.Items{JSON: "[]", Type: own})
		s.Type.Header = "X-Type"
		d := batchOf(t, s, `[{"type":"b"}]`)
		h := d.Header.Clone()
		h.Set("X-Type", "h")
		again, err := newVerifier(t, s, testOptions(), testKey).Verify(h, d.Body)
		wantErr(t, err, nil)
		items, err := again.Items()
		if wantErr(t, err, nil); len(items) != 1 || items[0].EventType() != want {
			t.Errorf("Items.Type %q: got type %q, want %q", own, items[0].EventType(), want)
		}
	}
}

func TestItems_OuterIsStored(t *testing.T) {
	t.Parallel()
	s := batchScheme(hmacverify.Items{JSON: "e.[]", Outer: []string{"account"}})
	items, err := batchOf(t, s, `{"e":[{}],"account":"acc_1"}`).Items()
	wantErr(t, err, nil)
	text, err := json.Marshal(items[0].Stored())
	wantErr(t, err, nil)
	var stored hmacverify.Stored
	wantErr(t, json.Unmarshal(text, &stored), nil)
	restored, err := stored.RestoreUnverified()
	wantErr(t, err, nil)
	if diff := cmp.Diff(map[string]string{"account": "acc_1"}, restored.Outer); diff != "" {
		t.Errorf("outer texts (-want +got):\n%s", diff)
	}
	if text := fmt.Sprintf("%+v %#v", *items[0], items[0]); strings.Contains(text, `acc_1"`) {
		t.Errorf("printed as %s", text)
	}
}

// The first Items that fits the body counts.
func TestItems_Alternatives(t *testing.T) {
	t.Parallel()
	s := batchScheme(hmacverify.Items{JSON: "[]", ID: []string{"new"}}, hmacverify.Items{JSON: "old.[]", ID: []string{"id"}})
	for body, want := range map[string]string{`[{"new":"n"}]`: "n", `{"old":[{"id":"o"}]}`: "o"} {
		items, err := batchOf(t, s, body).Items()
		if wantErr(t, err, nil); len(items) != 1 || items[0].ID != want {
			t.Errorf("%s: got %v, want one of ID %q", body, items, want)
		}
	}
}

func TestItems_Without(t *testing.T) {
	t.Parallel()
	d := batchOf(t, batchScheme(), `[1,2]`)
	if items, err := d.Items(); err != nil || len(items) != 1 || items[0] != d {
		t.Errorf("got %v, error %v, want the delivery itself", items, err)
	}
	items, err := batchOf(t, hmacverify.Scheme{Name: "acme", Signature: []string{"X-Sig"}}, `x`).Item("", "kind", []byte("part")).Items()
	if wantErr(t, err, nil); len(items) != 1 || string(items[0].Body) != "part" || items[0].EventType() != "kind" {
		t.Errorf("got %v", items)
	}
	if id, err := items[0].IdempotencyID(); err != nil || !strings.HasPrefix(id, "sha256:") {
		t.Errorf("got ID %q, error %v, want the digest", id, err)
	}
}

// Bodies that are signed, and not what the scheme says.
func TestItems_Malformed(t *testing.T) {
	t.Parallel()
	flat := hmacverify.Items{JSON: "e.[]"}
	nested := hmacverify.Items{JSON: "e.[].x|y.[]", Inner: []string{"in"}}
	within := hmacverify.Items{JSON: "[]", Inner: []string{"a", "a.0.b"}}
	for _, tt := range []struct {
		items hmacverify.Items
		body  string
	}{
		{flat, ``}, {flat, `{}`}, {flat, `[]`}, {flat, `null`}, {flat, `7`}, {flat, `"e"`}, {flat, `{"e":{}}`}, {flat, `{"e":1}`},
		{flat, `{"e":[`}, {flat, `{"e":[1`}, {flat, `{"e":[1,`}, {flat, `{"e":[1 23]}`}, {flat, `{"e":[,]}`}, {flat, `{"e":[1,]}`},
		{flat, `{"e":["}`}, {flat, strings.Repeat("[", 1<<20)}, {flat, `{"e":` + strings.Repeat("[", 1<<20)},
		{nested, `{"e":[{}]}`}, {nested, `{"e":[[]]}`}, {nested, `{"e":[{"x":1}]}`}, {nested, `{"e":[{"x":[]},{"z":[]}]}`},
		{nested, `{"e":[{"x":[{"in":[1 2]}]}]}`},
		{within, `[{"a":[{"b":[1]}]}]`},
		{flat, `{"e":[1` + strings.Repeat(",1", hmacverify.MaxItems) + `]}`},
		{hmacverify.Items{JSON: "[]", Inner: []string{"in"}}, `[{"pad":"` + strings.Repeat("x", 1<<16) + `","in":[1` + strings.Repeat(",1", 999) + `]}]`},
	} {
		name := tt.items.JSON + tt.body[:min(len(tt.body), 40)]
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			items, err := batchOf(t, batchScheme(tt.items), tt.body).Items()
			if wantErr(t, err, hmacverify.ErrItems); err == nil {
				t.Errorf("got %d events", len(items))
			}
		})
	}
}

// The largest batch is accepted. What is around its events stands behind them, and is
// looked up once.
func TestItems_Large(t *testing.T) {
	t.Parallel()
	s := batchScheme(hmacverify.Items{JSON: "e.[].x.[]", ID: []string{"id"}, Outer: []string{"e.[].who", "app"}, Inner: []string{"in"}})
	event := `{"pad":"` + strings.Repeat("x", 200) + `","id":1}`
	body := `{"e":[{"x":[` + strings.Repeat(event+",", hmacverify.MaxItems-1) + event + `],"who":"w"}],"app":"a"}`
	d := batchOf(t, s, body)
	items, err := d.Items()
	if wantErr(t, err, nil); len(items) != hmacverify.MaxItems || items[0].ID != "a:w:1" {
		t.Errorf("got %d events, the first of ID %q", len(items), items[0].ID)
	}
}

func TestNew_Items(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		items hmacverify.Items
		want  string // in the error; "" for none
	}{
		{"the body itself", hmacverify.Items{JSON: "[]"}, ""},
		{"nested", hmacverify.Items{JSON: "a.b.[].c|d.[]", Outer: []string{"x.y", "a.b.[].z"}}, ""},
		{"no array", hmacverify.Items{JSON: "a.b"}, "Items.JSON"},
		{"empty", hmacverify.Items{}, "Items.JSON"},
		{"not at its end", hmacverify.Items{JSON: "a.[].b"}, "Items.JSON"},
		{"another syntax", hmacverify.Items{JSON: "$.a.[]"}, "Items.JSON"},
		{"an empty name", hmacverify.Items{JSON: "a..b.[]"}, "Items.JSON"},
		{"an empty alternative", hmacverify.Items{JSON: "a|.[]"}, "Items.JSON"},
		{"an alternative that is no array", hmacverify.Items{JSON: "a|b.c.[]"}, "Items.JSON"},
		{"an outer text of no event", hmacverify.Items{JSON: "a.[]", Outer: []string{"b.[].c"}}, "Items.Outer"},
		{"an outer text in the event", hmacverify.Items{JSON: "a.[]", Outer: []string{"a.[].c"}}, "Items.Outer"},
		{"an empty outer path", hmacverify.Items{JSON: "a.[]", Outer: []string{""}}, "Items.Outer"},
		{"an ID with arrays", hmacverify.Items{JSON: "a.[]", ID: []string{"a.[].id"}}, "Items.ID"},
		{"an empty ID", hmacverify.Items{JSON: "a.[]", ID: []string{""}}, "Items.ID"},
		{"an empty inner path", hmacverify.Items{JSON: "a.[]", Inner: []string{""}}, "Items.Inner"},
		{"a type of another syntax", hmacverify.Items{JSON: "a.[]", Type: "/type"}, "Items.Type"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := hmacverify.New(batchScheme(tt.items), nil, testKey)
			if tt.want == "" {
				wantErr(t, err, nil)
				return
			}
			if wantErr(t, err, hmacverify.ErrConfig); !strings.Contains(fmt.Sprint(err), tt.want) {
				t.Errorf("got %v, want one about %s", err, tt.want)
			}
		})
	}
	t.Run("what is not signed cannot be divided", func(t *testing.T) {
		t.Parallel()
		s := batchScheme(hmacverify.Items{JSON: "[]"})
		s.Signed, s.Identity = "{params}", hmacverify.NoIdentity
		_, err := hmacverify.New(s, nil, testKey)
		wantErr(t, err, hmacverify.ErrConfig)
	})
}

// FuzzItems: of a body that is JSON, the events are what encoding/json finds, in its
// bytes; no body makes Items panic.
func FuzzItems(f *testing.F) {
	schemes := []hmacverify.Scheme{
		batchScheme(hmacverify.Items{JSON: "[]", ID: []string{"id", "n"}, Type: "t"}),
		batchScheme(hmacverify.Items{JSON: "e.[]", Outer: []string{"o"}}),
		batchScheme(hmacverify.Items{JSON: "e.[].x|y.[]", Outer: []string{"e.[].o"}, Inner: []string{"v.m", "v.s"}}),
	}
	for i, body := range []string{
		`[{"id":1,"n":"a"},{"id":"b"}]`, `{"e":[1,"]",{}],"o":"who"}`,
		`{"e":[{"o":1,"x":[{"v":{"m":[1,2],"s":[3]}}],"y":[]}]}`, `{"e":[{"x":[{"v":{"s":[],"m":[{"a":"]"}]}}]}]}`, `[`,
	} {
		f.Add(uint8(i), body)
	}
	f.Fuzz(func(t *testing.T, which uint8, body string) {
		n := int(which) % len(schemes)
		items, err := batchOf(t, schemes[n], body).Items()
		if err != nil {
			wantErr(t, err, hmacverify.ErrItems)
			return
		}
		for _, d := range items {
			if _, err := d.IdempotencyID(); err != nil {
				wantErr(t, err, hmacverify.ErrNoIdentity)
			}
			if d.EventType(); len(d.Body) == 0 {
				t.Error("an event without a body")
			}
			if n < 2 && !strings.Contains(body, string(d.Body)) {
				t.Errorf("%q is not of the request", d.Body)
			}
			if json.Valid([]byte(body)) && !json.Valid(d.Body) {
				t.Errorf("%q of valid JSON is not valid", d.Body)
			}
		}
		var want []json.RawMessage
		if n != 0 || json.Unmarshal([]byte(body), &want) != nil {
			return
		}
		var got []json.RawMessage
		for _, d := range items {
			got = append(got, d.Body)
		}
		if len(got) != len(want) {
			t.Fatalf("got %d events, want %d", len(got), len(want))
		}
		for i := range got {
			if !bytes.Equal(got[i], want[i]) {
				t.Errorf("got %q, want %q", got[i], want[i])
			}
		}
	})
}
