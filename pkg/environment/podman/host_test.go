package podman

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"foundry/pkg/environment"
)

// hostile is how a host can be set up that a build must not notice.
func hostile(t *testing.T) {
	t.Helper()
	home := t.TempDir()
	conf := filepath.Join(home, "apt.conf")
	content := `Acquire::http::Proxy "http://192.0.2.1:1";
APT::Install-Recommends "true";
APT::Default-Release "foundry-hostile";
Dir::Etc::Preferences "` + home + `/preferences";
DPkg::Pre-Invoke { "touch /foundry-hostile"; };
Dpkg::Options { "--path-exclude=/usr/share/perl5/*"; };
`
	for name, content := range map[string]string{
		"apt.conf": content, "preferences": "Package: gcc\nPin: version *\nPin-Priority: -1\n", ".mmdebstrap": "x",
		".dpkg.cfg": "path-exclude=/usr/share/perl5/*\n", ".gnupg/gpg.conf": "broken\n",
	} {
		path := filepath.Join(home, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, value := range map[string]string{
		"http_proxy": "http://192.0.2.1:1", "https_proxy": "http://192.0.2.1:1", "no_proxy": "", "ALL_PROXY": "http://192.0.2.1:1",
		"APT_CONFIG": conf, "HOME": home, "GNUPGHOME": filepath.Join(home, ".gnupg"), "LC_ALL": "xx_XX", "LANG": "xx_XX", "LANGUAGE": "xx",
		"TZ": "Pacific/Kiritimati", "DEBIAN_FRONTEND": "readline", "DEB_BUILD_OPTIONS": "nocheck", "SOURCE_DATE_EPOCH": "1",
		"TMPDIR": filepath.Join(home, "none"), "DPKG_ADMINDIR": home, "DPKG_ROOT": home, "CONTAINER_HOST": "tcp://192.0.2.1:1",
	} {
		t.Setenv(name, value)
	}
	old := unix.Umask(0o077)
	t.Cleanup(func() { unix.Umask(old) })
}

// inspect says what a build would notice of the host.
const inspect = `
apt-config dump | grep -i -e proxy -e hostile -e 'Install-Recommends "true"' -e Default-Release || true
find / -xdev \( -name '*hostile*' -o -name '99mmdebstrap' -o -name '*.dpkg-*' \) -not -path '/proc/*' || true
cat /etc/apt/apt.conf.d/* /etc/dpkg/dpkg.cfg.d/* /etc/environment /etc/default/locale 2>/dev/null | grep -i -e proxy -e unsafe -e xx_XX || true
ls -A /etc/apt/preferences.d /etc/apt/sources.list.d /etc/apt/keyrings 2>/dev/null | grep -v -e : -e '^$' || true
cat /etc/resolv.conf
for d in /etc /usr /usr/bin /usr/share/perl5 /build /in /out /etc/apt /var/lib/dpkg; do
	[ "$(stat -c %A $d | cut -c 2-10)" = rwxr-xr-x ] || echo "$d $(stat -c %A $d)"
done
find / -xdev -type f \( -path '/usr/*' -o -path '/etc/*' \) -not -perm -044 -not -name '*shadow*' -not -name .pwd.lock -not -name 'passwd-' -not -name 'group-' -not -name opasswd -not -path '*/ssl/private/*' | head
[ -f /usr/share/perl5/Debian/Debhelper/Dh_Lib.pm ] || echo files are excluded
dpkg -l gcc >/dev/null 2>&1 || echo gcc is not installed
env | grep -v -e ^PWD= -e ^PATH= -e ^TZ=UTC$ -e ^LC_ALL=C.UTF-8$ -e ^SHLVL= -e ^_= -e ^OLDPWD= || true
umask
dpkg --print-architecture
uname -n
`

// TestHostIndependence makes an environment for i386, whose programs this host can run, while the
// host is set up in ways that must have no part in it.
func TestHostIndependence(t *testing.T) {
	if testing.Short() {
		t.Skip("takes long")
	}
	arch := environment.HostArchitecture()
	if arch == "amd64" {
		arch = "i386"
	}
	dir := testCache(t) // of this user's real home folder
	hostile(t)
	e := openTest(t, dir)
	var log buffer
	request := environment.Request{Base: testBase, Architecture: arch, Depends: "debhelper-compat (= 13)"}
	image, err := e.Provision(t.Context(), request, &log)
	if err != nil {
		t.Fatalf("%v\n%s", err, log.data.String())
	}
	var said buffer
	status, err := e.Run(t.Context(), environment.Run{Name: "inspect", Image: image, Script: inspect, Log: &said})
	if want := "0022\n" + arch + "\nfoundry\n"; err != nil || status != 0 || said.data.String() != want {
		t.Errorf("status %d, %v, noticed:\n%s", status, err, said.data.String())
	}
	for _, leak := range []string{"192.0.2.1", "hostile", "xx_XX"} {
		if line := regexp.MustCompile(`.*` + regexp.QuoteMeta(leak) + `.*`).FindString(log.data.String()); line != "" {
			t.Errorf("the log speaks of the host: %s", line)
		}
	}
	if strings.Contains(log.data.String(), "cannot set locale") {
		t.Error("the host's locale is used")
	}
}
