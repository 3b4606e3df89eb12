package host

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// handlerOf is what Linux 6.1 says of Debian's qemu-aarch64.
const handlerOf = `enabled
interpreter /usr/libexec/qemu-binfmt/aarch64-binfmt-P
flags: POCF
offset 0
magic 7f454c460201010000000000000000000200b700
mask ffffffffffffff00fffffffffffffffffeffffff
`

func TestCheckArchitecture(t *testing.T) {
	for _, test := range []struct {
		name, host, arch string
		handler          string // "" for none, "-" for no binfmt_misc
		problem, fix     string // "" for none
	}{
		{"Own", "amd64", "amd64", "-", "", ""},
		{"Elder", "amd64", "i386", "-", "", ""},
		{"Unknown", "amd64", "hurd-i386", "-", "", ""},
		{"Emulated", "amd64", "arm64", handlerOf, "", ""},
		{"NotMounted", "amd64", "arm64", "-", "this host cannot run programs for arm64: ", "mount -t binfmt_misc"},
		{"None", "amd64", "arm64", "", "this host cannot run programs for arm64", "apt-get install qemu-user-static binfmt-support"},
		{"Another", "amd64", "riscv64", handlerOf, "this host cannot run programs for riscv64", "apt-get install qemu-user-static"},
		{"OtherClass", "amd64", "armhf", handlerOf, "this host cannot run programs for armhf", "qemu-user-static"},
		{"Backward", "arm64", "amd64", handlerOf, "this host cannot run programs for amd64", "qemu-user-static"},
		{"Disabled", "amd64", "arm64", strings.Replace(handlerOf, "enabled", "disabled", 1), "handler is disabled", "update-binfmts --enable handler"},
		{"NotFixed", "amd64", "arm64", strings.Replace(handlerOf, "POCF", "POC", 1), "without the flag F", "qemu-user-static"},
		{"Short", "amd64", "arm64", "enabled\nmagic 7f454c\n", "cannot run", "qemu-user-static"},
		{"Broken", "amd64", "arm64", "enabled\nmagic xyz\nflags: \n\x00", "cannot run", "qemu-user-static"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "binfmt_misc")
			if test.handler != "-" {
				if err := errors.Join(os.Mkdir(dir, 0o755), os.WriteFile(filepath.Join(dir, "register"), nil, 0o200),
					os.WriteFile(filepath.Join(dir, "handler"), []byte(test.handler), 0o644)); err != nil {
					t.Fatal(err)
				}
			}
			err := checkArchitecture(test.host, test.arch, dir)
			if test.problem == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var setup *SetupError
			if !errors.As(err, &setup) || !strings.Contains(err.Error(), test.problem) || !strings.Contains(setup.Hint(), test.fix) {
				t.Errorf("error %v", err)
			}
		})
	}
}
