package main

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"foundry/bots/foundry/trace"
	"foundry/pkg/bot"
	"foundry/pkg/message"
	"foundry/pkg/trust"
)

// uploadLinks are the links of a chain from the file to an upload.
var uploadLinks = []string{"file", "repository", "dist", "sign", "build", "provision", "source", "upload"}

// sayUploaded makes the history that of an upload, lets alter change it, and says it. The text of the
// .changes goes through write before it is signed by signer.
func (h *history) sayUploaded(signer *trust.Key, write func(string) string, alter func(*message.Source)) {
	h.t.Helper()
	dsc := h.source.Files[0]
	path, err := filepath.Glob(filepath.Join(h.built, tracedDsc))
	h.ok(err)
	text, err := os.ReadFile(path[0])
	h.ok(err)
	sum := md5.Sum(text)
	changes := fmt.Sprintf("Format: 1.8\nDate: Fri, 20 Nov 2026 12:00:00 +0000\nSource: traced\nArchitecture: source\nVersion: 1.0\nDistribution: stable\n"+
		"Checksums-Sha256:\n %s %d %s\nFiles:\n %s %d misc optional %s\n", dsc.SHA256, dsc.Size, dsc.Name, hex.EncodeToString(sum[:]), dsc.Size, dsc.Name)
	dir := h.t.TempDir()
	signedPath := filepath.Join(dir, "traced_1.0_source.changes")
	keyFile := filepath.Join(dir, "key.asc")
	h.ok(signer.Save(keyFile))
	s, err := trust.OpenSigner(h.t.Context(), keyFile)
	h.ok(err)
	signed, err := s.Clearsign(h.t.Context(), []byte(write(changes)))
	h.ok(err)
	h.ok(os.WriteFile(signedPath, signed, 0o644))
	upload := h.put(signedPath)
	h.source.Origin = message.Origin{Repository: message.UploadRepository, Branch: "stable", Ref: string(dsc.SHA256)}
	h.source.Signer, h.source.Committer, h.source.Upload = signer.Fingerprint(), "Ulla <ulla@example.org>", &upload
	alter(&h.source)
	for _, origin := range []*message.Origin{&h.provision.Origin, &h.build.Origin, &h.sign.Origin, &h.dist.Origin} {
		*origin = h.source.Origin
	}
	h.tell()
}

func TestTraceUpload(t *testing.T) {
	built := buildTraced(t)
	same := func(text string) string { return text }
	keep := func(*message.Source) {}
	for name, tt := range map[string]struct {
		write     func(string) string
		alter     func(*message.Source)
		untrusted bool // the uploader's key was removed
		says      string
		bad       []string
	}{
		"whole":       {write: same, alter: keep, says: "for stable by Ulla <ulla@example.org>, traced_1.0_source.changes; signed by "},
		"key removed": {write: same, alter: keep, untrusted: true, says: "hint: the uploader's key was removed since", bad: []string{"upload"}},
		"other dsc": {
			write: func(text string) string { return strings.Replace(text, "1.0.dsc", "1.1.dsc", 2) }, alter: keep,
			says: "it does not list traced_1.0.dsc", bad: []string{"upload"},
		},
		"other bytes": {
			write: func(text string) string {
				return strings.Replace(text, "Checksums-Sha256:\n ", "Checksums-Sha256:\n 00000000", 1)
			},
			alter: keep, says: "field Checksums-Sha256", bad: []string{"upload"},
		},
		"other version": {
			write: func(text string) string { return strings.Replace(text, "Version: 1.0", "Version: 1.1", 1) }, alter: keep,
			says: "it is about traced 1.1", bad: []string{"upload"},
		},
		"other signer": {
			write: same, alter: func(s *message.Source) { s.Signer = strings.Repeat("A", 40) },
			says: "it is not among those who may upload", bad: []string{"upload"},
		},
		"not signed, allowed": {write: same, alter: func(s *message.Source) { s.Signer = "" }, says: "unsigned, allowed"},
		"no .changes": {
			write: same, alter: func(s *message.Source) { s.Upload = nil },
			says: "traced_1.0.dsc is signed by", bad: []string{"upload"}, // for it is not
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHistory(t, built, nil)
			uploader, err := trust.Generate("Ulla")
			h.ok(err)
			h.ok(trust.Allow(bot.TrustDir(h.state), trust.Uploaders, uploader))
			other, err := trust.Generate("Otto")
			h.ok(err)
			h.ok(trust.Allow(bot.TrustDir(h.state), trust.Uploaders, other))
			if tt.untrusted {
				h.ok(trust.Remove(bot.TrustDir(h.state), trust.Uploaders, uploader.Fingerprint()))
			}
			h.sayUploaded(uploader, tt.write, tt.alter)
			want := map[string][]string{"✓": slices.DeleteFunc(slices.Clone(uploadLinks), func(name string) bool { return slices.Contains(tt.bad, name) })}
			if tt.bad != nil {
				want["✗"] = tt.bad
			}
			ch := h.expect(trace.Target{Path: h.deb}, want)
			var text strings.Builder
			ch.Print(&text, false)
			if !strings.Contains(text.String(), tt.says) || ch.Whole != (tt.bad == nil) {
				t.Errorf("whole %v, lacks %q:\n%s", ch.Whole, tt.says, text.String())
			}
		})
	}
}

// TestTraceUploadOfAnother: a source message whose id is not that of its upload ends the chain.
func TestTraceUploadOfAnother(t *testing.T) {
	h := newHistory(t, buildTraced(t), nil)
	h.source.Origin = message.Origin{Repository: message.UploadRepository, Branch: "stable", Ref: string(h.source.Files[0].SHA256)}
	for _, origin := range []*message.Origin{&h.provision.Origin, &h.build.Origin, &h.sign.Origin, &h.dist.Origin} {
		*origin = h.source.Origin
	}
	h.source.Signer = ""
	h.telling = func(m *message.Message) { m.ID = message.MakeID(m.Topic, m.Type, "", "another") }
	h.tell()
	h.expect(trace.Target{Path: h.deb}, map[string][]string{"✓": uploadLinks[:len(uploadLinks)-1], "✗": {"upload"}})
}

// TestUploadsInOldStateFolder: a herder whose key was made before there were uploads may speak on sources
// once the foundry is up, unless somebody has taken that away.
func TestUploadsInOldStateFolder(t *testing.T) {
	state := t.TempDir()
	if _, err := prepareKeys(state); err != nil {
		t.Fatal(err)
	}
	key, err := trust.Load(bot.KeyFile(state, "foundry"))
	if err != nil {
		t.Fatal(err)
	}
	speaks := func() bool {
		ring, err := trust.ReadKeyring(filepath.Join(bot.TrustDir(state), "sources.asc"))
		if err != nil {
			t.Fatal(err)
		}
		return slices.Contains(ring.Fingerprints(), key.Fingerprint())
	}
	for _, old := range []bool{true, false} {
		if err := trust.Remove(bot.TrustDir(state), "sources", key.Fingerprint()); err != nil {
			t.Fatal(err)
		}
		if old {
			if err := os.Remove(filepath.Join(state, "keys", "foundry.uploads")); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := prepareKeys(state); err != nil {
			t.Fatal(err)
		}
		if speaks() != old {
			t.Errorf("old state folder %v: may speak %v", old, speaks())
		}
	}
}
