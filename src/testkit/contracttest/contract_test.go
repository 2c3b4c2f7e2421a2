package contracttest_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLoad(t *testing.T) {
	t.Run("accepts a valid document", func(t *testing.T) {
		contract, recorded := load(t, notes)
		require.NotNil(t, contract)
		require.Empty(t, recorded.failures)
	})
	t.Run("stops the test for an invalid document", func(t *testing.T) {
		for name, document := range map[string]string{
			"not YAML":             "\t:",
			"not OpenAPI":          "a: 1",
			"a dangling reference": strings.Replace(notes, "schemas/NewNote", "schemas/None", 1),
			"an invalid example":   strings.Replace(notes, "example: 899.99", "example: 899.999", 1),
		} {
			t.Run(name, func(t *testing.T) {
				contract, recorded := load(t, document)
				require.Nil(t, contract)
				require.Len(t, recorded.failures, 1)
				require.Contains(t, recorded.failures[0], "the OpenAPI document is invalid")
			})
		}
	})
}
