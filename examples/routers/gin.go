package main

import (
	"database/sql"
	"fmt"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/hookonce/hookonce/idempotency"
)

// routeGin uses gin, with the endpoint called inside of gin's handler.
//
// Do not call c.Next inside of the endpoint: a runner may call the work again after a
// conflict in the database, and c.Next runs the remaining handlers only once. The
// second call would do nothing, and that would be committed.
func routeGin(e *idempotency.Endpoint[*sql.Tx], events http.HandlerFunc) http.Handler {
	gin.SetMode(gin.ReleaseMode)
	router := gin.New()
	router.POST("/webhooks/:source", func(c *gin.Context) {
		source := c.Param("source")
		e.WrapFunc(func(w http.ResponseWriter, r *http.Request, _ *sql.Tx) error {
			fmt.Fprintln(w, "received by gin")
			return record(r.Context(), source, "gin")
		}).ServeHTTP(c.Writer, c.Request)
	})
	router.GET("/events", gin.WrapF(events))
	return router
}
