package message

import "fmt"

// UploadRepository stands in the place of a repository where a source package was uploaded instead of
// made from a commit. Branch is then the distribution that the upload names, or the codename, and Ref
// the SHA-256 of its .dsc.
const UploadRepository = "upload"

// Uploaded tells whether what o stands in goes back to an upload and not to a commit.
func (o Origin) Uploaded() bool { return o.Repository == UploadRepository }

// UploadID is the id of the message that announces the upload s. It follows from codename, source
// package, version and count alone, so the same version is taken once, whatever its bytes.
func UploadID(s *Source) ID {
	return MakeID(Sources, TypeSource, "", UploadRepository, s.Codename, s.Source, s.Version, fmt.Sprint(s.Count))
}

// ContextOfUpload names the transaction that s begins: source package, date and time of the upload's
// changelog in UTC, and the first six digits of its id.
func ContextOfUpload(s *Source) string {
	return fmt.Sprintf("%s-%s-%s", SafeKey(s.Source), s.Time.UTC().Format("20060102-150405"), UploadID(s)[:6])
}

// NewUpload makes the message that announces the upload s and begins a transaction.
func NewUpload(bot Bot, s *Source) (*Message, error) {
	m, err := New(bot, Sources, ContextOfUpload(s), "", s)
	if err != nil {
		return nil, err
	}
	m.ID = UploadID(s)
	return m, nil
}
