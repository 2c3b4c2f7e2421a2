// Package settings reads a process's configuration from flags and environment
// variables (https://12factor.net/config). A setting is a field of a struct:
// its flag, variable, default, meaning and bounds stand in the field's tags.
//
// The variable's name is the flag's in upper case: --drain-delay is
// DRAIN_DELAY. A flag wins over its variable; an empty variable counts as not
// given.
package settings

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"
)

// ErrHelp is returned by Parse when help was asked for and has been printed.
var ErrHelp = errors.New("help was asked for")

// Common are the settings of every program.
type Common struct {
	DataDir         string        `default:"data" help:"Folder of the SQLite files; created where it is missing."`
	SeedDemoData    bool          `default:"false" help:"Put the demo's rows into an empty store."`
	DrainDelay      time.Duration `default:"0s" min:"0s" max:"10m" help:"Time to go on serving after SIGTERM, until every client has learned that this process leaves."`
	ShutdownTimeout time.Duration `default:"15s" min:"0s" max:"10m" help:"Time that requests in flight have to finish after DRAIN_DELAY."`
	MaxInFlight     int           `default:"128" min:"1" max:"100000" help:"Requests that a service serves at once; four times as many wait 200 ms for a place, more are answered 503."`
	LogLevel        string        `default:"info" oneof:"debug,info,warn,error" help:"Least severe level that is logged."`

	// Effective lists every setting as it was parsed, secrets masked.
	Effective slog.Attr `kong:"-"`
}

// Service are the settings of a program that is one service.
type Service struct {
	Common
	TestHooks
	Port        int `default:"${port}" min:"0" max:"65535" help:"TCP port to listen on; 0 picks a free one."`
	DatabaseURL URL `schemes:"postgres,postgresql" like:"postgres://user:password@host:5432/database" help:"PostgreSQL database; empty: SQLite in a file under DATA_DIR."`
}

// Program is what a program's help says of it.
type Program struct {
	Name  string
	About string
	Port  int // the default of PORT
}

func (c *Common) common() *Common { return c }

// Parse fills the struct of settings that into points to; one that embeds Common
// learns what is effective. A bad value gives one sentence with the
// variable's name, the value (secrets masked) and what would be valid. Asked
// for help (-h), it prints every setting to stdout and returns ErrHelp.
func Parse(program Program, into any, args []string, getenv func(string) string, stdout io.Writer) error {
	helped := false
	parser, err := kong.New(into, append(mappers(),
		kong.Name(program.Name), kong.Description(program.About), kong.Vars{"port": strconv.Itoa(program.Port)},
		kong.Writers(stdout, stdout), kong.Exit(func(int) { helped = true }),
		kong.ValueFormatter(helpLine), kong.Resolvers(environment(getenv)))...)
	if err != nil {
		return fmt.Errorf("describe the settings of %s: %w", program.Name, err)
	}
	_, err = parser.Parse(args)
	if helped {
		return ErrHelp
	}
	if bad, ok := errors.AsType[*ValueError](err); ok {
		return bad
	}
	if c, ok := into.(interface{ common() *Common }); ok {
		c.common().Effective = effective(parser.Model.Flags)
	}
	return err
}

func effective(flags []*kong.Flag) slog.Attr {
	var attrs []any
	for _, flag := range flags {
		if flag.Name != "help" {
			attrs = append(attrs, slog.Any(variable(flag.Name), printable(flag.Target)))
		}
	}
	return slog.Group("settings", attrs...)
}

func printable(value reflect.Value) any {
	switch v := value.Interface().(type) {
	case fmt.Stringer:
		return v.String()
	case []string:
		return strings.Join(v, ",")
	default:
		return v
	}
}

// environment resolves a flag that was not given from its variable. kong's own
// env tag would read the process's environment past getenv.
func environment(getenv func(string) string) kong.Resolver {
	return kong.ResolverFunc(func(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
		if value := getenv(variable(flag.Name)); value != "" {
			return value, nil
		}
		return nil, nil
	})
}

func helpLine(value *kong.Value) string {
	if value.Name == "help" {
		return value.Help
	}
	line := value.Help + " [" + variable(value.Name) + "; "
	if valid := validity(value.Tag); valid != "" {
		line += valid + "; "
	}
	if value.HasDefault {
		return line + "default " + value.Default + "]"
	}
	return line + "default empty]"
}

// variable is the environment variable of a flag.
func variable(flag string) string {
	return strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}
