package host

import (
	"os"
	"path/filepath"
	"testing"
)

func TestHasRange(t *testing.T) {
	file := filepath.Join(t.TempDir(), "subuid")
	if err := os.WriteFile(file, []byte("small:100000:1000\nfoundry:165536:65536\n1007:300000:65536\nbroken\nx:y:z\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		names []string
		want  bool
	}{{[]string{"foundry", "999"}, true}, {[]string{"other", "1007"}, true}, {[]string{"small", "1"}, false}, {[]string{"broken"}, false}, {[]string{"x"}, false}} {
		if got, err := hasRange(file, test.names...); got != test.want || err != nil {
			t.Errorf("hasRange(%v) = %v, %v; want %v", test.names, got, err, test.want)
		}
	}
	if got, err := hasRange(file+".none", "foundry"); got || err != nil {
		t.Errorf("without the file: %v, %v", got, err)
	}
}
