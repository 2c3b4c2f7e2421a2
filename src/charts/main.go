// Command charts writes the generated files of the Helm charts users, orders and
// tandem: values, schemas and READMEs from charts/service/sources, the library in
// charts/service into users and orders, and both into the umbrella chart tandem.
// Run it in the root of the repository:
//
//	go run ./src/charts
package main

import (
	"fmt"
	"os"

	"tandem/src/charts/generate"
)

func main() {
	if err := generate.Write("charts"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
