package main

import (
	"fmt"
	"go/token"
	"go/types"
	"regexp"
	"slices"
	"strings"
)

// names are what a fork chooses.
type names struct {
	module string // path of the Go module
	name   string // of the images, the cluster, the namespace and so on
}

const (
	modulePattern = `^[a-z0-9-]+(\.[a-z0-9-]+)+(/[A-Za-z0-9_~-]([A-Za-z0-9._~-]*[A-Za-z0-9_~-])?)*$`
	namePattern   = `^[a-z][a-z0-9]{2,29}$`
)

// validate returns an error that says what a usable name is.
func (n names) validate() error {
	module, name := regexp.MustCompile(modulePattern), regexp.MustCompile(namePattern)
	switch {
	case !module.MatchString(n.module):
		return fmt.Errorf("MODULE=%q is not usable: give the path of a Go module that begins with a domain, such as example.com/shop", n.module)
	case !name.MatchString(n.name):
		return fmt.Errorf("NAME=%q is not usable: give 3 to 30 lower-case letters and digits that begin with a letter, such as shop", n.name)
	case reserved(n.name):
		return fmt.Errorf("NAME=%q is not usable, because it is a word of Go or YAML or a part of this project: "+
			"give another name, such as shop", n.name)
	default:
		return nil
	}
}

// reserved reports whether a name has a meaning in Go, in YAML or in this
// repository already.
func reserved(name string) bool {
	ours := []string{
		"users", "orders", "service", "chassis", "testkit", "bench", "fuzz", "charts", "charttest", "docs", "release",
		"kind", "default", "postgres", "collector", "jaeger", "prometheus", "grafana",
	}
	yaml := []string{"yes", "off", "null"}
	return token.IsKeyword(name) || types.Universe.Lookup(name) != nil || slices.Contains(ours, name) || slices.Contains(yaml, name)
}

// replacer returns what turns a text of this project into one of the fork. The
// first pair that matches at a position wins, and its result is not replaced
// again.
func (n names) replacer() *strings.Replacer {
	return strings.NewReplacer(
		"tandem/src", n.module+"/src", // import paths
		"module tandem\n", "module "+n.module+"\n", // go.mod
		"local-prefixes: [tandem]", "local-prefixes: ["+n.module+"]", // .golangci.yml
		"tandem", n.name,
		"Tandem", strings.ToUpper(n.name[:1])+n.name[1:],
		"TANDEM", strings.ToUpper(n.name),
	)
}
