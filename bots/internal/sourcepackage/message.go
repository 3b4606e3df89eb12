package sourcepackage

import (
	"encoding/json"
	"fmt"

	"foundry/pkg/debian"
	"foundry/pkg/message"
)

// envelope is room for what a message has beside its content.
const envelope = 8 << 10

// Message says what a .dsc is: its name, version, format, architectures, relations and binary packages,
// with files as they are stored, the .dsc first. Where it comes from, what it is built for and how is left
// to the caller. Relations that nobody could resolve are the package's fault.
func Message(dsc *debian.Dsc, files []message.Artifact) (*message.Source, error) {
	for _, field := range []string{"Build-Depends", "Build-Depends-Arch", "Build-Depends-Indep", "Build-Conflicts", "Build-Conflicts-Arch", "Build-Conflicts-Indep"} {
		if _, err := debian.ParseRelations(dsc.Fields.Get(field)); err != nil {
			return nil, PackageFault(fmt.Sprintf("debian/control: %s: %v", field, err), "see Debian policy 7.1")
		}
	}
	source := &message.Source{
		Package: message.Package{Source: dsc.Source, Version: dsc.Version.String()},
		Format:  dsc.Format, Architectures: dsc.Architectures, Binaries: dsc.Binaries,
		Relations: message.Relations{
			BuildDepends: dsc.Fields.Get("Build-Depends"), BuildDependsArch: dsc.Fields.Get("Build-Depends-Arch"),
			BuildDependsIndep: dsc.Fields.Get("Build-Depends-Indep"), BuildConflicts: dsc.Fields.Get("Build-Conflicts"),
			BuildConflictsArch: dsc.Fields.Get("Build-Conflicts-Arch"), BuildConflictsIndep: dsc.Fields.Get("Build-Conflicts-Indep"),
		},
		Files: files,
	}
	return source, CheckSize(source)
}

// CheckSize refuses a source that no message can hold. Message has called it; whoever adds much to the
// source calls it again.
func CheckSize(source *message.Source) error {
	data, err := json.Marshal(source)
	if err != nil {
		return fmt.Errorf("encode source: %w", err)
	}
	if len(data) > message.MaxSize-envelope {
		return PackageFault(fmt.Sprintf("build relations and list of files take %d bytes, more than a message may have", len(data)), "shorten the build dependencies in debian/control")
	}
	return nil
}
