// Package wire chooses and connects the adapters that every program uses: the bus and the artifact
// store. It is the one place beside the programs' main.go where adapters are chosen, so that the
// choice does not stand in seven files.
package wire

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"foundry/pkg/artifact/folder"
	"foundry/pkg/artifact/objectstore"
	"foundry/pkg/bot"
	"foundry/pkg/bus/jetstream"
)

// Connect is the bot.Connector of all programs: NATS JetStream, and its object store unless a folder
// is asked for.
func Connect(ctx context.Context, c bot.Connection) (bot.Ports, error) {
	conn, err := jetstream.Connect(ctx, jetstream.Options{URL: c.URL, NKeyFile: c.NKeyFile, Name: c.Name, Log: c.Log})
	if err != nil {
		return bot.Ports{}, err
	}
	ports := bot.Ports{Bus: conn, Values: conn, Logs: conn, Herd: conn}
	switch path, isFolder := strings.CutPrefix(c.Store, "folder:"); {
	case c.Store == "":
		ports.Store, err = objectstore.Open(ctx, conn.NATS(), c.Log)
	case isFolder:
		ports.Store, err = folder.Open(path)
	default:
		err = bot.Usage(fmt.Sprintf("--store %q: not a store", c.Store), `write "folder:/path", or leave it out`)
	}
	if err != nil {
		return bot.Ports{}, errors.Join(err, conn.Close())
	}
	return ports, nil
}
