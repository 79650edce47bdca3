package pgxstep_test

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/hookonce/hookonce/sessionstep/pgxstep"
)

// Tests that need a database are in store/sqltest.

func TestNew_ChecksItsArguments(t *testing.T) {
	t.Parallel()
	pool, err := pgxpool.New(context.Background(), "postgres://localhost/app") // New must not use it
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	for name, test := range map[string]struct {
		pool *pgxpool.Pool
		o    *pgxstep.Options
		want string // the way out, in the error
	}{
		"defaults":              {pool, nil, ""},
		"a prefix":              {pool, &pgxstep.Options{Prefix: "kyc.step_"}, ""},
		"no pool":               {nil, nil, "pass what pgxpool.New returned"},
		"a prefix with a space": {pool, &pgxstep.Options{Prefix: "a b"}, "use at most 52 letters"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := pgxstep.New(test.pool, test.o)
			if test.want == "" {
				if s == nil || err != nil {
					t.Errorf("got %v, error %v", s, err)
				}
				return
			}
			if s != nil || err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, error %v, want one with %q", s, err, test.want)
			}
		})
	}
}
