package jetstream

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/rs/zerolog"

	"foundry/pkg/bus/bustest"
)

// testServer is a server with one user who may do everything.
type testServer struct {
	dir, nkey string
	public    string
	server    *Server
}

func newTestServer(t testing.TB) *testServer {
	t.Helper()
	s := &testServer{dir: t.TempDir(), nkey: filepath.Join(t.TempDir(), "nkey")}
	var err error
	if s.public, err = LoadOrCreateNKey(s.nkey); err != nil {
		t.Fatal(err)
	}
	s.start(t, 0)
	t.Cleanup(func() { s.server.Shutdown() })
	return s
}

func (s *testServer) start(t testing.TB, port int) {
	t.Helper()
	var err error
	s.server, err = StartServer(ServerOptions{
		Dir: s.dir, Port: port, Users: []User{{NKey: s.public, Role: Role{All: true}}}, Log: testLog(t),
	})
	if err != nil {
		t.Fatal(err)
	}
}

func testLog(t testing.TB) zerolog.Logger {
	if os.Getenv("BUS_LOG") == "" {
		return zerolog.Nop()
	}
	return zerolog.New(zerolog.NewTestWriter(t)).With().Timestamp().Logger()
}

func (s *testServer) connect(t testing.TB) *Conn {
	t.Helper()
	c, err := Connect(t.Context(), Options{
		URL: s.server.URL(), NKeyFile: s.nkey, Name: "test", Wait: 20 * time.Second, Log: testLog(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func (s *testServer) port(t testing.TB) int {
	t.Helper()
	port, err := strconv.Atoi(s.server.URL()[len("nats://127.0.0.1:"):])
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func (s *testServer) Connect(t *testing.T) bustest.Member { return s.connect(t) }

func (s *testServer) Restart(t *testing.T) {
	port := s.port(t)
	s.server.Shutdown()
	s.start(t, port)
}

func (s *testServer) Cut(t *testing.T) {
	connections, err := s.server.ns.Connz(&server.ConnzOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, info := range connections.Conns {
		_ = s.server.ns.DisconnectClientByID(info.Cid) // it may have gone by itself
	}
}

func TestContract(t *testing.T) {
	bustest.Run(t, func(t *testing.T) bustest.Opener { return newTestServer(t) })
}
