// Command available prints whether tests can run on PostgreSQL. With CI=true it
// exits with code 1 if they cannot.
package main

import (
	"fmt"
	"os"

	"tandem/src/testkit/postgrestest"
)

func main() {
	if os.Getenv("TEST_DATABASE_URL") != "" {
		fmt.Println("Tests run on SQLite, and on the PostgreSQL server that TEST_DATABASE_URL names.")
		return
	}
	folder, err := postgrestest.Programs()
	if err == nil {
		fmt.Println("Tests run on SQLite, and on the PostgreSQL server in " + folder + ".")
		return
	}
	fmt.Println("Tests run on SQLite only. " + err.Error() + ".")
	if os.Getenv("CI") == "true" {
		os.Exit(1)
	}
}
