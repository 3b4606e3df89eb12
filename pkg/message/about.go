package message

// Subject says what a message is about, as far as its type tells.
type Subject struct {
	Origin
	Package
	Architecture string
}

// About returns what body is about.
func About(body Body) Subject {
	switch b := body.(type) {
	case *Commit:
		return Subject{Origin: b.Origin}
	case *Source:
		return Subject{Origin: b.Origin, Package: b.Package}
	case *Provision:
		return Subject{b.Origin, b.Package, b.Architecture}
	case *Build:
		return Subject{b.Origin, b.Package, b.Architecture}
	case *Sign:
		return Subject{b.Origin, b.Package, b.Architecture}
	case *Dist:
		return Subject{b.Origin, b.Package, b.Architecture}
	case *Test:
		return Subject{b.Origin, b.Package, b.Architecture}
	case *Failure:
		return Subject{b.Origin, b.Package, b.Architecture}
	}
	return Subject{}
}

// Complete fills in what f does not say itself from the message that f answers.
func (f *Failure) Complete(answered Body) {
	about := About(answered)
	if f.Repository == "" {
		f.Origin = about.Origin
	}
	if f.Source == "" {
		f.Package.Source, f.Package.Version = about.Source, about.Version
	}
	if f.Codename == "" {
		f.Codename = about.Codename
	}
	if f.Architecture == "" {
		f.Architecture = about.Architecture
	}
}
