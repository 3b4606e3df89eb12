package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTree(t *testing.T) {
	problems, err := check("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Error(p)
	}
}

func TestCheckImport(t *testing.T) {
	for _, tt := range []struct{ file, imported, want string }{
		{"pkg/bus/bus.go", "foundry/pkg/message", ""},
		{"pkg/bus/bus.go", "fmt", ""},
		{"pkg/message/id.go", "foundry/pkg/bus", "pkg/message imports pkg/bus, which is not below it"},
		{"pkg/message/id.go", "foundry/pkg/trust", "pkg/message imports pkg/trust, which is not below it"},
		{"pkg/bot/bot.go", "foundry/pkg/bus/jetstream", "pkg/bot imports pkg/bus/jetstream, which is not below it"},
		{"pkg/bot/bot_test.go", "foundry/pkg/bus/jetstream", ""},
		{"pkg/bot/bot_test.go", "foundry/bots/internal/wire", "tests of pkg/bot import bots/internal/wire, a program"},
		{"pkg/bus/jetstream/conn.go", "foundry/pkg/artifact/objectstore", "pkg/bus/jetstream imports pkg/artifact/objectstore, which is not below it"},
		{"pkg/bus/jetstream/conn.go", "foundry/pkg/bus/jetstream/subject", ""},
		{"bots/distbot/main.go", "foundry/pkg/publish/aptly", ""},
		{"bots/distbot/include.go", "foundry/pkg/publish/aptly", "bots/distbot imports the adapter pkg/publish/aptly outside of main.go"},
		{"bots/distbot/include.go", "foundry/bots/internal/wire", ""},
		{"bots/internal/bottest/bottest.go", "foundry/bots/internal/wire", ""},
		{"bots/internal/bottest/bottest.go", "foundry/pkg/bus/jetstream", ""},
		{"bots/internal/bottest/bottest.go", "foundry/pkg/publish/aptly", "bots/internal/bottest imports the adapter pkg/publish/aptly outside of main.go"},
		{"bots/internal/wire/wire.go", "foundry/bots/internal/bottest", "bots/internal/wire imports bots/internal/bottest, which is not below it"},
		{"bots/internal/openkey/openkey.go", "foundry/pkg/bus/jetstream", "bots/internal/openkey imports the adapter pkg/bus/jetstream outside of main.go"},
		{"bots/distbot/include.go", "foundry/bots/signbot", "bots/distbot imports bots/signbot, which is not below it"},
		{"bots/foundry/up.go", "foundry/pkg/bus/jetstream", ""},
		{"bots/foundry/trace.go", "foundry/bots/foundry/trace", ""},
		{"bots/foundry/trace/walk.go", "foundry/bots/internal/wire", ""},
		{"bots/internal/upload/desk.go", "foundry/bots/foundry/trace", "bots/internal/upload imports bots/foundry/trace, which is not below it"},
		{"bots/foundry/up.go", "foundry/pkg/publish/aptly", "bots/foundry imports the adapter pkg/publish/aptly outside of main.go"},
		{"pkg/common/x.go", "foundry/pkg/message", "package pkg/common is in no layer, give it a place in scripts/layers"},
		{"bots/foundry/up.go", "foundry/pkg/common", "package pkg/common is in no layer, give it a place in scripts/layers"},
		{"pkg/bot/bot.go", "github.com/nats-io/nats.go", "github.com/nats-io/nats.go is for pkg/bus/jetstream, pkg/artifact/objectstore, bots/internal/wire only"},
		{"pkg/bot/bot_test.go", "github.com/nats-io/nats.go", "github.com/nats-io/nats.go is for pkg/bus/jetstream, pkg/artifact/objectstore, bots/internal/wire only"},
		{"pkg/bus/jetstream/conn_test.go", "github.com/nats-io/nats-server/v2/server", ""},
		{"bots/watchbot/main.go", "github.com/go-git/go-git/v5", "github.com/go-git/go-git/v5 is for pkg/gitrepo only"},
		{"pkg/publish/aptly/repo.go", "github.com/aptly-dev/aptly/deb", ""},
	} {
		if got := checkImport(tt.file, tt.imported); got != tt.want {
			t.Errorf("checkImport(%q, %q) = %q, want %q", tt.file, tt.imported, got, tt.want)
		}
	}
}

func TestCheckFileSizes(t *testing.T) {
	function := func(lines int) string {
		return "package x\n\nfunc f() {\n" + strings.Repeat("\tg()\n", lines-2) + "}\n"
	}
	for _, tt := range []struct {
		name, file, source string
		want               []string
	}{
		{"longest function", "pkg/bus/x.go", function(60), nil},
		{"long function", "pkg/bus/x.go", function(61), []string{"pkg/bus/x.go:3: function f of 61 lines, 60 at most"}},
		{"long function of a test", "pkg/bus/x_test.go", function(61), nil},
		{"long function of a contract suite", "pkg/bus/bustest/x.go", function(61), nil},
		{"longest file", "pkg/bus/x.go", "package x\n" + strings.Repeat("// x\n", 399), nil},
		{"long file", "pkg/bus/x.go", "package x\n" + strings.Repeat("// x\n", 400), []string{"pkg/bus/x.go:1: file of 401 lines, 400 at most"}},
		{"import", "pkg/bus/x.go", "package x\n\nimport _ \"foundry/pkg/bot\"\n", []string{"pkg/bus/x.go:3: pkg/bus imports pkg/bot, which is not below it"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := checkFile(tt.file, []byte(tt.source))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCheckFileSyntaxError(t *testing.T) {
	if _, err := checkFile("pkg/bus/x.go", []byte("package")); err == nil {
		t.Error("no error")
	}
}
