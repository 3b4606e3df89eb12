package message

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The most characters that the schemas allow in text that people see.
const (
	maxName = 256  // of a person
	maxText = 1024 // reasons, hints, subjects of commits
	maxTail = 512  // a line of a log
	maxRows = 40   // lines of a log
)

// Line makes foreign text fit for a field that people see: valid UTF-8 in one line of at most limit
// characters, without anything that would steer a terminal or reorder text. White space becomes
// spaces, tabs stay.
func Line(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return r
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	s = strings.TrimSpace(s)
	if utf8.RuneCountInString(s) <= limit {
		return s
	}
	return string([]rune(s)[:limit-1]) + "…"
}

// tidied returns body with its foreign text made fit by Line, so that no commit subject or
// compiler's color codes keep a message from being said.
func tidied(body Body) Body {
	switch b := body.(type) {
	case *Commit:
		c := *b
		c.Author, c.Subject = Line(c.Author, maxName), Line(c.Subject, maxText)
		return &c
	case *Source:
		c := *b
		c.Committer = Line(c.Committer, maxName)
		return &c
	case *Provision:
		c := *b
		c.Reason = Line(c.Reason, maxText)
		return &c
	case *Failure:
		c := *b
		c.Reason, c.Hint = Line(c.Reason, maxText), Line(c.Hint, maxText)
		c.Tail = slices.Clone(c.Tail[max(0, len(c.Tail)-maxRows):])
		for i, line := range c.Tail {
			c.Tail[i] = Line(line, maxTail)
		}
		return &c
	case *Reject:
		c := *b
		c.Subject, c.Reason = Line(c.Subject, maxName), Line(c.Reason, maxText)
		return &c
	}
	return body
}
