package main

import (
	"strings"
	"testing"
	"time"

	"foundry/scripts/bench/repository"
)

func TestMedian(t *testing.T) {
	for _, tt := range []struct {
		in   samples
		want time.Duration
	}{
		{nil, 0},
		{samples{3}, 3},
		{samples{4, 2}, 3},
		{samples{9, 1, 5}, 5},
		{samples{9, 1, 5, 7}, 6},
	} {
		if got := tt.in.median(); got != tt.want {
			t.Errorf("median of %v = %d, want %d", []time.Duration(tt.in), got, tt.want)
		}
	}
}

func TestParseHop(t *testing.T) {
	const out = "goos: linux\nBenchmarkHop-2 \t 2000\t 402000 ns/op\t 0.350 p50-ms\t 1200 p99-µs\nPASS\n"
	got, err := parseHop(out)
	if err != nil {
		t.Fatal(err)
	}
	if want := (hop{350 * time.Microsecond, 1200 * time.Microsecond}); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	for _, bad := range []string{"", "PASS\n", "BenchmarkHop-2 1 1 ns/op 0.3 p50-ms\n", "BenchmarkHop-2 1 x p50-ms 1 p99-ms\n", "BenchmarkHop-2 1 1 p50-years 1 p99-ms\n"} {
		if got, err := parseHop(bad); err == nil {
			t.Errorf("parseHop(%q) = %v, want an error", bad, got)
		}
	}
}

func TestTable(t *testing.T) {
	s := func(seconds ...float64) (out samples) {
		for _, n := range seconds {
			out.add(time.Duration(n * float64(time.Second)))
		}
		return out
	}
	for _, tt := range []struct {
		name string
		in   results
		want []string
	}{
		{"all met", results{
			hop: hop{500 * time.Microsecond, time.Millisecond}, foundryWarm: s(4, 5, 6), plain: s(4, 4, 4), sbuildWarm: s(20, 20, 30),
			foundryCold: s(60), sbuildCold: s(120),
		}, []string{"dpkg-buildpackage: +1.0 s", "+1.5 s           met", "0.50             met", "1.000 ms         met", "5.0 s (4.0 to 6.0)", "0.50                   0.25"}},
		{"none met", results{
			hop: hop{2 * time.Millisecond, 3 * time.Millisecond}, foundryWarm: s(20), plain: s(4), sbuildWarm: s(30),
		}, []string{"+1.5 s           NOT MET", "0.50             NOT MET", "1.000 ms         NOT MET"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out := new(strings.Builder)
			tt.in.print(out, time.Now())
			for _, want := range tt.want {
				if !strings.Contains(out.String(), want) {
					t.Errorf("no %q in:\n%s", want, out)
				}
			}
		})
	}
}

func TestTableOfPublishing(t *testing.T) {
	ms := func(list ...int) (out []time.Duration) {
		for _, n := range list {
			out = append(out, time.Duration(n)*time.Millisecond)
		}
		return out
	}
	for _, tt := range []struct {
		name string
		in   repository.Results
		want []string
	}{
		{"all met", repository.Results{
			Distbot:  repository.Side{Bulk: 20 * time.Second, Quarters: ms(2, 2, 2, 2), One: ms(50, 40, 60), OneLarge: ms(100)},
			Reprepro: repository.Side{Bulk: 5 * time.Second, One: ms(500), OneLarge: ms(4000)},
			Aptly:    repository.Side{Bulk: 170 * time.Second, One: ms(1000), Left: "too slow"},
		}, []string{
			"distbot 0.050 s (0.040 to 0.060)", "0.05 - 0.12", "quarters: 2.000 ms 2.000 ms",
			"one more into 100000: too slow", "10000: 0.050 s 0.150 s met", "over the first: 1.00 1.30 met", "over aptly, one more: 0.05",
		}},
		{"none met", repository.Results{
			Distbot:  repository.Side{Bulk: 40 * time.Second, Quarters: ms(2, 2, 2, 4), One: ms(600), OneLarge: ms(700)},
			Reprepro: repository.Side{Bulk: 5 * time.Second, One: ms(500), OneLarge: ms(4000)},
			Aptly:    repository.Side{Bulk: 170 * time.Second, One: ms(400)},
		}, []string{
			"0.150 s NOT MET", "0.500 s NOT MET", "30.0 s NOT MET", "over the first: 2.00 1.30 NOT MET",
			"over reprepro, one more: 1.20 1.00 NOT MET", "over aptly, one more: 1.50 1.00 NOT MET",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out := new(strings.Builder)
			r := results{publishing: publishing{tt.in}}
			r.print(out, time.Now())
			for _, want := range tt.want {
				if !strings.Contains(strings.Join(strings.Fields(out.String()), " "), want) {
					t.Errorf("no %q in:\n%s", want, out)
				}
			}
		})
	}
}
