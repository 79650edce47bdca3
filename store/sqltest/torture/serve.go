package torture

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hookonce/hookonce/hmacverify"
	"github.com/hookonce/hookonce/hmacverify/preset"
	"github.com/hookonce/hookonce/idempotency"
	"github.com/hookonce/hookonce/idempotency/inbox"
	"github.com/hookonce/hookonce/store/sqlstore"
)

// secret signs all deliveries.
const secret = "a secret for the torture"

// A mode is how an event is processed. It is the path of the endpoint and the scope
// of the records.
type mode string

// The modes.
const (
	transactional mode = "transactional" // record and effect are one commit
	leased        mode = "leased"        // the effect is in another system
	completed     mode = "completed"     // under a lease that the effect's commit completes
	later         mode = "later"         // as transactional, by way of an inbox
)

// modes are those in which an answer means that the work is done.
var modes = []mode{transactional, leased, completed}

// allModes are the modes of a run in which no event dies: in an inbox, events have attempts
// of their own.
var allModes = append(slices.Clip(modes), later)

// scheme signs the time too, so that the servers' clocks matter.
func scheme(m mode) hmacverify.Scheme {
	s := preset.XSignature256Timestamp()
	s.Name = string(m)
	return s
}

// A serverConfig configures a server process.
type serverConfig struct {
	Engine  string        // its key in engines
	Pgxpool bool          // it uses pgxstore instead of sqlstore
	DSN     string        // of the proxy in front of the database
	Conns   int           // limit of its pool
	MaxLife time.Duration // of a connection; 0 means no limit
	Outside string        // URL of the ledger outside the database
	Ahead   time.Duration // how far its clock is ahead
	Lease   time.Duration
	Timeout time.Duration // of handlers
	Purge   bool          // purge without end
	Record  bool          // record failures in transactional mode
	Pad     int           // bytes in each row of the ledger
	Fail    bool          // make some attempts fail, panic, or take long
	Depend  bool          // the work of all modes needs the system outside

	MaxAttempts     int // after which an event is dead; then the work of some always fails
	AttemptInterval time.Duration

	Hang   bool   // make the first attempt at some events hang
	Broken string // the mistake that it makes, see broken.go
}

// attemptsPause is a pause after which a failure counts, 0 if attempts are not bounded.
func (c serverConfig) attemptsPause() time.Duration {
	if c.MaxAttempts == 0 {
		return 0
	}
	return c.AttemptInterval + c.AttemptInterval/8
}

// tolerance is wide enough for clocks that are an hour apart.
const tolerance = 90 * time.Minute

// A server is one of the processes that are killed.
type server struct {
	serverConfig
	*engine
	client *http.Client
	pool   pool

	mu      sync.Mutex // guards purging, and is held while the purge runs
	purging bool
	box     *inbox.Inbox
	rest    func() // stops the inbox; nil while it does not run

	peace chan struct{} // closed at the end; handlers that hang forever return then
}

// serve is a server process. It prints its address and serves until its standard
// input ends, as it does when the parent dies.
func serve(config string, stdin io.Reader, stdout io.Writer) error {
	s := &server{client: &http.Client{Timeout: 3 * time.Second}, peace: make(chan struct{})}
	if err := json.Unmarshal([]byte(config), &s.serverConfig); err != nil {
		return err
	}
	s.engine = engines()[s.Engine]
	slog.SetDefault(slog.New(slog.DiscardHandler)) // an inbox logs the panics, which are intended
	most, interval := s.attempts()
	mux := http.NewServeMux()
	serveModes := s.serveStandard
	if s.Pgxpool {
		serveModes = s.servePgxpool
	}
	err := serveModes(mux, &sqlstore.Options{
		RecordFailures:  s.Record,
		MaxAttempts:     most,
		AttemptInterval: interval,
		Observe:         func(context.Context, idempotency.Event) {},
	})
	if err != nil {
		return err
	}
	mux.HandleFunc("POST /purge", s.startPurge)
	mux.HandleFunc("POST /drain", s.drain)
	mux.HandleFunc("POST /peace", s.returnAll)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	if s.Purge {
		go s.purgeForever()
	}
	fmt.Fprintf(stdout, "http://%s\n", l.Addr())
	// The panics are intended, and net/http would log the stack of each.
	h := &http.Server{Handler: mux, ReadTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	go h.Serve(l)
	_, err = io.Copy(io.Discard, stdin)
	return err
}

// handle serves an endpoint that works in that mode.
func handle[T any](s *server, mux *http.ServeMux, m mode, r idempotency.Runner[T], f idempotency.Func[T]) error {
	endpoint, err := newEndpoint(s, m, r)
	if err != nil {
		return err
	}
	mux.Handle("POST /"+string(m), endpoint.Handle(stubborn(s, m, doomedWork(s, m, unreliable(s, f)))))
	return nil
}

// handleLater serves an endpoint that accepts for an inbox.
func handleLater[T any](s *server, mux *http.ServeMux, q inbox.Queue, r idempotency.Runner[T], f idempotency.Func[T]) error {
	endpoint, err := newEndpoint(s, later, r)
	if err != nil {
		return err
	}
	s.box, err = inbox.New(s.queue(q), &inbox.Options{
		Backoff:     func(int) time.Duration { return 50 * time.Millisecond },
		MaxAttempts: 1_000_000,
		Lease:       s.Lease,
		Poll:        200 * time.Millisecond,
		Stop:        time.Second,
	})
	if err != nil {
		return err
	}
	mux.Handle("POST /"+string(later), inbox.Handle(s.box, endpoint, unreliable(s, f), nil))
	return nil
}

func newEndpoint[T any](s *server, m mode, r idempotency.Runner[T]) (*idempotency.Endpoint[T], error) {
	o := &hmacverify.Options{Tolerance: tolerance, Now: func() time.Time { return time.Now().Add(s.Ahead) }}
	verifier, err := hmacverify.New(scheme(m), o, secret)
	if err != nil {
		return nil, err
	}
	return idempotency.NewEndpoint(string(m), verifier, r, &idempotency.Options{CheckContent: true, Timeout: s.Timeout})
}

// purgeForever purges without end, except between a drain and the next start.
func (s *server) purgeForever() {
	for {
		s.mu.Lock()
		if s.purging {
			s.pool.purge(context.Background()) // the database may be away
		}
		s.mu.Unlock()
		time.Sleep(100 * time.Millisecond)
	}
}

// startPurge starts what goes on in the background: the purge, and the inbox.
func (s *server) startPurge(http.ResponseWriter, *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.purging = true
	if s.rest != nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.box.Run(ctx, 3)
	}()
	s.rest = func() {
		cancel()
		<-done
		s.rest = nil
	}
}

// returnAll has the handlers return that hang forever.
func (s *server) returnAll(http.ResponseWriter, *http.Request) { close(s.peace) }

// A footing is what an idle server holds.
type footing struct {
	Goroutines, Connections, InUse int
	Stacks                         string // of the goroutines
}

// drain stops the purge and the inbox, closes idle connections, and reports what is left. A purge
// would open a connection between two drains, and keep alive the goroutine in which
// a pool closes old connections.
func (s *server) drain(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.purging = false
	if s.rest != nil {
		s.rest()
	}
	open, inUse := s.pool.drain()
	s.client.CloseIdleConnections()
	var stacks strings.Builder
	pprof.Lookup("goroutine").WriteTo(&stacks, 1)
	json.NewEncoder(w).Encode(footing{runtime.NumGoroutine(), open, inUse, stacks.String()})
}

// serveProcess runs a server if args are those with which a fleet starts one.
func serveProcess(args []string) (is bool, err error) {
	if len(args) != 2 || args[0] != "-serve" {
		return false, nil
	}
	return true, serve(args[1], os.Stdin, os.Stdout)
}
