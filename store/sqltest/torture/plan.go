package torture

import "time"

// A plan is how much is done to one database. A run ends when it has reached all the
// numbers.
type plan struct {
	deliveries    int // at least
	serverKills   int
	databaseKills int
	cuts          int // of COMMIT

	limit time.Duration // a run that takes longer fails

	servers int
	atOnce  int // events delivered concurrently
	lease   time.Duration

	// The average time between two disturbances.
	serverKillEvery   time.Duration
	databaseKillEvery time.Duration
	cutEvery          time.Duration
	holdUpEvery       time.Duration // stalls and latency
	pauseEvery        time.Duration // of a server, for longer than a lease
}

// shortPlan shows within seconds that everything works. The limit leaves room for a
// busy machine.
func shortPlan(e *engine) plan {
	p := plan{
		deliveries: 2_500, serverKills: 10, databaseKills: 2, cuts: 20,
		limit: 4 * time.Minute, servers: 4, atOnce: 60, lease: time.Second,
		serverKillEvery: 500 * time.Millisecond, databaseKillEvery: 3 * time.Second,
		cutEvery: 150 * time.Millisecond, holdUpEvery: time.Second, pauseEvery: 800 * time.Millisecond,
	}
	if !e.hasServer() {
		p = p.oneProcess()
		p.deliveries, p.serverKills, p.serverKillEvery = 1_500, 20, 200*time.Millisecond
	}
	return p
}

// longPlan leaves little to doubt.
func longPlan(e *engine) plan {
	p := plan{
		deliveries: 200_000, serverKills: 200, databaseKills: 20, cuts: 500,
		limit: 30 * time.Minute, servers: 4, atOnce: 80, lease: 2 * time.Second,
		serverKillEvery: 1500 * time.Millisecond, databaseKillEvery: 15 * time.Second,
		cutEvery: 400 * time.Millisecond, holdUpEvery: 5 * time.Second, pauseEvery: 3 * time.Second,
	}
	if !e.hasServer() {
		p = p.oneProcess()
		p.deliveries, p.serverKills, p.serverKillEvery = 20_000, 200, 300*time.Millisecond
	}
	return p
}

// oneProcess is p for a database that is a file, opened by one process.
func (p plan) oneProcess() plan {
	p.servers, p.databaseKills, p.cuts = 1, 0, 0
	return p
}

// configs returns the configurations of the servers. Their clocks and the sizes of
// their pools differ: one has fewer connections than it needs.
func (p plan) configs(base serverConfig) []serverConfig {
	conns := []int{12, 2, 8, 4}
	ahead := []time.Duration{0, time.Hour, -time.Hour, 30 * time.Minute}
	var all []serverConfig
	for i := range p.servers {
		c := base
		c.Conns, c.Ahead, c.Lease = conns[i%len(conns)], ahead[i%len(ahead)], p.lease
		c.Purge, c.Record = i == 0, i%2 == 0
		all = append(all, c)
	}
	return all
}
