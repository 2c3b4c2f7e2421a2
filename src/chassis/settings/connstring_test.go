package settings_test

import (
	"bytes"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"tandem/src/chassis/settings"
)

func TestConnString(t *testing.T) {
	t.Run("masks the password in every form", func(t *testing.T) {
		for text, want := range map[string]string{
			"": "",
			"postgres://me:hush@db/x?sslmode=disable":                      "postgres://me:xxxxx@db/x?sslmode=disable",
			"postgresql://me:hush@db:5432,[::1]:5433/x":                    "postgresql://me:xxxxx@db:5432,[::1]:5433/x",
			"postgres://me@db/x?password=hush&sslpassword=hush":            "postgres://me@db/x?password=xxxxx&sslpassword=xxxxx",
			"postgres://me@db/x?pass%77ord=hush":                           "postgres://me@db/x?pass%77ord=xxxxx",
			"postgres:///x?host=/run/postgresql&user=me&password=hush":     "postgres:///x?host=/run/postgresql&user=me&password=xxxxx",
			"postgres://me:h%75sh@%2Frun%2Fpostgresql/x":                   "postgres://me:xxxxx@%2Frun%2Fpostgresql/x",
			"postgres://me:hu?sh#hush@db/x":                                "postgres://me:xxxxx@db/x",
			"postgres://me:hu/sh@db/x":                                     "(hidden: it may contain a password)",
			"postgres://me:hush@hush@db/x":                                 "(hidden: it may contain a password)",
			"postgres://db":                                                "postgres://db",
			"host=db user=me password=hush dbname=x":                       "host=db user=me password=xxxxx dbname=x",
			`host=db password = 'hush \'hush' sslpassword=hu\ sh dbname=x`: `host=db password = xxxxx sslpassword=xxxxx dbname=x`,
			"host=db password=hush hush":                                   "(hidden: it may contain a password)",
			"host=db password='hush dbname=x":                              "(hidden: it may contain a password)",
		} {
			require.Equal(t, want, settings.ConnString(text).String(), text)
			require.NotContains(t, settings.ConnString(text).String(), "hush")
		}
	})

	t.Run("masks its password in other texts, as it stands there and decoded", func(t *testing.T) {
		require.Equal(t, "no: xxxxx, xxxxx", settings.ConnString("postgres://me:h%75sh@db").Mask("no: hush, h%75sh"))
		require.Equal(t, "no: xxxxx", settings.ConnString(`password='it\'s'`).Mask("no: it's"))
		require.Equal(t, "invalid port", settings.ConnString("postgres://me:hu/sh@db").Mask("invalid port"))
		require.Equal(t, "(hidden: it may contain a password)", settings.ConnString("postgres://me:hu/sh@db").Mask(`invalid port "hu"`))
	})
}

func TestWhiteSpace(t *testing.T) {
	t.Run("around a value is trimmed, for every setting", func(t *testing.T) {
		c, _, err := parse(t, map[string]string{
			"PORT": " 7000\n", "DRAIN_DELAY": "3s\r\n", "SEED_DEMO_DATA": "true\n", "LOG_LEVEL": "debug ", "DATA_DIR": "/data\n", "COLOURS": "red\n",
			"USERS_URL": "http://users:5001\n", "DATABASE_URL": "\uFEFFpostgres://me:hush@db/x\n", "DATABASE_URL_FILE": "\t\n", "LISTEN_HOST": "\t::1 ",
		}, "--max-in-flight= 7")
		require.NoError(t, err)
		require.Equal(t, []any{7000, "debug", "/data", "::1", 7, true, "postgres://me:hush@db/x", "http://users:5001", ""},
			[]any{c.Port, c.LogLevel, c.DataDir, c.ListenHost, c.MaxInFlight, c.SeedDemoData,
				c.DatabaseURL.Raw(), c.UsersURL.Raw(), c.DatabaseURLFile})
		require.Equal(t, []string{"red"}, c.Colours)
	})

	t.Run("at the end of a password inside a URL is removed", func(t *testing.T) {
		c, _, err := parse(t, map[string]string{"DATABASE_URL": "postgres://me:hush\n@db/x\n"})
		require.NoError(t, err)
		require.Equal(t, "postgres://me:hush@db/x", c.DatabaseURL.Raw())
	})
}

func TestQuotes(t *testing.T) {
	for variable, value := range map[string]string{
		"PORT": `"7000"`, "DATA_DIR": `'/data'`, "DATABASE_URL": `"postgres://me:xxxxx@db/x"`, "LOG_LEVEL": `"info"`, "SEED_DEMO_DATA": `'true'`,
	} {
		t.Run("around "+variable+" are named", func(t *testing.T) {
			_, _, err := parse(t, map[string]string{variable: value + "\n"})
			require.EqualError(t, err, variable+"="+value+" is not usable: remove the quotes around the value")
		})
	}
	t.Run("hide no password", func(t *testing.T) {
		_, _, err := parse(t, map[string]string{"DATABASE_URL": `"postgres://me:hush@db/x"`})
		require.ErrorContains(t, err, `DATABASE_URL="postgres://me:xxxxx@db/x" is not usable`)
	})
}

func TestDatabaseURL(t *testing.T) {
	t.Run("is taken in every form of libpq", func(t *testing.T) {
		for _, text := range []string{
			"postgres://", "postgresql://me:h%40sh@[::1]:5432/x", "postgres://a:1,b:2/x?target_session_attrs=read-write", "postgres:///x?host=/run",
			"postgres://%2Frun/x", "host=db user=me password='a b'", "dbname = x",
		} {
			c, _, err := parse(t, map[string]string{"DATABASE_URL": text})
			require.NoError(t, err, text)
			require.Equal(t, text, c.DatabaseURL.Raw())
			var out bytes.Buffer
			slog.New(slog.NewJSONHandler(&out, nil)).Info("starting", c.Effective)
			require.NotContains(t, out.String(), "a b")
		}
	})
	t.Run("is refused in any other form", func(t *testing.T) {
		for _, text := range []string{"mysql://db/x", "db:5432", "db/x", "http://db"} {
			_, _, err := parse(t, map[string]string{"DATABASE_URL": text})
			require.EqualError(t, err, `DATABASE_URL="`+text+`" is not usable: give a URL like postgres://user:password@host:5432/database`)
		}
	})
}
