package schemas_test

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"foundry/pkg/message"
	"foundry/schemas"
)

// TestStructsAndSchemasAgree checks that every field of a message has its place in the schema and the
// other way round, that what may be left out is the same, and that kinds agree.
func TestStructsAndSchemasAgree(t *testing.T) {
	definitions := load(t, "definitions")
	agree(t, definitions, "envelope", reflect.TypeFor[message.Message](), load(t, "envelope"))
	for _, typ := range message.Types() {
		m := message.Message{Type: typ, Data: []byte("{}")}
		body, err := m.Body()
		if err != nil {
			t.Fatal(err)
		}
		agree(t, definitions, string(typ), reflect.TypeOf(body).Elem(), load(t, string(typ)))
	}
}

func agree(t *testing.T, definitions map[string]any, at string, typ reflect.Type, schema map[string]any) {
	t.Helper()
	schema = resolve(t, definitions, schema)
	if typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	if want, got := kindOf(typ), kinds(schema); want != "" && !slices.Contains(got, want) {
		t.Errorf("%s: the struct has a %s, the schema %v", at, want, got)
	}
	switch {
	case typ.Kind() == reflect.Slice && typ != reflect.TypeFor[json.RawMessage]():
		items, _ := schema["items"].(map[string]any)
		agree(t, definitions, at+".0", typ.Elem(), items)
	case typ.Kind() == reflect.Struct && typ != reflect.TypeFor[time.Time]():
		fields := make(map[string]reflect.StructField)
		collect(typ, fields)
		properties, _ := schema["properties"].(map[string]any)
		if diff := cmp.Diff(sortedKeys(fields), sortedKeys(properties)); diff != "" {
			t.Errorf("%s: fields of the struct (-) and the schema (+):\n%s", at, diff)
			return
		}
		if diff := cmp.Diff(always(fields), required(schema)); diff != "" {
			t.Errorf("%s: fields that the struct always writes (-) and the schema requires (+):\n%s", at, diff)
		}
		for name, field := range fields {
			property, _ := properties[name].(map[string]any)
			agree(t, definitions, at+"."+name, field.Type, property)
		}
	}
}

// collect gathers the fields of a struct and of those embedded in it by their names in JSON.
func collect(typ reflect.Type, fields map[string]reflect.StructField) {
	for i := range typ.NumField() {
		field := typ.Field(i)
		if field.Anonymous {
			collect(field.Type, fields)
			continue
		}
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		fields[name] = field
	}
}

func always(fields map[string]reflect.StructField) []string {
	var names []string
	for name, field := range fields {
		if !strings.Contains(field.Tag.Get("json"), ",omitempty") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func required(schema map[string]any) []string {
	list, _ := schema["required"].([]any)
	var names []string
	for _, name := range list {
		names = append(names, name.(string))
	}
	slices.Sort(names)
	return names
}

// resolve follows a reference, and takes what a value is when it is not empty.
func resolve(t *testing.T, definitions, schema map[string]any) map[string]any {
	t.Helper()
	if forms, ok := schema["anyOf"].([]any); ok {
		return resolve(t, definitions, forms[len(forms)-1].(map[string]any))
	}
	ref, ok := schema["$ref"].(string)
	if !ok {
		return schema
	}
	name := ref[strings.LastIndexByte(ref, '/')+1:]
	target, ok := definitions["$defs"].(map[string]any)[name].(map[string]any)
	if !ok {
		t.Fatalf("no definition of %s", ref)
	}
	return resolve(t, definitions, target)
}

func kinds(schema map[string]any) []string {
	switch typ := schema["type"].(type) {
	case string:
		return []string{typ}
	case []any:
		var all []string
		for _, one := range typ {
			all = append(all, one.(string))
		}
		return all
	}
	if _, ok := schema["enum"]; ok {
		return []string{"string"}
	}
	return []string{"integer"} // the version, a constant
}

func kindOf(typ reflect.Type) string {
	switch typ {
	case reflect.TypeFor[time.Time]():
		return "string"
	case reflect.TypeFor[json.RawMessage]():
		return "object"
	}
	switch typ.Kind() {
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "boolean"
	case reflect.Int, reflect.Int64, reflect.Uint64:
		return "integer"
	case reflect.Float64:
		return "number"
	case reflect.Slice:
		return "array"
	case reflect.Struct:
		return "object"
	}
	return typ.String()
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// TestEachTypeHasItsTopic says a message of each type on every topic.
func TestEachTypeHasItsTopic(t *testing.T) {
	for _, typ := range message.Types() {
		var m message.Message
		if err := json.Unmarshal(example(t, typ), &m); err != nil {
			t.Fatal(err)
		}
		own := m.Topic
		for _, topic := range append(message.Topics(), message.ControlTopic) {
			m.Topic = topic
			payload, err := m.Encode()
			if err != nil {
				t.Fatal(err)
			}
			if err := schemas.Validate(payload); (err == nil) != (topic == own) {
				t.Errorf("%s on %s: %v", typ, topic, err)
			}
		}
	}
}

// TestEnumsAgree checks the lists of types, topics and constants.
func TestEnumsAgree(t *testing.T) {
	enum := func(name, property string) []string {
		schema, _ := load(t, name)["properties"].(map[string]any)[property].(map[string]any)
		var values []string
		for _, value := range schema["enum"].([]any) {
			values = append(values, value.(string))
		}
		slices.Sort(values)
		return values
	}
	var types, topics []string
	for _, typ := range message.Types() {
		types = append(types, string(typ))
	}
	for _, topic := range append(message.Topics(), message.ControlTopic) {
		topics = append(topics, string(topic))
	}
	for name, tt := range map[string]struct{ want, got []string }{
		"types":    {types, enum("envelope", "type")},
		"topics":   {topics, enum("envelope", "topic")},
		"outcomes": {[]string{message.Ready, message.Skipped, message.Waiting}, enum("provision", "outcome")},
		"classes":  {[]string{message.ClassPackage, message.ClassPolicy, message.ClassInfrastructure}, enum("failure", "class")},
		"actions":  {[]string{message.ActionStop}, enum("control", "action")},
	} {
		slices.Sort(tt.want)
		if diff := cmp.Diff(tt.want, tt.got); diff != "" {
			t.Errorf("%s in Go (-) and in the schema (+):\n%s", name, diff)
		}
	}
}
