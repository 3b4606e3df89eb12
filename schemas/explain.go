package schemas

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// check validates value, which stands at the given place in the message.
func check(schema *jsonschema.Schema, value any, at string) error {
	err := schema.Validate(value)
	var invalid *jsonschema.ValidationError
	if !errors.As(err, &invalid) {
		return err
	}
	leaf := deepest(invalid)
	where := leaf.InstanceLocation
	if at != "" {
		where = append([]string{at}, where...)
	}
	return &fault{strings.Join(where, "."), explain(leaf.ErrorKind)}
}

// deepest follows the causes of err to one that says what is wrong; of several it takes the
// first by place, so that the same message always gets the same reason.
func deepest(err *jsonschema.ValidationError) *jsonschema.ValidationError {
	for len(err.Causes) > 0 {
		if _, ok := err.ErrorKind.(*kind.AnyOf); ok {
			return err
		}
		err = slices.MinFunc(err.Causes, func(a, b *jsonschema.ValidationError) int {
			return strings.Compare(order(a), order(b))
		})
	}
	return err
}

func order(err *jsonschema.ValidationError) string {
	return strings.Join(err.InstanceLocation, "\x00") + "\x01" + strings.Join(err.ErrorKind.KeywordPath(), "\x00")
}

// explain says what is wrong without quoting the value, which is foreign.
func explain(k jsonschema.ErrorKind) string {
	switch k := k.(type) {
	case *kind.Required:
		return "missing " + strings.Join(sorted(k.Missing), ", ")
	case *kind.AdditionalProperties:
		return "unknown field " + strings.Join(sorted(k.Properties), ", ")
	case *kind.Type:
		return fmt.Sprintf("is %s instead of %s", k.Got, strings.Join(k.Want, " or "))
	case *kind.Enum:
		return fmt.Sprintf("is not one of %v", k.Want)
	case *kind.Const:
		return fmt.Sprintf("is not %v", k.Want)
	case *kind.Pattern:
		return "has a form or characters that are not allowed"
	case *kind.Format:
		return "is not a valid " + k.Want
	case *kind.MinLength:
		return fmt.Sprintf("is shorter than %d characters", k.Want)
	case *kind.MaxLength:
		return fmt.Sprintf("has %d characters, more than %d", k.Got, k.Want)
	case *kind.MinItems:
		return fmt.Sprintf("has %d items, fewer than %d", k.Got, k.Want)
	case *kind.MaxItems:
		return fmt.Sprintf("has %d items, more than %d", k.Got, k.Want)
	case *kind.Minimum:
		return "is less than " + k.Want.RatString()
	case *kind.Maximum:
		return "is more than " + k.Want.RatString()
	}
	return "is not allowed"
}

func sorted(names []string) []string { return slices.Sorted(slices.Values(names)) }
