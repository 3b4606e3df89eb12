package describe

import (
	"bytes"
	"encoding/xml"
	"fmt"

	"foundry/pkg/trust"
)

// debsigKeyring is the name of a keyring in the folder of its key, below /usr/share/debsig/keyrings.
const debsigKeyring = "debsig.gpg"

// policy lets debsig-verify(1) believe packages that one key signs.
type policy struct {
	id      string // key id that signatures bear; names the folders
	policy  []byte
	keyring []byte
}

// policies are those of all package keys, each under every id that its signatures may bear. Those of subkeys
// are for debsig-verify of Debian 13 (0.33): that of Debian 12 (0.28) believes signatures of primary keys only.
func (d *Describer) policies(ring *trust.Keyring) (all []policy) {
	if ring == nil {
		return nil
	}
	for _, print := range ring.Fingerprints() {
		keyring, err := ring.Only(print).Binary()
		if err != nil {
			continue // not a key that could be written, so not one that could sign
		}
		for _, id := range ring.SigningIDs(print) {
			all = append(all, policy{id, d.policy(id), keyring})
		}
	}
	return all
}

// policy writes the policy of one key (policy-syntax.txt of debsig-verify).
func (d *Describer) policy(id string) []byte {
	required := fmt.Sprintf(`<Required Type="origin" File="%s" id="%s"/>`, debsigKeyring, id)
	var out bytes.Buffer
	fmt.Fprintf(&out, `<?xml version="1.0"?>
<!DOCTYPE Policy SYSTEM "https://www.debian.org/debsig/1.0/policy.dtd">
<Policy xmlns="https://www.debian.org/debsig/1.0/">
  <Origin Name="%s" id="%s" Description="Packages of the repository %s"/>
  <Selection>
    %s
  </Selection>
  <Verification MinOptional="0">
    %s
  </Verification>
</Policy>
`, escaped(d.title()), id, escaped(d.opts.Archive), required, required)
	return out.Bytes()
}

// title is what the repository calls itself.
func (d *Describer) title() string {
	for _, s := range d.opts.Suites {
		if s.Origin != "" {
			return s.Origin
		}
	}
	return d.opts.Archive
}

func escaped(s string) string {
	var out bytes.Buffer
	_ = xml.EscapeText(&out, []byte(s)) // a bytes.Buffer takes all
	return out.String()
}
