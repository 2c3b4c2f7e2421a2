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

// programVariable makes this test binary one of the programs below.
const programVariable = "LIFECYCLE_TEST_PROGRAM"

// programs are what a test can run as a process of its own.
var programs = map[string]func(ctx context.Context, args []string, getenv func(string) string, stdout io.Writer) error{
	"serve": func(ctx context.Context, _ []string, getenv func(string) string, stdout io.Writer) error {
		host, err := lifecycle.New(ctx, "test-service", config(), getenv, stdout)
		if err != nil {
			return err
		}
		return host.Run(ctx, func(context.Context) error { return nil })
	},
	"never end": func(ctx context.Context, _ []string, _ func(string) string, stdout io.Writer) error {
		fmt.Fprintln(stdout, "ready")
		<-ctx.Done()
		fmt.Fprintln(stdout, "draining")
		select {}
	},
	"fail": func(context.Context, []string, func(string) string, io.Writer) error {
		return errors.New("a sentence about what is wrong")
	},
	"help": func(context.Context, []string, func(string) string, io.Writer) error { return settings.ErrHelp },
	"collect": func(_ context.Context, _ []string, _ func(string) string, stdout io.Writer) error {
		fmt.Fprint(stdout, "GOGC ", debug.SetGCPercent(100))
		return nil
	},
}

func TestMain(m *testing.M) {
	if program := programs[os.Getenv(programVariable)]; program != nil {
		os.Exit(lifecycle.Main(program))
	}
	goleak.VerifyTestMain(m)
}

func process(t *testing.T, program string, env ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	c := exec.CommandContext(ctx, os.Args[0])
	c.Env = append(os.Environ(), append(env, programVariable+"="+program)...)
	return c
}

func TestASignalEndsTheProcessWithExitCodeZero(t *testing.T) {
	for _, signal := range []os.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(signal.String(), func(t *testing.T) {
			c := process(t, "serve")
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
}

func TestASecondSignalEndsTheProcessAtOnce(t *testing.T) {
	c := process(t, "never end")
	out, err := c.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	lines := bufio.NewScanner(out)
	await(t, lines, "ready")
	require.NoError(t, c.Process.Signal(syscall.SIGTERM))
	await(t, lines, "draining")
	// The first signal's handler is taken away a moment after the context ends.
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	require.Eventually(t, func() bool {
		_ = c.Process.Signal(syscall.SIGTERM)
		return len(ended) == 1
	}, patience, 10*time.Millisecond)
	exit, is := errors.AsType[*exec.ExitError](<-ended)
	require.True(t, is)
	require.Equal(t, syscall.SIGTERM, exit.Sys().(syscall.WaitStatus).Signal())
}

func await(t *testing.T, lines *bufio.Scanner, part string) {
	t.Helper()
	for lines.Scan() {
		if strings.Contains(lines.Text(), part) {
			return
		}
	}
	t.Fatalf("the process ended without %q", part)
}

func TestAnErrorIsOneSentenceOnStderrAndExitCodeOne(t *testing.T) {
	c := process(t, "fail")
	var stderr strings.Builder
	c.Stderr = &stderr
	exit, is := errors.AsType[*exec.ExitError](c.Run())
	require.True(t, is)
	require.Equal(t, 1, exit.ExitCode())
	require.Equal(t, "a sentence about what is wrong\n", stderr.String())
}

func TestHelpIsNoFailure(t *testing.T) {
	text, err := process(t, "help").CombinedOutput()
	require.NoError(t, err)
	require.Empty(t, string(text))
}

func TestTheCollectorIsTunedUnlessTheEnvironmentSaysHow(t *testing.T) {
	text, err := process(t, "collect", "GOGC=").Output()
	require.NoError(t, err)
	require.Equal(t, "GOGC 400", string(text))
	text, err = process(t, "collect", "GOGC=50").Output()
	require.NoError(t, err)
	require.Equal(t, "GOGC 50", string(text))
}
