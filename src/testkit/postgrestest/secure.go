package postgrestest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Secured is a server that asks for passwords and offers TLS.
type Secured struct {
	Admin  *url.URL // of the role postgres, which needs no password
	CA     string   // file with the certificate of the CA that has signed the server's
	Socket string   // folder of the Unix-domain socket
}

// Names of the server's certificate: it is for localhost, not for its address.
const certificateHost = "localhost"

// Secure returns a server that all tests of a test binary share. Every role but
// postgres needs a password.
func Secure(t testing.TB) Secured {
	t.Helper()
	server, err := secured()
	requireServer(t, err)
	return server
}

// Port returns the port of the server.
func (s Secured) Port() string { return s.Admin.Port() }

// startSecured starts the server.
func startSecured() (Secured, error) {
	bin, err := Programs()
	if err != nil {
		return Secured{}, err
	}
	dir, err := os.MkdirTemp("", "postgrestest")
	if err != nil {
		return Secured{}, err
	}
	path := func(name string) string { return filepath.Join(dir, name) }
	const hba = "local all postgres trust\nhost all postgres all trust\nlocal all all scram-sha-256\nhost all all all scram-sha-256\n"
	if err := os.WriteFile(path("pg_hba.conf"), []byte(hba), 0o644); err != nil { //nolint:gosec // no secret
		return Secured{}, err
	}
	if err := writeCertificates(path("ca.crt"), path("server.crt"), path("server.key")); err != nil {
		return Secured{}, err
	}
	if err := giveToServer(path("pg_hba.conf"), path("server.crt"), path("server.key")); err != nil {
		return Secured{}, err
	}
	admin, err := Start(bin, dir, "-c", "fsync=off", "-c", "hba_file="+path("pg_hba.conf"), "-c", "listen_addresses=127.0.0.1,::1",
		"-c", "ssl=on", "-c", "ssl_cert_file="+path("server.crt"), "-c", "ssl_key_file="+path("server.key"))
	return Secured{Admin: admin, CA: path("ca.crt"), Socket: dir}, err
}

// giveToServer makes the account of the server the owner of files.
func giveToServer(files ...string) error {
	for _, file := range files {
		if _, err := serverAccount(file); err != nil {
			return err
		}
	}
	return nil
}

// writeCertificates writes the certificate of a CA, and a certificate by it with its key.
func writeCertificates(caFile, certFile, keyFile string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "CA of the tests"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	server := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: certificateHost}, NotAfter: ca.NotAfter,
		DNSNames: []string{certificateHost}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for file, template := range map[string]*x509.Certificate{caFile: ca, certFile: server} {
		der, err := x509.CreateCertificate(rand.Reader, template, ca, &key.PublicKey, key)
		if err != nil {
			return err
		}
		if err := writePEM(file, "CERTIFICATE", der, 0o644); err != nil {
			return err
		}
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return writePEM(keyFile, "PRIVATE KEY", der, 0o600)
}

func writePEM(file, kind string, der []byte, mode os.FileMode) error {
	return os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), mode)
}

// Silent returns the address of a listener that takes connections and says nothing,
// until the test ends.
func Silent(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return listener.Addr().String()
}
