package settings_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tandem/src/chassis/settings"
)

type config struct {
	settings.Service
	UsersURL settings.URL `schemes:"http,https" like:"http://users:5001" default:"http://127.0.0.1:5001" help:"URL of the users service."`
	Colours  []string     `someof:"red,green,blue" help:"Colours to show."`

	// Such fields a setting may have that is added by CONTRIBUTING.md.
	KeyAge time.Duration `default:"24h" min:"1h" max:"48h" help:"Time that a key is kept."`
	Least  int           `default:"3" min:"2" help:"A number without an upper bound."`
	Free   int           `default:"4" help:"A number without bounds."`
	Wait   time.Duration `default:"1s" help:"A duration without bounds."`
}

// parse parses the variables and flags, and returns the settings and the output.
func parse(t *testing.T, env map[string]string, args ...string) (config, string, error) {
	t.Helper()
	var c config
	var out bytes.Buffer
	program := settings.Program{Name: "users", About: "The users service.", Port: 5001}
	err := settings.Parse(program, &c, args, func(k string) string { return env[k] }, &out)
	return c, out.String(), err
}

func TestDefaults(t *testing.T) {
	t.Run("fills what an empty environment gives", func(t *testing.T) {
		want, _, err := parse(t, nil)
		require.NoError(t, err)
		var got config
		require.NoError(t, settings.Defaults(&got))
		require.Zero(t, got.Port)
		got.Port, got.Effective, want.Effective = want.Port, slog.Attr{}, slog.Attr{}
		require.Equal(t, want, got)
	})
}

func TestParse(t *testing.T) {
	t.Run("uses the defaults", func(t *testing.T) {
		c, _, err := parse(t, nil)
		require.NoError(t, err)
		require.Equal(t, 5001, c.Port)
		require.Equal(t, 15*time.Second, c.ShutdownTimeout)
		require.Equal(t, "data", c.DataDir)
		require.Empty(t, c.DatabaseURL.Raw())
		require.Equal(t, "http://127.0.0.1:5001", c.UsersURL.Raw())
	})

	t.Run("reads variables and prefers flags", func(t *testing.T) {
		env := map[string]string{"PORT": "7000", "DRAIN_DELAY": "3s", "SEED_DEMO_DATA": "true", "LOG_LEVEL": ""}
		c, _, err := parse(t, env, "--port=8000", "--log-level", "debug")
		require.NoError(t, err)
		require.Equal(t, 8000, c.Port)
		require.Equal(t, 3*time.Second, c.DrainDelay)
		require.True(t, c.SeedDemoData)
		require.Equal(t, "debug", c.LogLevel)
	})

	t.Run("reads a flag without a value as true", func(t *testing.T) {
		c, _, err := parse(t, nil, "--seed-demo-data", "--port=1")
		require.NoError(t, err)
		require.True(t, c.SeedDemoData)
	})

	t.Run("reads choices in any case, and yes and on as true", func(t *testing.T) {
		for text, want := range map[string]bool{
			"yes": true, "on": true, "Yes": true, "TRUE": true, "1": true, "no": false, "off": false, "OFF": false,
		} {
			c, _, err := parse(t, map[string]string{"LOG_LEVEL": "INFO", "SEED_DEMO_DATA": text})
			require.NoError(t, err)
			require.Equal(t, "info", c.LogLevel)
			require.Equal(t, want, c.SeedDemoData, text)
		}
	})

	t.Run("takes bounds in hours and none", func(t *testing.T) {
		c, _, err := parse(t, map[string]string{"KEY_AGE": "90m", "LEAST": "1000000", "FREE": "-7", "WAIT": "1000h"})
		require.NoError(t, err)
		require.Equal(t, 90*time.Minute, c.KeyAge)
		require.Equal(t, -7, c.Free)
	})

	t.Run("prints the version", func(t *testing.T) {
		_, out, err := parse(t, nil, "--version")
		require.ErrorIs(t, err, settings.ErrHelp)
		require.Regexp(t, `^users dev \(commit unknown, built unknown with go1.*\)\n$`, out)
	})

	t.Run("takes no setting from the variables HELP and VERSION", func(t *testing.T) {
		c, out, err := parse(t, map[string]string{"VERSION": "7.1", "HELP": "true"})
		require.NoError(t, err)
		require.Empty(t, out)
		require.NotContains(t, c.Effective.String(), "VERSION")
	})

	t.Run("says which value a flag needs", func(t *testing.T) {
		tests := map[string][]string{
			"--port needs a value: give a whole number from 0 to 65535":                         {"--port"},
			"--data-dir needs a value: give one":                                                {"--data-dir", "--port=1"},
			"--log-level needs a value: give one of debug, info, warn, error":                   {"--port=1", "--log-level"},
			"--drain-delay needs a value: give a duration from 0s to 10m, such as 1500ms or 5s": {"--drain-delay", "-h"},
		}
		for want, args := range tests {
			_, _, err := parse(t, nil, args...)
			require.EqualError(t, err, want)
		}
	})

	t.Run("returns a usage error", func(t *testing.T) {
		for _, args := range [][]string{{"--port"}, {"--port=x"}, {"--nothing"}, {"something"}} {
			_, _, err := parse(t, nil, args...)
			var usage *settings.UsageError
			require.ErrorAs(t, err, &usage, "%s", args)
		}
	})

	t.Run("reads a list", func(t *testing.T) {
		tests := map[string][]string{"": nil, "blue": {"blue"}, "blue,red": {"blue", "red"}}
		for value, want := range tests {
			t.Run(value, func(t *testing.T) {
				c, _, err := parse(t, map[string]string{"COLOURS": value})
				require.NoError(t, err)
				require.Equal(t, want, c.Colours)
				c, _, err = parse(t, map[string]string{"COLOURS": "green"}, "--colours="+value)
				require.NoError(t, err)
				require.Equal(t, want, c.Colours, "the flag takes precedence")
				var out bytes.Buffer
				slog.New(slog.NewJSONHandler(&out, nil)).Info("starting", c.Effective)
				require.Contains(t, out.String(), `"COLOURS":"`+value+`"`)
			})
		}
	})

	t.Run("names the variable, the value and the valid values", func(t *testing.T) {
		tests := map[string]struct{ name, value, want string }{
			"not a number":    {"PORT", "http", `PORT="http" is not usable: give a whole number from 0 to 65535`},
			"above maximum":   {"PORT", "70000", `PORT="70000" is not usable: give a whole number from 0 to 65535`},
			"not a duration":  {"DRAIN_DELAY", "5", `DRAIN_DELAY="5" is not usable: give a duration from 0s to 10m, such as 1500ms or 5s`},
			"not a choice":    {"LOG_LEVEL", "loud", `LOG_LEVEL="loud" is not usable: give one of debug, info, warn, error`},
			"not a bool":      {"SEED_DEMO_DATA", "maybe", `SEED_DEMO_DATA="maybe" is not usable: give true or false`},
			"wrong scheme":    {"DATABASE_URL", "mysql://me:hush@db/x", `DATABASE_URL="mysql://me:xxxxx@db/x" is not usable: give a URL like postgres://user:password@host:5432/database`},
			"not a URL":       {"DATABASE_URL", "me:hush@db/x", `DATABASE_URL="(hidden: it may contain a password)" is not usable: give a URL like postgres://user:password@host:5432/database`},
			"without a host":  {"USERS_URL", "users", `USERS_URL="users" is not usable: give a URL like http://users:5001`},
			"not in the list": {"COLOURS", "red,pink", `COLOURS="red,pink" is not usable: give some of red, green, blue, separated by commas`},
			"an empty word":   {"COLOURS", "red,", `COLOURS="red," is not usable: give some of red, green, blue, separated by commas`},
			"beyond hours":    {"KEY_AGE", "3h30", `KEY_AGE="3h30" is not usable: give a duration from 1h to 48h, such as 1500ms or 5s`},
			"beyond a day":    {"KEY_AGE", "49h", `KEY_AGE="49h" is not usable: give a duration from 1h to 48h, such as 1500ms or 5s`},
			"no upper bound":  {"LEAST", "1", `LEAST="1" is not usable: give a whole number of at least 2`},
			"no bounds":       {"WAIT", "x", `WAIT="x" is not usable: give a duration, such as 1500ms or 5s`},
			"below the least": {"MAX_IN_FLIGHT", "0", `MAX_IN_FLIGHT="0" is not usable: give a whole number from 1 to 100000`},
		}
		for name, tt := range tests {
			t.Run(name, func(t *testing.T) {
				_, _, err := parse(t, map[string]string{tt.name: tt.value})
				require.EqualError(t, err, tt.want)
			})
		}
	})

	t.Run("takes the URL of a service only if all of it is used", func(t *testing.T) {
		const sentence = "USERS_URL=%q is not usable: give a URL like http://users:5001"
		for value, shown := range map[string]string{
			"http://users@users:5001":             "http://xxxxx@users:5001",
			"http://me:hush@users:5001":           "http://xxxxx@users:5001",
			"http://users:5001?token=hush":        "http://users:5001?token=xxxxx",
			"http://users:5001/?":                 "http://users:5001/?",
			"http://users:5001#hush":              "http://users:5001#xxxxx",
			"http://me:hush@users:port":           "(hidden: it may contain a password)",
			"http://users:port?token=hush":        "(hidden: it may contain a password)",
			"http://users:0":                      "http://users:0",
			"http://users:65536":                  "http://users:65536",
			"http://users:99999999999999999999":   "http://users:99999999999999999999",
			"http://users:":                       "http://users:",
			"http://users:-1":                     "http://users:-1",
			"http://:5001":                        "http://:5001",
			"http://users,more:5001":              "http://users,more:5001",
			"http://-users":                       "http://-users",
			"http://users..svc":                   "http://users..svc",
			"http://.":                            "http://.",
			"http://[::1":                         "http://[::1",
			"http://" + strings.Repeat("a", 64):   "http://" + strings.Repeat("a", 64),
			"http://" + strings.Repeat("a.", 130): "http://" + strings.Repeat("a.", 130),
			"http:users:5001":                     "http:users:5001",
		} {
			_, _, err := parse(t, map[string]string{"USERS_URL": value})
			require.EqualError(t, err, fmt.Sprintf(sentence, shown), value)
		}
		for _, value := range []string{
			"http://users", "http://users:1", "https://users.shop.svc.cluster.local.:65535/api/v1", "HTTP://USERS:5001/", "http://a_b-c.9:5001",
			"http://127.0.0.1:5001", "http://[::1]:5001", "http://[fe80::1%25eth0]:5001",
		} {
			_, _, err := parse(t, map[string]string{"USERS_URL": value})
			require.NoError(t, err, value)
		}
	})

	t.Run("takes the template of a URL", func(t *testing.T) {
		for _, value := range []string{"", "https://jaeger.example.com/trace/{trace_id}", "http://localhost:16686/search?id={trace_id}"} {
			c, _, err := parse(t, map[string]string{"CONSOLE_TRACE_URL": value})
			require.NoError(t, err)
			require.Equal(t, value, c.ConsoleTraceURL)
		}
		for _, value := range []string{
			"https://jaeger.example.com/trace/", "/trace/{trace_id}", "javascript://x/{trace_id}", "https://{trace_id}:x",
		} {
			_, _, err := parse(t, map[string]string{"CONSOLE_TRACE_URL": value})
			require.EqualError(t, err, fmt.Sprintf(
				"CONSOLE_TRACE_URL=%q is not usable: give a URL like https://jaeger.example.com/trace/{trace_id}", value))
		}
	})

	t.Run("takes origins as browsers send them", func(t *testing.T) {
		c, _, err := parse(t, map[string]string{"CORS_ORIGINS": "https://shop.example.com,http://localhost:3000"})
		require.NoError(t, err)
		require.Equal(t, []string{"https://shop.example.com", "http://localhost:3000"}, c.CORSOrigins)
		for _, value := range []string{
			"*", "null", "https://*.example.com", "https://shop.example.com/", "https://Shop.example.com", "shop.example.com",
			"https://me@shop.example.com", "https://shop.example.com, http://localhost", "https://shop.example.com,",
			"https://shop.example.com:443", "http://localhost:80",
		} {
			_, _, err := parse(t, map[string]string{"CORS_ORIGINS": value})
			require.EqualError(t, err, fmt.Sprintf(
				"CORS_ORIGINS=%q is not usable: give origins like https://shop.example.com, separated by commas", value))
		}
	})

	t.Run("prints every setting in the help", func(t *testing.T) {
		_, out, err := parse(t, nil, "-h")
		require.ErrorIs(t, err, settings.ErrHelp)
		for _, want := range []string{"--port", "PORT", "5001", "--drain-delay", "DRAIN_DELAY", "DATABASE_URL", "USERS_URL", "SEED_DEMO_DATA"} {
			require.Contains(t, out, want)
		}
	})

	t.Run("refuses an unknown flag", func(t *testing.T) {
		_, _, err := parse(t, nil, "--prot=1")
		require.ErrorContains(t, err, "--prot")
	})

	t.Run("masks secrets in the effective settings", func(t *testing.T) {
		c, _, err := parse(t, map[string]string{"DATABASE_URL": "postgres://me:hush@db/x?sslpassword=hush2&sslmode=disable"})
		require.NoError(t, err)
		require.Contains(t, c.DatabaseURL.Raw(), "hush")
		var out bytes.Buffer
		slog.New(slog.NewJSONHandler(&out, nil)).Info("starting", c.Effective)
		require.NotContains(t, out.String(), "hush")
		require.Contains(t, out.String(), `"DATABASE_URL":"postgres://me:xxxxx@db/x`)
		require.Contains(t, out.String(), `"SHUTDOWN_TIMEOUT":"15s"`)
	})
}
