package charttest

import (
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tandem/src/chassis/settings"
	"tandem/src/orders"
	"tandem/src/users"
)

// The binaries read every variable of the ConfigMap and take its value.
func TestTheBinariesKnowTheirSettings(t *testing.T) {
	parse := map[string]func(getenv func(string) string) (int, error){
		"users": func(getenv func(string) string) (int, error) {
			var config users.Config
			err := settings.Parse(users.Program(), &config, nil, getenv, io.Discard)
			return config.Port, err
		},
		"orders": func(getenv func(string) string) (int, error) {
			var config orders.Config
			err := settings.Parse(orders.Program(), &config, nil, getenv, io.Discard)
			return config.Port, err
		},
	}
	forEverySetup(t, func(t *testing.T, c chart, all objects) {
		variables := asMap(all.settings(t)["data"])
		read := map[string]bool{}
		port, err := parse[c.Name](func(name string) string {
			read[name] = true
			value, _ := variables[name].(string)
			return value
		})
		require.NoError(t, err)
		require.Equal(t, c.Port, port)
		for name := range variables {
			require.True(t, read[name] || strings.HasPrefix(name, "OTEL_"), "%s is read by nobody", name)
		}
	})
}
