package gitrepo

import (
	"foundry/pkg/gitrepo/mirror"
)

// A Mirror is a bare repository on this host that follows one remote repository, and what can be read from it. Its
// methods may be called concurrently, also by several processes that opened the same mirror. It holds no resources and need
// not be closed.
type Mirror struct{ *mirror.Mirror }

// OpenMirror returns the mirror below the folder dir of the repository at url. Nothing is made or
// asked before the first fetch. Credentials in the URL are used and not kept.
func OpenMirror(dir, url string) (*Mirror, error) {
	m, err := mirror.Open(dir, url)
	if err != nil {
		return nil, err
	}
	return &Mirror{m}, nil
}
