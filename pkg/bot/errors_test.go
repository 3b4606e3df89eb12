package bot

import (
	"errors"
	"fmt"
	"testing"
)

// ownHint is an error of a package that does not know this one.
type ownHint struct {
	hint string
	err  error
}

func (e ownHint) Error() string { return "own" }
func (e ownHint) Hint() string  { return e.hint }
func (e ownHint) Unwrap() error { return e.err }

// TestHintOf wants the hint of who is nearest to the trouble.
func TestHintOf(t *testing.T) {
	plain := errors.New("x")
	for _, test := range []struct {
		name string
		err  error
		want string
	}{
		{"nil", nil, ""},
		{"none", plain, ""},
		{"hint of nothing", Hint(nil, "a"), ""},
		{"one", Hint(plain, "a"), "a"},
		{"empty", Hint(plain, ""), ""},
		{"inner wins", Hint(fmt.Errorf("y: %w", Hint(plain, "exact")), "general"), "exact"},
		{"inner of another package wins", Hint(fmt.Errorf("y: %w", ownHint{"exact", nil}), "general"), "exact"},
		{"replaced", Hint(Hint(plain, "a"), "b"), "b"},
		{"not replaced by nothing", Hint(Hint(plain, "a"), ""), "a"},
		{"empty inner", Hint(ownHint{"", plain}, "general"), "general"},
		{"past an empty one", ownHint{"", Hint(plain, "exact")}, "exact"},
		{"joined", errors.Join(plain, ownHint{"", plain}, Hint(plain, "b")), "b"},
		{"usage", Usage("x", "a"), "a"},
		{"usage within", Hint(Usage("x", ""), "a"), "a"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := HintOf(test.err); got != test.want {
				t.Errorf("hint %q, want %q", got, test.want)
			}
		})
	}
}
