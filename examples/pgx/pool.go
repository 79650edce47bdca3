package main

import (
	"context"
	"maps"
	"strings"
	"time"

	"github.com/exaring/otelpgx"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// newPool returns a pool as a service in production sets it up. pgBouncer says that url
// leads to PgBouncer, or another pooler, in transaction mode.
func newPool(ctx context.Context, url string, pgBouncer bool) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, err
	}

	// Connections of this process. All processes together must stay below the server's
	// max_connections, 100 by default. hookonce runs at most one delivery fewer at once.
	config.MaxConns = 20

	// Connections that wait for work, so that the first deliveries after a quiet time
	// do not wait for TCP, TLS and authentication.
	config.MinIdleConns = 2

	// A connection is replaced at that age, so that all lead to the present primary some
	// time after a failover or a change in DNS, and what the server's process has
	// cached is freed. The jitter is added, lest all be replaced at once.
	config.MaxConnLifetime = 30 * time.Minute
	config.MaxConnLifetimeJitter = 5 * time.Minute

	// What a burst has opened is closed after that time. Stay below the limit of
	// firewalls and load balancers in between, which forget idle connections.
	config.MaxConnIdleTime = 5 * time.Minute

	// How often the pool looks for connections that are too old, idle or too few.
	config.HealthCheckPeriod = 30 * time.Second

	// A connection that was idle for a second is pinged before it is used. One whose
	// server is gone without a word is found dead after that time, and replaced.
	config.PingTimeout = 2 * time.Second

	// For each host of url, from TCP to authentication. Name several hosts with
	// target_session_attrs=read-write to follow a failover.
	config.ConnConfig.ConnectTimeout = 5 * time.Second

	// Spans of the statements, in traces that began before, such as otelhttp's.
	config.ConnConfig.Tracer = otelpgx.NewTracer(otelpgx.WithSpanNameFunc(statementName))

	// What pg_stat_activity and the server's log call this service.
	config.ConnConfig.RuntimeParams["application_name"] = "payments"

	if pgBouncer {
		// A statement may reach another process of the server than the one before, so
		// it must not count on what was prepared there. (PgBouncer 1.21 or later with
		// max_prepared_statements > 0 can keep that; then leave pgx's default.)
		// PgBouncer refuses connections that ask for the parameters below. Set them
		// for the role, with ALTER ROLE name SET parameter = value.
		config.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeExec
		return pgxpool.NewWithConfig(ctx, config)
	}
	maps.Copy(config.ConnConfig.RuntimeParams, parameters)
	return pgxpool.NewWithConfig(ctx, config)
}

// parameters are settings of the server for each connection. Numbers without a unit would
// be milliseconds.
var parameters = map[string]string{
	// The longest that one statement may take, so that the server does not go on after
	// the client has given up. COMMIT is not interrupted by it.
	"statement_timeout": "15s",

	// The longest that a statement waits for a lock, so that a migration that waits for
	// ours does not stop everything. Longer than pgxstore's Options.Wait, 2 s.
	"lock_timeout": "5s",

	// The longest that a transaction may wait for its client, whose machine may have
	// gone, with its locks. Longer than idempotency's Options.Timeout, 30 s.
	"idle_in_transaction_session_timeout": "60s",
}

// statementName returns the name of a statement of sqlc's or hookonce's, or what otelpgx
// calls others, such as "commit".
func statementName(sql string) string {
	if rest, named := strings.CutPrefix(sql, "-- name: "); named {
		name, _, _ := strings.Cut(rest, " ")
		return name
	}
	return otelpgx.SQLOperationName(context.Background(), sql)
}
