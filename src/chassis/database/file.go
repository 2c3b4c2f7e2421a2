package database

import (
	"errors"
	"fmt"
	"os"
)

// errFileReplaced is the error of an operation after the SQLite file was removed
// or replaced: what SQLite writes to the open file, nobody can read again.
var errFileReplaced = errors.New("the database file was removed or replaced while the service was running")

// claimFile creates the SQLite file if it does not exist, and remembers which file
// it is. Its error is that the file cannot be written. It has an effect only once:
// the process loses its locks on the file when it closes it, so SQLite must not
// have opened it yet (https://sqlite.org/howtocorrupt.html, section 2.2).
func (db *DB) claimFile() error {
	if db.file != nil {
		return nil
	}
	file, err := os.OpenFile(db.path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("the service must be able to write the database file: %w", err)
	}
	defer file.Close()
	for _, name := range []string{db.path, db.path + "-wal", db.path + "-shm"} {
		_ = os.Chmod(name, 0o600) // fails if there is no such file, or if it belongs to another user, who decides
	}
	db.file, err = file.Stat()
	return err
}

// checkFile returns errFileReplaced unless the path still leads to the file that
// claimFile has found there. On PostgreSQL it returns nil.
func (db *DB) checkFile() error {
	if db.file == nil {
		return nil
	}
	now, err := os.Stat(db.path)
	if err != nil {
		return fmt.Errorf("%w: %w", errFileReplaced, err)
	}
	if !os.SameFile(db.file, now) {
		return fmt.Errorf("%w: %s", errFileReplaced, db.path)
	}
	return nil
}
