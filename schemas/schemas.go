// Package schemas holds the JSON schemas (2020-12) of messages: envelope.json for what all of them
// share, one file for the data of each type, and definitions.json for what those share. A message is
// checked when it is sent and when it is received.
//
// The schemas are strict: unknown fields, unbounded strings and lists, and characters that would
// alter a terminal are refused. examples has messages of each type that pass and that do not.
package schemas

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

//go:embed *.json
var files embed.FS

// base is where the compiler believes the files to be; nothing is ever fetched.
const base = "foundry:///schemas/"

const (
	envelopeName    = "envelope"
	definitionsName = "definitions"
)

// compiled returns the schema of the envelope and of each type by name.
var compiled = sync.OnceValues(compile)

func compile() (map[string]*jsonschema.Schema, error) {
	names, err := fs.Glob(files, "*.json")
	if err != nil {
		return nil, fmt.Errorf("list schemas: %w", err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	compiler.AssertFormat()
	compiler.UseLoader(jsonschema.SchemeURLLoader{})
	for _, name := range names {
		data, err := files.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read schema %s: %w", name, err)
		}
		document, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
		if err != nil {
			return nil, fmt.Errorf("read schema %s: %w", name, err)
		}
		if err := compiler.AddResource(base+name, document); err != nil {
			return nil, fmt.Errorf("read schema %s: %w", name, err)
		}
	}
	schemas := make(map[string]*jsonschema.Schema, len(names))
	for _, name := range names {
		schema, err := compiler.Compile(base + name)
		if err != nil {
			return nil, fmt.Errorf("compile schema %s: %w", name, err)
		}
		schemas[strings.TrimSuffix(name, path.Ext(name))] = schema
	}
	return schemas, nil
}

// Validate checks the bytes of a message: that they are one JSON value which no two readers could
// understand differently, the envelope, and the data by the type that the envelope names. The
// error is one line that names the field and never quotes what was in it. It may be called
// concurrently.
func Validate(payload []byte) error {
	schemas, err := compiled()
	if err != nil {
		return err
	}
	value, err := decode(payload)
	if err != nil {
		return err
	}
	if err := check(schemas[envelopeName], value, ""); err != nil {
		return err
	}
	envelope, ok := value.(map[string]any)
	if !ok {
		return errors.New("not an object")
	}
	name, _ := envelope["type"].(string)
	schema := schemas[name]
	if schema == nil || name == envelopeName || name == definitionsName {
		return errors.New("type: unknown")
	}
	return check(schema, envelope["data"], "data")
}

// Schema returns the schema of a type, or "envelope" or "definitions", as JSON.
func Schema(name string) (json.RawMessage, error) {
	data, err := files.ReadFile(name + ".json")
	if err != nil {
		return nil, fmt.Errorf("read schema %s: %w", name, err)
	}
	return data, nil
}
