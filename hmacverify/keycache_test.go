package hmacverify_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
)

// A keyServer is where a sender publishes its keys.
type keyServer struct {
	keys  map[string]string
	err   error
	takes time.Duration
	asked []string
}

func (k *keyServer) fetch(ctx context.Context, id string) ([]string, error) {
	k.asked = append(k.asked, id)
	select {
	case <-time.After(k.takes):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	switch key, ok := k.keys[id]; {
	case k.err != nil:
		return nil, k.err
	case !ok:
		return nil, fmt.Errorf("%w: %s", hmacverify.ErrNoKey, id)
	default:
		return []string{key}, nil
	}
}

func TestKeyCache(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, server := t.Context(), &keyServer{keys: map[string]string{"1": "one", "2": "two"}}
		cache := &hmacverify.KeyCache{Fetch: server.fetch, Fresh: time.Minute}
		want := func(id, key string, wantAsked int, err error) {
			t.Helper()
			keys, got := cache.Keys(ctx, id)
			if !errors.Is(got, err) || err == nil && (len(keys) != 1 || keys[0] != key) || len(server.asked) != wantAsked {
				t.Errorf("%s: got %q, %v, asked %v; want %q, %v, asked %d times", id, keys, got, server.asked, key, err, wantAsked)
			}
		}
		want("1", "one", 1, nil)
		want("1", "one", 1, nil) // from the cache
		want("2", "two", 2, nil) // a miss refreshes
		for _, id := range []string{"", "a b", strings.Repeat("x", 129)} {
			want(id, "", 2, hmacverify.ErrNoKey) // is not asked for
		}
		time.Sleep(time.Minute)
		server.keys["1"] = "new"
		want("1", "new", 3, nil)
		// A server that is away loses no event, but a withdrawn key does not stay.
		time.Sleep(time.Minute)
		server.err = errors.New("away")
		want("1", "new", 4, nil)
		want("1", "new", 4, nil) // is not asked for each delivery
		time.Sleep(time.Minute)
		server.err = nil
		delete(server.keys, "1")
		want("1", "", 5, hmacverify.ErrNoKey)
		server.err = errors.New("away")
		want("1", "", 6, server.err)
		// One that hangs is let go.
		server.err, server.takes = nil, time.Hour
		start := time.Now()
		want("3", "", 7, context.DeadlineExceeded)
		if took := time.Since(start); took != 10*time.Second {
			t.Errorf("waited for %v", took)
		}
		ended, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if _, err := cache.Keys(ended, "4"); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 11*time.Second {
			t.Errorf("a request that has ended: got %v after %v", err, time.Since(start))
		}
		time.Sleep(time.Hour)
	})
}

// Clients choose the IDs.
func TestKeyCache_Flood(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := &keyServer{keys: map[string]string{"good": "key"}}
		cache := &hmacverify.KeyCache{Fetch: server.fetch}
		_, err := cache.Keys(t.Context(), "good")
		wantErr(t, err, nil)
		overloaded := 0
		for i := range 1000 {
			if _, err := cache.Keys(t.Context(), fmt.Sprint(i)); errors.Is(err, hmacverify.ErrOverloaded) {
				overloaded++
			}
		}
		if len(server.asked) != 60 || overloaded != 941 {
			t.Errorf("asked %d times, %d overloaded", len(server.asked), overloaded)
		}
		_, err = cache.Keys(t.Context(), "good")
		wantErr(t, err, nil)
		if hmacverify.Status(fmt.Errorf("%w", hmacverify.ErrOverloaded)) != http.StatusServiceUnavailable {
			t.Error("what is overloaded is not retried")
		}
		// The cache is bounded: of 100 IDs the first are asked for again.
		time.Sleep(time.Minute)
		for i := range 100 {
			server.keys[fmt.Sprint("k", i)] = "key"
		}
		for i := range 100 {
			time.Sleep(time.Second)
			_, err := cache.Keys(t.Context(), fmt.Sprint("k", i))
			wantErr(t, err, nil)
		}
		for _, tt := range []struct {
			id   string
			want int
		}{{"k99", 0}, {"k36", 0}, {"k35", 1}} {
			before := len(server.asked)
			_, err := cache.Keys(t.Context(), tt.id)
			wantErr(t, err, nil)
			if got := len(server.asked) - before; got != tt.want {
				t.Errorf("%s: asked %d times, want %d", tt.id, got, tt.want)
			}
		}
	})
}

func TestKeyCache_Panic(t *testing.T) {
	t.Parallel()
	cache := &hmacverify.KeyCache{Fetch: func(context.Context, string) ([]string, error) { panic("secret") }}
	for range 2 {
		_, err := cache.Keys(t.Context(), "1")
		if err == nil || errors.Is(err, hmacverify.ErrNoKey) || strings.Contains(err.Error(), "secret") {
			t.Errorf("got %v", err)
		}
	}
}

// Many requests with one new ID ask once.
func TestKeyCache_OneFlight(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	release := make(chan struct{})
	cache := &hmacverify.KeyCache{Fetch: func(context.Context, string) ([]string, error) {
		calls.Add(1)
		<-release
		return []string{"key"}, nil
	}}
	var wg sync.WaitGroup
	for range 200 { // more than there may be misses
		wg.Go(func() {
			_, err := cache.Keys(t.Context(), "1")
			wantErr(t, err, nil)
		})
	}
	time.Sleep(10 * time.Millisecond)
	close(release)
	wg.Wait()
	if n := calls.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
}
