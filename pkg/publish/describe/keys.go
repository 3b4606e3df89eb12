package describe

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"foundry/pkg/trust"
)

// readKeys reads all keys, or returns those that are known when their files are as they were then and it
// is not time to look anyway.
func (d *Describer) readKeys(known keys, anyway bool) (k keys, err error) {
	files := d.filesNow()
	if known.files == files && !anyway {
		return known, nil
	}
	k.files = files
	public, err := d.opts.Signer.Public()
	if err != nil {
		return k, fmt.Errorf("read repository key: %w", err)
	}
	signing, err := trust.ParseKeyring(public)
	if err != nil {
		return k, fmt.Errorf("read repository key: %w", err)
	}
	k.next = trust.Merge()
	for _, file := range d.opts.NextKeys {
		ring, err := trust.ReadKeyring(file)
		if err != nil {
			return k, fmt.Errorf("read keys that shall sign: %w", err)
		}
		k.next = trust.Merge(k.next, ring.Without(signing.Fingerprints()...))
	}
	all := trust.Merge(signing, k.next)
	if k.armored, err = all.Armored(); err != nil {
		return k, err
	}
	if k.binary, err = all.Binary(); err != nil {
		return k, err
	}
	if d.opts.PackageKeys == "" {
		return k, nil
	}
	k.packages, err = trust.ReadKeyring(d.opts.PackageKeys)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return k, fmt.Errorf("read trusted package keys: %w", err)
	}
	return k, nil
}

// filesNow tells of the key files what changes when they do.
func (d *Describer) filesNow() string {
	var now strings.Builder
	for _, file := range append([]string{d.opts.PackageKeys}, d.opts.NextKeys...) {
		info, err := os.Stat(file)
		if err != nil {
			fmt.Fprintf(&now, "%s absent\n", file)
			continue
		}
		fmt.Fprintf(&now, "%s %d %d\n", file, info.Size(), info.ModTime().UnixNano())
	}
	return now.String()
}
