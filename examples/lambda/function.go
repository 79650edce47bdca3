package main

import (
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"log"
	"net/http"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// An event is what we need of API Gateway's payload format 2.0; the type
// APIGatewayV2HTTPRequest of aws-lambda-go has all of it.
type event struct {
	Headers         map[string]string `json:"headers"` // names in lower case
	Body            string            `json:"body"`
	IsBase64Encoded bool              `json:"isBase64Encoded"`
	RequestContext  struct {
		HTTP struct {
			Method string `json:"method"`
		} `json:"http"`
	} `json:"requestContext"`
}

// A response is what the gateway takes, as APIGatewayV2HTTPResponse.
type response struct {
	StatusCode int               `json:"statusCode"`
	Headers    map[string]string `json:"headers,omitempty"`
	Body       string            `json:"body,omitempty"`
}

// A function is created once for each instance, outside of the handler.
type function struct {
	verifier *hmacverify.Verifier
	events   *sqlstore.Store
}

func newFunction(ctx context.Context, db *sql.DB, secret string) (*function, error) {
	events, err := sqlstore.New(db, sqlstore.SQLite, nil)
	if err != nil {
		return nil, err
	}
	if err := events.CreateTables(ctx); err != nil {
		return nil, err
	}
	if _, err := db.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS received (event TEXT NOT NULL)`); err != nil {
		return nil, err
	}
	verifier, err := hmacverify.New(preset.XSignature256(), nil, secret)
	if err != nil {
		return nil, err
	}
	return &function{verifier, events}, nil
}

// handle is the function. Its error would become a 502 without a reason, so it always
// returns a response.
func (f *function) handle(ctx context.Context, e event) (response, error) {
	err := f.receive(ctx, e)
	if err == nil {
		return response{StatusCode: http.StatusOK, Body: "received\n"}, nil
	}
	r := response{StatusCode: idempotency.Status(err)} // 409 for a duplicate
	if r.StatusCode == http.StatusServiceUnavailable {
		r.Headers = map[string]string{"Retry-After": "5"}
	}
	return r, nil
}

// receive verifies the delivery and does the work once.
func (f *function) receive(ctx context.Context, e event) error {
	delivery, err := f.verify(e)
	if err != nil {
		log.Print(err)
		return err
	}
	key, err := idempotency.KeyOf("lambda", delivery)
	if err != nil {
		log.Print(err)
		return err
	}
	return f.events.RunTx(ctx, key, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO received VALUES ($1)`, delivery.ID)
		return err
	}) // which logs failures itself
}

// verify verifies header and body as they were sent.
func (f *function) verify(e event) (*hmacverify.Delivery, error) {
	if e.RequestContext.HTTP.Method != http.MethodPost {
		return nil, hmacverify.ErrMethod
	}
	header := http.Header{}
	for name, value := range e.Headers {
		header.Set(name, value)
	}
	body := []byte(e.Body)
	if e.IsBase64Encoded {
		var err error
		if body, err = base64.StdEncoding.DecodeString(e.Body); err != nil {
			return nil, errors.Join(hmacverify.ErrBodyUnreadable, err)
		}
	}
	delivery, err := f.verifier.Verify(header, body)
	return &delivery, err
}
