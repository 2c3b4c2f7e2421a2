// Package settings reads a process's configuration from flags and environment
// variables (https://12factor.net/config). A setting is a field of a struct.
// The field's tags contain its default, its help text and its valid values: min and
// max for a number or a duration, oneof for a string, someof or origins for a list, and
// schemes or placeholderof with an example (like) for a URL or the template of one.
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

	"tandem/src/chassis/build"
)

// ErrHelp is the error of Parse after it has printed the help or the version.
var ErrHelp = errors.New("help was requested")

// UsageError is the error of a command line or of settings that a program does
// not take. Its text is one sentence for the person who started the program.
type UsageError struct{ Err error }

func (e *UsageError) Error() string { return e.Err.Error() }

func (e *UsageError) Unwrap() error { return e.Err }

// Usagef returns a UsageError with a formatted text.
func Usagef(format string, args ...any) error { return &UsageError{fmt.Errorf(format, args...)} }

// Common contains the settings of every program that serves.
type Common struct {
	DataDir         string        `default:"data" help:"Folder of the SQLite files; created if it does not exist."`
	SeedDemoData    bool          `default:"false" help:"Insert the demo data into an empty database."`
	DrainDelay      time.Duration `default:"0s" min:"0s" max:"10m" help:"Time to keep serving after SIGTERM, so that clients stop sending requests to this process before it stops."`
	ShutdownTimeout time.Duration `default:"15s" min:"0s" max:"10m" help:"Time that requests in flight have to finish after DRAIN_DELAY; then they are aborted."`
	MaxInFlight     int           `default:"128" min:"1" max:"100000" help:"Requests that a service processes at the same time; 16 times as many wait up to 200 ms for a slot, and further ones get 503."`
	MaxConnections  int           `default:"0" min:"0" max:"1000000" help:"Connections that a service holds at the same time; beyond it, the one that is idle or slow for the longest time is closed. 0: half of the limit of open files, or as many as take an eighth of the memory limit while they are idle, if that is less. Half of them may send bodies at the same time, and half may wait for their response to be sent."`
	IdleTimeout     time.Duration `default:"10m" min:"1s" max:"60m" help:"Time after which an idle connection is closed; longer than that of the load balancer in front, so that it closes first."`
	HeaderTimeout   time.Duration `default:"5s" min:"100ms" max:"10m" help:"Time that a client has to send the header of a request."`
	Console         bool          `default:"true" help:"Serve a page at / that shows the service and calls it, and the API reference at /docs; and tell in the header Server-Timing of each response where its time went."`
	ConsoleTraceURL string        `placeholderof:"{trace_id}" like:"https://jaeger.example.com/trace/{trace_id}" help:"Address of a trace, to which the page at / leads; empty: it shows the IDs only."`
	CORSOrigins     []string      `origins:"" like:"https://shop.example.com" help:"Origins whose browser applications may call the API, separated by commas; empty: none but the service's own."`
	LogLevel        string        `default:"info" oneof:"debug,info,warn,error" help:"Lowest level that is logged."`
	LogFormat       string        `oneof:"text,json" help:"Form of the log lines, for people or for machines; empty: text on a terminal, otherwise json."`

	// Effective lists every parsed setting for the log, with secrets masked. Parse sets it.
	Effective slog.Attr `kong:"-"`
}

// Service contains the settings of a program that runs one service.
type Service struct {
	Common
	TestHooks
	Port       int    `default:"${port}" min:"0" max:"65535" help:"TCP port to listen on; 0 selects a free one."`
	ListenHost string `help:"Address to listen on, such as 127.0.0.1; empty: all addresses."`
	Database

	// PortVariable is the variable that sets Port, for messages; empty: PORT.
	PortVariable string `kong:"-"`
	// OnReady is called once, when the service is ready; nil: nothing is.
	OnReady func() `kong:"-"`
}

// Database contains the settings of a service's PostgreSQL database.
type Database struct {
	DatabaseURL                ConnString    `like:"postgres://user:password@host:5432/database" help:"PostgreSQL database, as libpq takes it; empty: SQLite in a file under DATA_DIR."`
	DatabaseURLFile            string        `help:"File with the value of DATABASE_URL, read for each new connection, so that a rotated password needs no restart."`
	DatabaseMaxConnections     int           `default:"10" min:"1" max:"1000" help:"Connections to PostgreSQL for requests; one more checks whether it answers. All processes together need that many of the server's max_connections."`
	DatabaseConnectionLifetime time.Duration `default:"30m" min:"0s" max:"24h" help:"Time after which a connection to PostgreSQL is replaced; 0s: never."`
	DatabaseConnectionIdleTime time.Duration `default:"0s" min:"0s" max:"24h" help:"Time after which an unused connection to PostgreSQL is closed; 0s: never."`
}

// Program describes a program in its help.
type Program struct {
	Name     string
	About    string // one sentence
	Commands string // what the help says about the program's commands; empty: it has none
	Port     int    // the default of PORT
}

// version is the flag of every program that is not a setting.
type version struct {
	Version kong.VersionFlag `help:"Print the version."`
}

// common returns the Common that a struct of settings embeds.
func (c *Common) common() *Common { return c }

// Parse fills the struct of settings that into points to, and its Effective if
// it embeds Common. For -h or --help it prints every setting to stdout, for
// --version the version, and returns ErrHelp. Its other errors are UsageErrors;
// that of an invalid value wraps a *ValueError.
func Parse(program Program, into any, args []string, getenv func(string) string, stdout io.Writer) error {
	printed := false
	parser, err := kong.New(into, append(mappers(),
		kong.Name(program.Name), kong.Description(strings.TrimSpace(program.About+"\n\n"+program.Commands)),
		kong.Embed(new(version)),
		kong.Vars{"port": strconv.Itoa(program.Port), "version": program.Name + " " + build.For(program.Name).String()},
		kong.Writers(stdout, stdout), kong.Exit(func(int) { printed = true }),
		kong.ValueFormatter(formatHelp), kong.Resolvers(envResolver(getenv)))...)
	if err != nil {
		return fmt.Errorf("describe the settings of %s: %w", program.Name, err)
	}
	_, err = parser.Parse(args)
	if printed {
		return ErrHelp
	}
	if c, ok := into.(interface{ common() *Common }); ok {
		c.common().Effective = effectiveSettings(parser.Model.Flags)
	}
	return usageError(err)
}

// Defaults fills the struct of settings that into points to as Parse does for a
// program that gets neither flags nor variables.
func Defaults(into any) error {
	return Parse(Program{}, into, nil, func(string) string { return "" }, io.Discard)
}

// usageError returns the UsageError for an error of kong, or nil.
func usageError(err error) error {
	if err == nil {
		return nil
	}
	if valueErr, ok := errors.AsType[*ValueError](err); ok {
		return &UsageError{valueErr} // without the flag's name, which kong adds
	}
	return Usagef("%w; -h lists the flags", err)
}

// isSetting reports whether a flag is a setting, with a variable.
func isSetting(flag string) bool { return flag != "help" && flag != "version" }

// effectiveSettings returns a group of all settings, named by their variables.
func effectiveSettings(flags []*kong.Flag) slog.Attr {
	var attrs []any
	for _, flag := range flags {
		if isSetting(flag.Name) {
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
		if isSetting(flag.Name) {
			if value := Trim(getenv(envName(flag.Name))); value != "" {
				return value, nil
			}
		}
		return nil, nil
	})
}

// formatHelp returns the help text of a setting with its variable, its valid
// values and its default.
func formatHelp(value *kong.Value) string {
	if value.Flag == nil || !isSetting(value.Name) {
		return value.Help
	}
	line := value.Help + " [" + envName(value.Name) + "; "
	if valid := validValues(value.Tag); valid != "" {
		line += valid + "; "
	}
	if value.Default != "" {
		return line + "default " + value.Default + "]"
	}
	return line + "default empty]"
}

// envName returns the name of a flag's environment variable.
func envName(flag string) string {
	return strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// flagName returns the name of a variable's flag.
func flagName(variable string) string {
	return strings.ToLower(strings.ReplaceAll(variable, "_", "-"))
}
