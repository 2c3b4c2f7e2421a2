package contracttest_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLoadAcceptsAValidDocument(t *testing.T) {
	contract, recorded := load(t, notes)
	require.NotNil(t, contract)
	require.Empty(t, recorded.failures)
}

func TestLoadEndsTheTestForADocumentThatIsNotValid(t *testing.T) {
	for name, document := range map[string]string{
		"not YAML":                  "\t:",
		"not OpenAPI":               "a: 1",
		"a reference to nothing":    strings.Replace(notes, "schemas/NewNote", "schemas/None", 1),
		"an example of its own bad": strings.Replace(notes, "example: 899.99", "example: 899.999", 1),
	} {
		t.Run(name, func(t *testing.T) {
			contract, recorded := load(t, document)
			require.Nil(t, contract)
			require.Len(t, recorded.failures, 1)
			require.Contains(t, recorded.failures[0], "the OpenAPI document is not valid")
		})
	}
}
