package container

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"foundry/pkg/environment/podman/host"
	"foundry/pkg/environment/podman/index"
)

// configuration of podman, file name below the storage folder and content.
var configuration = map[string]string{
	"containers.conf": `[containers]
base_hosts_file = "none"
http_proxy = false
log_driver = "none"
pids_limit = 0
[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
`,
	"registries.conf": "unqualified-search-registries = []\n",
	"storage.conf":    "[storage]\ndriver = \"overlay\"\ngraphroot = \"@STORAGE@/storage\"\nrunroot = \"@STATE@\"\n",
	// Images come from podman import and from the artifact store, which has its own digests.
	"home/.config/containers/policy.json": `{"default": [{"type": "insecureAcceptAnything"}]}` + "\n",
	"hosts":                               "127.0.0.1\tlocalhost\n127.0.1.1\tfoundry\n::1\tip6-localhost ip6-loopback\n",
	"resolv.conf":                         "",
	"seccomp.json":                        callFilter,
}

// callFilter is what builds may not ask of the kernel. It is shorter than podman's own list, which
// packages' tests meet: what chroots of Debian's builders allow is allowed. What those refuse, user
// namespaces, is refused, and keyrings are, which all containers would share. clone3 hides its flags from
// filters; C libraries go on without it.
//
//go:embed seccomp.json
var callFilter string

// prepare makes the folders and configuration, and after a start of the system clears what the
// one before left behind.
func (p *Podman) prepare(ctx context.Context) error {
	var err error
	if p.state, err = p.stateFolder(); err != nil {
		return err
	}
	for _, dir := range []string{p.storage, filepath.Join(p.storage, "tmp"), filepath.Join(p.storage, "home/.config/containers")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("make cache folder: %w", err)
		}
	}
	for name, content := range configuration {
		content = strings.NewReplacer("@STORAGE@", p.storage, "@STATE@", p.state).Replace(content)
		path := filepath.Join(p.storage, name)
		if err := writeChanged(path, content); err != nil {
			return err
		}
		// Some of them are mounted into instances, for other users to read.
		if err := os.Chmod(path, 0o644); err != nil {
			return fmt.Errorf("make cache folder: %w", err)
		}
	}
	home := filepath.Join(p.storage, "home")
	p.environ = []string{
		"PATH=" + os.Getenv("PATH") + ":/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=" + home,
		"XDG_CONFIG_HOME=" + filepath.Join(home, ".config"),
		"XDG_DATA_HOME=" + filepath.Join(home, ".local/share"),
		"XDG_RUNTIME_DIR=" + p.state,
		"TMPDIR=" + filepath.Join(p.storage, "tmp"),
		"CONTAINERS_CONF=" + filepath.Join(p.storage, "containers.conf"),
		"CONTAINERS_STORAGE_CONF=" + filepath.Join(p.storage, "storage.conf"),
		"CONTAINERS_REGISTRIES_CONF=" + filepath.Join(p.storage, "registries.conf"),
		"LC_ALL=C.UTF-8",
	}
	return p.boot(ctx)
}

// maxState is how long the path may be: podman refuses longer ones.
const maxState = 50

// stateFolder is where podman keeps what does not outlive a start of the system: in the cache
// folder, unless that has a long name.
func (p *Podman) stateFolder() (string, error) {
	dir := filepath.Join(p.storage, "run")
	if len(dir) > maxState {
		dir = filepath.Join("/tmp", fmt.Sprintf("foundry-%d-%s", os.Getuid(), index.Digest(dir)[:12]))
	}
	return dir, makeOwn(dir)
}

// makeOwn makes a folder that nobody else can write to, or makes sure that it is one.
func makeOwn(dir string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return fmt.Errorf("make run-time folder: %w", err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("make run-time folder: %w", err)
	}
	var info unix.Stat_t
	if err := unix.Lstat(dir, &info); err != nil {
		return fmt.Errorf("look at run-time folder: %w", err)
	}
	if info.Mode&unix.S_IFMT != unix.S_IFDIR || int(info.Uid) != os.Getuid() || info.Mode&0o022 != 0 {
		return &host.SetupError{
			Problem: fmt.Sprintf("%s is not a folder that only this user can write to", dir),
			Fix:     "remove it",
		}
	}
	return nil
}

// boot does what is to be done once after each start of the system.
func (p *Podman) boot(ctx context.Context) error {
	unlock, err := p.index.Lock(ctx, "boot")
	if err != nil {
		return err
	}
	defer unlock()
	boot, err := host.BootID()
	if err != nil {
		return err
	}
	marker := filepath.Join(p.state, "boot")
	driver := filepath.Join(p.storage, "driver")
	before, err := os.ReadFile(marker)
	if err == nil && string(before) == boot {
		known, err := os.ReadFile(driver)
		if err == nil {
			p.setGlobals(strings.Fields(string(known)))
			return nil
		}
	}
	if err := os.RemoveAll(p.state); err != nil {
		return fmt.Errorf("clear run-time folder: %w", err)
	}
	if err := makeOwn(p.state); err != nil {
		return err
	}
	flags, err := p.chooseDriver(ctx, driver)
	if err != nil {
		return err
	}
	if err := index.WriteFile(driver, []byte(strings.Join(flags, " "))); err != nil {
		return err
	}
	return index.WriteFile(marker, []byte(boot))
}

// chooseDriver finds the first storage driver that works here; a storage that exists keeps its.
func (p *Podman) chooseDriver(ctx context.Context, file string) ([]string, error) {
	choices := [][]string{{"--storage-driver=overlay"}}
	if fuse, err := exec.LookPath("fuse-overlayfs"); err == nil {
		choices = append(choices, []string{"--storage-driver=overlay", "--storage-opt=overlay.mount_program=" + fuse})
	}
	choices = append(choices, []string{"--storage-driver=vfs"})
	if known, err := os.ReadFile(file); err == nil && len(known) > 0 {
		choices = [][]string{strings.Fields(string(known))}
	}
	var first error
	for _, flags := range choices {
		p.setGlobals(flags)
		_, err := p.Call(ctx, "info", "--format", "{{.Store.GraphDriverName}}")
		if err == nil {
			return flags, nil
		}
		if first == nil {
			first = err
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, fmt.Errorf("prepare container storage %s: %w", p.storage, first)
}

func (p *Podman) setGlobals(driver []string) {
	p.globals = append([]string{
		"--root=" + filepath.Join(p.storage, "storage"), "--runroot=" + p.state, "--tmpdir=" + filepath.Join(p.state, "libpod"),
	}, driver...)
}

// writeChanged writes content to the file unless it is there.
func writeChanged(path, content string) error {
	if old, err := os.ReadFile(path); err == nil && string(old) == content {
		return nil
	}
	return index.WriteFile(path, []byte(content))
}
