package message_test

import (
	"testing"

	"foundry/pkg/message"
)

// upload is hello as somebody has uploaded it.
func upload() *message.Source {
	s := &message.Source{Package: hello, Time: noon}
	s.Origin = message.Origin{Repository: message.UploadRepository, Branch: "bookworm", Ref: string(digest)}
	return s
}

// Ids of kept uploads must never change either, and say nothing of the bytes: the same version again is
// the same upload.
func TestUploadIDsAreGolden(t *testing.T) {
	again := upload()
	again.Count = 1
	for name, tt := range map[string]struct{ got, want string }{
		"upload":  {string(message.UploadID(upload())), "6787e0b988756527a66a269fea8477fa"},
		"rebuild": {string(message.UploadID(again)), "f0dc0bad10ec7bc1da05590d1346f7de"},
		"context": {message.ContextOfUpload(upload()), "hello-20261120-120000-6787e0"},
	} {
		if tt.got != tt.want {
			t.Errorf("%s is %s, want %s", name, tt.got, tt.want)
		}
	}
}

func TestUploadIDsDiffer(t *testing.T) {
	ids := map[message.ID]string{}
	for name, alter := range map[string]func(*message.Source){
		"first":    func(*message.Source) {},
		"again":    func(s *message.Source) { s.Count = 1 },
		"version":  func(s *message.Source) { s.Version = "1:2.10-4" },
		"codename": func(s *message.Source) { s.Codename = "trixie" },
		"source":   func(s *message.Source) { s.Source = "hello2" },
	} {
		s := upload()
		alter(s)
		if other, twice := ids[message.UploadID(s)]; twice {
			t.Errorf("%s and %s have the same id", name, other)
		}
		ids[message.UploadID(s)] = name
	}
	first, other := upload(), upload()
	other.Ref, other.Files, other.Signer, other.Branch = "0", files, print, "UNRELEASED"
	if message.UploadID(first) != message.UploadID(other) {
		t.Error("the id of an upload depends on its bytes")
	}
}

func TestNewUpload(t *testing.T) {
	m, err := message.NewUpload(sender, upload())
	if err != nil {
		t.Fatal(err)
	}
	if m.Parent != "" || m.Topic != message.Sources || m.ID != message.UploadID(upload()) || m.Context != message.ContextOfUpload(upload()) {
		t.Errorf("message %+v", m)
	}
	if !upload().Uploaded() || (message.Origin{Repository: "/srv/upload"}).Uploaded() {
		t.Error("uploads are not told from commits")
	}
}
