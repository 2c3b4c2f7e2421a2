package contracttest_test

import (
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"
)

func TestRequireSameText(t *testing.T) {
	const document = `
openapi: 3.0.3
info: {title: t, version: v}
paths: {}
components:
  schemas:
    Text: {type: string, pattern: '[^ \u00AD]'}
    Other: {type: string}
`
	contract, recorded := load(t, document)
	require.NotNil(t, contract)
	t.Run("accepts the same rule", func(t *testing.T) {
		contract.RequireSameText(recorded, "Text", func(text string) bool { return strings.Trim(text, " \u00AD") != "" })
		require.Empty(t, recorded.failures)
	})
	t.Run("reports a difference and a schema without a pattern", func(t *testing.T) {
		for schema, accepts := range map[string]func(string) bool{
			"Text":  func(text string) bool { return strings.TrimFunc(text, unicode.IsSpace) != "" },
			"Other": func(string) bool { return true },
			"None":  func(string) bool { return true },
		} {
			_, recorded := load(t, document)
			done := make(chan struct{})
			go func() {
				defer close(done)
				contract.RequireSameText(recorded, schema, accepts)
			}()
			<-done
			require.Len(t, recorded.failures, 1)
			require.Contains(t, recorded.failures[0], schema)
		}
	})
}
