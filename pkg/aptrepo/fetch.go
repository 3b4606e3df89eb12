package aptrepo

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"time"

	"foundry/pkg/debian"
)

// attempts is how often a file is asked for of a server that breaks off.
const attempts = 4

// MismatchError says that a file is not what lists it.
type MismatchError struct {
	File File
	Why  string
}

func (e *MismatchError) Error() string { return fmt.Sprintf("%s: %s", e.File.Path, e.Why) }

// Fetch copies a file of the repository to path, checked by size and hash. What an earlier call has left
// unfinished beside it is gone on with. A file that is there already, and is the same, stays.
func (r *Repository) Fetch(ctx context.Context, f File, target string) error {
	if same(ctx, f, target) {
		return nil
	}
	part := target + ".part"
	file, err := os.OpenFile(part, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return fmt.Errorf("fetch %s: %w", f.Path, err)
	}
	err = errors.Join(r.copyTo(ctx, f, file), file.Close())
	if err == nil {
		err = os.Rename(part, target)
	}
	if err == nil {
		return nil
	}
	if errors.As(err, new(*MismatchError)) || errors.Is(err, ErrAbsent) {
		err = errors.Join(err, os.Remove(part))
	}
	return fmt.Errorf("fetch %s: %w", f.Path, err)
}

// same tells whether a file is there already.
func same(ctx context.Context, f File, target string) bool {
	file, err := os.Open(target)
	if err != nil {
		return false
	}
	defer file.Close()
	sum, h := newSum(), io.Reader(&bounded{file, f.Size})
	n, err := io.Copy(sum, &cancelled{ctx, h})
	return err == nil && n == f.Size && hexSum(sum) == f.SHA256
}

// copyTo copies a file of the repository into file, behind what is in it, and checks all of it.
func (r *Repository) copyTo(ctx context.Context, f File, file *os.File) (err error) {
	name, err := checkPath(f.Path)
	if err != nil {
		return err
	}
	f.Path = name
	for n := range attempts {
		if n > 0 {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(time.Duration(n) * 200 * time.Millisecond):
			}
		}
		err = r.attempt(ctx, f, file)
		if _, local := r.origin.(*folder); err == nil || local || !again(err) || ctx.Err() != nil {
			return err
		}
	}
	return err
}

// again tells whether what has gone wrong may go well when tried again. A hash that differs may, once what has
// been left of an earlier version is gone.
func again(err error) bool {
	if status := new(statusError); errors.As(err, &status) {
		return status.code >= 500 || status.code == 429 || status.code == 408
	}
	return !errors.Is(err, ErrAbsent)
}

// attempt goes on with a copy.
func (r *Repository) attempt(ctx context.Context, f File, file *os.File) error {
	sum := newSum()
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	have, err := io.Copy(sum, &cancelled{ctx, io.LimitReader(file, f.Size)})
	if err != nil {
		return err
	}
	if have < f.Size || f.Size == 0 {
		if have, err = r.goOn(ctx, f, file, sum, have); err != nil {
			return err
		}
	}
	why := ""
	switch {
	case have < f.Size:
		return &MismatchError{f, fmt.Sprintf("it has %d bytes, %d are listed", have, f.Size)}
	case have > f.Size:
		why = fmt.Sprintf("it has more than the %d bytes that are listed", f.Size)
	case hexSum(sum) != f.SHA256:
		why = "its SHA-256 is " + hexSum(sum) + ", not " + f.SHA256
	}
	if err := file.Truncate(f.Size); err != nil {
		return err
	}
	if why == "" {
		return nil
	}
	return errors.Join(&MismatchError{f, why}, file.Truncate(0))
}

// goOn appends what is missing.
func (r *Repository) goOn(ctx context.Context, f File, file *os.File, sum hash.Hash, have int64) (int64, error) {
	body, from, err := r.origin.open(ctx, f.Path, have)
	if err != nil {
		return have, err
	}
	defer body.Close()
	if from != have {
		sum.Reset()
	}
	if _, err := file.Seek(from, io.SeekStart); err != nil {
		return have, err
	}
	n, err := io.Copy(io.MultiWriter(file, sum), &cancelled{ctx, io.LimitReader(body, f.Size-from+1)})
	r.count(n)
	return from + n, err
}

// check reads a file of the repository and tells whether it is what lists it.
func (r *Repository) check(ctx context.Context, f File) error {
	body, _, err := r.origin.open(ctx, f.Path, 0)
	if err != nil {
		return err
	}
	sum := newSum()
	n, err := io.Copy(sum, &cancelled{ctx, io.LimitReader(body, f.Size+1)})
	r.count(n)
	if err := errors.Join(err, body.Close()); err != nil {
		return err
	}
	switch {
	case n < f.Size:
		return &MismatchError{f, fmt.Sprintf("it has %d bytes, %d are listed", n, f.Size)}
	case n > f.Size:
		return &MismatchError{f, fmt.Sprintf("it has more than the %d bytes that are listed", f.Size)}
	case hexSum(sum) != f.SHA256:
		return &MismatchError{f, "its SHA-256 is " + hexSum(sum) + ", not " + f.SHA256}
	}
	return nil
}

// count takes note of bytes that have been read.
func (r *Repository) count(n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.progress.Bytes += n
}

func newSum() hash.Hash { return sha256.New() }

func hexSum(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }

// cancelled is a reader that ends with its context.
type cancelled struct {
	ctx context.Context
	r   io.Reader
}

func (c *cancelled) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// unsign returns the text of an InRelease file whose signature is not looked at.
func unsign(data []byte) ([]byte, error) { return debian.Unsign(data) }

// base is the last part of a path.
func base(name string) string { return filepath.Base(filepath.FromSlash(name)) }
