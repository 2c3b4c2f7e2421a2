package decimal

import "strconv"

// centsScale is the number of decimals of Cents.
const centsScale = 2

// Cents is an amount of money in hundredths of the currency unit. Its JSON form
// is a number with two decimals: Cents(89999) is 899.99.
type Cents int64

// ParseCents parses a JSON number with at most two decimals. The error is one
// of Parse's.
func ParseCents(literal string) (Cents, error) {
	n, err := Parse(literal, centsScale)
	return Cents(n), err
}

// String returns the amount with two decimals, such as "899.99".
func (c Cents) String() string { return string(c.append(nil)) }

// MarshalJSON returns the amount as a JSON number.
func (c Cents) MarshalJSON() ([]byte, error) { return c.append(nil), nil }

// UnmarshalJSON parses a JSON number with at most two decimals. The error is one
// of Parse's.
func (c *Cents) UnmarshalJSON(literal []byte) (err error) {
	*c, err = ParseCents(string(literal))
	return err
}

// Average returns the amount divided by n, rounded to the cent. A half is
// rounded away from zero. Average returns 0 if n is 0.
func (c Cents) Average(n int64) Cents {
	if n == 0 {
		return 0
	}
	quotient, remainder := int64(c)/n, int64(c)%n
	switch {
	case 2*remainder >= n:
		quotient++
	case 2*remainder <= -n:
		quotient--
	}
	return Cents(quotient)
}

// append appends the amount with two decimals to b.
func (c Cents) append(b []byte) []byte {
	n := uint64(c) // unsigned, because -c overflows for the lowest int64
	if c < 0 {
		b, n = append(b, '-'), -n
	}
	b = strconv.AppendUint(b, n/100, 10)
	return append(b, '.', byte('0'+n/10%10), byte('0'+n%10))
}
