package debian

// SatisfiedBy tells whether a package of version v satisfies the version that r asks for, if it asks
// for one (Debian policy 7.1).
func (r Relation) SatisfiedBy(v Version) bool {
	if r.Operator == "" {
		return true
	}
	want, err := ParseVersion(r.Version)
	if err != nil {
		return false
	}
	order := v.Compare(want)
	switch r.Operator {
	case "<<":
		return order < 0
	case "<=":
		return order <= 0
	case "=":
		return order == 0
	case ">=":
		return order >= 0
	}
	return order > 0
}
