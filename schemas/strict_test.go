package schemas_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"foundry/pkg/message"
	"foundry/schemas"
)

// TestSchemasAreStrict alters every field of every kind of message in ways that none may be.
func TestSchemasAreStrict(t *testing.T) {
	for _, typ := range message.Types() {
		t.Run(string(typ), func(t *testing.T) {
			var root any
			if err := json.Unmarshal(example(t, typ), &root); err != nil {
				t.Fatal(err)
			}
			check := func(what string) {
				payload, err := json.Marshal(root)
				if err != nil {
					t.Fatal(err)
				}
				if schemas.Validate(payload) == nil {
					t.Errorf("%s: believed", what)
				}
			}
			alter(root, "", check)
			payload, err := json.Marshal(root)
			if err != nil {
				t.Fatal(err)
			}
			if err := schemas.Validate(payload); err != nil {
				t.Errorf("the example was not restored: %v", err)
			}
		})
	}
}

// alter puts bad values into each place below node, one at a time, and calls check for each.
func alter(node any, at string, check func(what string)) {
	switch node := node.(type) {
	case map[string]any:
		node["evil"] = 1
		check(at + ": unknown field")
		delete(node, "evil")
		for _, key := range slices.Sorted(maps.Keys(node)) {
			old := node[key]
			for what, bad := range worse(old, at+"."+key) {
				node[key] = bad
				check(at + "." + key + ": " + what)
			}
			node[key] = old
			alter(old, at+"."+key, check)
		}
	case []any:
		for i, old := range node {
			for what, bad := range worse(old, at) {
				node[i] = bad
				check(fmt.Sprintf("%s.%d: %s", at, i, what))
			}
			node[i] = old
			alter(old, fmt.Sprintf("%s.%d", at, i), check)
		}
	}
}

// worse returns values that may not stand in place of old.
func worse(old any, at string) map[string]any {
	switch old := old.(type) {
	case string:
		bad := map[string]any{
			"number": 1, "list": []any{}, "object": map[string]any{}, "null": nil, "long": old + strings.Repeat("x", 70000),
			"escape": old + "\x1b[0m", "NUL": old + "\x00", "delete": old + "\x7f", "C1": old + "\u009b", "bidi": old + "\u202e",
			"carriage return": old + "\r", "newline": old + "\n",
		}
		if strings.Contains(at, ".relations.") {
			delete(bad, "newline") // may span lines
		}
		return bad
	case float64:
		return map[string]any{"string": "1", "negative": -1, "huge": 1e20, "true": true, "null": nil}
	case bool:
		return map[string]any{"string": "true", "number": 1, "null": nil}
	case []any:
		bad := map[string]any{"string": "x", "object": map[string]any{}, "far too long": slices.Repeat(old, 6000)}
		if len(old) == 0 {
			delete(bad, "far too long")
		}
		return bad
	case map[string]any:
		return map[string]any{"string": "x", "list": []any{}, "null": nil}
	}
	return nil
}

// TestEverythingIsBounded reads the schemas themselves: objects are closed, strings, lists and
// numbers have limits.
func TestEverythingIsBounded(t *testing.T) {
	for _, name := range append([]message.Type{"envelope", "definitions"}, message.Types()...) {
		bounded(t, string(name), load(t, string(name)))
	}
}

func load(t testing.TB, name string) map[string]any {
	t.Helper()
	data, err := schemas.Schema(name)
	if err != nil {
		t.Fatal(err)
	}
	var schema map[string]any
	if err := json.Unmarshal(data, &schema); err != nil {
		t.Fatal(err)
	}
	return schema
}

func bounded(t *testing.T, at string, node any) {
	schema, ok := node.(map[string]any)
	if !ok {
		if list, ok := node.([]any); ok {
			for i, item := range list {
				bounded(t, fmt.Sprintf("%s/%d", at, i), item)
			}
		}
		return
	}
	needs := map[string][]string{
		"string": {"maxLength", "pattern"}, "array": {"maxItems", "items"}, "object": {"additionalProperties", "properties"},
		"integer": {"minimum", "maximum"}, "number": {"minimum", "maximum"},
	}
	types := []any{schema["type"]}
	if list, ok := schema["type"].([]any); ok {
		types = list
	}
	for _, typ := range types {
		name, _ := typ.(string)
		for _, keyword := range needs[name] {
			// The envelope leaves two things to other schemas: data to that of the type, context
			// to its two forms.
			if _, ok := schema[keyword]; !ok && at != "envelope/properties/data" && at != "envelope/properties/context" {
				t.Errorf("%s has no %s", at, keyword)
			}
		}
	}
	for key, value := range schema {
		bounded(t, at+"/"+key, value)
	}
}
