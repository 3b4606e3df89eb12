package repoctl

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// maxSocketPath is the longest name of a socket that the kernel takes (unix(7), less the final zero byte).
const maxSocketPath = len(unix.RawSockaddrUnix{}.Path) - 1

// short returns a name of path that the kernel takes for a socket, to be used until release is called.
func short(path string) (name string, release func(), err error) {
	if len(path) <= maxSocketPath {
		return path, func() {}, nil
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return "", nil, err
	}
	name = filepath.Join("/proc/self/fd", strconv.Itoa(int(dir.Fd())), filepath.Base(path))
	if len(name) > maxSocketPath {
		return "", nil, errors.Join(fmt.Errorf("the name %s is too long for a socket", filepath.Base(path)), dir.Close())
	}
	return name, func() { _ = dir.Close() }, nil
}

// Listen opens the socket, which only this user may connect to. One that a killed process has left is
// replaced: the caller holds the repository, so nobody else listens there.
func Listen(ctx context.Context, path string) (net.Listener, error) {
	listener, err := listen(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	return listener, nil
}

// listen makes the socket in a folder of its own and moves it to its place: so it never has other permissions,
// and a client finds the old one or the new.
func listen(ctx context.Context, path string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(filepath.Dir(path), ".socket-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	made := filepath.Join(dir, "s")
	name, release, err := short(made)
	if err != nil {
		return nil, err
	}
	defer release()
	listener, err := new(net.ListenConfig).Listen(ctx, "unix", name)
	if err != nil {
		return nil, err
	}
	if l, ok := listener.(*net.UnixListener); ok {
		l.SetUnlinkOnClose(false)
	}
	if err := errors.Join(os.Chmod(made, 0o600), os.Rename(made, path)); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return &socket{listener, path}, nil
}

// socket is a listener that removes its file.
type socket struct {
	net.Listener
	path string
}

func (s *socket) Close() error {
	if err := os.Remove(s.path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return errors.Join(err, s.Listener.Close())
	}
	return s.Listener.Close()
}

// dial connects to the socket at path.
func dial(ctx context.Context, path string) (net.Conn, error) {
	name, release, err := short(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, ErrNotRunning
	}
	if err != nil {
		return nil, err
	}
	defer release()
	conn, err := new(net.Dialer).DialContext(ctx, "unix", name)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ECONNREFUSED) {
		return nil, ErrNotRunning
	}
	return conn, err
}
