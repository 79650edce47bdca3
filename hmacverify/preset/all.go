package preset

import (
	"cmp"
	"slices"

	"github.com/hookonce/hookonce/hmacverify"
)

// All returns every preset, sorted by Scheme.Name.
func All() []hmacverify.Scheme {
	var all []hmacverify.Scheme
	for _, t := range trades() {
		all = append(all, t.presets...)
	}
	slices.SortFunc(all, func(a, b hmacverify.Scheme) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// ByName returns the preset whose Scheme.Name is name, such as "stripe", and
// reports whether there is one.
func ByName(name string) (hmacverify.Scheme, bool) {
	for _, t := range trades() {
		for _, s := range t.presets {
			if s.Name == name {
				return s, true
			}
		}
	}
	return hmacverify.Scheme{}, false
}

// trade is a group of senders that a reader looks for together. Each stands in a
// file of its own.
type trade struct {
	title   string
	presets []hmacverify.Scheme
}

func trades() []trade {
	return []trade{
		{"Schemes that many senders share", standards()},
		{"Identity verification", identities()},
		{"Payments", payments()},
		{"Banks and cards", banks()},
		{"Books, loans and accounts", finances()},
		{"Coins and wallets", wallets()},
		{"Shops", shops()},
		{"Subscriptions and digital goods", billings()},
		{"Parcels, letters and warehouses", parcels()},
		{"Language models and app platforms", models()},
		{"Sign-in, directories and staff", signIns()},
		{"Source control, issues and builds", sources()},
		{"Hosting, settings and alerts", operations()},
		{"Content", contents()},
		{"Gateways and realtime", relays()},
		{"Chat, meetings and social networks", chats()},
		{"Telephony", telephony()},
		{"Mail and notifications", mails()},
		{"Support, sales, forms and bookings", supports()},
		{"Documents, tasks and calendars", documents()},
	}
}
