package main

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/hookonce/hookonce/store/sqlstore"
)

// receive is the part that all hand-written ways share: it reads the body, checks the
// signature, and responds with success unless f fails.
func receive(f func(ctx context.Context, e event, body []byte) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err != nil {
			http.Error(w, "body", http.StatusBadRequest)
			return
		}
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write(body)
		got, err := hex.DecodeString(strings.TrimPrefix(r.Header.Get("X-Signature-256"), "sha256="))
		if err != nil || !hmac.Equal(mac.Sum(nil), got) {
			http.Error(w, "signature", http.StatusUnauthorized)
			return
		}
		var e event
		if err := json.Unmarshal(body, &e); err != nil {
			http.Error(w, "event", http.StatusBadRequest)
			return
		}
		if err := f(r.Context(), e, body); err != nil {
			http.Error(w, "failed", http.StatusInternalServerError)
		}
	})
}

// words are a dialect's.
type words struct{ insert, update, find, accept, claim, finish string }

func (s *site) words() words {
	if s.dialect == sqlstore.MySQL {
		return words{
			insert: "INSERT IGNORE INTO seen (id, state, owner, at) VALUES (?, 2, '', ?)",
			update: "UPDATE accounts SET n = n + 1 WHERE id = ?",
			find:   "SELECT 1 FROM seen WHERE id = ?",
			accept: "INSERT IGNORE INTO accepted (id, body, at) VALUES (?, ?, ?)",
			claim:  "INSERT IGNORE INTO seen (id, state, owner, at) VALUES (?, 1, ?, ?)",
			finish: "UPDATE seen SET state = 2 WHERE id = ? AND owner = ? AND state = 1",
		}
	}
	return words{
		insert: "INSERT INTO seen (id, state, owner, at) VALUES ($1, 2, '', $2) ON CONFLICT DO NOTHING",
		update: "UPDATE accounts SET n = n + 1 WHERE id = $1",
		find:   "SELECT 1 FROM seen WHERE id = $1",
		accept: "INSERT INTO accepted (id, body, at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
		claim:  "INSERT INTO seen (id, state, owner, at) VALUES ($1, 1, $2, $3) ON CONFLICT DO NOTHING",
		finish: "UPDATE seen SET state = 2 WHERE id = $1 AND owner = $2 AND state = 1",
	}
}

// byHand inserts the event first, and does the work if that was new: one commit.
func byHand(_ context.Context, s *site) (http.Handler, error) {
	words := s.words()
	return receive(func(ctx context.Context, e event, _ []byte) error { return s.insertFirst(ctx, words, e) }), nil
}

func (s *site) insertFirst(ctx context.Context, words words, e event) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	isNew, err := changes(tx.ExecContext(ctx, words.insert, e.ID, time.Now().UnixMicro()))
	if err != nil || !isNew {
		return err
	}
	if _, err := tx.ExecContext(ctx, words.update, e.Account); err != nil {
		return err
	}
	return tx.Commit()
}

// lookingFirst looks whether the event is there, outside of a transaction. That is quick for
// duplicates.
func lookingFirst(_ context.Context, s *site) (http.Handler, error) {
	words := s.words()
	return receive(func(ctx context.Context, e event, _ []byte) error {
		err := s.db.QueryRowContext(ctx, words.find, e.ID).Scan(new(int))
		if err != sql.ErrNoRows {
			return err
		}
		return s.insertFirst(ctx, words, e)
	}), nil
}

// twoCommits claims the event, then does the work and marks it done: what one writes if the
// work takes long.
func twoCommits(_ context.Context, s *site) (http.Handler, error) {
	words := s.words()
	return receive(func(ctx context.Context, e event, _ []byte) error {
		owner := rand.Text()
		isNew, err := changes(s.db.ExecContext(ctx, words.claim, e.ID, owner, time.Now().UnixMicro()))
		if err != nil || !isNew {
			return err
		}
		tx, err := s.db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer tx.Rollback()
		if _, err := tx.ExecContext(ctx, words.update, e.Account); err != nil {
			return err
		}
		if mine, err := changes(tx.ExecContext(ctx, words.finish, e.ID, owner)); err != nil || !mine {
			return err
		}
		return tx.Commit()
	}), nil
}

// accepting stores the event in one statement. The work is another program's.
func accepting(_ context.Context, s *site) (http.Handler, error) {
	words := s.words()
	return receive(func(ctx context.Context, e event, body []byte) error {
		_, err := s.db.ExecContext(ctx, words.accept, e.ID, body, time.Now().UnixMicro())
		return err
	}), nil
}

// byHandPgx is byHand on pgxpool.
func byHandPgx(_ context.Context, s *site) (http.Handler, error) {
	words := s.words()
	return receive(func(ctx context.Context, e event, _ []byte) error {
		tx, err := s.pool.Begin(ctx)
		if err != nil {
			return err
		}
		defer tx.Rollback(ctx)
		tag, err := tx.Exec(ctx, words.insert, e.ID, time.Now().UnixMicro())
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		if _, err := tx.Exec(ctx, words.update, e.Account); err != nil {
			return err
		}
		return tx.Commit(ctx)
	}), nil
}

func changes(res sql.Result, err error) (bool, error) {
	if err != nil {
		return false, err
	}
	n, err := res.RowsAffected()
	return n > 0, err
}
