package preset

// Trade is a group of presets, as the page of senders shows them.
type Trade struct {
	Title string
	Names []string
}

// Trades returns the groups.
func Trades() []Trade {
	var all []Trade
	for _, t := range trades() {
		named := Trade{Title: t.title}
		for _, s := range t.presets {
			named.Names = append(named.Names, s.Name)
		}
		all = append(all, named)
	}
	return all
}
