package database

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"tandem/src/chassis/failure"
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
		return err
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

// ErrReadsOnly is the error of Ping while the SQLite file takes no writes, since the
// disk is full or read-only. Reads go on.
var ErrReadsOnly = errors.New("the database takes no writes at the moment")

// trialSize is what tryWrite writes, in bytes: about what a transaction needs in the WAL.
const trialSize = 64 << 10

// tryWrite writes a file beside the SQLite file, and removes it.
func (db *DB) tryWrite() error {
	file, err := os.CreateTemp(filepath.Dir(db.path), ".trial-")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	_, err = file.Write(make([]byte, trialSize))
	return errors.Join(err, file.Sync(), file.Close())
}

// noteWrite remembers that the SQLite file takes no writes, if an error of an operation
// says so. It returns the error to respond with: whether an error of the disk itself has
// stored anything is not known here.
func (db *DB) noteWrite(err error) error {
	sqliteErr, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return err
	}
	full, code := db.lacksSpace(sqliteErr), sqliteErr.Code()&0xff
	if !full && code != sqlite3.SQLITE_READONLY {
		return err
	}
	cause := error(sqliteErr)
	if full {
		cause = fmt.Errorf("%w: %w", errNoSpace, cause)
	}
	db.blocked.Store(&cause)
	if code != sqlite3.SQLITE_FULL && code != sqlite3.SQLITE_READONLY {
		return err
	}
	return failure.New(failure.Unavailable, "The database takes no changes at the moment; nothing was stored.").WithCause(cause)
}

// checkWritable returns ErrReadsOnly if the last write has failed and another would
// still fail.
func (db *DB) checkWritable() error {
	blocked := db.blocked.Load()
	if blocked == nil {
		return nil
	}
	if err := db.tryWrite(); err != nil {
		return fmt.Errorf("%w: %w", ErrReadsOnly, *blocked)
	}
	db.writer.SetMaxIdleConns(-1) // a connection that was opened while the file was read-only stays so
	db.writer.SetMaxIdleConns(1)
	db.blocked.Store(nil)
	return nil
}
