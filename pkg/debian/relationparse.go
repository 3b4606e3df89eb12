package debian

import (
	"errors"
	"fmt"
	"strings"
)

const space = " \t\r\n"

// parseRelation reads one alternative: NAME[:QUALIFIER] [(OP VERSION)] [[ARCH …]] [<PROFILE …>]…
// in this order, as Dpkg::Deps::Simple takes it.
func parseRelation(text string) (Relation, error) {
	var r Relation
	var err error
	rest := strings.Trim(text, space)
	name := rest
	if i := strings.IndexAny(rest, space+"([<"); i >= 0 {
		name, rest = rest[:i], strings.TrimLeft(rest[i:], space)
	} else {
		rest = ""
	}
	if err := r.parseName(name); err != nil {
		return r, err
	}
	if strings.HasPrefix(rest, "(") {
		if rest, err = r.parseVersion(rest); err != nil {
			return r, err
		}
	}
	if strings.HasPrefix(rest, "[") {
		if rest, err = r.parseArchitectures(rest); err != nil {
			return r, err
		}
	}
	for strings.HasPrefix(rest, "<") {
		if rest, err = r.parseProfiles(rest); err != nil {
			return r, err
		}
	}
	if rest != "" {
		return r, fmt.Errorf("unexpected %s", quote(rest))
	}
	return r, nil
}

func (r *Relation) parseName(name string) error {
	name, qualifier, qualified := strings.Cut(name, ":")
	if strings.HasPrefix(name, "$") {
		return errors.New("substitution variable in a field that has none")
	}
	if !validRelationName(name) {
		return errors.New("invalid package name")
	}
	if qualified && !Architecture(qualifier).Valid() {
		return errors.New("invalid architecture after the colon")
	}
	r.Package, r.Qualifier = name, qualifier
	return nil
}

func (r *Relation) parseVersion(s string) (rest string, err error) {
	inside, rest, err := bracketed(s, ')')
	if err != nil {
		return "", err
	}
	i := 0
	for i < len(inside) && strings.IndexByte("<>=", inside[i]) >= 0 {
		i++
	}
	r.Operator, r.Version = inside[:i], strings.Trim(inside[i:], space)
	switch r.Operator {
	case "<<", "<=", "=", ">=", ">>":
	case "<": // obsolete spellings that dpkg still takes
		r.Operator = "<="
	case ">":
		r.Operator = ">="
	default:
		return "", fmt.Errorf("invalid operator %s", quote(r.Operator))
	}
	if _, err := ParseVersion(r.Version); err != nil {
		return "", err
	}
	return rest, nil
}

func (r *Relation) parseArchitectures(s string) (rest string, err error) {
	inside, rest, err := bracketed(s, ']')
	if err != nil {
		return "", err
	}
	r.Architectures = strings.Fields(inside)
	if len(r.Architectures) == 0 {
		return "", errors.New("empty architecture list")
	}
	for _, a := range r.Architectures {
		if !Architecture(strings.TrimPrefix(a, "!")).Valid() {
			return "", fmt.Errorf("invalid architecture %s", quote(a))
		}
	}
	return rest, nil
}

func (r *Relation) parseProfiles(s string) (rest string, err error) {
	inside, rest, err := bracketed(s, '>')
	if err != nil {
		return "", err
	}
	list := strings.Fields(inside)
	if len(list) == 0 {
		return "", errors.New("empty build profile list")
	}
	for _, p := range list {
		name := strings.TrimPrefix(p, "!")
		if name == "" || !alphanumeric(name[0]) || !only(name, ".+-_") {
			return "", fmt.Errorf("invalid build profile %s", quote(p))
		}
	}
	r.Profiles = append(r.Profiles, list)
	return rest, nil
}

// bracketed splits s after the closing byte that ends its first bracket.
func bracketed(s string, closing byte) (inside, rest string, err error) {
	i := strings.IndexByte(s, closing)
	if i < 0 {
		return "", "", fmt.Errorf("missing %q", closing)
	}
	return strings.Trim(s[1:i], space), strings.TrimLeft(s[i+1:], space), nil
}

// validRelationName is laxer than ValidPackageName, as dpkg is in relations: capitals and single
// letters pass.
func validRelationName(s string) bool {
	return s != "" && len(s) <= maxPackage && alphanumeric(s[0]) && only(s, "+.-")
}
