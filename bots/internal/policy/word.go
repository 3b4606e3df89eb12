package policy

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"foundry/pkg/bot"
	"foundry/pkg/debian"
)

// MaxWords is how many build profiles a package may be built with, and how many words of DEB_BUILD_OPTIONS.
const MaxWords = 32

var (
	profileWord     = regexp.MustCompile(`^[a-z0-9][a-z0-9.+-]{0,63}$`)
	optionWord      = regexp.MustCompile(`^[a-z0-9][A-Za-z0-9_.,=+/-]{0,127}$`)
	fingerprintWord = regexp.MustCompile(`^(?:[0-9A-F]{40}|[0-9A-F]{64})$`)
	keyIDWord       = regexp.MustCompile(`^(?:0X)?(?:[0-9A-F]{8}|[0-9A-F]{16})$`)
	emailWord       = regexp.MustCompile(`^[^\s@<>",;:()\x00-\x20]{1,64}@[a-z0-9.-]{1,190}$`)
)

// Profile checks the name of a build profile, and returns it.
func Profile(word string) (string, error) {
	if !profileWord.MatchString(word) {
		return "", bot.Hint(fmt.Errorf("%q is not a build profile", cut(word)), "write the name alone, such as nocheck")
	}
	return word, nil
}

// Option checks a word of DEB_BUILD_OPTIONS, and returns it.
func Option(word string) (string, error) {
	if !optionWord.MatchString(word) {
		return "", bot.Hint(fmt.Errorf("%q is not one word of DEB_BUILD_OPTIONS", cut(word)), "write one word, such as nocheck")
	}
	return word, nil
}

// option is Option but for what the operator's machines decide.
func option(word string) (string, error) {
	if strings.HasPrefix(word, "parallel=") {
		return "", bot.Hint(fmt.Errorf("%q: the buildbot says how many commands may run at a time", cut(word)), "leave it out; debian/rules may pass --no-parallel")
	}
	return Option(word)
}

func architecture(word string) (string, error) {
	if word == string(debian.All) {
		return "", bot.Hint(errors.New(`"all" is no architecture of a machine`), "name machines; packages for all are built on one of them")
	}
	known := debian.Architectures()
	if !slices.ContainsFunc(known, func(a debian.Architecture) bool { return a.Is(debian.Architecture(word)) }) {
		names := make([]string, len(known))
		for i, a := range known {
			names[i] = string(a)
		}
		return "", bot.Hint(fmt.Errorf("%q is neither an architecture nor a wildcard", cut(word)), bot.Nearest(cut(word), names))
	}
	return word, nil
}

// committer brings a fingerprint or an e-mail address to one form.
func committer(word string) (string, error) {
	print := strings.ToUpper(strings.ReplaceAll(word, " ", ""))
	email := strings.ToLower(word)
	switch {
	case fingerprintWord.MatchString(print):
		return print, nil
	case keyIDWord.MatchString(print):
		return "", bot.Hint(fmt.Errorf("%q is a key id, which others can have too", cut(word)), "write the whole fingerprint: gpg --fingerprint")
	case emailWord.MatchString(email):
		return email, nil
	}
	return "", bot.Hint(fmt.Errorf("%q is neither a fingerprint nor an e-mail address", cut(word)), "write an address alone, without name and brackets, or what gpg --fingerprint shows")
}

// output checks one entry of outputs: a sign, and a glob of paths in the source tree whose parts are as
// path.Match has them, or "**".
func output(word string) (string, error) {
	if word == "" || !strings.Contains("=%!", word[:1]) {
		return "", bot.Hint(fmt.Errorf("none of the signs = %% ! stands before %q", cut(word)), `write "=GLOB" for files that a rebuild may not change, "%GLOB" for those that it may, "!GLOB" to leave some out`)
	}
	parts := strings.Split(word[1:], "/")
	bad := func(part string) bool { _, err := path.Match(part, ""); return err != nil }
	switch {
	case len(word) == 1 || slices.ContainsFunc(parts, bad):
		return "", bot.Hint(fmt.Errorf("%q has no pattern of file names", cut(word)), "write a path in the source tree, with * and ? where it may vary, and ** for any folders")
	case path.IsAbs(word[1:]) || slices.Contains(parts, ".."):
		return "", bot.Hint(fmt.Errorf("%q leads out of the source tree", cut(word)), "write a path in the source tree")
	case len(word) > 256 || strings.ContainsFunc(word, func(r rune) bool { return !unicode.IsPrint(r) }):
		return "", bot.Hint(fmt.Errorf("%q is too long or has characters that do not print", cut(word)), "write ? for them")
	}
	return word, nil
}

// flag sets a truth value.
func flag(to *bool) func(any) error {
	return func(value any) error {
		b, ok := value.(bool)
		if !ok {
			return bot.Hint(fmt.Errorf("is %s, not true or false", kind(value)), "write true or false, without quotes")
		}
		*to = b
		return nil
	}
}

// texts reads a list of texts of the given length.
func texts(least, most int, set func([]string) error) func(any) error {
	return func(value any) error {
		const hint = `write a list of texts: ["one", "two"]`
		list, ok := value.([]any)
		if !ok {
			return bot.Hint(fmt.Errorf("is %s, not a list", kind(value)), hint)
		}
		words := make([]string, len(list))
		for i, v := range list {
			if words[i], ok = v.(string); !ok {
				return bot.Hint(fmt.Errorf("number %d of the list is %s, not text", i+1, kind(v)), hint)
			}
		}
		switch {
		case len(words) < least:
			return bot.Hint(errors.New("the list is empty"), "leave the key out, or write enable = false to have nothing built")
		case len(words) > most:
			return bot.Hint(fmt.Errorf("the list has %d entries, more than %d", len(words), most), "shorten it")
		}
		return set(words)
	}
}

// each checks the entries of a list one by one, and sets the list without repetitions.
func each(to *[]string, check func(string) (string, error)) func([]string) error {
	return func(words []string) error {
		for _, w := range words {
			word, err := check(w)
			if err != nil {
				return err
			}
			if !slices.Contains(*to, word) {
				*to = append(*to, word)
			}
		}
		return nil
	}
}

// kind names the type of a TOML value.
func kind(value any) string {
	switch value.(type) {
	case bool:
		return "true or false"
	case string:
		return "text"
	case int64, float64:
		return "a number"
	case []any:
		return "a list"
	case map[string]any, []map[string]any:
		return "a table"
	}
	return "a date"
}

// cut shortens foreign text for a message.
func cut(s string) string {
	if r := []rune(s); len(r) > 60 {
		return string(r[:60]) + "…"
	}
	return s
}
