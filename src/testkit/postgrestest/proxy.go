package postgrestest

import (
	"encoding/binary"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// Proxy stands between clients and a PostgreSQL server and can lose answers.
type Proxy struct {
	URL string // of the database, through the proxy

	listener net.Listener
	server   string // address
	mu       sync.Mutex
	loss     *Loss
}

// Loss is one answer that a Proxy loses. The transaction to which it belongs has been
// committed before.
type Loss struct {
	match  func(tags []string) bool
	silent bool
	lost   chan struct{}
}

// Happened is closed when the answer is lost.
func (l *Loss) Happened() <-chan struct{} { return l.lost }

// NewProxy starts a proxy to the server of a database. It stops when the test ends.
func NewProxy(t testing.TB, databaseURL string) *Proxy {
	t.Helper()
	address, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	p := &Proxy{listener: listener, server: address.Host}
	address.Host = listener.Addr().String()
	query := address.Query()
	query.Set("sslmode", "disable") // so that the proxy can read
	address.RawQuery = query.Encode()
	p.URL = address.String()
	go p.accept()
	return p
}

// Lose loses the first answer to a transaction with the given command tags, such as
// BEGIN, INSERT 0 1, COMMIT, after the server has committed it. Then the proxy closes
// the connection or, if silent, keeps it open until the client gives up.
func (p *Proxy) Lose(silent bool, match func(tags []string) bool) *Loss {
	loss := &Loss{match: match, silent: silent, lost: make(chan struct{})}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.loss = loss
	return loss
}

// Writes reports whether a transaction with the given tags has inserted or changed a
// row with a statement that says so.
func Writes(tags []string) bool {
	for _, tag := range tags {
		if strings.HasPrefix(tag, "INSERT") || strings.HasPrefix(tag, "UPDATE") {
			return true
		}
	}
	return false
}

// take returns the loss if it matches, once.
func (p *Proxy) take(tags []string) *Loss {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.loss == nil || !p.loss.match(tags) {
		return nil
	}
	loss := p.loss
	p.loss = nil
	return loss
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		go p.serve(client)
	}
}

func (p *Proxy) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", p.server)
	if err != nil {
		return
	}
	defer server.Close()
	gone := make(chan struct{})
	go func() {
		_, _ = io.Copy(server, client)
		_ = server.Close()
		close(gone)
	}()
	if loss := p.answer(client, server); loss != nil {
		close(loss.lost)
		if loss.silent {
			<-gone
		}
	}
}

// answer forwards the messages of the server, each answer at once, until one is lost
// or the connection ends (https://www.postgresql.org/docs/current/protocol-message-formats.html).
func (p *Proxy) answer(client io.Writer, server io.Reader) *Loss {
	var answer []byte
	var tags []string // of the transaction
	for {
		kind, message, err := readMessage(server)
		if err != nil {
			return nil
		}
		answer = append(answer, message...)
		switch kind {
		case 'C': // CommandComplete
			tags = append(tags, strings.TrimRight(string(message[5:]), "\x00"))
		case 'Z': // ReadyForQuery, with the state of the transaction
			if message[5] == 'I' { // idle: it has ended
				if loss := p.take(tags); loss != nil {
					return loss
				}
				tags = nil
			}
		}
		if kind == 'Z' || kind == 'R' || kind == 'E' { // the client waits for these
			if _, err := client.Write(answer); err != nil {
				return nil
			}
			answer = nil
		}
	}
}

// readMessage reads one message of the server.
func readMessage(server io.Reader) (kind byte, message []byte, err error) {
	header := make([]byte, 5)
	if _, err := io.ReadFull(server, header); err != nil {
		return 0, nil, err
	}
	body := make([]byte, binary.BigEndian.Uint32(header[1:])-4)
	_, err = io.ReadFull(server, body)
	return header[0], append(header, body...), err
}
