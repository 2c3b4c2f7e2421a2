package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"
)

// pause is the time after which a client whose connection was closed connects again.
const pause = 5 * time.Second

// kind is one way in which a client is slow. attack gets a new connection and returns
// when it is over, or when the connection is closed.
type kind struct {
	name   string
	attack func(ctx context.Context, conn net.Conn, t target)
}

func kinds() []kind {
	return []kind{
		{"header byte by byte", func(ctx context.Context, conn net.Conn, t target) {
			drip(ctx, conn, "GET "+t.read+" HTTP/1.1\r\nHost: x\r\nX-Slow: "+strings.Repeat("x", 1000), 200*time.Millisecond)
		}},
		{"half body with Content-Length", func(_ context.Context, conn net.Conn, t target) {
			sendAndRead(conn, post(t, "Content-Length: 100")+`{"product":`)
		}},
		{"half chunked body", func(_ context.Context, conn net.Conn, t target) {
			sendAndRead(conn, post(t, "Transfer-Encoding: chunked")+"64\r\n{\"product\":")
		}},
		{"byte a second", func(ctx context.Context, conn net.Conn, t target) {
			_, _ = io.WriteString(conn, post(t, "Content-Length: 100"))
			drip(ctx, conn, strings.Repeat(" ", 100), time.Second)
		}},
		{"announced body on GET", func(_ context.Context, conn net.Conn, t target) {
			sendAndRead(conn, get(t.read, "Content-Length: 100"))
		}},
		{"unread responses, pipelined", func(ctx context.Context, conn net.Conn, t target) {
			sendUnread(ctx, conn, strings.Repeat(get(t.read, "X: x"), 300))
		}},
		{"unread large responses", func(ctx context.Context, conn net.Conn, _ target) {
			sendUnread(ctx, conn, strings.Repeat(get("/openapi.yaml", "X: x"), 20))
		}},
		{"idle", func(_ context.Context, conn net.Conn, t target) { sendAndRead(conn, get(t.read, "X: x")) }},
		{"TLS hello on a plain port", func(_ context.Context, conn net.Conn, _ target) {
			sendAndRead(conn, "\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03"+strings.Repeat("\x2a", 189))
		}},
		{"half-closed", func(ctx context.Context, conn net.Conn, t target) {
			_, _ = io.WriteString(conn, get(t.read, "X: x"))
			_ = conn.(*net.TCPConn).CloseWrite()
			<-ctx.Done()
		}},
	}
}

func get(path, header string) string {
	return fmt.Sprintf("GET %s HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n", path, header)
}

func post(t target, header string) string {
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n%s\r\n\r\n", t.create, header)
}

// sendAndRead sends a text and then reads until the connection is closed.
func sendAndRead(conn net.Conn, text string) {
	if _, err := io.WriteString(conn, text); err == nil {
		_, _ = io.Copy(io.Discard, conn)
	}
}

// sendUnread sends a text and never reads.
func sendUnread(ctx context.Context, conn net.Conn, text string) {
	_ = conn.(*net.TCPConn).SetReadBuffer(4 << 10)
	_, _ = io.WriteString(conn, text)
	<-ctx.Done()
}

// drip sends a text byte by byte.
func drip(ctx context.Context, conn net.Conn, text string, interval time.Duration) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for i := range len(text) {
		if _, err := io.WriteString(conn, text[i:i+1]); err != nil {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// attack runs n clients of each kind. They start one after the other over the
// duration; each is there for the duration.
func attack(ctx context.Context, t target, kinds []kind, n int, duration time.Duration) {
	var clients sync.WaitGroup
	for i := range n {
		for _, k := range kinds {
			clients.Go(func() {
				if !sleep(ctx, duration*time.Duration(i)/time.Duration(n)) {
					return
				}
				ctx, cancel := context.WithTimeout(ctx, duration)
				defer cancel()
				for ctx.Err() == nil {
					connect(ctx, t, k)
					sleep(ctx, pause)
				}
			})
		}
	}
	clients.Wait()
}

// connect runs one client until its connection or ctx ends.
func connect(ctx context.Context, t target, k kind) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", t.address)
	if err != nil {
		return
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	k.attack(ctx, conn, t)
}

// sleep waits and reports whether ctx is still alive.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
