package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
)

// printTable writes what was found as a table in Markdown.
func printTable(w io.Writer, results []result) {
	if len(results) == 0 {
		return
	}
	fmt.Fprintf(w, "| package | why it is hard | binaries | the same to the byte | result | foundry s | sbuild s |\n|---|---|--:|--:|---|--:|--:|\n")
	for _, r := range results {
		verdict := "same"
		if n := len(r.differences); n > 0 {
			verdict = fmt.Sprintf("**%d differences**", n)
		}
		fmt.Fprintf(w, "| %s | %s | %d | %d | %s | %.1f | %.1f |\n", strings.TrimSpace(r.name+" "+r.version), r.why,
			len(r.binaries), r.identical, verdict, r.foundry.Seconds(), r.sbuild.Seconds())
	}
}

// writeTable writes the table and every difference into a file.
func writeTable(path string, results []result) error {
	var text bytes.Buffer
	printTable(&text, results)
	for _, r := range results {
		for _, d := range r.differences {
			fmt.Fprintf(&text, "\n- %s: %s\n", r.name, d)
		}
	}
	if err := os.WriteFile(path, text.Bytes(), 0o644); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	return nil
}

// different counts the packages that are not the same on both sides.
func different(results []result) (n int) {
	for _, r := range results {
		if len(r.differences) > 0 {
			n++
		}
	}
	return n
}
