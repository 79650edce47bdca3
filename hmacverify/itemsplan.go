package hmacverify

import (
	"slices"
	"strings"
)

// An itemsPlan is an Items, checked and resolved.
type itemsPlan struct {
	levels []level // the arrays, outermost first
	ids    [][]string
	typ    []string
	inner  [][]string
	outer  []string // the names of all levels' outer texts, outermost first
}

// A level is one "[]" of Items.JSON.
type level struct {
	path  []string // of the object that has the arrays
	names []string // of the arrays; none: the value itself is the array
	outer []outer  // what is read before this array is entered
}

// An outer is one of Items.Outer.
type outer struct {
	name string // as in Items.Outer
	path []string
}

// itemsOf resolves Sender.Items.
func (p *plan) itemsOf() error {
	all := p.scheme.Sender.Items
	if len(all) > 0 && !p.signsBody() {
		return p.wrong("Sender.Items", "the signature does not cover the bytes of the body")
	}
	for _, items := range all {
		resolved, err := p.resolveItems(items)
		if err != nil {
			return err
		}
		p.items = append(p.items, resolved)
	}
	return nil
}

func (p *plan) resolveItems(items Items) (r itemsPlan, err error) {
	steps, last := cutArrays(items.JSON)
	if len(steps) == 0 || last != "" {
		return r, p.wrong("Sender.Items.JSON", `%q must end with "[]", as "events.[]"`, items.JSON)
	}
	for _, step := range steps {
		var l level
		path, err := p.path("Sender.Items.JSON", step)
		if err != nil {
			return r, err
		}
		if n := len(path); n > 0 {
			l.path, l.names = path[:n-1], strings.Split(path[n-1], "|")
		}
		if slices.Contains(l.names, "") || strings.Contains(strings.Join(l.path, ""), "|") {
			return r, p.wrong("Sender.Items.JSON", `%q: "|" stands between names before "[]"`, items.JSON)
		}
		r.levels = append(r.levels, l)
	}
	for _, name := range items.Outer {
		above, last := cutArrays(name)
		if len(above) >= len(steps) || !slices.Equal(above, steps[:len(above)]) {
			return r, p.wrong("Sender.Items.Outer", "%q is not outside of the events at %q", name, items.JSON)
		}
		path, err := p.required("Sender.Items.Outer", last)
		if err != nil {
			return r, err
		}
		l := &r.levels[len(above)]
		l.outer = append(l.outer, outer{name, path})
	}
	for _, l := range r.levels {
		for _, o := range l.outer {
			r.outer = append(r.outer, o.name)
		}
	}
	if r.typ, err = p.path("Sender.Items.Type", items.Type); err != nil {
		return r, err
	}
	for _, list := range []struct {
		field string
		paths []string
		to    *[][]string
	}{{"Sender.Items.ID", items.ID, &r.ids}, {"Sender.Items.Inner", items.Inner, &r.inner}} {
		for _, s := range list.paths {
			path, err := p.required(list.field, s)
			if err != nil {
				return r, err
			}
			*list.to = append(*list.to, path)
		}
	}
	return r, nil
}

// required is path for one that must not be empty.
func (p *plan) required(field, s string) ([]string, error) {
	if s == "" {
		return nil, p.wrong(field, "an empty path")
	}
	return p.path(field, s)
}

// cutArrays returns what stands before each "[]" of a path, and after the last.
func cutArrays(path string) (steps []string, last string) {
	for {
		step, rest, found := strings.Cut(path, "[]")
		if !found {
			return steps, path
		}
		steps, path = append(steps, strings.TrimSuffix(step, ".")), strings.TrimPrefix(rest, ".")
	}
}
