// Package unittest shows, in its tests, how to test a function that takes a transaction
// without a database server, and the endpoint around it.
package unittest

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"github.com/hookonce/hookonce/hmacverify"
)

// receive records a payment.
func receive(ctx context.Context, tx *sql.Tx, d *hmacverify.Delivery) error {
	var event struct {
		Data struct {
			Object struct {
				Metadata struct {
					OrderID string `json:"order_id"`
				}
				Amount int `json:"amount_received"`
			}
		}
	}
	if err := json.Unmarshal(d.Body, &event); err != nil {
		return fmt.Errorf("receive: %w", err)
	}
	payment := event.Data.Object
	_, err := tx.ExecContext(ctx, "INSERT INTO payments (order_id, amount) VALUES (?, ?)", payment.Metadata.OrderID, payment.Amount)
	return err
}
