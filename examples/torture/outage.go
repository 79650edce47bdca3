package main

import (
	"context"
	"io"
)

func outages(ctx context.Context, name string, seed uint64, out io.Writer) error { return nil }
