package main

import (
	"io"
	"math"
	"net"
	"net/http"
	"sync"
	"time"
)

// patient gives a client time for each piece, however long the whole takes.
type patient struct {
	http.ResponseWriter
	control *http.ResponseController
}

// ReadFrom sends what r has, by way of sendfile(2) where that is possible.
func (p *patient) ReadFrom(r io.Reader) (sent int64, err error) {
	to, ok := p.ResponseWriter.(io.ReaderFrom)
	if !ok {
		return io.Copy(struct{ io.Writer }{p}, r)
	}
	// One limit alone keeps to sendfile, so that of a range is taken off.
	of, more := r, int64(math.MaxInt64)
	if limit, ok := r.(*io.LimitedReader); ok {
		of, more = limit.R, limit.N
	}
	for more > 0 {
		if err := p.extend(); err != nil {
			return sent, err
		}
		want := min(piece, more)
		n, err := to.ReadFrom(&io.LimitedReader{R: of, N: want})
		sent, more = sent+n, more-n
		if err != nil || n < want {
			return sent, err
		}
	}
	return sent, nil
}

// Write sends one piece.
func (p *patient) Write(data []byte) (int, error) {
	if err := p.extend(); err != nil {
		return 0, err
	}
	return p.ResponseWriter.Write(data)
}

func (p *patient) extend() error { return p.control.SetWriteDeadline(time.Now().Add(stalled)) }

// limited is a listener that has so many connections at a time.
type limited struct {
	net.Listener
	free chan struct{} // holds something for each connection
}

// Accept waits for a connection, and before it for one to end where there are too many.
func (l *limited) Accept() (net.Conn, error) {
	l.free <- struct{}{}
	conn, err := l.Listener.Accept()
	if err != nil {
		<-l.free
		return nil, err
	}
	return &limitedConn{Conn: conn, end: sync.OnceFunc(func() { <-l.free })}, nil
}

// limitedConn is a connection that is counted until it is closed.
type limitedConn struct {
	net.Conn
	end func()
}

func (c *limitedConn) Close() error {
	err := c.Conn.Close()
	c.end()
	return err
}

// ReadFrom lets sendfile(2) through.
func (c *limitedConn) ReadFrom(r io.Reader) (int64, error) { return io.Copy(c.Conn, r) }
