package jetstream

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"
)

// ServerOptions says how to run a server inside this program.
type ServerOptions struct {
	Dir   string // where it keeps everything; made when missing
	Host  string // address to listen on; empty is 127.0.0.1
	Port  int    // 0 for any that is free
	Users []User // who may connect; nobody else does
	Log   zerolog.Logger
}

// Server is a NATS server inside this program.
type Server struct {
	ns      *server.Server
	options *server.Options
	lock    *os.File
	log     *serverLog
	mu      sync.Mutex // of options
}

const (
	serverStart = 30 * time.Second // a large store takes a while to read
	// bufferedBytes is how much may wait to be written: files arrive in big pieces, each of which
	// is synced.
	bufferedBytes = 1 << 30
)

// StartServer runs a server with its store in a folder, which no second one may use, and waits
// until it can be connected to. What it says is kept is on disk.
func StartServer(o ServerOptions) (*Server, error) {
	if o.Host == "" {
		o.Host = "127.0.0.1"
	}
	users, err := nkeyUsers(o.Users)
	if err != nil {
		return nil, fmt.Errorf("start bus: %w", err)
	}
	lock, err := lockFolder(o.Dir)
	if err != nil {
		return nil, err
	}
	if err := checkPort(o.Host, o.Port); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	s := &Server{lock: lock, log: &serverLog{log: o.Log}}
	s.options = &server.Options{
		ServerName: "foundry", Host: o.Host, Port: o.Port, Nkeys: users,
		JetStream: true, StoreDir: o.Dir, SyncAlways: true, StreamMaxBufferedSize: bufferedBytes,
		NoSigs: true, DisableShortFirstPing: true,
	}
	if o.Port == 0 {
		s.options.Port = server.RANDOM_PORT
	}
	if s.ns, err = server.NewServer(s.options.Clone()); err != nil {
		return nil, errors.Join(fmt.Errorf("start bus: %w", err), lock.Close())
	}
	s.ns.SetLogger(s.log, false, false)
	s.ns.Start()
	if !s.ns.ReadyForConnections(serverStart) || s.log.fatal() != "" {
		reason := s.log.fatal()
		if reason == "" {
			reason = "not ready after " + serverStart.String()
		}
		s.Shutdown()
		return nil, fmt.Errorf("start bus in %s: %s", o.Dir, reason)
	}
	return s, nil
}

// lockFolder makes the store's folder and takes it: two servers in one would destroy it.
func lockFolder(dir string) (*os.File, error) {
	if dir == "" {
		return nil, errors.New("start bus: no folder for its store")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("start bus: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("start bus: %w", err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		lock.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, &Error{
				fmt.Errorf("start bus in %s: another is running there", dir),
				"stop the other, or choose another --state",
			}
		}
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	return lock, nil
}

// checkPort tells a port that is taken apart from all else that can go wrong.
func checkPort(host string, port int) error {
	address := net.JoinHostPort(host, strconv.Itoa(port))
	listener, err := net.Listen("tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return &Error{
			fmt.Errorf("start bus on %s: port %d is taken", host, port),
			fmt.Sprintf("`ss -ltnp sport = %d` shows by whom; choose another, or 0 for any that is free", port),
		}
	case err != nil:
		return &Error{fmt.Errorf("start bus on %s: %w", address, err), "the host is an address of this machine, the port 0 to 65535"}
	}
	return listener.Close()
}

// URL is how to reach the server.
func (s *Server) URL() string { return "nats://" + s.ns.Addr().String() }

// SetUsers changes who may connect, and cuts off who may no longer.
func (s *Server) SetUsers(users []User) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	changed, err := nkeyUsers(users)
	if err != nil {
		return fmt.Errorf("change users of bus: %w", err)
	}
	options := s.options.Clone()
	options.Nkeys = changed
	if err := s.ns.ReloadOptions(options); err != nil {
		return fmt.Errorf("change users of bus: %w", err)
	}
	s.options = options
	return nil
}

// Shutdown ends the server and waits until its store is on disk.
func (s *Server) Shutdown() {
	s.ns.Shutdown()
	s.ns.WaitForShutdown()
	s.lock.Close()
}

// serverLog passes on what the server says, and keeps what it considers the end: the server's own
// logger would end the program.
type serverLog struct {
	log zerolog.Logger
	mu  sync.Mutex
	end string
}

func (l *serverLog) Noticef(format string, v ...any) { l.log.Debug().Msgf(format, v...) }
func (l *serverLog) Warnf(format string, v ...any)   { l.log.Warn().Msgf(format, v...) }
func (l *serverLog) Errorf(format string, v ...any)  { l.log.Error().Msgf(format, v...) }
func (l *serverLog) Debugf(format string, v ...any)  { l.log.Debug().Msgf(format, v...) }
func (l *serverLog) Tracef(format string, v ...any)  { l.log.Trace().Msgf(format, v...) }

func (l *serverLog) Fatalf(format string, v ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.end = fmt.Sprintf(format, v...)
	l.log.Error().Msg(l.end)
}

func (l *serverLog) fatal() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.end
}
