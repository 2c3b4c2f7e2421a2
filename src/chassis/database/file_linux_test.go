package database_test

import (
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"tandem/src/chassis/database"
)

// withoutPrivileges runs f on a thread that may write only what the permissions
// of a file allow, also if the tests run as root.
func withoutPrivileges(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		if os.Geteuid() == 0 {
			_ = syscall.Setfsuid(65534)
		}
		f()
	}()
	<-done
}

func TestReadOnlyFile(t *testing.T) {
	t.Run("is refused with its path", func(t *testing.T) {
		config := database.Config{Name: "test", DataDir: t.TempDir()}
		openOnce(t, config, migrations(1))
		path := filepath.Join(config.DataDir, "test.db")
		require.NoError(t, os.Chmod(path, 0o444))
		for _, name := range []string{filepath.Dir(config.DataDir), config.DataDir} {
			require.NoError(t, os.Chmod(name, 0o777))
		}
		require.NoError(t, os.Chmod(path+".lock", 0o666))
		withoutPrivileges(func() {
			requireRefused(t, config, "give a folder in which the service may create and write files: open "+path+": permission denied")
		})
	})
}
