package bot

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/klauspost/compress/zstd"

	"foundry/pkg/artifact"
	"foundry/pkg/bus"
	"foundry/pkg/message"
)

// tailLines and tailBytes bound how much of a log goes into a failure.
const (
	tailLines = 40
	tailBytes = 500 // of one line
)

// Log is the log of one job: it streams to the bus while it is written, and Finish keeps the whole
// of it as an artifact. It may be written concurrently.
type Log struct {
	job    *Job
	path   string
	mu     sync.Mutex
	file   *os.File
	zip    *zstd.Encoder
	stream bus.LogWriter
	last   []string
	line   []byte
	err    error
}

// OpenLog begins the log of this job; key tells it apart from those of the bot's like, as the
// architecture does.
func (j *Job) OpenLog(key string) (*Log, error) {
	about := message.About(j.Body)
	parts := []string{j.Self.Name}
	for _, p := range []string{about.Source, about.Version, key} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	name := strings.ReplaceAll(strings.Join(parts, "_"), "/", "_") + ".log.zst"
	path := filepath.Join(j.Dir, name)
	file, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	zip, err := zstd.NewWriter(file, zstd.WithEncoderConcurrency(1))
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("open log: %w", err)
	}
	return &Log{
		job: j, path: path, file: file, zip: zip,
		stream: j.Logs.Writer(j.Message.Context, j.Self.Name, key),
	}, nil
}

// Write adds p to the log. An error of the file is kept for Finish, so that a full disk does not
// end the job before its end is told.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, err := l.zip.Write(p); err != nil && l.err == nil {
		l.err = err
	}
	_, _ = l.stream.Write(p) // what the stream loses is in the artifact
	l.remember(p)
	return len(p), nil
}

// remember keeps the last lines as they are; a message that they go into makes them fit to be shown.
func (l *Log) remember(p []byte) {
	for _, c := range p {
		if c != '\n' {
			if len(l.line) < tailBytes {
				l.line = append(l.line, c)
			}
			continue
		}
		l.endLine()
	}
}

func (l *Log) endLine() {
	if len(l.last) == tailLines {
		l.last = append(l.last[:0], l.last[1:]...)
	}
	l.last = append(l.last, string(l.line))
	l.line = l.line[:0]
}

// Finish ends the log, puts the whole of it into the store and returns it with its last lines.
func (l *Log) Finish(ctx context.Context) (message.Artifact, []string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.line) > 0 {
		l.endLine()
	}
	_ = l.stream.Close() // as in Write
	if err := l.zip.Close(); err != nil && l.err == nil {
		l.err = err
	}
	if err := l.file.Close(); err != nil && l.err == nil {
		l.err = err
	}
	if l.err != nil {
		return message.Artifact{}, nil, fmt.Errorf("write log: %w", l.err)
	}
	ref, err := artifact.PutFile(ctx, l.job.Store, l.path)
	if err != nil {
		return message.Artifact{}, nil, fmt.Errorf("keep log: %w", err)
	}
	return ref, l.last, nil
}
