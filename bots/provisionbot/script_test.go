package main

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"foundry/bots/internal/wire"
	"foundry/pkg/bot"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"provisionbot": func() { os.Exit(bot.Main(definition(), wire.Connect, os.Args[1:])) },
	})
}

func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/script"})
}
