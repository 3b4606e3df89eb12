package s3

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"foundry/pkg/publish/target"
	"foundry/pkg/publish/target/targettest"
)

// Credentials of the server under test.
const (
	access = "test-access"
	secret = "test-secret-key"
)

// server is an S3 server with one bucket that everybody may read, as a public repository's.
type server struct {
	endpoint string
	bucket   string
	folder   string // of the bucket
	client   *minio.Client
}

const everybodyReads = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":["s3:GetObject"],"Resource":["arn:aws:s3:::%s/*"]}]}`

// serve starts a server, which keeps objects as files.
func serve(t *testing.T) *server {
	t.Helper()
	program, err := exec.LookPath("versitygw")
	if err != nil {
		t.Fatalf("%v; run: scripts/setup --test", err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range []string{"objects", "attributes"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	var said bytes.Buffer
	cmd := exec.Command(program, "--port", address, "--quiet", "posix", "--sidecar", filepath.Join(dir, "attributes"), filepath.Join(dir, "objects"))
	cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+access, "ROOT_SECRET_KEY="+secret)
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("server: %s", said.String())
		}
	})
	t.Setenv("AWS_ACCESS_KEY_ID", access)
	t.Setenv("AWS_SECRET_ACCESS_KEY", secret)
	s := &server{endpoint: "http://" + address, bucket: "apt", folder: filepath.Join(dir, "objects", "apt")}
	s.client = s.open(t, "").client
	for deadline := time.Now().Add(20 * time.Second); ; {
		if err = s.client.MakeBucket(t.Context(), s.bucket, minio.MakeBucketOptions{}); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("make bucket: %v\n%s", err, said.String())
		}
		time.Sleep(20 * time.Millisecond)
	}
	if err := s.client.SetBucketPolicy(t.Context(), s.bucket, fmt.Sprintf(everybodyReads, s.bucket)); err != nil {
		t.Fatal(err)
	}
	return s
}

// spec is the target below prefix as a person names it.
func (s *server) spec(prefix string) string {
	return "s3://" + s.bucket + prefix + "?region=us-east-1&path-style=true&endpoint=" + url.QueryEscape(s.endpoint)
}

func (s *server) open(t testing.TB, prefix string) *Target {
	t.Helper()
	u, err := url.Parse(s.spec(prefix))
	if err != nil {
		t.Fatal(err)
	}
	to, err := Open(u)
	if err != nil {
		t.Fatal(err)
	}
	return to
}

// get reads an object as everybody may.
func (s *server) get(t testing.TB, name string) (*http.Response, []byte) {
	t.Helper()
	u, err := url.Parse(s.endpoint)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.Get(u.JoinPath(s.bucket, (&url.URL{Path: name}).EscapedPath()).String())
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, content
}

func TestContract(t *testing.T) {
	s := serve(t)
	prefix := ""
	targettest.Run(t, targettest.Adapter{
		Open: func(t testing.TB) target.Target {
			prefix = "/repositories/" + strings.NewReplacer("/", "-", " ", "-").Replace(t.Name())
			return s.open(t, prefix)
		},
		Read: func(t testing.TB, name string) ([]byte, bool) {
			response, content := s.get(t, strings.TrimPrefix(prefix, "/")+"/"+name)
			return content, response.StatusCode == http.StatusOK
		},
		Refuse: func(t testing.TB) func() {
			if err := os.Rename(s.folder, s.folder+".away"); err != nil {
				t.Fatal(err)
			}
			return func() {
				if err := os.Rename(s.folder+".away", s.folder); err != nil {
					t.Fatal(err)
				}
			}
		},
	})
}

func TestHeaders(t *testing.T) {
	s := serve(t)
	to := s.open(t, "")
	path := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(path, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][2]string{
		"pool/main/h/hello/hello_1_amd64.deb":  {"application/vnd.debian.binary-package", "public, max-age=31536000, immutable"},
		"dists/x/InRelease":                    {"text/plain; charset=utf-8", "no-cache"},
		"dists/x/main/by-hash/SHA256/01ba4719": {"application/octet-stream", "public, max-age=31536000, immutable"},
		"index.html":                           {"text/html; charset=utf-8", "no-cache"},
	} {
		if err := to.Put(t.Context(), []target.File{{Name: name, Path: path}}); err != nil {
			t.Fatal(err)
		}
		response, _ := s.get(t, name)
		if got := [2]string{response.Header.Get("Content-Type"), response.Header.Get("Cache-Control")}; got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestTrouble(t *testing.T) {
	s := serve(t)
	for _, tt := range []struct{ name, bucket, secret, hint string }{
		{"no bucket", "absent", secret, "make the bucket"},
		{"wrong secret", "apt", "wrong", "AWS_SECRET_ACCESS_KEY"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("AWS_SECRET_ACCESS_KEY", tt.secret)
			other := *s
			other.bucket = tt.bucket
			_, err := other.open(t, "").List(t.Context())
			hinted, ok := err.(interface{ Hint() string })
			if !ok || !strings.Contains(hinted.Hint(), tt.hint) || strings.Contains(err.Error(), secret) {
				t.Errorf("%v, want the hint %q", err, tt.hint)
			}
		})
	}
	t.Run("unreachable", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		other := *s
		other.endpoint = "http://127.0.0.1:1"
		if _, err := other.open(t, "").List(ctx); err == nil || ctx.Err() != nil {
			t.Errorf("%v", err)
		}
	})
}

func TestOpen(t *testing.T) {
	for spec, want := range map[string]string{
		"s3:///prefix":           "no bucket",
		"s3://key:secret@bucket": "credentials stand in the URL",
		"s3://bucket?endpoint=http%3A%2F%2Fkey%3Asecret%40x.org": "credentials stand in the URL",
		"s3://bucket?colour=red":                                 `unknown option "colour"`,
		"s3://bucket?endpoint=x.org":                             "not a URL",
		"s3://bucket?path-style=always":                          "not true or false",
	} {
		u, err := url.Parse(spec)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Open(u); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", spec, err, want)
		}
	}
}
