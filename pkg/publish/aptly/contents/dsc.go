package contents

import (
	"bufio"
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/aptly-dev/aptly/deb"
	"github.com/aptly-dev/aptly/utils"

	"foundry/pkg/debian"
	"foundry/pkg/message"
)

// dsc is what a source control file says.
type dsc struct {
	stanza  deb.Stanza
	sums    utils.ChecksumInfo
	built   message.Digest // of the text below its signature
	section string
}

// readDsc reads the source control file at path. Whether its signature is good is for the caller of Include to
// know.
func readDsc(path string) (*dsc, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxControl+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxControl {
		return nil, fmt.Errorf("more than %d bytes", maxControl)
	}
	plain, err := debian.Unsign(text)
	if err != nil {
		return nil, err
	}
	stanza, err := parseStanza(plain)
	if err != nil {
		return nil, err
	}
	sum, built := sha256.Sum256(text), sha256.Sum256(bytes.TrimSpace(plain))
	old := md5.Sum(text)
	return &dsc{
		stanza,
		utils.ChecksumInfo{Size: int64(len(text)), MD5: hex.EncodeToString(old[:]), SHA256: hex.EncodeToString(sum[:])},
		message.Digest(hex.EncodeToString(built[:])), sourceSection(stanza["Package-List"]),
	}, nil
}

// sourceSection returns the section of the first binary package in a Package-List (dsc(5)), or of the first
// whose section names no component: it may need a source of main although others belong elsewhere.
func sourceSection(list string) (section string) {
	for line := range strings.Lines(list) {
		fields := strings.Fields(line)
		if len(fields) < 3 || fields[2] == "unknown" {
			continue
		}
		if !strings.Contains(fields[2], "/") {
			return fields[2]
		}
		if section == "" {
			section = fields[2]
		}
	}
	return section
}

// parseStanza reads the one paragraph that a control file has.
func parseStanza(text []byte) (deb.Stanza, error) {
	reader := deb.NewControlFileReader(bufio.NewReader(bytes.NewReader(text)), false, false)
	stanza, err := reader.ReadStanza()
	if err != nil {
		return nil, err
	}
	if len(stanza) == 0 {
		return nil, errors.New("control file is empty")
	}
	if more, err := reader.ReadStanza(); err != nil || len(more) > 0 {
		return nil, errors.New("more than one paragraph")
	}
	return stanza, nil
}

// checksums takes those of a file that indexes show.
func checksums(path string) (utils.ChecksumInfo, error) {
	f, err := os.Open(path)
	if err != nil {
		return utils.ChecksumInfo{}, err
	}
	defer f.Close()
	hashMD5, hashSHA256 := md5.New(), sha256.New()
	size, err := io.Copy(io.MultiWriter(hashMD5, hashSHA256), f)
	if err != nil {
		return utils.ChecksumInfo{}, err
	}
	return utils.ChecksumInfo{Size: size, MD5: hex.EncodeToString(hashMD5.Sum(nil)), SHA256: hex.EncodeToString(hashSHA256.Sum(nil))}, nil
}

// SameBelowSignature tells whether two .dsc files or two binary packages differ in nothing but
// their signatures.
func SameBelowSignature(a, b string) bool {
	sumA, errA := BuiltSum(a)
	sumB, errB := BuiltSum(b)
	return errA == nil && errB == nil && sumA == sumB
}

// BuiltSum is the SHA-256 of a .dsc file or a binary package without signatures, as Package has it.
func BuiltSum(path string) (message.Digest, error) {
	if strings.HasSuffix(path, ".dsc") {
		d, err := readDsc(path)
		if err != nil {
			return "", err
		}
		return d.built, nil
	}
	d, err := debian.OpenDeb(path)
	if err != nil {
		return "", err
	}
	defer d.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, d.Built()); err != nil {
		return "", err
	}
	return message.Digest(hex.EncodeToString(sum.Sum(nil))), nil
}
