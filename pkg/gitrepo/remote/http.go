package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/format/pktline"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"

	"foundry/pkg/gitrepo/git"
)

// userAgent begins with "git/" because some servers tell git from browsers by that.
const userAgent = "git/2.39 (foundry)"

// service is what is asked of a git server.
const service = "git-upload-pack"

// httpRefs lists references over http as gitprotocol-http(5) and gitprotocol-v2(5) describe: from a git
// server of version 2, of version 0, or from a folder of files.
func httpRefs(ctx context.Context, rawURL string, wanted ...string) (*refList, error) {
	base := strings.TrimRight(git.Redact(rawURL), "/")
	s := httpSession{ctx: ctx, auth: git.Credentials(rawURL)}
	body, answer, err := s.get(base + "/info/refs?service=" + service)
	if err != nil {
		return nil, err
	}
	// A redirection counts for what follows.
	final := answer.Request.URL
	final.RawQuery = ""
	base = strings.TrimSuffix(final.String(), "/info/refs")
	if answer.Header.Get("Content-Type") != "application/x-"+service+"-advertisement" {
		return s.dumbRefs(base, body)
	}
	version2, format, err := readCapabilities(body)
	if err != nil {
		return nil, err
	}
	if version2 {
		return s.lsRefs(base, format, wanted)
	}
	return decodeAdvertisement(body)
}

// httpSession is one listing.
type httpSession struct {
	ctx  context.Context
	auth string // Authorization header, or ""
}

func (s httpSession) get(url string) ([]byte, *http.Response, error) {
	return s.send(http.MethodGet, url, nil)
}

// send makes one request and reads the answer whole.
func (s httpSession) send(method, url string, body []byte) ([]byte, *http.Response, error) {
	request, err := http.NewRequestWithContext(s.ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, nil, fmt.Errorf("%w: not a URL", git.ErrURL)
	}
	request.Header.Set("User-Agent", userAgent)
	request.Header.Set("Git-Protocol", "version=2")
	if body != nil {
		request.Header.Set("Content-Type", "application/x-"+service+"-request")
		request.Header.Set("Accept", "application/x-"+service+"-result")
	}
	if s.auth != "" {
		request.Header.Set("Authorization", s.auth)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", git.ErrUnreachable, err)
	}
	defer answer.Body.Close()
	switch answer.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound, http.StatusGone:
		return nil, nil, fmt.Errorf("%w: the server answers %s", git.ErrNoRepository, git.Plain(answer.Status, 80))
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusProxyAuthRequired:
		return nil, nil, fmt.Errorf("%w: the server answers %s", git.ErrAuth, git.Plain(answer.Status, 80))
	default:
		return nil, nil, fmt.Errorf("the server answers %s", git.Plain(answer.Status, 80))
	}
	content, err := io.ReadAll(io.LimitReader(answer.Body, maxListing+1))
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", git.ErrUnreachable, err)
	}
	if len(content) > maxListing {
		return nil, nil, fmt.Errorf("listing is larger than %d bytes", maxListing)
	}
	return content, answer, nil
}

// readCapabilities tells whether a server speaks version 2, and the object format it names.
func readCapabilities(body []byte) (version2 bool, format string, err error) {
	lines := pktline.NewScanner(bytes.NewReader(body))
	for n := 0; lines.Scan(); n++ {
		line := strings.TrimSuffix(string(lines.Bytes()), "\n")
		switch {
		case line == "" || strings.HasPrefix(line, "# service="):
			continue
		case line == "version 2":
			version2 = true
		case !version2:
			return false, "", nil
		}
		if f, ok := strings.CutPrefix(line, "object-format="); ok {
			format = f
		}
	}
	if err := lines.Err(); err != nil {
		return false, "", fmt.Errorf("read capabilities: %w", err)
	}
	return version2, format, nil
}

// lsRefs asks a server of version 2 for the wanted references alone.
func (s httpSession) lsRefs(base, format string, wanted []string) (*refList, error) {
	var request bytes.Buffer
	write := func(line string) { fmt.Fprintf(&request, "%04x%s", len(line)+4, line) }
	write("command=ls-refs\n")
	if format != "" {
		write("object-format=" + format)
	}
	request.WriteString("0001")
	write("peel\n")
	write("symrefs\n")
	for _, ref := range wanted {
		write("ref-prefix " + ref + "\n")
	}
	request.WriteString("0000")
	body, _, err := s.send(http.MethodPost, base+"/"+service, request.Bytes())
	if err != nil {
		return nil, err
	}
	return decodeLsRefs(body)
}

// decodeLsRefs reads lines of "HASH REF [symref-target:REF] [peeled:HASH]".
func decodeLsRefs(body []byte) (*refList, error) {
	refs := newRefList()
	lines := pktline.NewScanner(bytes.NewReader(body))
	ended := false
	for lines.Scan() {
		line := strings.TrimSuffix(string(lines.Bytes()), "\n")
		if line == "" {
			ended = true
			break
		}
		fields := strings.Split(line, " ")
		if fields[0] == "ERR" || len(fields) < 2 || !git.IsHash(fields[0]) {
			return nil, fmt.Errorf("read references: unexpected line %q", git.Plain(line, 80))
		}
		refs.add(fields[1], fields[0])
		for _, attribute := range fields[2:] {
			if target, ok := strings.CutPrefix(attribute, "symref-target:"); ok && fields[1] == "HEAD" {
				refs.target = target
			}
			if peeled, ok := strings.CutPrefix(attribute, "peeled:"); ok {
				refs.add(fields[1]+"^{}", peeled)
			}
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read references: %w", err)
	}
	if !ended {
		return nil, fmt.Errorf("read references: %w", io.ErrUnexpectedEOF)
	}
	return refs, nil
}

// decodeAdvertisement reads the answer of a server of version 0.
func decodeAdvertisement(body []byte) (*refList, error) {
	refs := newRefList()
	advertised := packp.NewAdvRefs()
	err := advertised.Decode(bytes.NewReader(body))
	if errors.Is(err, packp.ErrEmptyAdvRefs) {
		return refs, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read references: %w", err)
	}
	if advertised.Head != nil {
		refs.head = advertised.Head.String()
	}
	for name, hash := range advertised.References {
		refs.add(name, hash.String())
	}
	for name, hash := range advertised.Peeled {
		refs.add(name+"^{}", hash.String())
	}
	for _, value := range advertised.Capabilities.Get("symref") {
		if target, ok := strings.CutPrefix(value, "HEAD:"); ok {
			refs.target = target
		}
	}
	return refs, nil
}

// dumbRefs reads the listing that git update-server-info wrote and then HEAD.
func (s httpSession) dumbRefs(base string, listing []byte) (*refList, error) {
	refs, err := parseListing(listing)
	if err != nil {
		return nil, fmt.Errorf("%w: the server sends no list of references", git.ErrNoRepository)
	}
	content, _, err := s.get(base + "/HEAD")
	if err != nil {
		return nil, err
	}
	head := strings.TrimSpace(string(content))
	if target, ok := strings.CutPrefix(head, "ref: "); ok {
		refs.target = strings.TrimSpace(target)
	} else if git.IsHash(head) {
		refs.head = head
	} else {
		return nil, fmt.Errorf("%w: the server sends no HEAD", git.ErrNoRepository)
	}
	return refs, nil
}
