package main

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/hookonce/hookonce/idempotency"
)

// routeEcho uses echo. The handlers are in an Echo of their own, inside of
// verifier and once.
//
// Do not use echo.WrapMiddleware(once.Handler) instead: echo writes the answer to
// an error that a handler returns only after all middleware has returned. once
// would see a handler that wrote nothing, which is 200 in net/http, and would
// commit.
func routeEcho(e *endpoint) http.Handler {
	webhooks := echo.New()
	webhooks.HTTPErrorHandler = func(err error, c echo.Context) {
		idempotency.Fail(c.Request(), err)
		webhooks.DefaultHTTPErrorHandler(err, c)
	}
	webhooks.POST("/webhooks/:source", receiveEcho)

	router := echo.New()
	router.POST("/webhooks/*", echo.WrapHandler(e.verifier.Handler(e.once.Handler(webhooks))))
	router.GET("/events", echo.WrapHandler(http.HandlerFunc(e.serveList)))
	return router
}

func receiveEcho(c echo.Context) error {
	if err := record(c.Request().Context(), c.Param("source"), "echo"); err != nil {
		return err
	}
	return c.String(http.StatusOK, "received by echo\n")
}
