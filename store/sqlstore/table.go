package sqlstore

import (
	"context"
	"fmt"
)

// Schema returns the statements that make the tables, for migration tools. They
// do nothing if the tables are there. o is what [New] will be given.
func Schema(d Dialect, o *Options) (string, error) {
	if o == nil {
		o = new(Options)
	}
	s, err := statementsOf(d, o.Table, o.Wait, false)
	if err != nil {
		return "", err
	}
	text := s.create + ";\n"
	if o.KeepPayloads {
		text += s.createPayloads + ";\n"
	}
	return text, nil
}

// CreateTable makes the tables unless they are there; where they are, it needs no
// right to make any. Processes that start at the same time may all call it.
func (s *Store) CreateTable(ctx context.Context) error {
	err := s.createUnlessThere(ctx, s.o.Table, s.sql.create)
	if err == nil && s.o.KeepPayloads {
		err = s.createUnlessThere(ctx, s.o.Table+"_payloads", s.sql.createPayloads)
	}
	if err != nil {
		return fmt.Errorf("sqlstore: create table: %w", err)
	}
	return nil
}

// createUnlessThere looks first, because IF NOT EXISTS looks in one schema only: on
// PostgreSQL an empty table would hide the one that is used, if that is further on
// in the search_path.
func (s *Store) createUnlessThere(ctx context.Context, table, statement string) error {
	if _, err := s.db.ExecContext(ctx, "SELECT 1 FROM "+table+" WHERE 1 = 0"); err == nil {
		return nil
	}
	return s.retry(ctx, func() error { return s.createOnce(ctx, statement) })
}

// createOnce tries again where IF NOT EXISTS is not enough: on PostgreSQL those
// that run at once fail on a unique index of the catalog (23505), or find the table
// (42P07) or its row type (42710) that was not there when they looked.
func (s *Store) createOnce(ctx context.Context, statement string) (err error) {
	for range maxClaimTries {
		_, err = s.db.ExecContext(ctx, statement)
		if !hasState(err, "23505") && !hasState(err, "42P07") && !hasState(err, "42710") {
			break
		}
	}
	return err
}
