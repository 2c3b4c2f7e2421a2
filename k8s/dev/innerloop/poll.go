package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// awaitResponse polls the service until a response contains a text.
func awaitResponse(ctx context.Context, wanted string, timeout time.Duration) error {
	return poll(ctx, timeout, func() error {
		body, err := get(ctx)
		if err == nil && !strings.Contains(body, wanted) {
			err = fmt.Errorf("the response of %s is %s and does not contain %q", url, body, wanted)
		}
		return err
	})
}

// get returns the body of a response. It opens a new connection and waits at
// most a second, because a connection through a port-forward outlives the
// process behind it and then hangs.
func get(ctx context.Context) (body string, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return "", err
	}
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	return string(content), err
}

// poll calls a function until it succeeds, at least once. After the timeout it
// returns the function's last error.
func poll(ctx context.Context, timeout time.Duration, attempt func() error) error {
	deadline := time.Now().Add(timeout)
	for {
		err := attempt()
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case time.Now().After(deadline):
			return fmt.Errorf("after %v: %w", timeout, err)
		}
		time.Sleep(pollInterval)
	}
}
