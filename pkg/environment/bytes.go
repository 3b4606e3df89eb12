package environment

import (
	"errors"
	"math"
	"regexp"
	"strconv"
	"strings"
)

var bytesPattern = regexp.MustCompile(`^([0-9]+)(?:([KMGT])(?:i?B)?)?$`)

// ParseBytes reads a size such as "512M" or "8G", in powers of 1024; an empty one is 0.
func ParseBytes(s string) (int64, error) {
	if s == "" {
		return 0, nil
	}
	m := bytesPattern.FindStringSubmatch(s)
	if m == nil {
		return 0, errors.New("not a size")
	}
	unit := int64(1)
	if m[2] != "" {
		unit = 1 << (10 * (1 + strings.Index("KMGT", m[2])))
	}
	n, err := strconv.ParseInt(m[1], 10, 64)
	if err != nil || n > math.MaxInt64/unit {
		return 0, errors.New("not a size")
	}
	return n * unit, nil
}

// leastImages is the smallest limit for images: a base system and a few environments.
const leastImages = 2 << 30

// ParseImageLimit reads the size that the images of a host may have: 0 for an empty one, which
// stands for a share of the disk, negative for "0", which stands for no limit.
func ParseImageLimit(s string) (int64, error) {
	n, err := ParseBytes(s)
	switch {
	case err != nil || s == "":
		return 0, err
	case n == 0:
		return -1, nil
	case n < leastImages:
		return 0, errors.New("less than 2G is not enough for a base system and an environment")
	}
	return n, nil
}
