package main

import (
	"context"
	"database/sql"
	"errors"

	"gorm.io/gorm"

	"github.com/hookonce/hookonce/examples/orm/accounts"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// A Payment is a row of gorm's.
type Payment struct {
	ID    uint   `json:"-"`
	Event string `json:"eventId" gorm:"not null"`
	Owner string `json:"owner" gorm:"not null"`
	Cents int64  `json:"cents" gorm:"not null;check:cents_are_positive,cents > 0"`
}

// A repository does its work on the transaction that the context carries, or
// without one if there is none.
type repository struct {
	orm     *gorm.DB
	queries *accounts.Queries
}

// gorm returns gorm on the transaction. A session whose connection is a *sql.Tx
// is what gorm itself makes in Begin; it neither commits nor rolls back by itself.
func (r *repository) gorm(ctx context.Context) *gorm.DB {
	session := r.orm.Session(&gorm.Session{NewDB: true, Context: ctx})
	if tx, ok := sqlstore.Tx(ctx); ok {
		session.Statement.ConnPool = tx
	}
	return session
}

// sqlc returns the queries on the transaction.
func (r *repository) sqlc(ctx context.Context) *accounts.Queries {
	if tx, ok := sqlstore.Tx(ctx); ok {
		return r.queries.WithTx(tx)
	}
	return r.queries
}

func (r *repository) store(ctx context.Context, p *Payment) error {
	return r.gorm(ctx).Create(p).Error
}

func (r *repository) credit(ctx context.Context, owner string, cents int64) error {
	return r.sqlc(ctx).Credit(ctx, accounts.CreditParams{Owner: owner, Cents: cents})
}

func (r *repository) payments(ctx context.Context, owner string) (n int64, err error) {
	err = r.gorm(ctx).Model(&Payment{}).Where("owner = ?", owner).Count(&n).Error
	return n, err
}

func (r *repository) balance(ctx context.Context, owner string) (int64, error) {
	cents, err := r.sqlc(ctx).Balance(ctx, owner)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return cents, err
}
