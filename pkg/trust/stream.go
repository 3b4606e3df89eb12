package trust

import (
	"context"
	"fmt"
	"io"
)

// DetachStream is DetachBinary of what open yields, from its beginning each time it is called. It is read once
// for each key, and not held in memory.
func DetachStream(ctx context.Context, s Signer, open func() io.Reader) ([]byte, error) {
	if t, ok := s.(together); ok {
		parts, err := t.each(func(s Signer) ([]byte, error) { return DetachStream(ctx, s, open) })
		if err != nil {
			return nil, err
		}
		return joined(parts)
	}
	payload := &faithful{r: &cancelled{ctx, open()}}
	signature, err := detachFrom(ctx, s, payload)
	if payload.err != nil {
		// A signature of less than all must not be taken for one of all.
		return nil, fmt.Errorf("read what is to be signed: %w", payload.err)
	}
	return signature, err
}

func detachFrom(ctx context.Context, s Signer, payload io.Reader) ([]byte, error) {
	switch s := s.(type) {
	case *fileSigner:
		return s.current().signStream(payload)
	case *gpgSigner:
		return s.signed(ctx, payload, "--detach-sign")
	}
	data, err := io.ReadAll(payload)
	if err != nil {
		return nil, err
	}
	return s.DetachBinary(ctx, data)
}

// cancelled is a reader that ends with ctx.
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
