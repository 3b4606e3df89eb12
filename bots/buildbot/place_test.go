package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"foundry/pkg/environment"
	"foundry/pkg/message"
)

// places are what a build has to find where it runs, each with a shell command that sees it. Most of
// them were found by comparing with what sbuild's chroots show, which packages' tests count on.
var places = []struct{ what, command string }{
	{"Rules-Requires-Root: no is built without fakeroot", `test "$(id -un)" = build`},
	{"options asked for, and parallel", `test "$DEB_BUILD_OPTIONS" = "parallel=3 terse nocheck"`},
	{"profiles asked for", `test "$DEB_BUILD_PROFILES" = nocheck`},
	{"time of the changelog", `test "$SOURCE_DATE_EPOCH" = 1795176000`},
	{"build path", `pwd | grep -Eqx '/build/place-[0-9a-f]{6}/place-1\.0'`},
	{"HOME does not exist", `test -n "$HOME" -a ! -e "$HOME" && ! mkdir -p "$HOME"`},
	{"no route out", `test "$(wc -l </proc/net/route)" = 1`},
	{"network interfaces", `test "$(sed 1,2d /proc/net/dev | cut -d: -f1 | tr -d ' ')" = lo`},
	{"localhost answers", `perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new(Listen => 1, LocalAddr => "localhost") or die; IO::Socket::INET->new("localhost:" . $s->sockport) or die'`},
	{"localhost is IPv4", `test "$(getent hosts localhost | cut -d' ' -f1)" = 127.0.0.1`},
	{"full host name", `test "$(hostname -f)" = "$(hostname)" -a "$(hostname)" != localhost`},
	{"/dev/shm", `cp /bin/true /dev/shm/x && /dev/shm/x && rm /dev/shm/x`},
	{"/run/lock", `touch /run/lock/x && rm /run/lock/x`},
	{"programs in /tmp", `cp /bin/true /tmp/x && /tmp/x && rm /tmp/x`},
	{"pty", `script -qec 'tty && test -t 0' /dev/null </dev/null`},
	{"umask", `test "$(umask)" = 0022`},
	{"locale", `test "$LC_ALL $LC_COLLATE ${LANG-unset} $(locale charmap)" = "C.UTF-8 C.UTF-8 unset UTF-8"`},
	{"time zone", `test "${TZ-unset} $(date +%Z)" = "unset UTC"`},
	{"games", `case :$PATH: in *:/usr/games:*) ;; *) false ;; esac`},
	{"groups", `test "$(id -G)" = "$(id -g)"`},
	{"name of the user", `test "$USER $LOGNAME $(id -un)" = "build build build"`},
	{"no input", `test "$(readlink /proc/self/fd/0)" = /dev/null`},
	{"open files", `test "$(ulimit -Sn)" = 1024`},
	{"addresses not at random", `setarch -R true`},
	{"32-bit personality", `linux32 true`},
	{"no user namespaces, as in a chroot", `! unshare --user true 2>/dev/null`},
	{"no more rights", `grep -q '^CapEff:.0*$' /proc/self/status && grep -q '^NoNewPrivs:.1' /proc/self/status`},
	{"fakeroot", `fakeroot sh -c 'touch x && chown 0:42 x && mknod y c 1 3 && test "$(stat -c %g x) $(stat -c %F y)" = "42 character special file"' && rm -f x y`},
	{"setuid programs can be made", `touch x && chmod 4755 x && test -u x && rm x`},
	{"names of any bytes, hard links, pipes", `mkdir x && touch "x/$(printf '\377')" && ln x/* x/hard && mkfifo x/pipe && rm -r x`},
	{"system is not to be written to", `! touch /usr/x 2>/dev/null`},
}

func TestPlace(t *testing.T) {
	l := newLine(t, "--parallel", "3")
	var script strings.Builder
	var want []string
	for n, p := range places {
		fmt.Fprintf(&script, "if (%s) >seen 2>&1; then echo 'seen: %s'; else echo 'not seen: %s'; cat seen; fi\n", p.command, p.what, p.what)
		want = append(want, "seen: "+places[n].what)
	}
	p := l.provision(recipe{
		name: "place", arch: "any", commands: "sh debian/look\n" + normal,
		files: map[string]string{"debian/look": script.String()},
	})
	p.Options, p.Profiles = []string{"terse"}, []string{"nocheck"}
	body := l.Await(l.say(p))
	build, ok := body.(*message.Build)
	if !ok {
		t.Fatalf("answer %+v", body)
	}
	log := l.text(build.Log)
	var got []string
	for line := range strings.Lines(log) {
		if strings.HasPrefix(line, "seen: ") || strings.HasPrefix(line, "not seen: ") {
			got = append(got, strings.TrimSpace(line))
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s\n%s", diff, log)
	}
	if !strings.Contains(log, "\nnetwork: none\n") {
		t.Errorf("log does not tell of the network:\n%s", log)
	}
}

// reach asks a server of the host for a page.
const reach = `perl -MIO::Socket::INET -e '$$s = IO::Socket::INET->new("%s") or die "no network"; print $$s "GET / HTTP/1.0\r\n\r\n"; print while <$$s>'`

func TestNetworkOfTheHost(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "hello from the host") }))
	defer server.Close()
	l := newLine(t)
	commands := strings.ReplaceAll(fmt.Sprintf(reach, server.Listener.Addr()), "$$", "$") + "\n" + normal
	p := l.provision(recipe{name: "asks", arch: "any", commands: commands})
	p.Network = true
	build, ok := l.Await(l.say(p)).(*message.Build)
	if !ok {
		t.Fatal("not built")
	}
	if log := l.text(build.Log); !strings.Contains(log, "hello from the host") || !strings.Contains(log, "network: the host's, as debian/foundry.toml asks") {
		t.Errorf("log %s", log)
	}
	without := l.provision(recipe{name: "does-not-ask", arch: "any", commands: commands})
	if f, ok := l.Await(l.say(without)).(*message.Failure); !ok || !strings.Contains(strings.Join(f.Tail, "\n"), "no network") {
		t.Errorf("a build that does not ask for the network: %+v", f)
	}
}

func TestNetworkNever(t *testing.T) {
	l := newLine(t, "--network", "never")
	p := l.provision(recipe{name: "asks", arch: "any", commands: normal})
	p.Network = true
	f, ok := l.Await(l.say(p)).(*message.Failure)
	if !ok || f.Class != message.ClassPolicy || !strings.Contains(f.Reason, "--network never") || f.Architecture != environment.HostArchitecture() {
		t.Errorf("answer %+v", f)
	}
}
