package cmd_test

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"tandem/src/testkit/telemetrytest"
)

// openTerminal returns a terminal and what is written to it.
func openTerminal(t *testing.T) (terminal *os.File, written *telemetrytest.Log) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = master.Close() })
	var unlock, number int32
	for request, argument := range map[uintptr]*int32{syscall.TIOCSPTLCK: &unlock, syscall.TIOCGPTN: &number} {
		_, _, code := syscall.Syscall(syscall.SYS_IOCTL, master.Fd(), request, uintptr(unsafe.Pointer(argument)))
		require.Zero(t, code)
	}
	terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = terminal.Close() })
	written = new(telemetrytest.Log)
	go func() { _, _ = io.Copy(written, master) }()
	return terminal, written
}

// TestTerminal starts a program as a person does, with a terminal as its stdout.
func TestTerminal(t *testing.T) {
	for format, want := range map[string]string{"": "INFO   users   ready ", "text": "INFO   users   ready ", "json": `"msg":"ready"`} {
		t.Run("LOG_FORMAT="+format, func(t *testing.T) {
			terminal, written := openTerminal(t)
			command := exec.Command(filepath.Join(bin, "users"))
			command.Dir, command.Stdout = t.TempDir(), terminal
			command.Env = []string{"PORT=0", "LOG_FORMAT=" + format}
			require.NoError(t, command.Start())
			t.Cleanup(func() { _ = command.Process.Kill(); _ = command.Wait() })
			require.Eventually(t, func() bool { return strings.Contains(written.String(), want) }, patience, patience/1000, "%s", written)
			if format != "json" {
				for _, line := range strings.Split(written.String(), "\r\n") {
					require.Less(t, len(line), 100, line)
				}
			}
		})
	}
}
