package repository

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"foundry/pkg/bot"
	"foundry/pkg/bus"
	"foundry/pkg/bus/jetstream"
	"foundry/pkg/message"
	"foundry/pkg/trust"
	"foundry/scripts/internal/rig"
)

// speaker is a bus with an artifact store beside it, and a signbot that has signed everything already.
type speaker struct {
	stock  *stock
	state  string // folder of distbot
	store  string // folder of artifacts
	server *jetstream.Server
	conn   *jetstream.Conn
	sealer *bus.Sealer
	stop   context.CancelFunc
	ended  chan error // of the one that hears

	mu       sync.Mutex
	answered map[message.ID]time.Time
	changed  chan struct{} // closed when there is an answer more
	failure  error
}

// speak starts a bus for the distbot of the state folder.
func speak(ctx context.Context, s *stock, dir, state string) (sp *speaker, err error) {
	sp = &speaker{stock: s, state: state, store: filepath.Join(dir, "store"), answered: map[message.ID]time.Time{}, changed: make(chan struct{}), ended: make(chan error, 1)}
	if err := os.MkdirAll(sp.store, 0o755); err != nil {
		return nil, fmt.Errorf("make store: %w", err)
	}
	var users []jetstream.User
	for name, role := range map[string]jetstream.Role{
		"foundry": {All: true}, "distbot": {Publish: []message.Topic{message.Dists, message.Failures, message.Rejects}},
	} {
		public, err := jetstream.LoadOrCreateNKey(bot.NKeyFile(state, name))
		if err != nil {
			return nil, err
		}
		users = append(users, jetstream.User{NKey: public, Role: role})
	}
	if sp.server, err = jetstream.StartServer(jetstream.ServerOptions{Dir: filepath.Join(dir, "bus"), Users: users, Log: zerolog.Nop()}); err != nil {
		return nil, err
	}
	sp.conn, err = jetstream.Connect(ctx, jetstream.Options{URL: sp.server.URL(), NKeyFile: bot.NKeyFile(state, "foundry"), Name: "bench", Log: zerolog.Nop()})
	if err != nil {
		sp.server.Shutdown()
		return nil, err
	}
	if err := sp.trust(); err != nil {
		return nil, errors.Join(err, sp.close())
	}
	hearing, stop := context.WithCancel(ctx)
	sp.stop = stop
	go func() { sp.ended <- sp.hear(hearing) }()
	return sp, nil
}

// trust has distbot believe the messages and the packages.
func (sp *speaker) trust() error {
	key, err := trust.Generate("bench")
	if err != nil {
		return err
	}
	dir := bot.TrustDir(sp.state)
	if err := trust.Allow(dir, string(message.Signs), key); err != nil {
		return err
	}
	topics, err := trust.OpenTopics(dir)
	if err != nil {
		return err
	}
	sp.sealer = &bus.Sealer{Key: key, Topics: topics}
	public, err := sp.stock.signer.Public()
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, trust.Packages+".asc"), public, 0o644)
}

// hear notes when messages are answered.
func (sp *speaker) hear(ctx context.Context) error {
	filter := bus.Filter{Topics: []message.Topic{message.Dists, message.Failures, message.Rejects}, Follow: true}
	return sp.conn.Tail(ctx, filter, func(raw bus.Raw) error {
		now := time.Now()
		var m message.Message
		if err := json.Unmarshal(raw.Payload, &m); err != nil {
			return err
		}
		sp.mu.Lock()
		defer sp.mu.Unlock()
		if m.Topic != message.Dists && sp.failure == nil {
			sp.failure = fmt.Errorf("publish: a message on %s: %s", m.Topic, m.Data)
		}
		sp.answered[m.Parent] = now
		close(sp.changed)
		sp.changed = make(chan struct{})
		return nil
	})
}

// await waits until the messages are answered, and returns when each was.
func (sp *speaker) await(ctx context.Context, ids []message.ID) ([]time.Time, error) {
	times := make([]time.Time, len(ids))
	for i, id := range ids {
		for {
			sp.mu.Lock()
			at, ok := sp.answered[id]
			failure, changed := sp.failure, sp.changed
			sp.mu.Unlock()
			if failure != nil {
				return nil, failure
			}
			if ok {
				times[i] = at
				break
			}
			select {
			case <-ctx.Done():
				return nil, fmt.Errorf("wait for answer: %w", ctx.Err())
			case err := <-sp.ended:
				return nil, fmt.Errorf("hear answers: it has ended: %v", err)
			case <-changed:
			}
		}
	}
	return times, nil
}

// seal makes the message of the signed build of package n, and leaves its files in the store.
func (sp *speaker) seal(ctx context.Context, n int) (bus.Raw, error) {
	content, err := os.ReadFile(sp.stock.path(n))
	if err != nil {
		return bus.Raw{}, err
	}
	deb, err := sp.keep(filepath.Base(sp.stock.path(n)), content)
	if err != nil {
		return bus.Raw{}, err
	}
	name, arch := name(n), rig.Architecture()
	text := fmt.Sprintf("Format: 1.8\nDate: Thu, 01 Jan 2026 00:00:00 +0000\nSource: %s\nBinary: %s\nArchitecture: %s\nVersion: %s\nDistribution: %s\nUrgency: medium\nMaintainer: Bench <bench@example.org>\nChecksums-Sha256:\n %s %d %s\nFiles:\n %032x %d utils optional %s\n",
		name, name, arch, version, codename, deb.SHA256, deb.Size, deb.Name, 0, deb.Size, deb.Name)
	signed, err := sp.stock.signer.Clearsign(ctx, []byte(text))
	if err != nil {
		return bus.Raw{}, err
	}
	changes, err := sp.keep(name+"_"+version+"_"+arch+".changes", signed)
	if err != nil {
		return bus.Raw{}, err
	}
	sign := &message.Sign{
		Origin:       message.Origin{Repository: "https://example.org/" + name + ".git", Branch: "main", Ref: strings.Repeat("a", 40)},
		Package:      message.Package{Source: name, Version: version, Codename: codename},
		Architecture: arch, Changes: changes.Name, Files: []message.Artifact{changes, deb}, SourceFiles: []message.Artifact{}, Built: []message.Artifact{},
		Key: sp.stock.signer.Fingerprint(), Log: deb,
	}
	parent := message.MakeID(message.Builds, message.TypeBuild, "", name, version)
	who := message.Bot{Name: "signbot", Instance: "signbot-bench", Host: "bench", Endpoint: "pub/signbot", Version: "1"}
	m, err := message.New(who, message.Signs, name+"-20260101-000000-9f3c2a", parent, sign, arch)
	if err != nil {
		return bus.Raw{}, err
	}
	return sp.sealer.Seal(m)
}

// keep puts a file where the folder store has it. Without the store's syncing, which is not measured here.
func (sp *speaker) keep(name string, content []byte) (message.Artifact, error) {
	digest := fmt.Sprintf("%x", sha256.Sum256(content))
	dir := filepath.Join(sp.store, digest[:2])
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return message.Artifact{}, err
	}
	return message.Artifact{Name: name, Size: int64(len(content)), SHA256: message.Digest(digest)}, os.WriteFile(filepath.Join(dir, digest[2:]), content, 0o444)
}

func (sp *speaker) close() error {
	if sp.stop != nil {
		sp.stop()
	}
	err := sp.conn.Close()
	sp.server.Shutdown()
	return err
}
