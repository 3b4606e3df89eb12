package container

import (
	"strings"
	"testing"
)

func TestDead(t *testing.T) {
	own, err := ownLabel()
	if err != nil {
		t.Fatal(err)
	}
	_, owner, _ := strings.Cut(own, "=")
	fields := strings.Split(owner, "/")
	for _, test := range []struct {
		owner string
		want  bool
	}{
		{owner, false},
		{"other-boot/" + fields[1] + "/" + fields[2], true},
		{fields[0] + "/" + fields[1] + "/1", true},
		{fields[0] + "/4194999/1", true},
		{"", false},
		{"a/b", false},
		{fields[0] + "/x/1", false},
	} {
		if got := dead(test.owner); got != test.want {
			t.Errorf("dead(%q) = %v, want %v", test.owner, got, test.want)
		}
	}
}
