package database

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// finalError is an error of Open that does not end by waiting.
type finalError struct{ err error }

func (e *finalError) Error() string { return e.err.Error() }

func (e *finalError) Unwrap() error { return e.err }

// final returns a finalError with a formatted text.
func final(format string, args ...any) error { return &finalError{fmt.Errorf(format, args...)} }

// explain returns one sentence for an error of Open: the setting, the remedy and the
// cause. It contains no password.
func (db *DB) explain(err error) error {
	switch {
	case err == nil:
		return nil
	case db.source != nil:
		return db.source.explain(err)
	default:
		return db.explainFile(err)
	}
}

// isRetryableAtStartup reports whether an error of explain may end without a change
// to the configuration.
func isRetryableAtStartup(err error) bool {
	if _, ok := errors.AsType[*finalError](err); ok {
		return false
	}
	if _, ok := errors.AsType[hostsError](err); ok {
		return true // otherwise remedyOfHosts would have made it a finalError
	}
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok {
		return isServerUnavailable(pgErr.Code)
	}
	return isConnError(err) || isTemporary(err) || errors.Is(err, errFileLocked) || errors.Is(err, errNoSpace)
}

// explain returns an error of a connection as one line. It is a finalError if waiting
// does not help: then the text has the setting and the remedy.
func (s *source) explain(err error) error {
	text := oneLine(err)
	if url, urlErr := s.connString(); urlErr == nil {
		text = url.Mask(text)
	}
	if _, ok := errors.AsType[*sourceError](err); ok {
		return final("%s", text)
	}
	if remedy := s.remedy(err); remedy != "" {
		return final("%s is not usable: %s: %s", s.shown(), remedy, text)
	}
	return &quotedError{text, err}
}

// quotedError is an error with another text.
type quotedError struct {
	text string
	err  error
}

func (e *quotedError) Error() string { return e.text }

func (e *quotedError) Unwrap() error { return e.err }

// shown returns the setting that has the connection string, and the string.
func (s *source) shown() string {
	url, err := s.connString()
	if s.file == "" || err != nil {
		return s.name()
	}
	return fmt.Sprintf("%s with %q", s.name(), url)
}

// oneLine returns the text of an error without line ends.
func oneLine(err error) string {
	lines := strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' })
	for i, line := range lines {
		lines[i] = strings.TrimSpace(line)
	}
	return strings.ReplaceAll(strings.Join(lines, "; "), ":; ", ": ")
}

// remedy returns what to do about an error of a connection, or the empty string if
// the cause may end by itself. Of several attempts to connect, one to each address,
// those to other hosts may succeed later.
func (s *source) remedy(err error) string {
	if all, ok := errors.AsType[hostsError](err); ok {
		return s.remedyOfHosts(all)
	}
	connectErr, ok := errors.AsType[*pgconn.ConnectError](err)
	if !ok {
		return remedyOf(err)
	}
	hosts, plain := map[string]bool{connectErr.Config.Host: true}, connectErr.Config.TLSConfig == nil
	for _, fallback := range connectErr.Config.Fallbacks {
		hosts[fallback.Host] = true
		plain = plain || fallback.TLSConfig == nil
	}
	var remedy string
	for _, attempt := range attempts(connectErr.Unwrap()) {
		found := remedyOf(attempt)
		if found == "" && len(hosts) > 1 {
			return "" // that host may answer later
		}
		if _, answered := errors.AsType[*pgconn.PgError](attempt); found != "" && (remedy == "" || answered) {
			remedy = found
			continue
		}
		if found == "" && plain && remedy == remedyNoTLS {
			remedy = ""
		}
	}
	return remedy
}

// remedyOfHosts returns what to do about the first of several hosts, or the empty
// string if one of them may answer later.
func (s *source) remedyOfHosts(all hostsError) (first string) {
	for _, err := range all {
		remedy := s.remedy(err)
		if remedy == "" {
			return ""
		}
		first = cmp.Or(first, remedy)
	}
	return first
}

// attempts returns the errors that errors.Join has joined.
func attempts(err error) []error {
	for unwrapped := err; unwrapped != nil; unwrapped = errors.Unwrap(unwrapped) {
		if joined, ok := unwrapped.(interface{ Unwrap() []error }); ok {
			return joined.Unwrap()
		}
	}
	return []error{err}
}

// Remedies of a certificate that the client does not take, or that there is none.
const (
	remedyNoTLS = "turn on TLS at the server, or give sslmode=disable"
	remedyCA    = "give the certificate of the server's CA in sslrootcert"
	remedyHost  = "give the host name that the server's certificate has, or sslmode=verify-ca"
	remedyTLS   = "give the certificates and the sslmode that the server takes"
)

// remedyOf returns what to do about the error of one attempt to connect, or the empty
// string if its cause may end by itself.
func remedyOf(err error) string {
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok {
		return remedyOfServer(pgErr)
	}
	if remedy := remedyOfTLS(err); remedy != "" {
		return remedy
	}
	dnsErr, ok := errors.AsType[*net.DNSError](err)
	switch {
	case ok && dnsErr.IsNotFound && os.Getenv("KUBERNETES_SERVICE_HOST") == "":
		return "give a host name that exists"
	case ok:
		return "" // on Kubernetes a headless Service without a ready pod has no record
	case errors.Is(err, fs.ErrPermission):
		return "give a socket or an address that the service may open"
	case isConnError(err) || isTemporary(err):
		return ""
	default:
		if _, ok := errors.AsType[*pgconn.ConnectError](err); ok || strings.Contains(err.Error(), "check failed") {
			return "give the way to log in that the server offers"
		}
		return "" // an error of a migration, not of the connection
	}
}

// remedyOfServer returns what to do about an error that the server has sent.
func remedyOfServer(err *pgconn.PgError) string {
	switch {
	case strings.Contains(err.Message, "startup parameter"): // PgBouncer, with the code of any violation of the protocol
		return "remove the parameter that the pooler refuses, or let the pooler ignore it (ignore_startup_parameters)"
	case isServerUnavailable(err.Code):
		return ""
	case err.Severity != "FATAL": // of a statement, not of the connection
		return ""
	case strings.HasPrefix(err.Code, "28"):
		return "give a user and a password that the server takes, and that its pg_hba.conf admits"
	case err.Code == "3D000":
		return "create the database, or give one that exists"
	case err.Code == "42501":
		return "let the user connect to the database (GRANT CONNECT)"
	case err.Code == "42704", err.Code == "22023", err.Code == "42602", err.Code == "55P02":
		return "remove the parameter that the server refuses, or correct its value"
	default:
		return "correct what the server refuses"
	}
}

// remedyOfTLS returns what to do about an error of TLS, or the empty string if it is
// none.
func remedyOfTLS(err error) string {
	if strings.Contains(err.Error(), "server refused TLS connection") { // pgx has no type for it
		return remedyNoTLS
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return remedyCA
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return remedyHost
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		if invalid.Reason == x509.Expired {
			return "renew the server's certificate, or correct the clock"
		}
		return remedyTLS
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return remedyTLS
	}
	if _, ok := errors.AsType[tls.AlertError](err); ok {
		return remedyTLS
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok || strings.Contains(err.Error(), "remote error: tls:") {
		return remedyTLS
	}
	return ""
}

// isTemporary reports whether an error says that an attempt took too long, or that
// the address does not take connections at the moment. A socket's file may not exist yet.
func isTemporary(err error) bool {
	opErr, ok := errors.AsType[*net.OpError](err)
	return ok && !errors.Is(opErr, fs.ErrPermission) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) ||
		errors.Is(err, os.ErrDeadlineExceeded)
}

// errNoSpace is the error of a start and of a write while the disk is full.
var errNoSpace = errors.New("there is no space on the disk of the folder that DATA_DIR names")

// explainFile returns a sentence for an error of the SQLite file.
func (db *DB) explainFile(err error) error {
	setting := fmt.Sprintf("DATA_DIR=%q", db.dataDir)
	if db.lacksSpace(err) {
		return fmt.Errorf("%w (%s): %w", errNoSpace, setting, err)
	}
	if errors.Is(err, errFileLocked) {
		return err
	}
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		return final("%s is not usable: give a folder in which the service may create and write files: %s %s: %w",
			setting, pathErr.Op, pathErr.Path, pathErr.Err)
	}
	sqliteErr, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return err
	}
	switch sqliteErr.Code() & 0xff {
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM:
		return final("%s is not usable: give a folder in which the service may create and write files: %w", setting, err)
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return final("the database file is damaged, or is no database: put a backup in its place, or give another folder in DATA_DIR: %w", err)
	case sqlite3.SQLITE_IOERR:
		return final("the disk of the folder that DATA_DIR names does not read or write: %w", err)
	}
	return err
}

// lacksSpace reports whether an error of SQLite or of the file system has the cause
// that the disk is full. SQLite names it only for some files, so lacksSpace tries.
func (db *DB) lacksSpace(err error) bool {
	if db.path == "" {
		return false
	}
	if isNoSpace(err) {
		return true
	}
	sqliteErr, ok := errors.AsType[*sqlite.Error](err)
	switch {
	case !ok:
		return false
	case sqliteErr.Code()&0xff == sqlite3.SQLITE_FULL:
		return true
	case sqliteErr.Code()&0xff == sqlite3.SQLITE_IOERR || sqliteErr.Code()&0xff == sqlite3.SQLITE_CANTOPEN:
		return isNoSpace(db.tryWrite())
	default:
		return false
	}
}

func isNoSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
