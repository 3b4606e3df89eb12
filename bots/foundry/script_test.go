package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"foundry/pkg/bus"
)

func TestMain(m *testing.M) {
	testscript.Main(cleaner{m}, map[string]func(){
		"foundry": func() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) },
	})
}

// cleaner removes the programs that scenarios have built.
type cleaner struct{ m *testing.M }

func (c cleaner) Run() int {
	defer func() {
		if dir := programsDir.Load(); dir != nil {
			os.RemoveAll(*dir)
		}
	}()
	return c.m.Run()
}

// TestScript runs the commands as a user types them. The scripts find all programs beside $FOUNDRY.
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			dir, err := programs()
			if err != nil {
				return err
			}
			env.Setenv("PATH", dir+string(filepath.ListSeparator)+env.Getenv("PATH"))
			env.Setenv("PROGRAMS", dir)
			env.Setenv("FOUNDRY_STATE", filepath.Join(env.WorkDir, "state"))
			env.Setenv("FOUNDRY_CACHE", filepath.Join(env.WorkDir, "cache"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"await":    await,
			"listed":   awaitListed,
			"unlisted": awaitUnlisted,
			"stopbot":  stopBot,
		},
	})
}

// await FILE waits until a file is there.
func await(ts *testscript.TestScript, neg bool, args []string) {
	only(ts, neg, args)
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if _, err := os.Stat(ts.MkAbs(args[0])); err == nil {
			return
		}
	}
	ts.Fatalf("%s did not appear", args[0])
}

func only(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("this command takes one argument and no \"!\"")
	}
}

// bots lists those alive.
func bots(ts *testscript.TestScript) (states []bus.State) {
	ts.Check(ts.Exec("foundry", "list", "--json"))
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &states))
	return states
}

// listed PROGRAM waits until a bot of that program is alive, "unlisted" until none is.
func awaitListed(ts *testscript.TestScript, neg bool, args []string) {
	only(ts, neg, args)
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		if slices.ContainsFunc(bots(ts), func(s bus.State) bool { return s.Bot == args[0] }) {
			return
		}
	}
	ts.Fatalf("%s is not listed", args[0])
}

func awaitUnlisted(ts *testscript.TestScript, neg bool, args []string) {
	only(ts, neg, args)
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		if !slices.ContainsFunc(bots(ts), func(s bus.State) bool { return s.Bot == args[0] }) {
			return
		}
	}
	ts.Fatalf("%s is still listed", args[0])
}

// stopBot PROGRAM stops the bots of that program by their ids.
func stopBot(ts *testscript.TestScript, neg bool, args []string) {
	only(ts, neg, args)
	for _, s := range bots(ts) {
		if s.Bot == args[0] {
			ts.Check(ts.Exec("foundry", "stop", s.Instance))
		}
	}
}
