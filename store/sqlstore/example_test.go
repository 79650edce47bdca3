package sqlstore_test

import (
	"crypto/aes"
	"crypto/cipher"
	"database/sql"
	"fmt"
	"strings"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// What is stored of deliveries is encrypted with AES-GCM. The key of the event is
// authenticated with it, so that a payload cannot be moved to another event.
func ExampleOptions_seal() {
	secret := []byte("32 bytes, from your key service.")
	block, err := aes.NewCipher(secret)
	if err != nil {
		panic(err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err)
	}
	o := &sqlstore.Options{
		Redact: func(d *hmacverify.Stored) { d.Header.Del("X-Forwarded-For") },
		Seal: func(key idempotency.Key, data []byte) ([]byte, error) {
			return aead.Seal(nil, nil, data, []byte(key.Downstream())), nil
		},
		Open: func(key idempotency.Key, data []byte) ([]byte, error) {
			return aead.Open(nil, nil, data, []byte(key.Downstream()))
		},
	}
	events, err := sqlstore.New(new(sql.DB), sqlstore.PostgreSQL, o)
	fmt.Println(events != nil, err)
	// Output: true <nil>
}

// The statements are for your migration tool.
func ExampleSchema() {
	schema, err := sqlstore.Schema(sqlstore.PostgreSQL, &sqlstore.Options{Table: "app.webhooks"})
	if err != nil {
		panic(err)
	}
	for line := range strings.Lines(schema) {
		if strings.HasPrefix(line, "CREATE") {
			fmt.Print(line)
		}
	}
	// Output:
	// CREATE TABLE IF NOT EXISTS app.webhooks_version (
	// CREATE TABLE IF NOT EXISTS app.webhooks_payloads (
	// CREATE TABLE IF NOT EXISTS app.webhooks_inbox (
	// CREATE TABLE IF NOT EXISTS app.webhooks_groups (
	// CREATE TABLE IF NOT EXISTS app.webhooks (
	// CREATE OR REPLACE VIEW app.webhooks_readable AS
}
