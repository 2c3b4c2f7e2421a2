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

func TestConfigMap(t *testing.T) {
	t.Run("has only settings that the binaries read", func(t *testing.T) {
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
		forEachValueSet(t, func(t *testing.T, c chart, all objects) {
			variables := asMap(all.configMap(t)["data"])
			read := map[string]bool{}
			port, err := parse[c.Name](func(name string) string {
				read[name] = true
				value, _ := variables[name].(string)
				return value
			})
			require.NoError(t, err)
			require.Equal(t, c.Port, port)
			for name := range variables {
				require.True(t, read[name] || strings.HasPrefix(name, "OTEL_"), "no binary reads %s", name)
			}
		})
	})
}
