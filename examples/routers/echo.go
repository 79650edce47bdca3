package main

import (
	"database/sql"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/hookonce/hookonce/idempotency"
)

// routeEcho uses echo. Its handlers are in an Echo of their own, inside of the
// endpoint, and know nothing of it.
//
// Do not use echo.WrapMiddleware(e.Wrap) instead: echo writes the response to an error
// that a handler returns only after all middleware has returned. The endpoint would
// see a handler that wrote nothing, which is 200 in net/http, and would commit.
func routeEcho(e *idempotency.Endpoint[*sql.Tx], events http.HandlerFunc) http.Handler {
	webhooks := echo.New()
	webhooks.POST("/webhooks/:source", func(c echo.Context) error {
		if err := record(c.Request().Context(), c.Param("source"), "echo"); err != nil {
			return err // echo responds 500, which rolls back
		}
		return c.String(http.StatusOK, "received by echo\n")
	})

	router := echo.New()
	router.POST("/webhooks/*", echo.WrapHandler(e.Wrap(webhooks)))
	router.GET("/events", echo.WrapHandler(events))
	return router
}
