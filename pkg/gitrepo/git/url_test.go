package git

import (
	"testing"
)

func TestRedact(t *testing.T) {
	for url, want := range map[string]string{
		"https://token@host/x":            "https://host/x",
		"https://ann:s3cret@host:8/x@y":   "https://host:8/x@y",
		"https://ann:p@ss@host/x":         "https://host/x",
		"ssh://git:s3cret@host:22/x":      "ssh://git@host:22/x",
		"ssh://git@host/x":                "ssh://git@host/x",
		"git@host:x":                      "git@host:x",
		"/srv/a@b":                        "/srv/a@b",
		"https://host/x":                  "https://host/x",
		"https://ann:s3cret@host.invalid": "https://host.invalid",
	} {
		if got := Redact(url); got != want {
			t.Errorf("%s: got %s, want %s", url, got, want)
		}
	}
}
