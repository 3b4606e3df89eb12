package podman

import (
	"strings"
	"testing"
)

// TestCheckURI wants no word of a password or token in an error, however the URI is written.
func TestCheckURI(t *testing.T) {
	for _, uri := range []string{"http://deb.debian.org/debian", "https://x:8080/a%40b", "file:/srv/debian", "file:///srv/debian"} {
		if err := checkURI(uri); err != nil {
			t.Errorf("%s: %v", uri, err)
		}
	}
	for _, uri := range []string{
		"http://x/a b", "http://x/[a]", "http:///debian", "ftp://x/debian", "file:debian", "http://x/%zz", "",
		"http://ann:hunter2@x/debian", "http://hunter2@x/debian", "http://ann:hunter2@x:y/debian", "http://ann:hunter2/@x/debian",
		"http://ann:hunter2%zz@x/debian", "http://ann:hunter2 @x/debian", "ann:hunter2@x/debian", "http://x/debian?token=hunter2", "http://x/debian#hunter2",
	} {
		if err := checkURI(uri); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", uri, err)
		}
	}
}

func TestCheckProxy(t *testing.T) {
	for _, bad := range []string{"proxy:3128", "http://", "http://ann:hunter2@proxy:3128", "file:/x", "http://proxy/path", `http://proxy"; x`} {
		if err := checkProxy(bad); err == nil {
			t.Errorf("%q is taken for a proxy", bad)
		}
	}
	for _, good := range []string{"", "http://proxy:3128", "http://proxy:3128/", "https://proxy"} {
		if err := checkProxy(good); err != nil {
			t.Error(err)
		}
	}
}
