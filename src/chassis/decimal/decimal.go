// Package decimal reads numbers from JSON exactly, and holds money as whole
// cents: float64 is wrong in about one of seven products of a price and a
// quantity.
package decimal

import (
	"errors"
	"strconv"
	"strings"
)

// ErrSyntax is returned for text that is not a JSON number.
var ErrSyntax = errors.New("is not a number")

// ErrFraction is returned for a number with more decimals than the scale has.
var ErrFraction = errors.New("has too many decimals")

// ErrRange is returned for a number that 64 bits cannot hold at that scale.
var ErrRange = errors.New("is out of range")

// maxDigits bounds the work on a hostile literal; int64 has 19 digits.
const maxDigits = 18

// Parse reads a JSON number literal (RFC 8259, section 6) as a whole number of
// 10^-scale units: Parse("8.5", 2) is 850. "1e2" and "100.00" are the same
// number. The error is ErrSyntax, ErrFraction or ErrRange.
func Parse(literal string, scale int) (int64, error) {
	digits, exponent, negative, err := split(literal)
	if err != nil {
		return 0, err
	}
	digits = strings.TrimLeft(digits, "0")
	trimmed := strings.TrimRight(digits, "0")
	if trimmed == "" {
		return 0, nil
	}
	zeros := exponent + scale + len(digits) - len(trimmed)
	switch {
	case zeros < 0:
		return 0, ErrFraction
	case len(trimmed)+zeros > maxDigits:
		return 0, ErrRange
	}
	n, err := strconv.ParseInt(trimmed+strings.Repeat("0", zeros), 10, 64)
	if err != nil {
		return 0, ErrSyntax
	}
	if negative {
		n = -n
	}
	return n, nil
}

// split takes a literal apart: all its digits, the power of ten that the last
// of them stands for, and the sign.
func split(literal string) (digits string, exponent int, negative bool, err error) {
	rest, negative := strings.CutPrefix(literal, "-")
	mantissa, power, hasPower := strings.Cut(strings.ToLower(rest), "e")
	whole, fraction, hasPoint := strings.Cut(mantissa, ".")
	if !allDigits(whole) || hasPoint && !allDigits(fraction) || len(whole) > 1 && whole[0] == '0' {
		return "", 0, false, ErrSyntax
	}
	if hasPower {
		if exponent, err = parsePower(power); err != nil {
			return "", 0, false, err
		}
	}
	return whole + fraction, exponent - len(fraction), negative, nil
}

// parsePower reads an exponent. One that no sane number has is cut to a bound
// that is out of range all the same.
func parsePower(s string) (int, error) {
	sign := 1
	if unsigned, minus := strings.CutPrefix(s, "-"); minus {
		s, sign = unsigned, -1
	} else {
		s = strings.TrimPrefix(s, "+")
	}
	if !allDigits(s) {
		return 0, ErrSyntax
	}
	const bound = 1 << 30
	n, err := strconv.Atoi(s)
	if err != nil || n > bound {
		n = bound
	}
	return sign * n, nil
}

func allDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}
