package main

import (
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"log"
	"net/http"

	"github.com/hookonce/hookonce/examples/internal/local"
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

// A response is what it takes, as APIGatewayV2HTTPResponse.
type response struct {
	StatusCode int               `json:"statusCode"`
	Headers    map[string]string `json:"headers,omitempty"`
	Body       string            `json:"body,omitempty"`
}

// A function is made once for each instance, outside of the handler.
type function struct {
	verifier *hmacverify.Verifier
	events   *sqlstore.Store
}

const createTable = `CREATE TABLE IF NOT EXISTS received (event TEXT NOT NULL)`

func newFunction(ctx context.Context, db *sql.DB, secret string) (f *function, err error) {
	f = &function{}
	if f.verifier, err = hmacverify.New(preset.XSignature256(), nil, secret); err != nil {
		return nil, err
	}
	if f.events, err = sqlstore.New(db, sqlstore.SQLite, nil); err != nil {
		return nil, err
	}
	if err := f.events.CreateTables(ctx); err != nil {
		return nil, err
	}
	return f, local.Exec(ctx, db, createTable)
}

// handle is the function. Its error would become a 502 that says nothing, so all
// answers are responses.
func (f *function) handle(ctx context.Context, e event) (response, error) {
	if e.RequestContext.HTTP.Method != http.MethodPost {
		return response{StatusCode: http.StatusMethodNotAllowed}, nil
	}
	header, body, err := e.request()
	if err != nil {
		return response{StatusCode: http.StatusBadRequest}, nil
	}
	delivery, err := f.verifier.Verify(header, body)
	if err != nil {
		log.Print(err)
		return response{StatusCode: hmacverify.Status(err)}, nil
	}
	id, err := delivery.IdempotencyID()
	if err != nil {
		log.Print(err)
		return response{StatusCode: http.StatusBadRequest}, nil
	}
	key := idempotency.Key{Scope: delivery.Scheme, ID: id}
	err = f.events.RunTx(ctx, key, func(ctx context.Context, tx *sql.Tx) error {
		return work(ctx, tx, &delivery)
	})
	return answer(err), nil
}

// request returns header and body as they were sent.
func (e *event) request() (http.Header, []byte, error) {
	header := http.Header{}
	for name, value := range e.Headers {
		header.Set(name, value)
	}
	if !e.IsBase64Encoded {
		return header, []byte(e.Body), nil
	}
	body, err := base64.StdEncoding.DecodeString(e.Body)
	return header, body, err
}

// work is what is to be done once. It is committed with the event's record.
func work(ctx context.Context, tx *sql.Tx, d *hmacverify.Delivery) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO received VALUES ($1)`, d.ID)
	return err
}

// answer says what has become of the event. What may be different next time is
// 5xx, so that the sender comes again.
func answer(err error) response {
	switch {
	case err == nil:
		return response{StatusCode: http.StatusOK, Body: "received\n"}
	case errors.Is(err, idempotency.ErrDuplicate):
		return response{StatusCode: http.StatusConflict}
	case errors.Is(err, idempotency.ErrInvalidKey):
		return response{StatusCode: http.StatusBadRequest}
	case errors.Is(err, idempotency.ErrInFlight), errors.Is(err, idempotency.ErrUnavailable):
		log.Print(err)
		return response{StatusCode: http.StatusServiceUnavailable, Headers: map[string]string{"Retry-After": "5"}}
	}
	log.Print(err)
	return response{StatusCode: http.StatusInternalServerError}
}
