package inspect

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/inbox"
	"github.com/hookonce/hookonce/idempotency/lease"
)

const (
	pageSize = 50

	// maxCount is where counting stops.
	maxCount = 10_000
)

// states are those of the list of an endpoint.
var states = []inbox.State{inbox.Waiting, inbox.InFlight, inbox.Blocked, inbox.Dead}

// An endpointView is a row of the first page.
type endpointView struct {
	Name    string
	Counts  []stateCount
	Overdue time.Duration // of the oldest that waits; 0 if none is due
	Done    time.Time     // when this process has seen one done, and failed
	Failed  time.Time
	Chart   chart
}

type stateCount struct {
	State inbox.State
	N     int
}

// More reports whether counting has stopped.
func (c stateCount) More() bool { return c.N >= maxCount }

type overviewData struct {
	Endpoints []endpointView
	Trouble   []sight
	Since     time.Duration // that the charts show
}

func (q *request) overview() error {
	data := overviewData{Since: slots * slotLength}
	now := time.Now()
	for _, name := range q.endpoints() {
		v := endpointView{Name: name, Chart: newChart(q.page.activity.chart(name, now))}
		for _, state := range states {
			n, err := q.page.store.Count(q.Context(), name, state, maxCount)
			if err != nil {
				return err
			}
			v.Counts = append(v.Counts, stateCount{state, n})
		}
		oldest, err := q.page.store.Entries(q.Context(), name, inbox.Waiting, nil, 1)
		if err != nil {
			return err
		}
		if len(oldest) > 0 {
			v.Overdue = max(0, -oldest[0].Due)
		}
		v.Done, v.Failed = q.page.activity.last(name)
		data.Endpoints = append(data.Endpoints, v)
	}
	data.Trouble = q.page.activity.troubles(20, q.sees)
	return q.show("overview", "Webhooks", data)
}

// A row is an event of a list.
type row struct {
	Key       idempotency.Key
	State     string
	Attempts  int
	Age       time.Duration
	When      string // what happens next
	Group     string
	LastError string
}

type listData struct {
	Endpoint string
	State    inbox.State
	States   []inbox.State
	Rows     []row
	Next     string // the query of the next page, "" if there is none
	First    bool
}

func (q *request) entries() error {
	endpoint, err := q.endpoint()
	if err != nil {
		return err
	}
	data := listData{Endpoint: endpoint, State: inbox.Waiting, States: states, First: q.parameter("after") == ""}
	for _, s := range states {
		if s.String() == q.parameter("state") {
			data.State = s
		}
	}
	var after *inbox.Status
	if text := q.parameter("after"); text != "" {
		after = new(inbox.Status)
		var p position
		if !decode(text, &p) {
			return errLink
		}
		after.Place, after.Key = p.Place, p.key()
	}
	page, err := q.page.store.Entries(q.Context(), endpoint, data.State, after, pageSize+1)
	if err != nil {
		return err
	}
	if len(page) > pageSize {
		last := &page[pageSize-1]
		page = page[:pageSize]
		data.Next = link("entries", "endpoint", endpoint, "state", data.State.String(), "after", encode(position{last.Place, []byte(last.Key.Scope), []byte(last.Key.ID)}))
	}
	for _, s := range page {
		data.Rows = append(data.Rows, rowOf(s))
	}
	return q.show("entries", endpoint, data)
}

func rowOf(s inbox.Status) row {
	r := row{Key: s.Key, State: s.State.String(), Attempts: s.Attempts, Age: s.Age, Group: s.Group, LastError: s.LastError}
	switch s.State {
	case inbox.Waiting:
		r.When = "now"
		if s.Due > 0 {
			r.When = "in " + short(s.Due)
		}
	case inbox.InFlight:
		r.When = "lease ends in " + short(s.Due)
		if s.Due <= 0 {
			r.When = "its process has died"
		}
	case inbox.Blocked:
		r.When = "after those before it in its group"
	case inbox.Dead:
		r.When = "died " + short(-s.Due) + " ago"
	}
	return r
}

type failuresData struct {
	Rows     []row
	Next     string
	Searched bool // for a while, without filling the page
}

// failures lists the records of events that failed, of endpoints that process events at
// once, and keep failures.
func (q *request) failures() error {
	var after idempotency.Key
	if text := q.parameter("after"); text != "" {
		var p position
		if !decode(text, &p) {
			return errLink
		}
		after = p.key()
	}
	page, next, err := q.page.store.Failures(q.Context(), after, pageSize)
	if err != nil {
		return err
	}
	var data failuresData
	if next != (idempotency.Key{}) {
		data.Next = link("failures", "after", encode(position{0, []byte(next.Scope), []byte(next.ID)}))
		data.Searched = len(page) < pageSize
	}
	for _, s := range page {
		if q.sees(s.Key.Endpoint()) {
			data.Rows = append(data.Rows, row{Key: s.Key, State: stateName(s.State), Attempts: s.Attempts, Age: s.Age, LastError: s.LastError})
		}
	}
	return q.show("failures", "Failed events", data)
}

// stateName is what the state of a record says to a person.
func stateName(s lease.State) string {
	switch s {
	case lease.Claimed:
		return "in flight"
	case lease.Released:
		return "failed"
	}
	return s.String()
}

type eventData struct {
	Key         idempotency.Key
	Tenant      string
	Entry       *row
	Record      *lease.Status
	RecordState string
	Seen        []sight
	Actions     []action
	HasPayload  bool
	Did         string
}

func (q *request) event() error {
	key, err := q.key()
	if err != nil {
		return err
	}
	data := eventData{Key: key, Seen: q.page.activity.of(key)}
	_, data.Tenant, _ = strings.Cut(key.Scope, "/")
	entry, err := q.page.store.Entry(q.Context(), key)
	if err == nil {
		r := rowOf(entry)
		data.Entry = &r
	} else if !errors.Is(err, idempotency.ErrNotFound) {
		return err
	}
	record, err := q.page.store.Lookup(q.Context(), key)
	if err == nil {
		data.Record, data.RecordState = &record, stateName(record.State)
	} else if !errors.Is(err, idempotency.ErrNotFound) {
		return err
	}
	if data.Entry == nil && data.Record == nil && len(data.Seen) == 0 {
		return idempotency.ErrNotFound
	}
	_, err = q.page.store.Payload(q.Context(), key)
	// One that cannot be read is kept all the same; its own page says what is wrong.
	data.HasPayload = !errors.Is(err, idempotency.ErrNoPayload) && !errors.Is(err, idempotency.ErrNotFound)
	for _, a := range actions {
		if a.one && a.allowed(q.viewer) && a.fits(entry.State, record.State, data.HasPayload) {
			data.Actions = append(data.Actions, a)
		}
	}
	if a := actionOf(q.parameter("did")); a != nil {
		data.Did = a.Did
	}
	return q.show("event", key.ID, data)
}

// A position is where a page of a list ends. Keys are bytes, which need not be text.
type position struct {
	Place     int64
	Scope, ID []byte
}

func (p position) key() idempotency.Key {
	return idempotency.Key{Scope: string(p.Scope), ID: string(p.ID)}
}

var errLink = &refusal{http.StatusBadRequest, "The link to this page is damaged."}

func encode(p position) string {
	text, err := json.Marshal(p)
	if err != nil {
		panic(err) // numbers and bytes can be encoded
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

func decode(text string, p *position) bool {
	data, err := base64.RawURLEncoding.DecodeString(text[:min(len(text), 4096)])
	return err == nil && json.Unmarshal(data, p) == nil
}

// link returns a relative link with parameters, which are names and values in turn.
func link(page string, parameters ...string) string {
	values := make(url.Values)
	for i := 0; i < len(parameters); i += 2 {
		values.Set(parameters[i], parameters[i+1])
	}
	return page + "?" + values.Encode()
}

// eventLink returns the link to a page about an event.
func eventLink(page string, key idempotency.Key) string {
	return link(page, "scope", key.Scope, "id", key.ID)
}

// short writes a duration as people say it.
func short(d time.Duration) string {
	d = max(d, 0)
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

// since writes how long ago t was.
func since(t time.Time) string {
	if t.IsZero() {
		return "not seen"
	}
	return short(time.Since(t)) + " ago"
}

// A chart is the counts of an endpoint as bars.
type chart struct {
	Bars    []bar
	Totals  [outcomes]int
	Highest int
}

type bar struct {
	X     int
	Parts []part
	Title string
}

type part struct {
	Class  string
	Y      float64
	Height float64
}

const (
	barWidth    = 6
	chartHeight = 40.0
)

var outcomeNames = [outcomes]string{"done", "failed", "dead", "refused"}

func newChart(counts [slots][outcomes]int) (c chart) {
	for _, slot := range counts {
		sum := 0
		for o, n := range slot {
			sum += n
			c.Totals[o] += n
		}
		c.Highest = max(c.Highest, sum)
	}
	for i, slot := range counts {
		b := bar{X: i * barWidth}
		top := chartHeight
		for o, n := range slot {
			if n == 0 {
				continue
			}
			height := max(1, chartHeight*float64(n)/float64(cmp.Or(c.Highest, 1)))
			top -= height
			b.Parts = append(b.Parts, part{outcomeNames[o], max(top, 0), height})
			b.Title += fmt.Sprintf("%d %s ", n, outcomeNames[o])
		}
		if b.Parts != nil {
			ago := time.Duration(slots-1-i) * slotLength
			b.Title += short(ago) + " ago"
			c.Bars = append(c.Bars, b)
		}
	}
	return c
}

// A total is what an outcome's color means, and how often it was seen.
type total struct {
	Name string
	N    int
}

// Legend returns the outcomes in the order of a bar, from its foot.
func (c chart) Legend() (totals []total) {
	for o, n := range c.Totals {
		totals = append(totals, total{outcomeNames[o], n})
	}
	return totals
}

// Label says in words what the chart shows.
func (c chart) Label() string {
	return fmt.Sprintf("In the last 4 hours: %d done, %d failed, %d dead, %d refused.", c.Totals[done], c.Totals[failed], c.Totals[dead], c.Totals[refused])
}
