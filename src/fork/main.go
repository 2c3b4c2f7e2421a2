// Command fork gives a fresh clone of this repository another name. It renames
// the Go module, the images, the kind cluster, the namespace, the alerts and
// everything else that carries the project's name, and then removes itself.
//
//	make fork MODULE=example.com/shop NAME=shop
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
)

func main() {
	if err := run(os.Args[1:], ".", os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run renames the repository in the folder root.
func run(args []string, root string, stdout io.Writer) error {
	flags := flag.NewFlagSet("fork", flag.ContinueOnError)
	flags.SetOutput(stdout)
	var to names
	flags.StringVar(&to.module, "module", "", "path of the Go module, such as example.com/shop")
	flags.StringVar(&to.name, "name", "", "name of the project, such as shop")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if err := to.validate(); err != nil {
		return err
	}
	r := repository{root: root}
	if err := r.requireClean(); err != nil {
		return err
	}
	files, err := r.tracked()
	if err != nil {
		return err
	}
	if err := r.rename(files, to); err != nil {
		return errors.Join(err, errors.New("the rename is incomplete: `git reset --hard && git clean -d --force src` restores the clone"))
	}
	fmt.Fprintf(stdout, "This project is now %s, module %s. Look at `git diff`, run `make test`, and commit.\n", to.name, to.module)
	return nil
}
