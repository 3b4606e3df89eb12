package repository

import (
	"errors"
	"fmt"
	"net/url"

	"foundry/pkg/bot"
	"foundry/pkg/publish/target"
	"foundry/pkg/publish/target/rsync"
	"foundry/pkg/publish/target/s3"
)

// targets opens the targets, of which none is asked for anything yet.
func (s *Settings) targets() (list []target.Target, err error) {
	for _, spec := range s.Targets {
		place, err := openTarget(spec)
		if err != nil {
			hint := bot.HintOf(err)
			if hint == "" {
				hint = "give one such as s3://BUCKET/PREFIX?endpoint=URL, ssh://HOST/PATH, rsync://HOST/MODULE or file:///PATH"
			}
			return nil, bot.Usage(fmt.Sprintf("--target: %v", err), hint)
		}
		list = append(list, place)
	}
	return list, nil
}

// openTarget opens one target. It does not quote what it cannot read: a password may be in there.
func openTarget(spec string) (target.Target, error) {
	u, err := url.Parse(spec)
	if err != nil {
		return nil, errors.New("not a URL")
	}
	switch u.Scheme {
	case "s3":
		t, err := s3.Open(u)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", u.Redacted(), err)
		}
		return t, nil
	case "rsync", "ssh", "file":
		t, err := rsync.Open(u)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", u.Redacted(), err)
		}
		return t, nil
	}
	return nil, fmt.Errorf("%q is not a kind of place", u.Scheme)
}
