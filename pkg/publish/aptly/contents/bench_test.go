package contents

import (
	"testing"

	"foundry/pkg/publish"
	"foundry/pkg/publish/publishtest"
)

// BenchmarkReadBinary reads a small package as dpkg-deb makes it.
func BenchmarkReadBinary(b *testing.B) {
	file := publishtest.MakeDeb(b, b.TempDir(), publishtest.Binary{Name: "hello", Version: "1.0", Arch: "amd64", Content: "hello"})
	upload := publish.Upload{Files: []string{file}}
	upload.Source, upload.Version = "hello", "1.0"
	suite := publishtest.Suites()[0]
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ReadBinary(b.Context(), suite, upload, file); err != nil {
			b.Fatal(err)
		}
	}
}
