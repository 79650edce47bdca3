package torture

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// A fleet is the server processes of a run. Each has a slot, in which it is killed
// and restarted.
type fleet struct {
	program    string
	attributes *syscall.SysProcAttr
	env        []string
	slots      []*slot

	mu   sync.Mutex // guards what follows
	died []string   // exit statuses of processes that died by themselves
	said []string   // what processes wrote to standard error
}

type slot struct {
	mu     sync.Mutex // held while the process is disturbed
	config serverConfig
	url    atomic.Pointer[string] // of the latest process, which may be dead
	cmd    *exec.Cmd
	stdin  io.Closer
	killed atomic.Bool
	ended  chan struct{}
	rest   footing // what it held before the first delivery
}

func newFleet(program string, attributes *syscall.SysProcAttr, env []string, configs []serverConfig) (*fleet, error) {
	f := &fleet{program: program, attributes: attributes, env: env}
	for _, c := range configs {
		s := &slot{config: c}
		f.slots = append(f.slots, s)
		if err := f.start(s); err != nil {
			f.stop()
			return nil, err
		}
	}
	return f, nil
}

func (f *fleet) String() string {
	pgxpool := 0
	for _, s := range f.slots {
		if s.config.Pgxpool {
			pgxpool++
		}
	}
	return fmt.Sprintf("%d servers (%d on pgxpool)", len(f.slots), pgxpool)
}

// start starts a process in s and waits until it listens.
func (f *fleet) start(s *slot) error {
	config, err := json.Marshal(s.config)
	if err != nil {
		return err
	}
	s.cmd = exec.Command(f.program, "-serve", string(config))
	s.cmd.SysProcAttr, s.cmd.Env = f.attributes, f.env
	stderr := new(strings.Builder)
	s.cmd.Stderr = stderr
	if s.stdin, err = s.cmd.StdinPipe(); err != nil {
		return err
	}
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := s.cmd.Start(); err != nil {
		return err
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	s.killed.Store(false)
	s.ended = make(chan struct{})
	go f.wait(s, s.cmd, stderr, s.ended)
	if err != nil {
		<-s.ended
		return fmt.Errorf("a server does not start: %w\n%s", err, stderr)
	}
	url := strings.TrimSpace(line)
	if s.rest, err = drain(context.Background(), url); err == nil {
		err = post(context.Background(), url+"/purge", nil)
	}
	if err != nil {
		return fmt.Errorf("a server does not answer: %w", err)
	}
	s.url.Store(&url)
	return nil
}

// wait waits for the end of a process, and keeps what must not happen: an exit that
// we did not cause, and output such as a panic or the report of a data race.
func (f *fleet) wait(s *slot, cmd *exec.Cmd, stderr *strings.Builder, ended chan struct{}) {
	defer close(ended)
	err := cmd.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	if !s.killed.Load() {
		f.died = append(f.died, fmt.Sprint(err))
	}
	if stderr.Len() > 0 {
		f.said = append(f.said, stderr.String())
	}
}

// kill kills the process in s with SIGKILL.
func (f *fleet) kill(s *slot) {
	s.killed.Store(true)
	s.cmd.Process.Kill()
	<-s.ended
	s.stdin.Close()
}

// pick returns an undisturbed slot, locked.
func (f *fleet) pick(r *rand.Rand) *slot {
	for {
		if s := f.slots[r.IntN(len(f.slots))]; s.mu.TryLock() {
			return s
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// pause stops the process in s for a while, as swapping or the migration of a
// virtual machine does. It wakes up with an expired lease, and cannot know.
func (s *slot) pause(d time.Duration) error {
	if err := s.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	time.Sleep(d)
	return s.cmd.Process.Signal(syscall.SIGCONT)
}

func (f *fleet) stop() {
	for _, s := range f.slots {
		if s.ended != nil {
			f.kill(s)
		}
	}
}

// any returns the address of a server, which may be dead.
func (f *fleet) any(r *rand.Rand) string {
	return *f.slots[r.IntN(len(f.slots))].url.Load()
}

// drain asks a server to stop its purge and close idle connections, and returns what
// it still holds.
func drain(ctx context.Context, url string) (f footing, err error) {
	err = post(ctx, url+"/drain", &f)
	return f, err
}

// post sends a command to a server, and decodes the answer into v unless v is nil.
func post(ctx context.Context, url string, v any) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, nil)
	if err != nil {
		return err
	}
	// Not a pooled connection: those cost the server goroutines.
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, resp.Status)
	}
	if v == nil {
		return nil
	}
	return json.NewDecoder(resp.Body).Decode(v)
}

// leftovers waits until each server holds no more than at its start, and returns
// what is still left after a while.
func (f *fleet) leftovers(ctx context.Context) (left footing, err error) {
	var (
		mu sync.Mutex
		wg sync.WaitGroup
	)
	for _, s := range f.slots {
		wg.Go(func() {
			got, getErr := s.leftovers(ctx)
			mu.Lock()
			defer mu.Unlock()
			if got.Goroutines > 0 {
				left.Goroutines += got.Goroutines
				left.Stacks += got.Stacks
			}
			left.Connections += got.Connections
			left.InUse += got.InUse
			err = errors.Join(err, getErr)
		})
	}
	wg.Wait()
	return left, err
}

// leftovers looks twice: for connections while handlers hang, and for everything when
// they have returned.
func (s *slot) leftovers(ctx context.Context) (footing, error) {
	free := func(f footing) bool { return f.Connections == 0 && f.InUse == 0 }
	held, err := s.await(ctx, free)
	if err == nil {
		err = post(ctx, *s.url.Load()+"/peace", nil)
	}
	if err != nil {
		return held, err
	}
	left, err := s.await(ctx, func(f footing) bool { return f.Goroutines == 0 && free(f) })
	left.Connections, left.InUse = max(left.Connections, held.Connections), max(left.InUse, held.InUse)
	return left, err
}

// await drains the server until what it holds is well, and returns what it still holds
// after a while.
func (s *slot) await(ctx context.Context, well func(footing) bool) (footing, error) {
	for end := time.Now().Add(15 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		got, err := drain(ctx, *s.url.Load())
		if err != nil {
			return got, err
		}
		got.Goroutines = max(0, got.Goroutines-s.rest.Goroutines)
		if well(got) || time.Now().After(end) {
			return got, nil
		}
	}
}

// copyProgram copies the test binary to a directory that other accounts can enter:
// the one that "go test" builds in is private.
func copyProgram(to string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	// Not by this process: a server that another goroutine starts would inherit the
	// open file, and what is open for writing cannot be executed.
	out, err := exec.Command("cp", self, to).CombinedOutput()
	if err != nil {
		return fmt.Errorf("cp: %w: %s", err, out)
	}
	return os.Chmod(to, 0o755)
}
