package repository

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"foundry/pkg/bus"
	"foundry/pkg/message"
	"foundry/pkg/trust"
	"foundry/scripts/internal/rig"
)

const (
	codename = "bookworm"
	archive  = "bench"
)

const (
	startPatience = 3 * time.Minute
	stopPatience  = time.Minute
	// look is how often the folder is looked at; apt would not see a new InRelease any sooner.
	look = 500 * time.Microsecond
)

// distbot is the program, running.
type distbot struct {
	*speaker
	cmd   *exec.Cmd
	ended chan error
}

// startDistbot runs the program on the state folder, and waits until it waits for work.
func startDistbot(ctx context.Context, sp *speaker, programs string) (*distbot, error) {
	d := &distbot{speaker: sp, ended: make(chan error, 1)}
	d.cmd = exec.Command(filepath.Join(programs, "distbot"), "--bus", sp.server.URL(), "--state", sp.state, "--store", "folder:"+sp.store,
		"--name", archive, "--codename", codename, "--arch", rig.Architecture())
	log := sp.stock.rig.Log
	d.cmd.Stdout, d.cmd.Stderr = log, log
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := d.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start distbot: %w", err)
	}
	go func() { d.ended <- d.cmd.Wait() }()
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	for {
		ready, err := d.ready(ctx)
		if ready || err != nil {
			return d, err
		}
		select {
		case err := <-d.ended:
			return nil, fmt.Errorf("start distbot: it has ended: %v, see %s", err, log.Name())
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("start distbot: %w", ctx.Err()), d.close())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// ready tells whether the program is there, and has nothing to do.
func (d *distbot) ready(ctx context.Context) (bool, error) {
	bots, err := d.conn.List(ctx, 50*time.Millisecond)
	if err != nil {
		return false, err
	}
	idle := slices.ContainsFunc(bots, func(s bus.State) bool {
		return s.PID == d.cmd.Process.Pid && s.State == "idle" && slices.Contains(s.Serves, codename) // which it tells once the repository is open
	})
	_, err = os.Stat(d.served(archive + ".asc"))
	return idle && err == nil, nil
}

// served is a path in the folder of the repository.
func (d *distbot) served(elem ...string) string {
	return filepath.Join(append([]string{d.state, "repo", archive}, elem...)...)
}

// one publishes the message of one build, and returns how long it took until apt could find it.
func (d *distbot) one(ctx context.Context, n int) (time.Duration, error) {
	raw, err := d.seal(ctx, n)
	if err != nil {
		return 0, fmt.Errorf("make message: %w", err)
	}
	path := d.served("dists", codename, "InRelease")
	before, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	begun := time.Now()
	if err := d.conn.Publish(ctx, raw); err != nil {
		return 0, err
	}
	for {
		now, err := os.Stat(path)
		took := time.Since(begun)
		switch {
		case err != nil:
			return 0, err // there is one at any time
		case !os.SameFile(before, now) || !before.ModTime().Equal(now.ModTime()):
			before = now
			if found, err := d.lists(n); found || err != nil {
				if err == nil {
					_, err = d.await(ctx, []message.ID{raw.ID})
				}
				return took, err
			}
		case took > startPatience:
			return 0, fmt.Errorf("publish %s: not done after %s", name(n), took)
		}
		d.mu.Lock()
		failure := d.failure
		d.mu.Unlock()
		if failure != nil {
			return 0, failure
		}
		time.Sleep(look)
	}
}

// many publishes the messages of all builds from first on, and returns when it began and when each was answered.
func (d *distbot) many(ctx context.Context, first, count int) (begun time.Time, times []time.Time, err error) {
	raws := make([]bus.Raw, count)
	ids := make([]message.ID, count)
	for i := range raws {
		if raws[i], err = d.seal(ctx, first+i); err != nil {
			return begun, nil, fmt.Errorf("make message: %w", err)
		}
		ids[i] = raws[i].ID
	}
	begun = time.Now()
	for _, raw := range raws {
		if err := d.conn.Publish(ctx, raw); err != nil {
			return begun, nil, err
		}
	}
	times, err = d.await(ctx, ids)
	return begun, times, err
}

// lists tells whether the InRelease verifies and leads to package n.
func (d *distbot) lists(n int) (bool, error) {
	packages, err := d.packages()
	return bytes.Contains(packages, []byte("Package: "+name(n)+"\n")), err
}

// packages returns the index that the InRelease on disk leads to, as apt would get it.
func (d *distbot) packages() ([]byte, error) {
	ring, err := trust.ReadKeyring(d.served(archive + ".asc"))
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(d.served("dists", codename, "InRelease"))
	if err != nil {
		return nil, err
	}
	plain, _, err := ring.VerifyClearsigned(text)
	if err != nil {
		return nil, fmt.Errorf("verify InRelease: %w", err)
	}
	index := "main/binary-" + rig.Architecture() + "/Packages.gz"
	_, sums, _ := strings.Cut(string(plain), "\nSHA256:")
	for line := range strings.Lines(sums) {
		fields := strings.Fields(line)
		if len(fields) != 3 || fields[2] != index {
			continue
		}
		file, err := os.Open(d.served("dists", codename, filepath.Dir(index), "by-hash", "SHA256", fields[0]))
		if err != nil {
			return nil, err
		}
		defer file.Close()
		unzipped, err := gzip.NewReader(file)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", index, err)
		}
		return io.ReadAll(unzipped)
	}
	return nil, fmt.Errorf("read InRelease: no %s", index)
}

// stopped ends the program and the bus.
func (d *distbot) stopped() error {
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return errors.Join(fmt.Errorf("stop distbot: %w", err), d.close())
	}
	kill := time.AfterFunc(stopPatience, func() { _ = d.cmd.Process.Kill() })
	defer kill.Stop()
	if err := <-d.ended; err != nil {
		return errors.Join(fmt.Errorf("stop distbot: %w", err), d.close())
	}
	return d.close()
}
