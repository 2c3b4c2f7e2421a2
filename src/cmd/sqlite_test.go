package cmd_test

import (
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite" // the driver
)

// disk is a small disk of one process. Its path is that in the process's own view.
type disk struct {
	path    string
	process *process
}

// diskSize leaves space for a database with a few thousand orders.
const diskSize = "8m"

// onDisk starts a program on a disk of its own, which a user namespace allows to mount
// without privileges. It has the files of the folder content. full: no space is left on it.
func onDisk(t *testing.T, program, content string, full bool, env ...string) disk {
	t.Helper()
	d := disk{path: t.TempDir()}
	script := `mount -t tmpfs -o mode=700,size=` + diskSize + ` tmpfs "$1" && cp -r "$2/." "$1" || exit 1
		if $3; then cat /dev/zero >"$1/ballast"; fi 2>/dev/null; shift 3; exec "$@"`
	requireMounts(t)
	command := exec.Command("unshare", "-rm", "sh", "-c", script, "sh", d.path, content, fmt.Sprint(full), filepath.Join(bin, program))
	d.process = start(t, command, append([]string{"PORT=0", "DATA_DIR=" + d.path}, env...)...)
	return d
}

// requireMounts skips the test where a process may not mount a disk of its own. With
// CI=true it fails there.
func requireMounts(t *testing.T) {
	t.Helper()
	out, err := exec.Command("unshare", "-rm", "sh", "-c", `mount -t tmpfs tmpfs "$1"`, "sh", t.TempDir()).CombinedOutput()
	if err != nil && os.Getenv("CI") != "true" {
		t.Skipf("this machine does not let tests mount a disk: %v %s", err, out)
	}
	require.NoError(t, err, "%s", out)
}

// file returns the path of a file of the disk, as this process sees it.
func (d disk) file(name string) string {
	return filepath.Join("/proc", fmt.Sprint(d.process.Process.Pid), "root", d.path, name)
}

// fill leaves no space on the disk.
func (d disk) fill(t *testing.T) {
	t.Helper()
	file, err := os.Create(d.file("ballast"))
	require.NoError(t, err)
	defer file.Close()
	for err == nil {
		_, err = file.Write(make([]byte, 4096))
	}
	require.ErrorIs(t, err, syscall.ENOSPC)
}

// empty makes space on the disk again.
func (d disk) empty(t *testing.T) {
	t.Helper()
	require.NoError(t, os.Remove(d.file("ballast")))
}

func TestFullDisk(t *testing.T) {
	t.Run("refuses writes, goes on with reads and stays ready", func(t *testing.T) {
		var d disk
		s := startStand(t, func(env ...string) *process {
			d = onDisk(t, "orders", t.TempDir(), false, env...)
			d.process.awaitReady(t)
			return d.process
		})
		begin := time.Now()
		d.fill(t)
		s.await(t, begin, "a refused creation", func(x sample) bool {
			return x.status == http.StatusServiceUnavailable && x.text == "The database takes no changes at the moment; nothing was stored."
		})
		require.Eventually(t, func() bool { _, health := s.orders.get(t, "/health"); return health["status"] == "degraded" },
			patience, 10*time.Millisecond)
		response, _ := s.orders.get(t, "/orders/1")
		require.Equal(t, 200, response.StatusCode)
		require.Contains(t, s.orders.log.String(), "there is no space on the disk of the folder that DATA_DIR names")
		ended := time.Now()
		d.empty(t)
		row := s.finish(t, "SQLite: the disk is full", begin, ended)
		samples, _ := s.since(begin)
		for _, x := range samples {
			require.True(t, x.write || x.good(), "a read: %d %s", x.status, x.text)
		}
		require.Equal(t, "200", row.Readiness)
		record(t, row)
	})

	t.Run("makes a start wait, and says so", func(t *testing.T) {
		d := onDisk(t, "orders", t.TempDir(), true)
		d.process.awaitLine(t, "the database cannot be reached yet")
		line := d.process.log.Lines(t, "the database cannot be reached yet")[0]["error"]
		require.Contains(t, line, `there is no space on the disk of the folder that DATA_DIR names (DATA_DIR="`+d.path+`")`)
		d.empty(t)
		d.process.awaitLine(t, "ready")
	})

	t.Run("makes a start on a store wait, and says so", func(t *testing.T) {
		dir := t.TempDir()
		before := startReady(t, "users", "DATA_DIR="+dir, "SEED_DEMO_DATA=true")
		require.NoError(t, before.Process.Kill())
		before.exit(t)
		require.NoError(t, os.Remove(filepath.Join(dir, "users.db-shm")))
		d := onDisk(t, "users", dir, true)
		d.process.awaitLine(t, "the database cannot be reached yet")
		require.Contains(t, d.process.log.Lines(t, "the database cannot be reached yet")[0]["error"], "there is no space on the disk")
		d.empty(t)
		d.process.awaitReady(t)
		_, users := d.process.get(t, "/users")
		require.EqualValues(t, 3, users["count"])
	})
}

// awaitReady waits until the program is ready, and sets its URL.
func (p *process) awaitReady(t *testing.T) {
	t.Helper()
	p.awaitLine(t, "ready")
	_, port, _ := strings.Cut(p.log.Lines(t, "listening")[0]["address"].(string), "]:")
	p.url = "http://127.0.0.1:" + port
}

func TestSQLiteFile(t *testing.T) {
	launchIn := func(t *testing.T, dir string) func(env ...string) *process {
		return func(env ...string) *process { return startReady(t, "orders", append(env, "DATA_DIR="+dir)...) }
	}
	t.Run("that is away makes it unready, and well when it is back", func(t *testing.T) {
		dir := t.TempDir()
		path := filepath.Join(dir, "orders.db")
		s := startStand(t, launchIn(t, dir))
		begin := time.Now()
		require.NoError(t, os.Rename(path, path+".away"))
		s.await(t, begin, "a refused creation", func(x sample) bool { return x.write && x.status == http.StatusServiceUnavailable })
		s.awaitReadiness(t, begin, http.StatusServiceUnavailable)
		require.Contains(t, s.orders.log.String(), "the database file was removed or replaced while the service was running")
		ended := time.Now()
		require.NoError(t, os.Rename(path+".away", path))
		row := s.finish(t, "SQLite: the file is moved away, and back", begin, ended)
		require.NotEqual(t, "200", row.Readiness)
		record(t, row)
	})

	t.Run("that another program locks refuses writes", func(t *testing.T) {
		dir := t.TempDir()
		other, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "orders.db")+"?_pragma=busy_timeout(10000)") // waits for the service's writes
		require.NoError(t, err)
		defer other.Close()
		other.SetMaxOpenConns(1)
		s := startStand(t, launchIn(t, dir))
		begin := time.Now()
		execute(t, other, "BEGIN IMMEDIATE")
		s.await(t, begin, "a refused creation", func(x sample) bool { return x.write && x.status == http.StatusServiceUnavailable })
		ended := time.Now()
		execute(t, other, "ROLLBACK")
		record(t, s.finish(t, "SQLite: another program locks the file until a request is refused", begin, ended))
	})

	t.Run("that is damaged refuses requests, makes it unready, and ends the next start", func(t *testing.T) {
		dir := t.TempDir()
		orders := startReady(t, "orders", "DATA_DIR="+dir, "SEED_DEMO_DATA=true")
		for _, name := range []string{"orders.db", "orders.db-wal"} {
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(strings.Repeat("damaged ", 16<<10)), 0o600))
		}
		require.Eventually(t, func() bool { response, _ := orders.get(t, "/health?ready=1"); return response.StatusCode == 503 },
			patience, 10*time.Millisecond)
		_, err := postOrder(orders.url, "k")
		require.ErrorContains(t, err, "status 503")
		_ = orders.Process.Kill()
		orders.exit(t)
		again := launch(t, "orders", "DATA_DIR="+dir)
		require.Equal(t, 1, again.exit(t))
		require.Contains(t, again.stderr.String(), "the database file is damaged, or is no database: put a backup in its place")
	})
}

// unusable returns the sentence about a folder.
func unusable(dir string) string {
	return `DATA_DIR="` + dir + `" is not usable: give a folder in which the service may create and write files: `
}

// TestUnusableFolder starts programs whose folder cannot be used.
func TestUnusableFolder(t *testing.T) {
	parent := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(parent, "file"), nil, 0o600))
	folders := map[string]string{"below a file": filepath.Join(parent, "file", "data"), "a file": filepath.Join(parent, "file")}
	if err := os.MkdirAll("/proc/data", 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		folders["that cannot be created"] = "/proc/data"
	}
	for name, folder := range folders {
		t.Run(name, func(t *testing.T) {
			p := launch(t, "users", "DATA_DIR="+folder)
			require.Equal(t, 1, p.exit(t))
			require.Contains(t, p.stderr.String(), unusable(folder))
			require.Equal(t, 1, strings.Count(p.stderr.String(), "\n"))
		})
	}
	t.Run("that is read-only", func(t *testing.T) {
		requireMounts(t)
		dir := t.TempDir()
		script := `mount -t tmpfs -o ro tmpfs "$1" && exec "$2"`
		command := exec.Command("unshare", "-rm", "sh", "-c", script, "sh", dir, filepath.Join(bin, "users"))
		p := start(t, command, "PORT=0", "DATA_DIR="+dir)
		require.Equal(t, 1, p.exit(t))
		require.Contains(t, p.stderr.String(), unusable(dir))
		require.Contains(t, p.stderr.String(), "read-only file system")
	})
}

func TestBackupCommand(t *testing.T) {
	dir := t.TempDir()
	orders := startReady(t, "orders", "DATA_DIR="+dir, "SEED_DEMO_DATA=true")
	backup := func(t *testing.T, args ...string) *process {
		t.Helper()
		return start(t, exec.Command(filepath.Join(bin, "orders"), append([]string{"backup"}, args...)...), "DATA_DIR="+dir)
	}
	t.Run("writes a copy to stdout beside the running service", func(t *testing.T) {
		copied := backup(t, "-")
		require.Zero(t, copied.exit(t), copied.stderr)
		restored := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(restored, "orders.db"), []byte(copied.log.String()), 0o600))
		again := startReady(t, "orders", "DATA_DIR="+restored)
		_, list := again.get(t, "/orders")
		require.EqualValues(t, 3, list["count"])
	})
	t.Run("writes a copy to a new file only", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "copy.db")
		copied := backup(t, file)
		require.Zero(t, copied.exit(t), copied.stderr)
		require.FileExists(t, file)
		again := backup(t, file)
		require.Equal(t, 1, again.exit(t))
		require.Contains(t, again.stderr.String(), "file exists")
	})
	t.Run("needs a target, and SQLite", func(t *testing.T) {
		none := backup(t)
		require.Equal(t, 2, none.exit(t))
		require.Contains(t, none.stderr.String(), "<to>")
		postgres := start(t, exec.Command(filepath.Join(bin, "users"), "backup", "-"), "DATABASE_URL=postgres://me:hush@db/x")
		require.Equal(t, 2, postgres.exit(t))
		require.Equal(t, "DATABASE_URL is set, so the data is in PostgreSQL: copy it by pg_dump\n", postgres.stderr.String())
	})
	response, _ := orders.get(t, "/health?ready=1")
	require.Equal(t, 200, response.StatusCode)
}
