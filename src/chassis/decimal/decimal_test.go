package decimal_test

import (
	"encoding/json"
	"math"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"tandem/src/chassis/decimal"
)

func TestParse(t *testing.T) {
	tests := []struct {
		literal string
		scale   int
		want    int64
		err     error
	}{
		{"899.99", 2, 89999, nil},
		{"0.1", 2, 10, nil},
		{"-0.01", 2, -1, nil},
		{"100.000000", 2, 10000, nil},
		{"1e2", 0, 100, nil},
		{"12.5E1", 0, 125, nil},
		{"2.0", 0, 2, nil},
		{"1200e-2", 2, 1200, nil},
		{"0e999999999999", 2, 0, nil},
		{"-0", 2, 0, nil},
		{"0.001", 2, 0, decimal.ErrFraction},
		{"1.5", 0, 0, decimal.ErrFraction},
		{"1e-999999999999", 2, 0, decimal.ErrFraction},
		{"1e999999999999", 2, 0, decimal.ErrRange},
		{"99999999999999999999999", 2, 0, decimal.ErrRange},
		{"9223372036854775807", 0, math.MaxInt64, nil},
		{"-9223372036854775808", 0, math.MinInt64, nil},
		{"9223372036854775808", 0, 0, decimal.ErrRange},
		{"-9223372036854775809", 0, 0, decimal.ErrRange},
		{"1e18", 0, 1e18, nil},
		{"92233720368547758.07", 2, math.MaxInt64, nil},
		{"", 2, 0, decimal.ErrSyntax},
		{"1.", 2, 0, decimal.ErrSyntax},
		{".5", 2, 0, decimal.ErrSyntax},
		{"01", 2, 0, decimal.ErrSyntax},
		{"+1", 2, 0, decimal.ErrSyntax},
		{"1e", 2, 0, decimal.ErrSyntax},
		{"1e+-1", 2, 0, decimal.ErrSyntax},
		{"0x10", 2, 0, decimal.ErrSyntax},
		{`"1"`, 2, 0, decimal.ErrSyntax},
		{"NaN", 2, 0, decimal.ErrSyntax},
	}
	for _, tt := range tests {
		got, err := decimal.Parse(tt.literal, tt.scale)
		require.ErrorIs(t, err, tt.err, tt.literal)
		require.Equal(t, tt.want, got, tt.literal)
	}
}

func TestCentsRoundTripJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := decimal.Cents(rapid.Int64Range(-1e17, 1e17).Draw(t, "cents"))
		text, err := json.Marshal(want)
		require.NoError(t, err)
		var got decimal.Cents
		require.NoError(t, json.Unmarshal(text, &got))
		require.Equal(t, want, got)
	})
}

func TestParseMatchesBigRat(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		literal := rapid.StringMatching(`-?(0|[1-9][0-9]{0,8})(\.[0-9]{1,5})?([eE][+-]?[0-9])?`).Draw(t, "literal")
		exact, ok := new(big.Rat).SetString(literal)
		require.True(t, ok)
		exact.Mul(exact, big.NewRat(100, 1))
		got, err := decimal.Parse(literal, 2)
		if !exact.IsInt() {
			require.ErrorIs(t, err, decimal.ErrFraction)
			return
		}
		if !exact.Num().IsInt64() {
			require.ErrorIs(t, err, decimal.ErrRange)
			return
		}
		require.NoError(t, err)
		require.Equal(t, exact.Num().String(), big.NewInt(got).String())
	})
}

func TestCentsAverage(t *testing.T) {
	require.Equal(t, decimal.Cents(46667), decimal.Cents(140000).Average(3))
	require.Equal(t, decimal.Cents(3), decimal.Cents(5).Average(2))
	require.Equal(t, decimal.Cents(0), decimal.Cents(0).Average(0))
}

func TestCentsString(t *testing.T) {
	require.Equal(t, "466.67", decimal.Cents(46667).String())
	require.Equal(t, "-0.05", decimal.Cents(-5).String())
}

func FuzzParseCents(f *testing.F) {
	for _, seed := range []string{"1", "-0.01", "1e9", "1e-9", "00", "9.999"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, literal string) {
		cents, err := decimal.ParseCents(literal)
		if err != nil {
			return
		}
		again, err := decimal.ParseCents(cents.String())
		require.NoError(t, err)
		require.Equal(t, cents, again)
	})
}
