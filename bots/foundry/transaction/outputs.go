package transaction

import "foundry/pkg/message"

// An Output is one of a build for an architecture.
type Output struct {
	Architecture string `json:"architecture"`
	message.Output
}

// Outputs lists those of all builds, also of failed ones, or of those for one architecture.
func (t *Transaction) Outputs(arch string) (all []Output) {
	for _, e := range t.Entries {
		architecture, outputs := outputsOf(e.Body)
		for _, o := range outputs {
			if arch == "" || arch == architecture {
				all = append(all, Output{architecture, o})
			}
		}
	}
	return all
}

// outputsOf are the outputs that a message brings in, and the architecture they were built for.
func outputsOf(body message.Body) (arch string, outputs []message.Output) {
	switch b := body.(type) {
	case *message.Build:
		return b.Architecture, b.Outputs
	case *message.Failure:
		return b.Architecture, b.Outputs
	}
	return "", nil
}
