package environmenttest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"foundry/pkg/environment"
	"foundry/pkg/message"
)

// asBuild is how a script becomes the user "build".
const asBuild = "setpriv --reuid=build --regid=build --clear-groups --no-new-privs -- "

func testRuntime(t *testing.T, h Harness, image message.Image) {
	t.Run("Status", func(t *testing.T) {
		for _, want := range []int{0, 1, 3, 125, 126, 127, 130, 255} {
			if _, got := h.sh(t, image, fmt.Sprintf("exit %d", want)); got != want {
				t.Errorf("status %d, want %d", got, want)
			}
		}
		if _, got := h.sh(t, image, "false; exit 7"); got != 1 {
			t.Errorf("status %d after a command failed, want its status 1", got)
		}
		if _, got := h.sh(t, image, "kill -KILL $$"); got != 137 {
			t.Errorf("status %d of a script that was killed, want 137", got)
		}
	})
	t.Run("Order", func(t *testing.T) {
		out, _ := h.sh(t, image, "for i in 1 2 3; do echo out $i; echo err $i >&2; done; cat")
		if want := "out 1\nerr 1\nout 2\nerr 2\nout 3\nerr 3\n"; out != want {
			t.Errorf("output %q, want %q", out, want)
		}
	})
	t.Run("Surroundings", func(t *testing.T) { testSurroundings(t, h, image) })
	t.Run("ReadOnly", func(t *testing.T) {
		out, _ := h.sh(t, image, `for d in / /etc /usr /usr/bin /var/lib /root /home /opt /in /out /sys /proc/sys; do
			if touch $d/probe 2>/dev/null; then echo $d; fi; done`)
		if out != "" {
			t.Errorf("writable: %q", out)
		}
	})
	t.Run("Writable", func(t *testing.T) {
		script := "chown build /build\n" + asBuild + `sh -ec '
			for d in /build /tmp /var/tmp /dev/shm; do
				printf "#!/bin/sh\necho $d\n" >$d/probe; chmod 755 $d/probe
			done
			for d in /build /tmp /var/tmp; do $d/probe; done
			mkfifo /build/fifo; ln -s x /build/link; ln /build/probe /build/hard'`
		out, status := h.sh(t, image, script)
		if out != "/build\n/tmp\n/var/tmp\n" || status != 0 {
			t.Errorf("status %d: %s", status, out)
		}
	})
	t.Run("NoTrace", func(t *testing.T) {
		out, _ := h.sh(t, image, "ls -A /build /tmp /var/tmp")
		if want := "/build:\n\n/tmp:\n\n/var/tmp:\n"; out != want {
			t.Errorf("left by others: %q", out)
		}
	})
	t.Run("Network", func(t *testing.T) {
		out, _ := h.sh(t, image, `cat /proc/net/dev | sed 1,2d | cut -d: -f1 | tr -d ' '; cat /proc/net/route | sed 1d`)
		if out != "lo\n" {
			t.Errorf("network devices and routes: %q", out)
		}
		out, status := h.sh(t, image, asBuild+
			"sh -ec 'getent hosts localhost | head -1; if getent hosts deb.debian.org; then echo resolved; fi; cat /etc/hosts /etc/resolv.conf'")
		if status != 0 || !strings.Contains(out, "localhost") || strings.Contains(out, "resolved") {
			t.Errorf("status %d: %q", status, out)
		}
	})
	t.Run("Folders", func(t *testing.T) { testFolders(t, h, image) })
	t.Run("Privileges", func(t *testing.T) {
		script := asBuild + `sh -c 'grep -E "^(CapEff|CapPrm|NoNewPrivs):" /proc/self/status; cat /etc/shadow; id -un; ulimit -n'`
		out, _ := h.sh(t, image, script)
		want := "CapPrm:\t0000000000000000\nCapEff:\t0000000000000000\nNoNewPrivs:\t1\ncat: /etc/shadow: Permission denied\nbuild\n1024\n"
		if diff := cmp.Diff(want, out); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
	t.Run("Processes", func(t *testing.T) {
		// A shell that cannot start another process ends with an error.
		script := asBuild + `sh -c 'for i in $(seq 200); do sleep 60 & done; echo all of them'`
		out, status := h.run(t, environment.Run{Image: image, Script: script, Limits: environment.Limits{PIDs: 50}})
		if status == 0 || strings.Contains(out, "all of them") {
			t.Errorf("status %d with 200 processes where 50 are allowed: %s", status, out)
		}
	})
	t.Run("LongLog", func(t *testing.T) { testLongLog(t, h, image) })
	t.Run("Together", func(t *testing.T) {
		for n := range 4 {
			t.Run(fmt.Sprint(n), func(t *testing.T) {
				t.Parallel()
				if out, status := h.sh(t, image, fmt.Sprintf("echo %d >/build/mine; cat /build/mine", n)); status != 0 || out != fmt.Sprintf("%d\n", n) {
					t.Errorf("status %d: %s", status, out)
				}
			})
		}
	})
}

func testSurroundings(t *testing.T, h Harness, image message.Image) {
	out, _ := h.run(t, environment.Run{Image: image, Env: []string{"A=b c", "EMPTY=", "Q='\"$x\n"}, Script: "env -0 | tr '\\0' ';' | sed 's/PWD=[^;]*;//'"})
	got := strings.Split(strings.TrimSuffix(out, ";"), ";")
	want := map[string]bool{"LC_ALL=C.UTF-8": true, "TZ=UTC": true, "A=b c": true, "EMPTY=": true, "Q='\"$x\n": true}
	for _, variable := range got {
		if !want[variable] && !strings.HasPrefix(variable, "PATH=") {
			t.Errorf("environment has %q", variable)
		}
		delete(want, variable)
	}
	if len(want) > 0 {
		t.Errorf("environment lacks %v", want)
	}
	out, _ = h.sh(t, image, `id -un; umask; pwd; getent passwd build | cut -d: -f1,6; test ! -e /nonexistent && echo no home
		readlink /dev/ptmx >/dev/null && script -qec 'tty' /dev/null | cut -c1-9; stat -c '%a %F' /dev/shm /tmp; cat /proc/1/comm; ls /proc/self/fd | tr '\n' ' '`)
	wantOut := "root\n0022\n/\nbuild:/nonexistent\nno home\n/dev/pts/\n1777 directory\n1777 directory\nsh\n0 1 2 3 "
	if diff := cmp.Diff(wantOut, out); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	out, _ = h.sh(t, image, "hostname; cat /etc/hosts /etc/hostname")
	if strings.Contains(out, host) && len(host) > 2 {
		t.Errorf("the name of the host is known: %s", out)
	}
}

func testFolders(t *testing.T, h Harness, image message.Image) {
	in, out := t.TempDir(), filepath.Join(t.TempDir(), "out")
	if err := os.WriteFile(filepath.Join(in, "a file"), []byte("given"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(out, 0o755); err != nil {
		t.Fatal(err)
	}
	text, status := h.run(t, environment.Run{Image: image, Inputs: in, Outputs: out, Script: `cat "/in/a file"
		if touch /in/x 2>/dev/null; then echo input is writable; fi
		if ` + asBuild + `ls /out 2>/dev/null; then echo output is readable; fi
		if ` + asBuild + `touch /out/x 2>/dev/null; then echo output is writable; fi
		echo taken >/out/result; install -o build -m 600 /out/result /build/r; cp -p /build/r /out/theirs`})
	if text != "given" || status != 0 {
		t.Errorf("status %d: %s", status, text)
	}
	data, err := os.ReadFile(filepath.Join(out, "result"))
	if err != nil || string(data) != "taken\n" {
		t.Errorf("result %q, %v", data, err)
	}
	if err := os.RemoveAll(out); err != nil {
		t.Errorf("remove what an instance has left: %v", err)
	}
}

// testLongLog checks that a reader that is slower than the writer gets everything.
func testLongLog(t *testing.T, h Harness, image message.Image) {
	sum := sha256.New()
	var size int64
	slow := writer(func(p []byte) (int, error) {
		size += int64(len(p))
		if size%(64<<10) < 4096 {
			time.Sleep(time.Millisecond) // the reader is to be slow
		}
		return sum.Write(p)
	})
	_, status := h.run(t, environment.Run{Image: image, Log: slow, Script: "seq 4000000; seq 100 >&2"})
	want := sha256.New()
	for n := range 4_000_000 {
		fmt.Fprintf(want, "%d\n", n+1)
	}
	for n := range 100 {
		fmt.Fprintf(want, "%d\n", n+1)
	}
	if status != 0 || hex.EncodeToString(sum.Sum(nil)) != hex.EncodeToString(want.Sum(nil)) {
		t.Errorf("status %d: %d bytes of log are not those written", status, size)
	}
}

type writer func(p []byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }

var _ io.Writer = writer(nil)
