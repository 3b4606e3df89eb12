package trace

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"foundry/pkg/bot"
	"foundry/pkg/message"
)

func TestFindPackage(t *testing.T) {
	published := func(arch string, digest string) candidate {
		return candidate{Published: message.Published{Package: "hello", Version: "1.0", Architecture: arch, SHA256: message.Digest(digest)}}
	}
	all := []candidate{published("source", "0"), published("amd64", "1"), published("i386", "2"), published("armhf", "3"), published("armhf", "4")}
	for _, test := range []struct{ arch, digest, problem, hint string }{
		{arch: "source", digest: "0"},
		{arch: "i386", digest: "2"},
		{arch: "", problem: "hello=1.0 was published for several architectures", hint: "say which: hello=1.0/amd64, hello=1.0/armhf, hello=1.0/i386"},
		{arch: "armhf", problem: "hello=1.0/armhf was published with different contents", hint: "give the file"},
	} {
		found, err := findPackage(all, Target{Package: "hello", Version: "1.0", Arch: test.arch})
		problem := ""
		if err != nil {
			problem = err.Error()
		}
		got := []string{string(found.SHA256), problem, bot.HintOf(err)}
		if diff := cmp.Diff([]string{test.digest, test.problem, test.hint}, got); diff != "" {
			t.Errorf("%q: %s", test.arch, diff)
		}
	}
}
