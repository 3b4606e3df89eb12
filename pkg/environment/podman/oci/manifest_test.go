package oci

import (
	"strings"
	"testing"
)

func TestParseManifest(t *testing.T) {
	digest := "sha256:" + strings.Repeat("a", 64)
	good := `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"` + digest +
		`","size":8},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"` + digest + `","size":9}]}`
	if m, err := parseManifest([]byte(good)); err != nil || len(m.Layers) != 1 || m.Layers[0].Size != 9 {
		t.Fatalf("%+v, %v", m, err)
	}
	for _, change := range [][2]string{
		{`"schemaVersion":2`, `"schemaVersion":1`},
		{"image.manifest", "image.index"},
		{"layer.v1.tar", "layer.v1.tar+gzip"},
		{`"size":9`, `"size":-1`},
		{`"size":9`, `"size":99999999999999`},
		{`"digest":"sha256:a`, `"digest":"../../../a`},
		{`"layers":[`, `"x":[`},
		{"{", "["},
	} {
		if m, err := parseManifest([]byte(strings.Replace(good, change[0], change[1], 1))); err == nil {
			t.Errorf("with %s: %+v", change[1], m)
		}
	}
}

func FuzzParseManifest(f *testing.F) {
	f.Add([]byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := parseManifest(data)
		if err != nil {
			return
		}
		for _, d := range append(m.Layers, m.Config) {
			if len(d.hex()) != 64 || strings.ContainsAny(d.hex(), "/.") {
				t.Errorf("digest %q is not fit for a file name", d.Digest)
			}
		}
	})
}
