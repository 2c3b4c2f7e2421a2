package contracttest_test

import (
	"encoding/json"
	"net/mail"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tandem/src/testkit/contracttest"
)

// bodiesByName returns the bodies for the operation createNote.
func bodiesByName(t *testing.T) map[string]contracttest.Body {
	t.Helper()
	contract, _ := load(t, notes)
	all, err := contracttest.Bodies(contract, "createNote")
	require.NoError(t, err)
	byName := map[string]contracttest.Body{}
	for _, body := range all {
		require.NotContains(t, byName, body.Name, "names must be unique")
		byName[body.Name] = body
	}
	return byName
}

func TestBodies(t *testing.T) {
	t.Run("cover both sides of every bound", func(t *testing.T) {
		all := bodiesByName(t)
		for name, valid := range map[string]bool{
			"the example": true, "with an unknown member": true,
			"no members": false, "null": false, "an array": false, "a string": false,
			"without text": false, "without kind": true, "only text": false,
			"text null": false, "text a number": false, "text an object": false, "text an array": false,
			"text of 0 characters": false, "text of 1 characters": true, "text of 2 characters": true,
			"text of 19 characters": true, "text of 20 characters": true, "text of 21 characters": false,
			"text of 20 characters of four bytes": true, "text only spaces": false,
			"copies 0": false, "copies 1": true, "copies 2": true, "copies 8": true, "copies 9": true, "copies 10": false,
			"copies a string": false, "copies a fraction": false, "copies beyond 64 bits": false, "copies a boolean": false,
			"price -0.01": false, "price 0": true, "price 0.01": true, "price between two multiples": false,
			"price 999999999.99": true, "price 1000000000": true, "price 1000000000.01": false,
			"kind memo": true, "kind list": true, "kind in capitals": false, "kind not in the enumeration": false,
			"pinned true": true, "pinned false": true, "pinned a string": false, "pinned null": false, "pinned a number": false,
			"email of 253 characters": true, "email of 254 characters": true, "email of 255 characters": false,
			"email of 0 characters": false, "email not of the format email": false,
		} {
			require.Contains(t, all, name)
			require.Equal(t, valid, all[name].Valid, "%s: %s", name, all[name].JSON)
		}
	})
	t.Run("change one thing in the example", func(t *testing.T) {
		all := bodiesByName(t)
		const rest = `"copies":1,"email":"ada@example.com","kind":"memo","pinned":true,"price":`
		require.JSONEq(t, `{`+rest+`899.99,"text":"xxx"}`, string(all["the example"].JSON))
		require.Equal(t, `{`+rest+`1000000000.01,"text":"xxx"}`, string(all["price 1000000000.01"].JSON))
		require.Equal(t, `{`+rest+`0.011,"text":"xxx"}`, string(all["price between two multiples"].JSON))
		require.JSONEq(t, `{`+rest+`899.99}`, string(all["without text"].JSON))
		require.Contains(t, string(all["copies a string"].JSON), `"copies":"1"`)
		require.Contains(t, string(all["copies a fraction"].JSON), `"copies":1.5`)
	})
	t.Run("have valid e-mail addresses of any length", func(t *testing.T) {
		for _, length := range []int{3, 4, 12, 13, 14, 76, 77, 78, 125, 126, 127, 128, 254, 255, 300} {
			document := strings.Replace(notes, "maxLength: 254, example: ada@example.com", "", 1)
			document = strings.Replace(document, "format: email,", "format: email, minLength: "+strconv.Itoa(length)+",", 1)
			contract, _ := load(t, document)
			all, err := contracttest.Bodies(contract, "createNote")
			require.NoError(t, err)
			var example struct{ Email string }
			require.NoError(t, json.Unmarshal(all[0].JSON, &example))
			email := example.Email
			require.Len(t, email, length)
			_, err = mail.ParseAddress(email)
			require.NoError(t, err)
			local, domain, _ := strings.Cut(email, "@")
			require.LessOrEqual(t, len(local), 64)
			for label := range strings.SplitSeq(domain, ".") {
				require.NotEmpty(t, label, email)
				require.LessOrEqual(t, len(label), 63)
			}
		}
	})
	t.Run("need an operation with a JSON object", func(t *testing.T) {
		contract, _ := load(t, notes)
		_, err := contracttest.Bodies(contract, "nothing")
		require.EqualError(t, err, `there is no operation "nothing"`)
		_, err = contracttest.Bodies(contract, "listNotes")
		require.EqualError(t, err, "the body of listNotes is not a JSON object")
	})
	t.Run("need examples that form a valid body", func(t *testing.T) {
		contract, _ := load(t, strings.Replace(notes, "required: [text, copies, price]", "required: [text, more]", 1))
		_, err := contracttest.Bodies(contract, "createNote")
		require.ErrorContains(t, err, "the examples do not form a valid body")
	})
}
