package torture

import "time"

// A plan is how much is done to one database. A run ends when it has reached all the
// numbers.
type plan struct {
	deliveries    int // at least
	serverKills   int
	databaseKills int // of a cluster: kills of a node
	cutOffs       int // of a node, from the others
	cuts          int // of COMMIT
	heldKills     int // of the database, or its process, while its log is held back
	hangs         int // of handlers; 0: none hangs
	returns       int // of handlers that hung, to do their work when it is too late

	limit time.Duration // a run that takes longer fails

	servers int
	atOnce  int // events delivered concurrently
	lease   time.Duration
	timeout time.Duration // of handlers

	patience time.Duration // of senders for an answer

	// The average time between two disturbances.
	serverKillEvery   time.Duration
	databaseKillEvery time.Duration
	cutEvery          time.Duration
	holdUpEvery       time.Duration // stalls and latency
	holdLogEvery      time.Duration
	pauseEvery        time.Duration // of a server, for longer than a lease
}

// shortPlan shows within seconds that everything works. The limit leaves room for a
// busy machine.
func shortPlan(e *engine) plan {
	p := plan{
		deliveries: 2_500, serverKills: 10, databaseKills: 2, cuts: 20, heldKills: 1,
		limit: 4 * time.Minute, servers: 4, atOnce: 60, lease: time.Second, timeout: 8 * time.Second, patience: 12 * time.Second,
		serverKillEvery: 500 * time.Millisecond, databaseKillEvery: 3 * time.Second,
		cutEvery: 150 * time.Millisecond, holdUpEvery: time.Second, pauseEvery: 800 * time.Millisecond,
		holdLogEvery: 2 * time.Second,
	}
	if !e.hasServer() {
		p = p.oneProcess(e)
		p.deliveries, p.serverKills, p.serverKillEvery = 1_500, 20, 200*time.Millisecond
	}
	if e.size > 1 {
		p = p.cluster(e)
		p.deliveries, p.serverKills, p.cutOffs, p.databaseKillEvery = 2_000, 6, 1, time.Second
		p.serverKillEvery = time.Second
	}
	return p
}

// longPlan leaves little to doubt.
func longPlan(e *engine) plan {
	p := plan{
		deliveries: 200_000, serverKills: 200, databaseKills: 20, cuts: 500, heldKills: 10, hangs: 100,
		limit: 30 * time.Minute, servers: 4, atOnce: 80, lease: 2 * time.Second, timeout: 4 * time.Second, patience: 12 * time.Second,
		serverKillEvery: 1500 * time.Millisecond, databaseKillEvery: 15 * time.Second,
		cutEvery: 400 * time.Millisecond, holdUpEvery: 5 * time.Second, pauseEvery: 3 * time.Second,
		holdLogEvery: 5 * time.Second,
	}
	if !e.hasServer() {
		p = p.oneProcess(e)
		p.deliveries, p.serverKills, p.serverKillEvery = 20_000, 200, 300*time.Millisecond
	}
	if e.size > 1 {
		p = p.cluster(e)
		p.deliveries, p.serverKills, p.cuts, p.cutOffs, p.databaseKillEvery = 100_000, 100, 200, 10, 5*time.Second
	}
	return p
}

// quietPlan lets handlers that hang return too late, and kills what writes the log while
// it is held back, but nothing else: the servers have connections meanwhile for what
// is answered wrongly.
func quietPlan(e *engine) plan {
	p := shortPlan(e)
	p.deliveries, p.serverKills, p.databaseKills, p.cuts, p.heldKills = 200, 0, 3, 0, 2
	p.hangs, p.returns, p.atOnce, p.timeout, p.patience = 6, 3, 6, 2*time.Second, 7*time.Second
	p.serverKillEvery, p.databaseKillEvery = time.Hour, 3*time.Second
	p.cutEvery, p.pauseEvery, p.holdUpEvery, p.holdLogEvery = time.Hour, time.Hour, time.Hour, time.Hour
	if !e.hasServer() {
		p = p.oneProcess(e)
	}
	if !e.hasServer() && e.logPath != "" {
		// The handlers are killed with the log's writer.
		p.serverKills, p.serverKillEvery, p.heldKills, p.hangs, p.returns = 8, time.Second, 2, 0, 0
	}
	return p
}

// oneProcess is p for a database that is a file, opened by one process.
func (p plan) oneProcess(e *engine) plan {
	p.servers, p.databaseKills, p.cuts = 1, 0, 0
	if e.logPath == "" {
		p.heldKills = 0
	}
	return p
}

// cluster is p for a cluster, each node of which two processes use.
func (p plan) cluster(e *engine) plan {
	p.servers, p.heldKills = 2*e.size, 0
	return p
}

// configs returns the configurations of the servers. Their clocks and the sizes of
// their pools differ: one has fewer connections than it needs. Half of those of
// PostgreSQL use pgxpool, on the same table; mistakes are in sqlstore's.
func (p plan) configs(base serverConfig) []serverConfig {
	conns := []int{12, 2, 8, 4}
	ahead := []time.Duration{0, time.Hour, -time.Hour, 30 * time.Minute}
	var all []serverConfig
	for i := range p.servers {
		c := base
		c.Conns, c.Ahead, c.Lease, c.Timeout = conns[i%len(conns)], ahead[i%len(ahead)], p.lease, p.timeout
		c.Purge, c.Record = i == 0, i%2 == 0
		c.Pgxpool = i < 2 && engines()[c.Engine].pgxpool && c.Broken == ""
		all = append(all, c)
	}
	return all
}
