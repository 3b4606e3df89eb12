package environment

import "testing"

func TestParseBytes(t *testing.T) {
	for text, want := range map[string]int64{"": 0, "0": 0, "7": 7, "1K": 1 << 10, "512M": 512 << 20, "8G": 8 << 30, "8GB": 8 << 30, "8GiB": 8 << 30, "2T": 2 << 40} {
		if got, err := ParseBytes(text); got != want || err != nil {
			t.Errorf("ParseBytes(%q) = %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"-1", "1.5G", "G", "8g", "8 G", "8X", "99999999T", "99999999999999999999"} {
		if got, err := ParseBytes(text); err == nil {
			t.Errorf("ParseBytes(%q) = %d, want an error", text, got)
		}
	}
}

func TestParseImageLimit(t *testing.T) {
	for text, want := range map[string]int64{"": 0, "0": -1, "0G": -1, "2G": 2 << 30, "50G": 50 << 30} {
		if got, err := ParseImageLimit(text); got != want || err != nil {
			t.Errorf("ParseImageLimit(%q) = %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"1", "1G", "1023M", "-2G", "20%", "many"} {
		if got, err := ParseImageLimit(text); err == nil {
			t.Errorf("ParseImageLimit(%q) = %d, want an error", text, got)
		}
	}
}
