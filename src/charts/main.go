// Command charts writes the generated files of the Helm charts users and orders,
// whose source is charts/service/sources. Run it in the root of the repository:
//
//	go run ./src/charts
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"tandem/src/charts/generate"
)

func main() {
	if err := run("charts"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run writes the generated files of every chart below root.
func run(root string) error {
	for _, c := range generate.Charts() {
		files, err := generate.Files(root, c)
		if err != nil {
			return err
		}
		for name, content := range files {
			if err := os.WriteFile(filepath.Join(root, c.Name, name), []byte(content), 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}
