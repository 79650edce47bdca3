package peers_test

import "fmt"

// event returns n bytes of JSON with the ID in front, under the names that
// Stripe and Slack give it.
func event(n int) []byte {
	return fill(`{"id":"evt_1Q9Yh2eZvKYlo2C","event_id":"Ev0PV52K21","type":"paid","data":[0`, `]}`, n)
}

// lateEvent is event with the ID after the data, where Slack has it.
func lateEvent(n int) []byte {
	return fill(`{"type":"event_callback","data":[0`, `],"event_id":"Ev0PV52K21"}`, n)
}

// fill returns a list of small objects between head and tail.
func fill(head, tail string, n int) []byte {
	b := []byte(head)
	for i := 0; ; i++ {
		item := fmt.Sprintf(`,{"id":"ii_%06d","amount":%d,"note":"seat","paid":true}`, i, 100+i)
		if len(b)+len(item)+len(tail) > n {
			break
		}
		b = append(b, item...)
	}
	for len(b)+len(tail) < n {
		b = append(b, ' ')
	}
	return append(b, tail...)
}
