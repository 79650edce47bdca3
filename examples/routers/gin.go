package main

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/hookonce/hookonce/idempotency"
)

// routeGin uses gin. The handlers are in an engine of their own, inside of
// verifier and once.
//
// Do not call c.Next inside of once.Handler instead: a runner may call the work
// again after a conflict in the database, and c.Next goes through its handlers
// only once. The second call would do nothing, and that would be committed.
func routeGin(e *endpoint) http.Handler {
	gin.SetMode(gin.ReleaseMode)
	webhooks := gin.New()
	webhooks.Use(failGin)
	webhooks.POST("/webhooks/:source", receiveGin)

	router := gin.New()
	router.POST("/webhooks/*any", gin.WrapH(e.verifier.Handler(e.once.Handler(webhooks))))
	router.GET("/events", gin.WrapF(e.serveList))
	return router
}

// failGin passes on the reason for which a handler has failed.
func failGin(c *gin.Context) {
	c.Next()
	if err := c.Errors.Last(); err != nil {
		idempotency.Fail(c.Request, err)
	}
}

func receiveGin(c *gin.Context) {
	if err := record(c.Request.Context(), c.Param("source"), "gin"); err != nil {
		c.AbortWithError(http.StatusInternalServerError, err)
		return
	}
	c.String(http.StatusOK, "received by gin\n")
}
