package artifact

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
)

// TestWithContext reads on until the context has ended.
func TestWithContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r := WithContext(ctx, strings.NewReader("hello"))
	part := make([]byte, 2)
	if _, err := io.ReadFull(r, part); err != nil || string(part) != "he" {
		t.Errorf("read %q, %v", part, err)
	}
	cancel()
	if n, err := r.Read(part); n != 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("read %d bytes after the end, %v", n, err)
	}
}
