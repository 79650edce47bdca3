package torture

import (
	"context"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/idempotency"
)

// endpointGrace is how long after its timeout an endpoint lets other deliveries go on.
const endpointGrace = 2 * time.Second

// hangs reports whether the first attempt at the event hangs; forEver, whether it does
// until its process is killed or the run is over.
func hangs(event string) bool   { return hashOf(event)%12 == 7 }
func forEver(event string) bool { return hashOf(event)/12%3 == 0 }

// stubborn makes the first attempt at some events hang, which ignores its context, and
// does its work when it is too late. In a transaction it reports success in any case;
// under a lease that would be a lie about an effect that only the work knows of.
func stubborn[T any](s *server, m mode, f idempotency.Func[T]) idempotency.Func[T] {
	return func(ctx context.Context, tx T, d *hmacverify.Delivery) error {
		if !s.Hang || !hangs(d.ID) || !s.tell(ctx, "hung", d.ID) {
			return f(ctx, tx, d)
		}
		s.hang(forEver(d.ID))
		s.tell(ctx, "returned", d.ID)
		err := f(context.WithoutCancel(ctx), tx, d)
		if m == transactional {
			return nil
		}
		return err
	}
}

func (s *server) hang(forEver bool) {
	late := make(<-chan time.Time)
	if !forEver {
		late = time.After(s.Timeout + endpointGrace + s.Lease + rand.N(s.Lease))
	}
	select {
	case <-late:
	case <-s.peace:
	}
}

// tell notes in the books that something has happened to an event, and reports whether
// it is the first time.
func (s *server) tell(ctx context.Context, what, event string) (first bool) {
	req, err := http.NewRequestWithContext(context.WithoutCancel(ctx), http.MethodPost, s.Outside+"/notes/"+what+"/"+event, nil)
	if err != nil {
		return false
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusCreated
}
