package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"foundry/pkg/artifact"
	"foundry/pkg/bot"
	"foundry/pkg/bus"
)

// sweeper is a store that can remove what interrupted writes have left.
type sweeper interface {
	Sweep(ctx context.Context, age time.Duration) (int, error)
}

// collected is what gc has done, or with --dry-run would do.
type collected struct {
	Kept    int   `json:"kept"`
	Removed int   `json:"removed"`
	Bytes   int64 `json:"bytes"`  // of what was removed
	Pieces  int   `json:"pieces"` // left by interrupted writes, and removed
}

func (c *client) gcCommand() *cobra.Command {
	var age time.Duration
	var dry bool
	cmd := &cobra.Command{
		Use: "gc", Short: "Remove artifacts that no kept message refers to",
		Long: `Gc removes files from the artifact store that no message refers to any more, and what interrupted writes have left.
Files younger than --age stay, for a bot may be about to speak of them. It may run while bots work.`,
		Args: exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if age < time.Minute {
				return bot.Usage(fmt.Sprintf("--age %s: must be at least 1m", age), "bots store files before they speak of them")
			}
			s, err := c.open(cmd.Context())
			if err != nil {
				return err
			}
			defer s.close()
			done, err := s.collect(cmd.Context(), age, dry)
			if err != nil {
				return err
			}
			if c.JSON {
				return printJSON(c.out, done)
			}
			verb := "removed"
			if dry {
				verb = "would remove"
			}
			fmt.Fprintf(c.out, "%s %d artifacts of %d bytes, %d stay\n", verb, done.Removed, done.Bytes, done.Kept)
			return nil
		},
	}
	cmd.Flags().DurationVar(&age, "age", 24*time.Hour, "keep what is younger")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "only say what would be removed")
	return cmd
}

// collect removes what is older than age and not referred to.
func (s *session) collect(ctx context.Context, age time.Duration, dry bool) (done collected, err error) {
	referred, err := s.referred(ctx)
	if err != nil {
		return done, err
	}
	var unused []artifact.Info
	err = s.Store.List(ctx, func(info artifact.Info) error {
		if referred[info.Digest] || time.Since(info.Stored) < age {
			done.Kept++
			return nil
		}
		unused = append(unused, info)
		return nil
	})
	if err != nil {
		return done, fmt.Errorf("list artifacts: %w", err)
	}
	for _, info := range unused {
		if !dry {
			if err := s.Store.Delete(ctx, info.Digest); err != nil {
				return done, fmt.Errorf("remove artifact %s: %w", info.Digest, err)
			}
		}
		done.Removed++
		done.Bytes += info.Size
	}
	if sweep, ok := s.Store.(sweeper); ok && !dry {
		if done.Pieces, err = sweep.Sweep(ctx, age); err != nil {
			return done, fmt.Errorf("sweep artifact store: %w", err)
		}
	}
	return done, nil
}

// referred returns the digests that kept messages speak of. Any member called "sha256", however
// deep and in whatever type, is taken for one, also in messages that are not believed: removing too
// little does no harm.
func (s *session) referred(ctx context.Context) (map[artifact.Digest]bool, error) {
	digests := map[artifact.Digest]bool{}
	err := s.Bus.Tail(ctx, bus.Filter{}, func(raw bus.Raw) error {
		var tree any
		if json.Unmarshal(raw.Payload, &tree) == nil {
			gather(tree, digests)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read messages: %w", err)
	}
	return digests, nil
}

func gather(tree any, digests map[artifact.Digest]bool) {
	switch node := tree.(type) {
	case map[string]any:
		for key, value := range node {
			if text, ok := value.(string); ok && key == "sha256" {
				digests[artifact.Digest(text)] = true
			}
			gather(value, digests)
		}
	case []any:
		for _, value := range node {
			gather(value, digests)
		}
	}
}
