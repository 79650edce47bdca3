package storetest

import (
	"fmt"
	"strings"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
)

// keySets are sets of keys that a store must keep apart. The scopes get the
// trial's own scope in front.
func keySets() []struct {
	name string
	keys []idempotency.Key
} {
	ids := func(ids ...string) []idempotency.Key {
		var keys []idempotency.Key
		for _, id := range ids {
			keys = append(keys, idempotency.Key{ID: id})
		}
		return keys
	}
	scopes := func(scopes ...string) []idempotency.Key {
		var keys []idempotency.Key
		for _, s := range scopes {
			keys = append(keys, idempotency.Key{Scope: s, ID: "id"})
		}
		return keys
	}
	const max = idempotency.MaxKeyBytes
	return []struct {
		name string
		keys []idempotency.Key
	}{
		{"case", append(ids("evt_a", "evt_A", "EVT_a", "é", "É", "ß", "ss", "SS", "i", "I", "ı", "İ"), scopes("a", "A")...)},
		{"spaces around them", append(ids("a", "a ", "a  ", " a", "a\t", "a\n", "a\r\n", "a\u00a0", "a\u200b"), scopes("a", "a ", "a\t")...)},
		{"NUL bytes", append(ids("a", "a\x00", "a\x00\x00", "\x00a", "a\x00b", "\x00", "\x00\x00"), scopes("a", "a\x00")...)},
		{"the last of 255 bytes", append(
			ids(strings.Repeat("x", max-1)+"a", strings.Repeat("x", max-1)+"b", strings.Repeat("x", max-1), strings.Repeat("x", max-1)+" "),
			scopes(pad("a"), pad("b"), pad("A"))...)},
		{"bytes that are not UTF-8", append(ids("\xff", "\xfe", "\uFFFD", "a\xff", "a\xfe", "a", "\xc3\x28", "(", "?"), scopes("\xff", "\xfe", "\uFFFD")...)},
		{"Unicode normalization and look-alikes", append(ids("\u00e9", "e\u0301", "e", "\u00c5", "\u212b", "A\u030a", "a", "\u0430", "\uff41", "ﬁ", "fi"), scopes("\u00e9", "e\u0301")...)},
		{"how a number is written", append(ids("1", "01", "1.0", "1e0", "+1", "0x1", "1.", "１", "true", "9007199254740992", "9007199254740993"), scopes("1", "01")...)},
		{"the boundary of scope and ID", []idempotency.Key{
			{Scope: "a", ID: "bc"}, {Scope: "ab", ID: "c"}, {Scope: "abc", ID: "bc"},
			{Scope: "a", ID: ":b"}, {Scope: "a:", ID: "b"}, {Scope: "a/", ID: "b"}, {Scope: "a", ID: "/b"},
			{Scope: "a|b", ID: "c"}, {Scope: "a", ID: "b|c"}, {Scope: "a\x00b", ID: "c"}, {Scope: "a", ID: "b\x00c"},
			{Scope: "a:b", ID: "c"}, {Scope: "a", ID: "b:c"}, {Scope: "a/b", ID: "c"}, {Scope: "a", ID: "b/c"},
			{Scope: "a,b", ID: "c"}, {Scope: "a", ID: "b,c"}, {Scope: "a-b", ID: "c"}, {Scope: "a", ID: "b-c"},
		}},
		{"characters that SQL treats specially", append(ids("a", "_", "%", "'", "''", "\\", "\\\\", "\\'", "a'--", "\"", "`", "$1", "?", ":id", "NULL", "\\x61", "\\141", "x'61'"), scopes("'", "''", "%", "_")...)},
		{"scope alone or ID alone", []idempotency.Key{
			{Scope: "one", ID: "1"}, {Scope: "two", ID: "1"}, {Scope: "one", ID: "2"}, {Scope: "two", ID: "2"},
		}},
	}
}

// pad returns s with as many bytes in front as make a scope of 255 bytes with
// that of a trial.
func pad(s string) string {
	own := len(newTrial(nil, nil).key.Scope) + len("/")
	return strings.Repeat("x", idempotency.MaxKeyBytes-own-len(s)) + s
}

func keyChecks() []check {
	var checks []check
	for _, set := range keySets() {
		checks = append(checks, check{
			"keys that differ only in " + set.name + " are different",
			"An event would be called a duplicate of another one, and be lost.",
			func(t *trial) { keptApart(t, set.keys) },
		})
	}
	return checks
}

func keptApart(t *trial, keys []idempotency.Key) {
	claims := make([]lease.Claim, len(keys))
	for i, key := range keys {
		key.Scope = t.key.Scope + "/" + key.Scope
		t.must("the suite's own key", key.Validate())
		rec, won := t.claim(key, terms(long))
		if !won {
			t.Fatalf("the claim of %v lost to the record of another key: %+v", key, rec)
		}
		if rec.Token != 1 {
			t.Fatalf("the claim of %v has token %d, so it is taken for another key", key, rec.Token)
		}
		claims[i] = lease.Claim{Key: key, Owner: rec.Owner, Token: rec.Token}
	}
	for i, c := range claims {
		t.complete(c, &idempotency.Result{Status: 200 + i})
	}
	for i, c := range claims {
		t.wantRecord(fmt.Sprintf("record of %v", c.Key), t.lose(c.Key, terms(long)), lease.Record{
			State: lease.Done, Owner: c.Owner, Token: 1, Attempts: 1,
			Result: &idempotency.Result{Status: 200 + i},
		})
	}
}
