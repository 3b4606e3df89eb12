package git

import (
	"errors"
	"strings"
	"testing"
)

func TestExplain(t *testing.T) {
	for stderr, want := range map[string]struct {
		is   error
		text string
	}{
		"fatal: unable to access 'http://h/x.git/': The requested URL returned error: 500\n":      {ErrServer, "error: 500"},
		"fatal: unable to access 'http://h/x.git/': The requested URL returned error: 503\n":      {ErrServer, "error: 503"},
		"fatal: unable to access 'http://h/x.git/': Maximum (20) redirects followed\n":            {ErrServer, "redirects followed"},
		"error: RPC failed; HTTP 502 curl 22 The requested URL returned error: 502\nfatal: eof\n": {ErrServer, "HTTP 502"},
		"fatal: the remote end hung up unexpectedly\n":                                            {ErrServer, "hung up"},
		"fatal: unable to access 'http://h/x.git/': The requested URL returned error: 404\n":      {ErrNoRepository, "error: 404"},
		"fatal: unable to access 'http://h/x.git/': The requested URL returned error: 403\n":      {ErrAuth, "error: 403"},
		"fatal: Could not resolve host: h\nfatal: the remote end hung up unexpectedly\n":          {ErrUnreachable, "resolve"},
		"fatal: something never seen before\n":                                                    {errGit, "git: something never seen before"},
		"":                                                                                        {errGit, "exit status 128"},
	} {
		err := Explain(t.Context(), errors.New("exit status 128"), stderr)
		if !errors.Is(err, want.is) || !strings.Contains(err.Error(), want.text) || Hint(err) == "" {
			t.Errorf("%q: %v (hint %q), want %v with %q and a hint", stderr, err, Hint(err), want.is, want.text)
		}
	}
}
