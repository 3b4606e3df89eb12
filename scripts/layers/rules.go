package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"strconv"
	"strings"
)

const (
	module = "foundry/"
	// maxFile and maxFunction are lines, tests excepted.
	maxFile     = 400
	maxFunction = 60
)

// layers is the import table: a package may import those of the lines above its own, and what is
// below its own folder. The first pattern (path.Match) that fits a package counts.
var layers = [][]string{
	{"schemas", "pkg/debian", "pkg/trust/trusttest", "pkg/publish/aptly/disk", "pkg/publish/index", "pkg/publish/headers"},
	{"pkg/message", "pkg/trust", "pkg/gitrepo/git"},
	{"pkg/artifact", "pkg/gitrepo/remote", "pkg/aptrepo"},
	{"pkg/bus", "pkg/environment", "pkg/publish", "pkg/gitrepo", "pkg/gitrepo/mirror", "pkg/environment/podman/index", "pkg/environment/podman/host"}, // the ports
	{"pkg/bot", "pkg/publish/describe", "pkg/publish/target", "pkg/publish/importer", "pkg/publish/aptly/catalog", "pkg/publish/aptly/metadata"},
	{"pkg/*/*", "pkg/*/*/*"}, // adapters and contract suites
	{"bots/internal/wire", "bots/internal/published", "bots/internal/sourcepackage"},
	{"bots/internal/orig", "bots/internal/openkey", "bots/internal/repoctl"},
	{"bots/internal/*"},
	{"bots/foundry/*"}, // commands with a package of their own
	{"bots/*"},
	{"scripts/internal/rig"},
	{"scripts/internal/*", "scripts/bench/repository"},
	{"scripts/*"},
}

// adapters is the line of the table whose packages are chosen by main programs only.
const adapters = 5

// choosers may import adapters outside of a main.go. The herder carries the embedded bus, and its
// demonstration installs a package in a clean container; the benchmark runs a build by hand.
var choosers = map[string][]string{
	"bots/internal/wire": {"pkg/bus/jetstream", "pkg/artifact/objectstore", "pkg/artifact/folder", "pkg/artifact/s3"},
	// An apt repository is opened by distbot, and by the herder when no distbot runs.
	"bots/internal/repository": {"pkg/publish/aptly", "pkg/publish/describe", "pkg/publish/target"},
	"bots/foundry/repo":        {"pkg/publish/importer"},
	// Tests of programs put a bus of their own under them.
	"bots/internal/bottest": {"pkg/bus/jetstream"},
	"bots/foundry":          {"pkg/bus/jetstream", "pkg/environment/podman"},
	"scripts/bench":         {"pkg/environment/podman"},
	// It publishes messages for distbot, and fills the large repository.
	"scripts/bench/repository": {"pkg/bus/jetstream", "pkg/publish/aptly"},
	"scripts/corpus":           {"pkg/artifact/folder"},
	"scripts/equality":         {"pkg/publish/aptly"},
}

// owners are the only packages, tests included, that import what begins with the key.
var owners = map[string][]string{
	"github.com/nats-io/":   {"pkg/bus/jetstream", "pkg/artifact/objectstore", "bots/internal/wire"},
	"github.com/aptly-dev/": {"pkg/publish/aptly"},
	"github.com/go-git/":    {"pkg/gitrepo"},
}

// checkFile returns the problems of one file, given by its name within the tree and its content.
func checkFile(name string, source []byte) (problems []string, err error) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, name, source, parser.SkipObjectResolution)
	if err != nil {
		return nil, fmt.Errorf("parse: %w", err)
	}
	report := func(pos token.Pos, format string, args ...any) {
		problems = append(problems, fmt.Sprintf("%s:%d: %s", name, set.Position(pos).Line, fmt.Sprintf(format, args...)))
	}
	for _, spec := range file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return nil, fmt.Errorf("parse import of %s: %w", name, err)
		}
		if problem := checkImport(name, imported); problem != "" {
			report(spec.Pos(), "%s", problem)
		}
	}
	if isTest(name) || strings.HasSuffix(folder(name), "test") { // contract suites are tests too
		return problems, nil
	}
	if n := set.File(file.Pos()).LineCount(); n > maxFile {
		report(file.Pos(), "file of %d lines, %d at most", n, maxFile)
	}
	for _, decl := range file.Decls {
		f, ok := decl.(*ast.FuncDecl)
		if !ok {
			continue
		}
		if n := set.Position(f.End()).Line - set.Position(f.Pos()).Line + 1; n > maxFunction {
			report(f.Pos(), "function %s of %d lines, %d at most", f.Name.Name, n, maxFunction)
		}
	}
	return problems, nil
}

// checkImport returns what is wrong with the import in the file, or "".
func checkImport(file, imported string) string {
	pkg := folder(file)
	for prefix, allowed := range owners {
		if strings.HasPrefix(imported, prefix) && !within(pkg, allowed) {
			return fmt.Sprintf("%s is for %s only", imported, strings.Join(allowed, ", "))
		}
	}
	target, ours := strings.CutPrefix(imported, module)
	if !ours || within(target, []string{pkg}) {
		return ""
	}
	from, to := layer(pkg), layer(target)
	switch {
	case from < 0:
		return fmt.Sprintf("package %s is in no layer, give it a place in scripts/layers", pkg)
	case to < 0:
		return fmt.Sprintf("package %s is in no layer, give it a place in scripts/layers", target)
	case isTest(file) && strings.HasPrefix(target, "bots/") && !strings.HasPrefix(pkg, "bots/"):
		return fmt.Sprintf("tests of %s import %s, a program", pkg, target)
	case isTest(file):
		// Tests put together what the programs do: adapters, contract suites, the layers above.
		return ""
	case to >= from:
		return fmt.Sprintf("%s imports %s, which is not below it", pkg, target)
	case to == adapters && path.Base(file) != "main.go" && !within(target, choosers[pkg]):
		return fmt.Sprintf("%s imports the adapter %s outside of main.go", pkg, target)
	}
	return ""
}

// layer returns the line of the package in the table, or -1.
func layer(pkg string) int {
	for i, patterns := range layers {
		for _, pattern := range patterns {
			if ok, err := path.Match(pattern, pkg); err == nil && ok {
				return i
			}
		}
	}
	return -1
}

// within tells whether pkg is one of the folders or below one.
func within(pkg string, folders []string) bool {
	for _, f := range folders {
		if pkg == f || strings.HasPrefix(pkg, f+"/") {
			return true
		}
	}
	return false
}

func isTest(file string) bool { return strings.HasSuffix(file, "_test.go") }
