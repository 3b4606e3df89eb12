package message_test

import (
	"time"

	"foundry/pkg/message"
)

var (
	noon    = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	origin  = message.Origin{Repository: "https://git.example.org/team/hello.git", Branch: "debian/latest", Ref: "9f3c2a64d1e8b7a5c0f1e2d3c4b5a69788776655"}
	hello   = message.Package{Source: "hello", Version: "1:2.10-3~deb12u1", Codename: "bookworm"}
	digest  = message.Digest("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
	files   = []message.Artifact{{Name: "hello_2.10-3~deb12u1.dsc", Size: 1234, SHA256: digest}}
	logFile = message.Artifact{Name: "hello_2.10-3_amd64.log.zst", Size: 99, SHA256: digest}
	print   = "0123456789ABCDEF0123456789ABCDEF01234567"
	sender  = message.Bot{Name: "buildbot", Instance: "buildbot-3f2a91", Host: "farm1", Endpoint: "pub/buildbot_amd64", Version: "0.1.0"}
)

// sample has a full and, where fields may be left out, a minimal body of each type.
func sample() []message.Body {
	image := &message.Image{
		Key: string(digest), ID: "sha256:" + string(digest), Base: string(digest),
		Packages: []string{"debhelper=13.11.4", "libc6:i386=2.36-9+deb12u4"}, Manifest: &files[0], Blobs: files,
	}
	return []message.Body{
		&message.Commit{Origin: origin, Count: 2, Bump: true, Author: "A. Müller", Subject: "Fix the build", Time: noon},
		&message.Commit{Origin: origin, Time: noon},
		&message.Source{
			Origin: origin, Package: hello, Format: "3.0 (quilt)", Architectures: []string{"any", "all"},
			IndepArchitecture: "amd64", Relations: message.Relations{BuildDepends: "debhelper-compat (= 13),\n libc6-dev [amd64] <!nocheck>"},
			Files: files, Signer: print, Committer: "A", Time: noon, Profiles: []string{"nocheck"},
			Options: []string{"nocheck", "parallel=4"}, Timeout: 3600,
			Binaries: []string{"hello", "hello-doc"}, Only: []string{"amd64", "any-arm"}, Network: true,
			Outputs: []string{"=report.xml", "%debian/**/*.log", "!*.tmp"}, Count: 1,
			Upload: &message.Artifact{Name: "hello_2.10-3~deb12u1_source.changes", Size: 1700, SHA256: digest},
		},
		&message.Source{
			Origin: origin, Package: hello, Format: "1.0", Architectures: []string{"linux-any"},
			IndepArchitecture: "amd64", Files: files, Time: noon,
		},
		&message.Provision{
			Origin: origin, Package: hello, Architecture: "amd64", Outcome: message.Ready, Indep: true,
			Arch: true, Image: image, Files: files, Time: noon, Timeout: 60,
		},
		&message.Provision{
			Origin: origin, Package: hello, Architecture: "amd64", Outcome: message.Ready,
			Image: &message.Image{Key: string(digest), ID: string(digest), Base: string(digest)}, Files: files, Time: noon,
		},
		&message.Provision{Origin: origin, Package: hello, Architecture: "armhf", Outcome: message.Skipped, Reason: "not for armhf", Time: noon},
		&message.Provision{
			Origin: origin, Package: hello, Architecture: "amd64", Outcome: message.Waiting, Arch: true, Files: files, Time: noon,
			WaitsFor: []string{"libhello-dev (>= 2)"}, Binaries: []string{"hello"}, Network: true, Outputs: []string{"=report.xml"},
		},
		&message.Build{
			Origin: origin, Package: hello, Architecture: "amd64", ImageKey: string(digest), Changes: "hello_2.10-3_amd64.changes",
			Files: files, SourceFiles: files, Log: logFile, Seconds: 15.25,
			Outputs: []message.Output{{Path: "debian/tests/ünit.xml", File: logFile, MayChange: true}},
		},
		&message.Sign{
			Origin: origin, Package: hello, Architecture: "amd64", Changes: "hello_2.10-3_amd64.changes",
			Files: files, SourceFiles: files, Built: files, Key: print, Log: logFile,
		},
		&message.Sign{Origin: origin, Package: hello, Architecture: "i386", Changes: "hello_2.10-3_i386.changes", Files: files, Key: print, Log: logFile},
		&message.Dist{
			Origin: origin, Package: hello, Architecture: "amd64", Archive: "example", Packages: []message.Published{{
				Package: "hello", Version: "2.10-3+b1", Architecture: "amd64",
				Filename: "pool/main/h/hello/hello_2.10-3+b1_amd64.deb", Size: 5, SHA256: digest,
			}}, Release: digest, Key: print,
		},
		&message.Test{Origin: origin, Package: hello, Architecture: "amd64", Test: "lintian", Passed: true, Log: logFile},
		&message.Failure{
			Origin: origin, Package: hello, Architecture: "amd64", Stage: "buildbot", Class: message.ClassPackage,
			Reason: "dpkg-buildpackage ended with status 2", Hint: "look at the log", Log: &logFile, Tail: []string{"make: *** [all]\tError 1", ""},
			Outputs: []message.Output{{Path: "report.xml", File: logFile}},
		},
		&message.Failure{Stage: "watchbot", Class: message.ClassInfrastructure, Reason: "no such host"},
		&message.Reject{Subject: "foundry.topic.builds.amd64.x", Reason: "no signature", SHA256: digest, Size: 7, Sequence: 12},
		&message.Control{Action: message.ActionStop, Instance: "buildbot-3f2a91"},
	}
}

// topicOf is the topic that a type is said on.
func topicOf(t message.Type) message.Topic {
	if t == message.TypeControl {
		return message.ControlTopic
	}
	return message.Topic(t + "s")
}
