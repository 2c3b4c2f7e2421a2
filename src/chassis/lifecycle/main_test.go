package lifecycle_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"tandem/src/chassis/lifecycle"
	"tandem/src/chassis/settings"
)

// programEnv is the environment variable that makes this test binary run one of the
// programs instead of the tests.
const programEnv = "LIFECYCLE_TEST_PROGRAM"

// programs are the programs, by name, that a test can run in a process of its own.
var programs = map[string]func(ctx context.Context, args []string, getenv func(string) string, stdout io.Writer) error{
	"serve": func(ctx context.Context, _ []string, getenv func(string) string, stdout io.Writer) error {
		app, err := lifecycle.New(ctx, "test-service", config(), getenv, stdout)
		if err != nil {
			return err
		}
		return app.Run(ctx, func(context.Context) error { return nil })
	},
	"hang": func(ctx context.Context, _ []string, _ func(string) string, stdout io.Writer) error {
		fmt.Fprintln(stdout, "ready")
		<-ctx.Done()
		fmt.Fprintln(stdout, "draining")
		select {}
	},
	"linger": func(ctx context.Context, _ []string, _ func(string) string, stdout io.Writer) error {
		fmt.Fprintln(stdout, "ready")
		<-ctx.Done()
		fmt.Fprintln(stdout, "draining")
		time.Sleep(200 * time.Millisecond)
		return nil
	},
	"fail": func(context.Context, []string, func(string) string, io.Writer) error {
		return errors.New("a sentence about what is wrong")
	},
	"usage": func(context.Context, []string, func(string) string, io.Writer) error {
		return settings.Usagef("--port needs a value")
	},
	"help": func(context.Context, []string, func(string) string, io.Writer) error { return settings.ErrHelp },
	"print GOMEMLIMIT": func(_ context.Context, _ []string, _ func(string) string, stdout io.Writer) error {
		fmt.Fprint(stdout, "GOMEMLIMIT ", debug.SetMemoryLimit(-1))
		return nil
	},
	"print GOGC": func(_ context.Context, _ []string, _ func(string) string, stdout io.Writer) error {
		fmt.Fprint(stdout, "GOGC ", debug.SetGCPercent(100))
		return nil
	},
}

func TestMain(m *testing.M) {
	if program := programs[os.Getenv(programEnv)]; program != nil {
		os.Exit(lifecycle.Main(program))
	}
	goleak.VerifyTestMain(m)
}

// command returns a command that runs one of the programs.
func command(t *testing.T, program string, env ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), waitTimeout)
	t.Cleanup(cancel)
	c := exec.CommandContext(ctx, os.Args[0])
	c.Env = append(os.Environ(), append(env, programEnv+"="+program)...)
	return c
}

func TestMainProgram(t *testing.T) {
	t.Run("exits with 0 after a signal", func(t *testing.T) {
		for _, signal := range []os.Signal{syscall.SIGTERM, syscall.SIGINT} {
			t.Run(signal.String(), func(t *testing.T) {
				c := command(t, "serve")
				out, err := c.StdoutPipe()
				require.NoError(t, err)
				require.NoError(t, c.Start())
				lines := bufio.NewScanner(out)
				await(t, lines, `"msg":"ready"`)
				require.NoError(t, c.Process.Signal(signal))
				await(t, lines, `"msg":"stopped"`)
				require.NoError(t, c.Wait())
			})
		}
	})

	t.Run("is killed by a second signal", func(t *testing.T) {
		c := command(t, "hang")
		out, err := c.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, c.Start())
		lines := bufio.NewScanner(out)
		await(t, lines, "ready")
		require.NoError(t, c.Process.Signal(syscall.SIGTERM))
		await(t, lines, "draining")
		// The default action is restored shortly after the context ends.
		result := make(chan error, 1)
		go func() { result <- c.Wait() }()
		require.Eventually(t, func() bool {
			_ = c.Process.Signal(syscall.SIGTERM)
			return len(result) == 1
		}, waitTimeout, 10*time.Millisecond)
		exit, ok := errors.AsType[*exec.ExitError](<-result)
		require.True(t, ok)
		require.Equal(t, syscall.SIGTERM, exit.Sys().(syscall.WaitStatus).Signal())
	})

	t.Run("a second signal within 100 ms is the first", func(t *testing.T) {
		for range 20 {
			c := command(t, "linger")
			out, err := c.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, c.Start())
			lines := bufio.NewScanner(out)
			await(t, lines, "ready")
			began := time.Now()
			require.NoError(t, c.Process.Signal(syscall.SIGTERM))
			await(t, lines, "draining")
			require.NoError(t, c.Process.Signal(syscall.SIGTERM))
			if time.Since(began) > 80*time.Millisecond {
				_ = c.Wait() // The second signal came too late; try again.
				continue
			}
			require.NoError(t, c.Wait())
			return
		}
		t.Fatal("the machine is too slow to send two signals within 80 ms")
	})

	t.Run("prints an error to stderr and exits with 1", func(t *testing.T) {
		c := command(t, "fail")
		var stderr strings.Builder
		c.Stderr = &stderr
		exit, ok := errors.AsType[*exec.ExitError](c.Run())
		require.True(t, ok)
		require.Equal(t, 1, exit.ExitCode())
		require.Equal(t, "a sentence about what is wrong\n", stderr.String())
	})

	t.Run("exits with 2 after a usage error", func(t *testing.T) {
		exit, ok := errors.AsType[*exec.ExitError](command(t, "usage").Run())
		require.True(t, ok)
		require.Equal(t, 2, exit.ExitCode())
	})

	t.Run("exits with 0 after help", func(t *testing.T) {
		text, err := command(t, "help").CombinedOutput()
		require.NoError(t, err)
		require.Empty(t, string(text))
	})

	t.Run("leaves the memory limit of GOMEMLIMIT alone", func(t *testing.T) {
		text, err := command(t, "print GOMEMLIMIT", "GOMEMLIMIT=123MiB").Output()
		require.NoError(t, err)
		require.Equal(t, fmt.Sprint("GOMEMLIMIT ", 123<<20), string(text))
	})

	t.Run("sets GOGC unless the environment does", func(t *testing.T) {
		text, err := command(t, "print GOGC", "GOGC=").Output()
		require.NoError(t, err)
		require.Equal(t, "GOGC 400", string(text))
		text, err = command(t, "print GOGC", "GOGC=50").Output()
		require.NoError(t, err)
		require.Equal(t, "GOGC 50", string(text))
	})
}

// await reads lines until one contains the text.
func await(t *testing.T, lines *bufio.Scanner, text string) {
	t.Helper()
	for lines.Scan() {
		if strings.Contains(lines.Text(), text) {
			return
		}
	}
	t.Fatalf("the process ended without %q", text)
}
