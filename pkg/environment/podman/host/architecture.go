package host

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// binfmt is where the kernel lists what runs programs of other architectures
// (Documentation/admin-guide/binfmt-misc.rst).
const binfmt = "/proc/sys/fs/binfmt_misc"

// natives are the architectures whose programs a processor runs beside its own.
var natives = map[string][]string{
	"amd64": {"i386", "x32"}, "arm64": {"armhf", "armel"}, "armhf": {"armel"}, "ppc64el": {"powerpc"}, "mips64el": {"mipsel"},
}

// programs are the beginnings of programs (elf(5)): class, byte order and the machine's number.
var programs = map[string]struct {
	class, order byte
	machine      [2]byte
}{
	"amd64": {2, 1, [2]byte{62}}, "i386": {1, 1, [2]byte{3}}, "arm64": {2, 1, [2]byte{183}}, "armhf": {1, 1, [2]byte{40}},
	"armel": {1, 1, [2]byte{40}}, "riscv64": {2, 1, [2]byte{243}}, "ppc64el": {2, 1, [2]byte{21}}, "s390x": {2, 2, [2]byte{0, 22}},
	"mips64el": {2, 1, [2]byte{8}}, "loong64": {2, 1, [2]byte{2, 1}},
}

// CheckArchitecture tells in a moment whether programs of the architecture arch run on this host, whose
// own is native, themselves or through qemu-user. What is missing is a *SetupError.
func CheckArchitecture(native, arch string) error { return checkArchitecture(native, arch, binfmt) }

func checkArchitecture(host, arch, folder string) error {
	program, known := programs[arch]
	if arch == host || slices.Contains(natives[host], arch) || !known {
		return nil // of an unknown one mmdebstrap finds out
	}
	missing := &SetupError{
		Problem: fmt.Sprintf("this host cannot run programs for %s", arch),
		Fix:     "apt-get install qemu-user-static binfmt-support",
	}
	if _, err := os.Stat(filepath.Join(folder, "register")); err != nil {
		missing.Problem += fmt.Sprintf(": %s is not mounted", folder)
		missing.Fix += fmt.Sprintf(" && mount -t binfmt_misc binfmt_misc %s && update-binfmts --enable", folder)
		return missing
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return fmt.Errorf("list handlers of programs: %w", err)
	}
	for _, entry := range entries {
		data, err := os.ReadFile(filepath.Join(folder, entry.Name()))
		if err != nil {
			continue
		}
		h := parseHandler(string(data))
		if len(h.magic) < 20 || h.magic[4] != program.class || h.magic[5] != program.order || !bytes.Equal(h.magic[18:20], program.machine[:]) {
			continue
		}
		switch {
		case !h.enabled:
			missing.Problem += fmt.Sprintf(": %s is disabled", entry.Name())
			missing.Fix = "update-binfmts --enable " + entry.Name()
		case !strings.Contains(h.flags, "F"):
			missing.Problem += fmt.Sprintf(" in containers: %s is registered without the flag F", entry.Name())
		default:
			return nil
		}
	}
	return missing
}

// A handler is what the kernel says of one.
type handler struct {
	enabled bool
	flags   string
	magic   []byte // what programs that it runs begin with
}

func parseHandler(text string) (h handler) {
	for line := range strings.Lines(text) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch word {
		case "enabled":
			h.enabled = true
		case "flags:":
			h.flags = rest
		case "magic":
			h.magic, _ = hex.DecodeString(rest) // what is not one fits no program
		}
	}
	return h
}
