package index

import (
	"bytes"
	"context"
	"fmt"
	"hash/crc64"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

const (
	// xzPreset is the cheapest with a match finder that finds nearly all in segments of 100 kB.
	xzPreset = "-1"
	// maxBlockList is how many blocks one run of xz makes, whose sizes all go into one argument of at most
	// 128 KiB (execve(2)).
	maxBlockList = 8192
	// xzBlockSize is the least that a run of xz is told its blocks may have. All that fit into it are made
	// with this very size, since the headers of blocks depend on it.
	xzBlockSize = 2 * maxText
)

// compressXz makes a block of each segment, in as few runs of xz as can be: there is no encoder in Go that
// comes near it, and each run costs some milliseconds.
func compressXz(ctx context.Context, segments []*segment) error {
	var fit []*segment
	for _, s := range segments {
		if len(s.text) <= xzBlockSize {
			fit = append(fit, s)
		} else if err := runXz(ctx, len(s.text), []*segment{s}); err != nil {
			return err
		}
	}
	for run := range slices.Chunk(fit, maxBlockList) {
		if err := runXz(ctx, xzBlockSize, run); err != nil {
			return err
		}
	}
	return nil
}

func runXz(ctx context.Context, blockSize int, segments []*segment) error {
	var sizes []string
	var texts []io.Reader
	for _, s := range segments {
		// No size stands for an empty block; 0 would mean all that is left.
		if len(s.text) > 0 {
			sizes = append(sizes, strconv.Itoa(len(s.text)))
			texts = append(texts, bytes.NewReader(s.text))
		}
	}
	var blocks []block
	if len(sizes) > 0 {
		// One thread is another mode of xz, with other bytes.
		threads := max(2, runtime.GOMAXPROCS(0))
		xz := exec.CommandContext(ctx, "xz", "--compress", "--stdout", "--format=xz", "--check=crc64", xzPreset,
			"--threads="+strconv.Itoa(threads), "--block-size="+strconv.Itoa(blockSize), "--block-list="+strings.Join(sizes, ","))
		xz.Env = append(os.Environ(), "XZ_DEFAULTS=", "XZ_OPT=", "LC_ALL=C")
		xz.Stdin = io.MultiReader(texts...)
		var problem bytes.Buffer
		xz.Stderr = &problem
		stream, err := xz.Output()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			return fmt.Errorf("run xz: %w: %s", err, bytes.TrimSpace(problem.Bytes()))
		}
		if blocks, err = parseXz(stream); err != nil {
			return fmt.Errorf("read what xz made: %w", err)
		}
	}
	for _, s := range segments {
		made := &compressed{}
		left := int64(len(s.text))
		for ; left > 0 && len(blocks) > 0; blocks = blocks[1:] {
			made.data = append(made.data, blocks[0].data...)
			made.blocks = append(made.blocks, block{unpadded: blocks[0].unpadded, plain: blocks[0].plain})
			left -= blocks[0].plain
		}
		if left != 0 {
			return fmt.Errorf("read what xz made: a block ends %d bytes from where it should", left)
		}
		s.learn(Xz, made)
	}
	if len(blocks) > 0 {
		return fmt.Errorf("read what xz made: %d blocks too many", len(blocks))
	}
	return nil
}

// Adopt takes over the blocks of xz, the file in that form as another File was built before: segments that
// are the same need not be compressed again. It tells them by their size and CRC64 alone, so the caller must
// know that xz is what was built. Blocks of no use are passed over.
func (f *File) Adopt(xz []byte) error {
	blocks, err := parseXz(xz)
	if err != nil {
		return fmt.Errorf("adopt blocks of xz: %w", err)
	}
	type identity struct {
		size  int64
		crc64 uint64
	}
	known := map[identity]block{}
	for _, b := range blocks {
		known[identity{b.plain, b.check()}] = b
	}
	table := crc64.MakeTable(crc64.ECMA)
	for _, s := range f.segments {
		b, ok := known[identity{int64(len(s.text)), crc64.Checksum(s.text, table)}]
		if ok {
			s.learn(Xz, &compressed{
				data:   bytes.Clone(b.data),
				blocks: []block{{unpadded: b.unpadded, plain: b.plain}},
			})
		}
	}
	return nil
}
