// Package settings reads a process's configuration from flags and environment
// variables (https://12factor.net/config). A setting is a field of a struct.
// The field's tags contain its default, its help text and its valid values.
//
// The flag's name is that of the field, and the variable's name is that of the
// flag in upper case: the field DrainDelay has --drain-delay and DRAIN_DELAY. A
// flag takes precedence over its variable. An empty variable counts as unset.
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

// ErrHelp is the error of Parse after it has printed the help.
var ErrHelp = errors.New("help was requested")

// Common contains the settings of every program that serves.
type Common struct {
	DataDir         string        `default:"data" help:"Folder of the SQLite files; created if it does not exist."`
	SeedDemoData    bool          `default:"false" help:"Insert the demo data into an empty database."`
	DrainDelay      time.Duration `default:"0s" min:"0s" max:"10m" help:"Time to keep serving after SIGTERM, so that clients stop sending requests to this process before it stops."`
	ShutdownTimeout time.Duration `default:"15s" min:"0s" max:"10m" help:"Time that requests in flight have to finish after DRAIN_DELAY; then they are aborted."`
	MaxInFlight     int           `default:"128" min:"1" max:"100000" help:"Requests that a service processes at the same time; four times as many wait up to 200 ms for a slot, and further ones get 503."`
	MaxConnections  int           `default:"0" min:"0" max:"1000000" help:"Connections that a service holds at the same time; beyond it, the one that is idle or slow for the longest time is closed. 0: half of the limit of open files, or as many as take an eighth of the memory limit while they are idle, if that is less."`
	IdleTimeout     time.Duration `default:"10m" min:"1s" max:"60m" help:"Time after which an idle connection is closed; longer than that of the load balancer in front, so that it closes first."`
	HeaderTimeout   time.Duration `default:"5s" min:"100ms" max:"10m" help:"Time that a client has to send the header of a request."`
	LogLevel        string        `default:"info" oneof:"debug,info,warn,error" help:"Lowest level that is logged."`

	// Effective lists every parsed setting for the log, with secrets masked. Parse sets it.
	Effective slog.Attr `kong:"-"`
}

// Service contains the settings of a program that runs one service.
type Service struct {
	Common
	TestHooks
	Port        int `default:"${port}" min:"0" max:"65535" help:"TCP port to listen on; 0 selects a free one."`
	DatabaseURL URL `schemes:"postgres,postgresql" like:"postgres://user:password@host:5432/database" help:"PostgreSQL database; empty: SQLite in a file under DATA_DIR."`
}

// Program describes a program in its help.
type Program struct {
	Name  string
	About string // one sentence
	Port  int    // the default of PORT
}

func (c *Common) common() *Common { return c }

// Parse fills the struct of settings that into points to, and its Effective if
// it embeds Common. For -h or --help it prints every setting to stdout and
// returns ErrHelp. For an invalid value it returns a *ValueError, for an unknown
// flag the error of kong.
func Parse(program Program, into any, args []string, getenv func(string) string, stdout io.Writer) error {
	helpPrinted := false
	parser, err := kong.New(into, append(mappers(),
		kong.Name(program.Name), kong.Description(program.About), kong.Vars{"port": strconv.Itoa(program.Port)},
		kong.Writers(stdout, stdout), kong.Exit(func(int) { helpPrinted = true }),
		kong.ValueFormatter(formatHelp), kong.Resolvers(envResolver(getenv)))...)
	if err != nil {
		return fmt.Errorf("describe the settings of %s: %w", program.Name, err)
	}
	_, err = parser.Parse(args)
	if helpPrinted {
		return ErrHelp
	}
	if valueErr, ok := errors.AsType[*ValueError](err); ok {
		return valueErr // without the flag's name, which kong adds
	}
	if c, ok := into.(interface{ common() *Common }); ok {
		c.common().Effective = effectiveSettings(parser.Model.Flags)
	}
	return err
}

// effectiveSettings returns a group of all settings, named by their variables.
func effectiveSettings(flags []*kong.Flag) slog.Attr {
	var attrs []any
	for _, flag := range flags {
		if flag.Name != "help" {
			attrs = append(attrs, slog.Any(envName(flag.Name), logValue(flag.Target)))
		}
	}
	return slog.Group("settings", attrs...)
}

// logValue returns the form of a value in the log: a URL masks its secrets, and a
// list is joined by commas as in its variable.
func logValue(value reflect.Value) any {
	switch v := value.Interface().(type) {
	case fmt.Stringer:
		return v.String()
	case []string:
		return strings.Join(v, ",")
	default:
		return v
	}
}

// envResolver returns a resolver that reads the variable of a flag that is not
// set. kong's own env tag would read the process's environment, not getenv.
func envResolver(getenv func(string) string) kong.Resolver {
	return kong.ResolverFunc(func(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
		if value := getenv(envName(flag.Name)); value != "" {
			return value, nil
		}
		return nil, nil
	})
}

// formatHelp returns the help text of a setting with its variable, its valid
// values and its default.
func formatHelp(value *kong.Value) string {
	if value.Name == "help" {
		return value.Help
	}
	line := value.Help + " [" + envName(value.Name) + "; "
	if valid := validValues(value.Tag); valid != "" {
		line += valid + "; "
	}
	if value.HasDefault {
		return line + "default " + value.Default + "]"
	}
	return line + "default empty]"
}

// envName returns the name of a flag's environment variable.
func envName(flag string) string {
	return strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}
