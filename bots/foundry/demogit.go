package main

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"foundry/pkg/trust"
)

//go:embed all:demo/package
var demoPackage embed.FS

// demoBranch is the branch that the demo pushes to.
const demoBranch = "stable"

// demoGit is the git repository of the demo: a bare one to push to and a work tree.
type demoGit struct {
	bare, work string
}

// makeDemoGit makes the repositories below dir and puts the package into the work tree.
func makeDemoGit(ctx context.Context, dir string) (*demoGit, error) {
	g := &demoGit{bare: filepath.Join(dir, "foundry-hello.git"), work: filepath.Join(dir, "foundry-hello")}
	if err := unpackDemo(g.work); err != nil {
		return nil, err
	}
	for _, args := range [][]string{
		{"init", "--quiet", "--bare", "--initial-branch=" + demoBranch, g.bare},
		{"init", "--quiet", "--initial-branch=" + demoBranch, g.work},
		{"-C", g.work, "remote", "add", "origin", g.bare},
		{"-C", g.work, "add", "--all"},
	} {
		if _, err := runGit(ctx, nil, args...); err != nil {
			return nil, err
		}
	}
	return g, nil
}

func unpackDemo(dir string) error {
	return fs.WalkDir(demoPackage, "demo/package", func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := filepath.Join(dir, strings.TrimPrefix(path, "demo/package"))
		if e.IsDir() {
			return os.MkdirAll(target, 0o755)
		}
		content, err := demoPackage.ReadFile(path)
		if err != nil {
			return err
		}
		mode := os.FileMode(0o644)
		if e.Name() == "rules" {
			mode = 0o755
		}
		return os.WriteFile(target, content, mode)
	})
}

// commit commits what is in the work tree, signed with key, and returns its hash. The signature
// is written into the commit as "git commit -S" does (gitformat-signature(5)).
func (g *demoGit) commit(ctx context.Context, key trust.Signer, subject string) (string, error) {
	tree, err := runGit(ctx, nil, "-C", g.work, "write-tree")
	if err != nil {
		return "", err
	}
	hash, err := runGit(ctx, strings.NewReader(subject+"\n"), "-C", g.work, "commit-tree", tree)
	if err != nil {
		return "", err
	}
	plain, err := runGit(ctx, nil, "-C", g.work, "cat-file", "commit", hash)
	if err != nil {
		return "", err
	}
	plain += "\n" // cut off by git
	signature, err := key.Detach(ctx, []byte(plain))
	if err != nil {
		return "", fmt.Errorf("sign commit: %w", err)
	}
	header, text, _ := strings.Cut(plain, "\n\n")
	lines := strings.ReplaceAll(strings.TrimSpace(string(signature)), "\n", "\n ")
	signed := header + "\ngpgsig " + lines + "\n\n" + text
	if hash, err = runGit(ctx, strings.NewReader(signed), "-C", g.work, "hash-object", "-t", "commit", "-w", "--stdin"); err != nil {
		return "", err
	}
	_, err = runGit(ctx, nil, "-C", g.work, "update-ref", "refs/heads/"+demoBranch, hash)
	return hash, err
}

// push pushes the branch to the bare repository.
func (g *demoGit) push(ctx context.Context) error {
	_, err := runGit(ctx, nil, "-C", g.work, "push", "--quiet", "origin", demoBranch)
	return err
}

// runGit runs git without the user's or the machine's configuration and returns what it prints.
func runGit(ctx context.Context, stdin *strings.Reader, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	if stdin != nil {
		cmd.Stdin = stdin
	}
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null", "GIT_TERMINAL_PROMPT=0",
		"GIT_AUTHOR_NAME=Foundry Demo", "GIT_AUTHOR_EMAIL=demo@foundry.invalid",
		"GIT_COMMITTER_NAME=Foundry Demo", "GIT_COMMITTER_EMAIL=demo@foundry.invalid")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("run git %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(errs.String()))
	}
	return strings.TrimSpace(out.String()), nil
}
