package git

import (
	"strings"
	"testing"
)

// TestCredentialsStayHidden looks for a password in what git is started with.
func TestCredentialsStayHidden(t *testing.T) {
	for _, address := range []string{"https://ann:s3cret@host/x", "ssh://ann:s3cret@host/x"} {
		r := Run{Remote: address}
		for _, kv := range r.environment(nil) {
			if strings.Contains(kv, "s3cret") {
				t.Errorf("%s: %s", address, kv)
			}
		}
	}
}
