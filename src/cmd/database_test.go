package cmd_test

import (
	"database/sql"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"tandem/src/testkit/postgrestest"
)

// createRole creates a role with the password and a database of its own on a server
// that asks for passwords, and returns the server and a connection to administer it.
func createRole(t *testing.T, name, password string) (postgrestest.Secured, *sql.DB) {
	t.Helper()
	server := postgrestest.Secure(t)
	admin, err := sql.Open("pgx", server.Admin.String())
	require.NoError(t, err)
	execute(t, admin, "CREATE ROLE "+name+" LOGIN PASSWORD '"+password+"'")
	execute(t, admin, "CREATE DATABASE "+name+" OWNER "+name)
	t.Cleanup(func() {
		execute(t, admin, "DROP DATABASE "+name+" WITH (FORCE)")
		execute(t, admin, "DROP ROLE "+name)
		require.NoError(t, admin.Close())
	})
	return server, admin
}

func execute(t *testing.T, db *sql.DB, statement string) {
	t.Helper()
	_, err := db.Exec(statement)
	require.NoError(t, err)
}

func TestConnection(t *testing.T) {
	t.Run("takes variables and a file that end in a newline", func(t *testing.T) {
		server, _ := createRole(t, "newline", "hush")
		file := filepath.Join(t.TempDir(), "url")
		require.NoError(t, os.WriteFile(file, []byte("postgres://newline:hush@127.0.0.1:"+server.Port()+"/newline\n"), 0o600))
		for _, env := range [][]string{
			{"DATABASE_URL=postgres://newline:hush\n@127.0.0.1:" + server.Port() + "/newline\n"},
			{"DATABASE_URL=postgres://newline@127.0.0.1:" + server.Port() + "\n", "PGPASSWORD=hush\n", "PGDATABASE=newline\r\n"},
			{"DATABASE_URL_FILE=" + file + "\n"},
		} {
			users := startReady(t, "users", env...)
			response, _ := users.get(t, "/users")
			require.Equal(t, 200, response.StatusCode)
			require.NotContains(t, users.log.String(), "hush")
		}
	})
}
