// Package decimal parses JSON numbers exactly and represents money in whole
// cents. With float64 about one in seven products of a price and a quantity is
// not exact.
package decimal

import (
	"errors"
	"strconv"
	"strings"
)

// ErrSyntax is the error for text that is not a JSON number.
var ErrSyntax = errors.New("is not a number")

// ErrFraction is the error for a number with more decimals than the scale has.
var ErrFraction = errors.New("has too many decimals")

// ErrRange is the error for a number beyond an int64 at the scale.
var ErrRange = errors.New("is out of range")

// maxDigits is the greatest number of digits of an int64. The limit bounds the work
// on a literal with a huge exponent.
const maxDigits = 19

// Parse parses a JSON number (RFC 8259, section 6) and returns it in units of
// 10^-scale: Parse("8.5", 2) returns 850. An exponent or trailing zeros make no
// difference: "1e2" and "100.00" are the same number. The error is ErrSyntax,
// ErrFraction or ErrRange.
func Parse(literal string, scale int) (int64, error) {
	digits, exponent, negative, err := split(literal)
	if err != nil {
		return 0, err
	}
	digits = strings.TrimLeft(digits, "0")
	significant := strings.TrimRight(digits, "0")
	if significant == "" {
		return 0, nil
	}
	// The result is the significant digits followed by this number of zeros.
	zeros := exponent + scale + len(digits) - len(significant)
	switch {
	case zeros < 0:
		return 0, ErrFraction
	case len(significant)+zeros > maxDigits:
		return 0, ErrRange
	}
	text := significant + strings.Repeat("0", zeros)
	if negative {
		text = "-" + text
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil { // split leaves only digits, so the number is out of range
		return 0, ErrRange
	}
	return n, nil
}

// split returns all digits of a literal, the power of ten of the last digit, and
// the sign: "-12.5e3" has the digits "125" and the exponent 2.
func split(literal string) (digits string, exponent int, negative bool, err error) {
	rest, negative := strings.CutPrefix(literal, "-")
	mantissa, exponentText, hasExponent := strings.Cut(strings.ToLower(rest), "e")
	integer, fraction, hasPoint := strings.Cut(mantissa, ".")
	if !isDigits(integer) || hasPoint && !isDigits(fraction) || len(integer) > 1 && integer[0] == '0' {
		return "", 0, false, ErrSyntax
	}
	if hasExponent {
		if exponent, err = parseExponent(exponentText); err != nil {
			return "", 0, false, err
		}
	}
	return integer + fraction, exponent - len(fraction), negative, nil
}

// parseExponent parses the text after "e". It limits a huge exponent to 2^30,
// which Parse refuses with the same error.
func parseExponent(s string) (int, error) {
	sign := 1
	if unsigned, minus := strings.CutPrefix(s, "-"); minus {
		s, sign = unsigned, -1
	} else {
		s = strings.TrimPrefix(s, "+")
	}
	if !isDigits(s) {
		return 0, ErrSyntax
	}
	const limit = 1 << 30
	n, err := strconv.Atoi(s)
	if err != nil || n > limit {
		n = limit
	}
	return sign * n, nil
}

// isDigits reports whether s has only digits, and at least one.
func isDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}
