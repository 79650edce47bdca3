package torture

import (
	"context"
	"fmt"

	"github.com/hookonce/hookonce/store/sqlstore"
)

// makeTables creates the tables of the library and of the work.
func (d *database) makeTables(ctx context.Context) error {
	events, err := sqlstore.New(d.books, d.dialect, nil)
	if err != nil {
		return err
	}
	if err := events.CreateTables(ctx); err != nil {
		return err
	}
	if err := events.Check(ctx); err != nil {
		return err
	}
	for _, statement := range d.tables {
		if _, err := d.books.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	for id := range accounts {
		if _, err := d.books.ExecContext(ctx, d.bind("INSERT INTO accounts (id, balance) VALUES (?, 0)"), id); err != nil {
			return err
		}
	}
	return nil
}

// addOldRecords adds records for the purge to remove.
func (d *database) addOldRecords(ctx context.Context, first, n int) error {
	for i := range n {
		if _, err := d.books.ExecContext(ctx, d.bind(d.oldRecord), fmt.Sprint("old-", first+i)); err != nil {
			return err
		}
	}
	return nil
}

// exec runs statements as the administrator.
func (d *database) exec(ctx context.Context, statements []string) error {
	for _, statement := range statements {
		if _, err := d.admin.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}
