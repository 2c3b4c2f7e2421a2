package decimal

import "strconv"

// Cents is an amount of money in hundredths. Its JSON form is a number with
// two decimals: 89999 is 899.99.
type Cents int64

// ParseCents reads a JSON number with at most two decimals exactly. The error
// is one of Parse's.
func ParseCents(literal string) (Cents, error) {
	n, err := Parse(literal, 2)
	return Cents(n), err
}

// String is the amount with two decimals, such as "899.99".
func (c Cents) String() string { return string(c.append(nil)) }

// MarshalJSON writes the amount as a JSON number.
func (c Cents) MarshalJSON() ([]byte, error) { return c.append(nil), nil }

// UnmarshalJSON reads the amount from a JSON number with at most two decimals.
func (c *Cents) UnmarshalJSON(literal []byte) (err error) {
	*c, err = ParseCents(string(literal))
	return err
}

// Average returns the amount divided by n, rounded half away from zero (half
// up, for what is not negative) to the cent; 0 where n is 0.
func (c Cents) Average(n int64) Cents {
	if n == 0 {
		return 0
	}
	q, r := int64(c)/n, int64(c)%n
	switch {
	case 2*r >= n:
		q++
	case 2*r <= -n:
		q--
	}
	return Cents(q)
}

func (c Cents) append(b []byte) []byte {
	// Through uint64, because the lowest int64 has no positive twin.
	n := uint64(c)
	if c < 0 {
		b, n = append(b, '-'), -n
	}
	b = strconv.AppendUint(b, n/100, 10)
	return append(b, '.', byte('0'+n/10%10), byte('0'+n%10))
}
