package records

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookonce/hookonce/idempotency/inbox"
)

// A look without a mark follows every 15 seconds, or, if it is slow, so that it takes at
// most a hundredth of the time.
func TestLowWater_FullLooks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const now = 1_000_000_000
		m := mark{"hooks", inbox.Waiting}
		for _, tt := range []struct{ took, wait time.Duration }{
			{time.Millisecond, 15 * time.Second}, {time.Second, 100 * time.Second},
		} {
			var l lowWater
			if got := l.next(m); got != 0 {
				t.Errorf("the first look begins at %d, want 0", got)
			}
			l.set(m, 0, now, now, tt.took)
			time.Sleep(tt.wait - time.Millisecond)
			if got, want := l.next(m), int64(now-1_000_000); got != want || l.of(m) != want {
				t.Errorf("after a look of %v the mark is %d, want %d", tt.took, got, want)
			}
			l.set(m, l.next(m), now, now, time.Hour) // which was no full one
			time.Sleep(2 * time.Millisecond)
			if got := l.next(m); got != 0 || l.of(m) == 0 {
				t.Errorf("%v after a full look of %v the next begins at %d, want 0", tt.wait, tt.took, got)
			}
		}
	})
}
