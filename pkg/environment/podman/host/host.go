// Package host tells what this host has of what containers need, and what tells its processes apart.
package host

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"regexp"
	"strconv"
	"strings"
)

// A SetupError says what is wrong with this host, and with Hint what mends it.
type SetupError struct {
	Problem string
	Fix     string
}

func (e *SetupError) Error() string { return e.Problem }

// Hint is what to do about it, one line.
func (e *SetupError) Hint() string { return e.Fix }

// oldest is the oldest podman that is known to work.
const oldest = 4

const fixPodman = "apt-get install podman runc uidmap mmdebstrap"

// Podman returns podman's path.
func Podman(ctx context.Context) (string, error) {
	binary, err := exec.LookPath("podman")
	if err != nil {
		return "", &SetupError{Problem: "podman is not installed", Fix: fixPodman}
	}
	cmd := exec.CommandContext(ctx, binary, "--version")
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=/", "CONTAINERS_CONF=/dev/null"}
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("ask podman for its version: %w", err)
	}
	major, text := parseVersion(string(out))
	if major < oldest {
		return "", &SetupError{
			Problem: fmt.Sprintf("podman %s is too old, version %d or later is needed", text, oldest),
			Fix:     "upgrade to Debian 12 or later and run: " + fixPodman,
		}
	}
	return binary, nil
}

// Check tells in a moment whether Open has what it needs of this host: podman, and for an ordinary
// user the right to more ids. What is missing is a *SetupError.
func Check(ctx context.Context) error {
	if _, err := Podman(ctx); err != nil {
		return err
	}
	return CheckUser()
}

var versionPattern = regexp.MustCompile(`\b(\d+)\.\d+[^\s]*`)

func parseVersion(out string) (major int, text string) {
	m := versionPattern.FindStringSubmatch(out)
	if m == nil {
		return 0, strconv.Quote(strings.TrimSpace(out))
	}
	major, err := strconv.Atoi(m[1])
	if err != nil {
		return 0, m[0]
	}
	return major, m[0]
}

// CheckUser finds out whether this user may have more user ids than its own (subuid(5)), without
// which no package can be installed.
func CheckUser() error {
	if os.Getuid() == 0 {
		return nil
	}
	if _, err := exec.LookPath("newuidmap"); err != nil {
		return &SetupError{Problem: "newuidmap is not installed, without it only root can use podman", Fix: "apt-get install uidmap"}
	}
	name := strconv.Itoa(os.Getuid())
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	for _, file := range []string{"/etc/subuid", "/etc/subgid"} {
		found, err := hasRange(file, name, strconv.Itoa(os.Getuid()))
		if err != nil {
			return err
		}
		if !found {
			return &SetupError{
				Problem: fmt.Sprintf("user %s has no range of 65536 ids in %s", name, file),
				Fix:     fmt.Sprintf("usermod --add-subuids 200000-265535 --add-subgids 200000-265535 %s (as root, with a range that is free)", name),
			}
		}
	}
	return nil
}

// hasRange tells whether file gives one of the names 65536 ids or more (subuid(5)).
func hasRange(file string, names ...string) (bool, error) {
	f, err := os.Open(file)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read ranges of ids: %w", err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Split(lines.Text(), ":")
		if len(fields) != 3 {
			continue
		}
		count, err := strconv.Atoi(fields[2])
		if err != nil || count < 65536 {
			continue
		}
		for _, name := range names {
			if fields[0] == name {
				return true, nil
			}
		}
	}
	return false, nil
}
