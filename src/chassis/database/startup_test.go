package database_test

import (
	"context"
	"database/sql"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tandem/src/chassis/database"
	"tandem/src/chassis/settings"
	"tandem/src/testkit/postgrestest"
	"tandem/src/testkit/telemetrytest"
)

// role creates a role with the password and a database of its own on a secured server.
func role(t *testing.T, name, password string) postgrestest.Secured {
	t.Helper()
	server := postgrestest.Secure(t)
	admin, err := sql.Open("pgx", server.Admin.String())
	require.NoError(t, err)
	_, err = admin.Exec("CREATE ROLE " + name + " LOGIN PASSWORD '" + password + "'")
	require.NoError(t, err)
	_, err = admin.Exec("CREATE DATABASE " + name + " OWNER " + name)
	require.NoError(t, err)
	t.Cleanup(func() {
		_, err := admin.Exec("DROP DATABASE " + name + " WITH (FORCE)")
		require.NoError(t, err)
		_, err = admin.Exec("DROP ROLE " + name)
		require.NoError(t, err)
		require.NoError(t, admin.Close())
	})
	return server
}

// startError opens a database and returns its error, and fails if anything is tried again.
func startError(t *testing.T, url string) string {
	t.Helper()
	signals, log := telemetrytest.New(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	_, err := database.Open(ctx, database.Config{Name: "test", URL: settings.ConnString(url), Migrations: migrations(1)}, signals)
	require.Error(t, err)
	require.Empty(t, log.String(), "nothing is tried again")
	return err.Error()
}

func TestStartEnds(t *testing.T) {
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	server := role(t, "ending", "topsecret")
	plain := strings.TrimSuffix(postgrestest.URL(t), "/postgres")
	at := "127.0.0.1:" + server.Port() + "/ending"
	named := "localhost:" + server.Port() + "/ending"
	// Each error has the setting with the password masked, the remedy and the cause, in this order.
	for name, tt := range map[string]struct{ url, remedy, cause string }{
		"a wrong password": {"postgres://ending:nosecret@" + at,
			"give a user and a password that the server takes", `password authentication failed for user "ending" (SQLSTATE 28P01)`},
		"a wrong password with TLS only": {"postgres://ending:nosecret@" + at + "?sslmode=require", "give a user and a password", "28P01"},
		"a wrong password in words": {"host=127.0.0.1 port=" + server.Port() + " dbname=ending user=ending password='nosecret'",
			"give a user and a password that the server takes", "28P01"},
		"no password":                {"postgres://ending@" + at, "give a user and a password that the server takes", "28P01"},
		"a database that is missing": {"postgres://ending:topsecret@" + at + "er", "create the database, or give one that exists", "3D000"},
		"a parameter that the server does not know": {"postgres://ending:topsecret@" + at + "?shared_bufers=1",
			"remove the parameter that the server refuses, or correct its value", "shared_bufers"},
		"a parameter of the requests that has a wrong value": {"postgres://ending:topsecret@" + at + "?statement_timeout=never",
			"remove the parameter that the server refuses, or correct its value", "statement_timeout"},
		"a server without TLS": {plain + "?sslmode=require", "turn on TLS at the server, or give sslmode=disable", "server refused TLS connection"},
		"an unknown CA": {"postgres://ending:topsecret@" + named + "?sslmode=verify-full",
			"give the certificate of the server's CA in sslrootcert", "certificate signed by unknown authority"},
		"another name in the certificate": {"postgres://ending:topsecret@" + at + "?sslmode=verify-full&sslrootcert=" + server.CA,
			"give the host name that the server's certificate has, or sslmode=verify-ca", "127.0.0.1"},
		"a certificate file that is missing": {"postgres://ending:topsecret@" + at + "?sslmode=verify-full&sslrootcert=/no/ca.crt",
			"unable to read CA file: open /no/ca.crt: no such file or directory", "give a URL like postgres://"},
		"an sslmode that does not exist": {"postgres://ending:topsecret@" + at + "?sslmode=on", "sslmode is invalid", "give a URL like"},
		"a port that is none":            {"postgres://ending:topsecret@127.0.0.1:pg/ending", "invalid port", "give a URL like"},
		"a host that does not exist":     {"postgres://ending:topsecret@no-such-host.invalid/x", "give a host name that exists", "no-such-host.invalid"},
		"a way to log in that the server lacks": {"postgres://ending:topsecret@" + at + "?require_auth=password",
			"give the way to log in that the server offers", "require_auth"},
	} {
		t.Run("with "+name, func(t *testing.T) {
			got := startError(t, tt.url)
			require.Regexp(t, `^(open the PostgreSQL database of test: )?DATABASE_URL="`, got)
			require.Contains(t, got, " is not usable: "+tt.remedy)
			require.Contains(t, got, tt.cause)
			require.NotContains(t, got, "topsecret")
			require.NotContains(t, got, "nosecret")
			require.NotContains(t, got, "\n")
		})
	}

	t.Run("with a parameter that a pooler refuses", func(t *testing.T) {
		pooler := postgrestest.Pooler(t, postgrestest.URL(t), postgrestest.SessionPooling)
		got := startError(t, pooler+"?search_path=x&session_replication_role=origin")
		require.Contains(t, got, "is not usable: remove the parameter that the pooler refuses, or let the pooler ignore it")
		require.Contains(t, got, "unsupported startup parameter: ")
	})

	t.Run("without the password of a text that is not clear", func(t *testing.T) {
		for _, url := range []string{
			"postgres://ending:top/secret@" + at, "postgres://ending:top@secret@" + at, "postgres://ending:secret:x@" + at,
			"host=db password=top secret", "host=db password='secret", "postgres://ending:x@h/x?secret",
		} {
			signals, log := telemetrytest.New(t)
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			_, err := database.Open(ctx, database.Config{Name: "test", URL: settings.ConnString(url), Migrations: migrations(1)}, signals)
			cancel()
			require.Error(t, err)
			if !strings.Contains(url, "?secret") { // which is no password
				require.NotContains(t, err.Error()+log.String(), "secret", url)
			}
		}
	})

	t.Run("with both settings", func(t *testing.T) {
		_, err := open(t, database.Config{Name: "test", URL: "postgres://", URLFile: "/x"}, migrations(1))
		require.EqualError(t, err, "DATABASE_URL and DATABASE_URL_FILE are both set: unset one of them")
	})

	t.Run("with a file that is missing, empty, quoted or wrong", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "url")
		for text, want := range map[string]string{
			"missing":                      ": give a file that the service can read: no such file or directory",
			"\uFEFF":                       ": the file must have a URL like postgres://user:password@host:5432/database, without quotes",
			`"postgres://me:hush@db/x"`:    ": the file must have a URL like postgres://user:password@host:5432/database, without quotes",
			"postgres://me:hush@db:pg/x":   ": invalid port: give a URL like postgres://user:password@host:5432/database",
			"postgres://ending:hush@" + at: ` with "postgres://ending:xxxxx@` + at + `" is not usable: give a user and a password`,
		} {
			if text != "missing" {
				require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
			}
			_, err := open(t, database.Config{Name: "test", URLFile: file + map[bool]string{true: "2"}[text == "missing"]}, migrations(1))
			require.ErrorContains(t, err, "DATABASE_URL_FILE=\"")
			require.ErrorContains(t, err, want)
			require.NotContains(t, err.Error(), "hush")
		}
	})
}

func TestStartWaits(t *testing.T) {
	waits := func(t *testing.T, url string) {
		t.Helper()
		signals, log := telemetrytest.New(t)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			_, err := database.Open(ctx, database.Config{Name: "test", URL: settings.ConnString(url), Migrations: migrations(1)}, signals)
			done <- err
		}()
		require.Eventually(t, func() bool { return strings.Count(log.String(), "the database cannot be reached yet") >= 2 },
			30*time.Second, 10*time.Millisecond)
		cancel()
		require.Error(t, <-done)
		require.NotContains(t, log.String(), "topsecret")
	}
	t.Run("for a server that refuses connections", func(t *testing.T) { waits(t, "postgres://me:topsecret@127.0.0.1:1/x") })
	t.Run("for a socket that is not there yet", func(t *testing.T) { waits(t, "postgres:///x?user=me&password=topsecret&host="+t.TempDir()) })
	t.Run("for a server that does not answer", func(t *testing.T) {
		waits(t, "postgres://me:topsecret@"+postgrestest.Silent(t)+"/x?connect_timeout=1")
		waits(t, "postgres://me:topsecret@"+postgrestest.Silent(t)+"/x?connect_timeout=1&sslmode=require")
	})
	t.Run("for the other host, if one cannot be used", func(t *testing.T) {
		server := role(t, "waiting", "topsecret")
		at := "postgres://waiting:topsecret@localhost:" + server.Port()
		waits(t, at+",127.0.0.1:1/waiting?sslmode=verify-full")
		waits(t, at+",127.0.0.1:1/no_such_database")
	})
	t.Run("for a name without an address on Kubernetes", func(t *testing.T) {
		t.Setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
		waits(t, "postgres://me:topsecret@no-such-host.invalid/x")
	})
}

func TestConnectionForms(t *testing.T) {
	server := role(t, "forms", "a/b c@d")
	encoded := "a%2Fb%20c%40d"
	port := server.Port()
	for _, url := range []string{
		"postgres://forms:" + encoded + "@127.0.0.1:" + port + "/forms",
		"postgresql://forms:" + encoded + "@localhost:" + port + "/forms?sslmode=verify-full&sslrootcert=" + server.CA,
		"postgres://f%6Frms:" + encoded + "@127.0.0.1:1,127.0.0.1:" + port + "/forms?target_session_attrs=read-write&sslmode=disable",
		"postgres:///forms?host=" + server.Socket + "&port=" + port + "&user=forms&password=" + encoded,
		"postgres://forms:" + encoded + "@" + strings.ReplaceAll(server.Socket, "/", "%2F") + ":" + port + "/forms",
		"host=127.0.0.1 port=" + port + " user=forms password='a/b c@d' dbname = forms sslmode=require",
		"host=127.0.0.1,localhost port=1," + port + " user=forms password=a/b\\ c@d dbname=forms sslmode=verify-ca sslrootcert=" + server.CA + "\n",
	} {
		t.Run(settings.ConnString(url).String(), func(t *testing.T) {
			db, err := open(t, database.Config{Name: "test", URL: parse(t, url)}, migrations(1))
			require.NoError(t, err)
			require.Zero(t, count(t, db, "t1"))
		})
	}
	t.Run("take from PG variables what they leave out", func(t *testing.T) {
		for name, value := range map[string]string{
			"PGHOST": "127.0.0.1", "PGPORT": port, "PGUSER": "forms", "PGPASSWORD": "a/b c@d", "PGDATABASE": "forms",
		} {
			t.Setenv(name, value)
		}
		for _, url := range []string{"postgres://", "postgres:///forms", "dbname=forms", "postgres://forms@/"} {
			db, err := open(t, database.Config{Name: "test", URL: parse(t, url)}, migrations(1))
			require.NoError(t, err, url)
			require.Zero(t, count(t, db, "t1"))
		}
	})
	t.Run("have an IPv6 address", func(t *testing.T) {
		listener, err := net.Listen("tcp", "[::1]:0")
		if err != nil {
			t.Skip("this machine has no IPv6: ", err)
		}
		require.NoError(t, listener.Close())
		db, err := open(t, database.Config{Name: "test", URL: parse(t, "postgres://forms:"+encoded+"@[::1]:"+port+"/forms")}, migrations(1))
		require.NoError(t, err)
		require.Zero(t, count(t, db, "t1"))
	})
}
