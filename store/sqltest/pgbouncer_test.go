package sqltest_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/lease"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// startPgBouncer starts PgBouncer in transaction mode before the server of
// HOOKONCE_POSTGRES, with few connections to it, and returns the URL of a new database
// behind it.
func startPgBouncer(t *testing.T) *url.URL {
	t.Helper()
	server, err := url.Parse(os.Getenv("HOOKONCE_POSTGRES"))
	if err != nil || server.Host == "" {
		t.Fatal("HOOKONCE_POSTGRES is not set, or is no URL")
	}
	name := "pgbouncer_" + strings.ToLower(strconv.FormatInt(time.Now().UnixNano(), 36))
	admin := open(t, "pgx", server.String())
	mustExec(t, admin, "CREATE DATABASE "+name)
	t.Cleanup(func() {
		if _, err := admin.ExecContext(context.WithoutCancel(t.Context()), "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Error(err)
		}
	})
	dir, err := os.MkdirTemp("", "pgbouncer-") // t.TempDir cannot be read by another user
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	port := freePort(t)
	config := fmt.Sprintf(`[databases]
%s = host=%s port=%s dbname=%[1]s user=%[4]s
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %[5]d
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 4
max_client_conn = 100
ignore_startup_parameters = extra_float_digits
`, name, server.Hostname(), server.Port(), server.User.Username(), port)
	file := filepath.Join(dir, "pgbouncer.ini")
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		program = "/usr/sbin/pgbouncer"
	}
	cmd := exec.Command(program, file)
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	cmd.SysProcAttr = unprivileged(t)
	if err := cmd.Start(); err != nil {
		t.Fatalf("PgBouncer does not start: install Debian's pgbouncer: %v", err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	waitForPort(t, port)
	behind := *server
	behind.Host, behind.Path = fmt.Sprintf("127.0.0.1:%d", port), "/"+name
	return &behind
}

// unprivileged makes a process run as nobody if this one is root, as whom PgBouncer
// refuses to run.
func unprivileged(t *testing.T) *syscall.SysProcAttr {
	t.Helper()
	if os.Getuid() != 0 {
		return nil
	}
	u, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func waitForPort(t *testing.T, port int) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			c.Close()
			return
		}
	}
	t.Fatal("PgBouncer does not listen")
}

// behind opens the database behind a PgBouncer with the driver and its settings.
func behind(t *testing.T, bouncer *url.URL, driver string, settings ...string) *sql.DB {
	t.Helper()
	u := *bouncer
	q := u.Query()
	for i := 0; i < len(settings); i += 2 {
		q.Set(settings[i], settings[i+1])
	}
	u.RawQuery = q.Encode()
	db := open(t, driver, u.String())
	db.SetMaxOpenConns(12)
	db.SetMaxIdleConns(12)
	return db
}

// With the settings that the package documentation names, everything works behind
// PgBouncer in transaction mode.
func TestPgBouncer_DocumentedSettings(t *testing.T) {
	t.Parallel()
	bouncer := startPgBouncer(t)
	for i, way := range []struct {
		driver   string
		settings []string
	}{
		{"pgx", []string{"default_query_exec_mode", "exec"}},
		{"pgx", []string{"default_query_exec_mode", "simple_protocol"}},
		{"pgx", []string{"default_query_exec_mode", "cache_describe"}},
		{"postgres", []string{"binary_parameters", "yes"}},
	} {
		t.Run(way.driver+" "+strings.Join(way.settings, "="), func(t *testing.T) {
			db := behind(t, bouncer, way.driver, way.settings...)
			events := newStore(t, db, sqlstore.PostgreSQL, &sqlstore.Options{
				Table: fmt.Sprint("events_", i), RecordFailures: true, KeepPayloads: true, Wait: 20 * time.Second,
			})
			if err := events.CreateTables(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := events.Check(t.Context()); err != nil {
				t.Fatal(err)
			}
			table := fmt.Sprint("effects_", i)
			mustExec(t, db, "CREATE TABLE "+table+" (name text NOT NULL)")
			deliverThrough(t, db, events, table)
			if n, err := events.Purge(t.Context()); n != 0 || err != nil {
				t.Errorf("purge: %d, %v", n, err)
			}
			if _, err := events.Failures(t.Context(), idempotency.Key{}, 10); err != nil {
				t.Error(err)
			}
		})
	}
}

// deliverThrough delivers events several times each, concurrently, in both modes, and
// balances the books.
func deliverThrough(t *testing.T, db *sql.DB, events *sqlstore.Store, table string) {
	t.Helper()
	const ids, copies = 30, 4
	leases := newLeases(t, events, nil)
	insert := func(ctx context.Context, tx *sql.Tx, name string) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO "+table+" VALUES ($1)", name)
		return err
	}
	var g errgroup.Group
	g.SetLimit(10)
	for n := range ids * copies {
		key := keyOf(fmt.Sprint("tx ", n%ids))
		g.Go(func() error {
			return unlessKnown(events.RunTx(t.Context(), key, func(ctx context.Context, tx *sql.Tx) error {
				return insert(ctx, tx, key.ID)
			}))
		})
		leased := keyOf(fmt.Sprint("lease ", n%ids))
		g.Go(func() error {
			return unlessKnown(leases.Do(t.Context(), leased, func(ctx context.Context, c lease.Claim) error {
				tx, err := db.BeginTx(ctx, nil)
				if err != nil {
					return err
				}
				defer tx.Rollback()
				if err := insert(ctx, tx, leased.ID); err != nil {
					return err
				}
				if err := events.CompleteTx(ctx, tx, c); err != nil {
					return err
				}
				return tx.Commit()
			}))
		})
	}
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
	var effects, distinct int
	if err := db.QueryRowContext(t.Context(), "SELECT count(*), count(DISTINCT name) FROM "+table).Scan(&effects, &distinct); err != nil {
		t.Fatal(err)
	}
	if effects != 2*ids || distinct != 2*ids {
		t.Errorf("%d effects of %d events, want %d of each", effects, distinct, 2*ids)
	}
}

// unlessKnown passes over what copies of an event are told.
func unlessKnown(err error) error {
	if errors.Is(err, idempotency.ErrDuplicate) || errors.Is(err, idempotency.ErrInFlight) {
		return nil
	}
	return err
}

// Check says what to set, instead of letting two thirds of the deliveries fail.
func TestPgBouncer_CheckFindsPreparedStatements(t *testing.T) {
	t.Parallel()
	bouncer := startPgBouncer(t)
	good := behind(t, bouncer, "pgx", "default_query_exec_mode", "exec")
	if err := newStore(t, good, sqlstore.PostgreSQL, nil).CreateTables(t.Context()); err != nil {
		t.Fatal(err)
	}
	db := behind(t, bouncer, "pgx")
	events := newStore(t, db, sqlstore.PostgreSQL, nil)
	err := events.Check(t.Context())
	if err == nil || !strings.Contains(err.Error(), "default_query_exec_mode=exec") {
		t.Errorf("got %v, want an error about prepared statements", err)
	}
}
