// Package fault makes a running service slow or broken on purpose, so that a
// test can see what its callers, its numbers and its alerts make of it. It is
// off unless a port is chosen, and then answers on loopback alone: in a cluster
// only who may forward the pod's port reaches it.
package fault

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"tandem/src/chassis/failure"
)

// Fault is what happens to requests instead of, or before, their answer.
type Fault struct {
	Delay  time.Duration // before anything else; less where the caller gives up
	Status int           // 500 or 503 is answered; 0: the service's own answer
	Panic  bool          // the handler panics
	Share  float64       // of the requests that it happens to, from 0 to 1
}

// Switch holds the fault that is on; its zero value is off.
type Switch struct{ current atomic.Pointer[Fault] }

// Strike lets the fault happen to a request: it returns late, returns a
// failure, or panics.
func (s *Switch) Strike(ctx context.Context) error {
	fault := s.current.Load()
	if fault == nil || rand.Float64() >= fault.Share {
		return nil
	}
	if err := sleep(ctx, fault.Delay); err != nil {
		return err
	}
	if fault.Panic {
		panic("a fault was switched on")
	}
	switch fault.Status {
	case http.StatusInternalServerError:
		return errors.New("a fault was switched on")
	case http.StatusServiceUnavailable:
		return failure.New(failure.Unavailable, "A fault was switched on.")
	default:
		return nil
	}
}

func sleep(ctx context.Context, delay time.Duration) error {
	if delay == 0 {
		return nil
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Listen answers on a port of loopback until the context ends:
//
//	PUT /fault?delay=5s&status=503&panic=true&share=0.5
//	DELETE /fault
func (s *Switch) Listen(ctx context.Context, port int, log *slog.Logger) error {
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("listen for faults on FAULT_PORT %d: %w", port, err)
	}
	log.Warn("faults can be switched on", slog.String("address", address))
	server := &http.Server{Handler: s.handler(log), ReadHeaderTimeout: time.Second}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	go func() { _ = server.Serve(listener) }()
	return nil
}

func (s *Switch) handler(log *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /fault", func(w http.ResponseWriter, r *http.Request) {
		fault, err := parse(r.URL.Query())
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		s.current.Store(&fault)
		log.Warn("a fault is on", slog.Any("fault", fault))
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("DELETE /fault", func(w http.ResponseWriter, _ *http.Request) {
		s.current.Store(nil)
		log.Warn("no fault is on")
		w.WriteHeader(http.StatusNoContent)
	})
	return mux
}

func parse(query url.Values) (fault Fault, err error) {
	fault.Share = 1
	for name := range query {
		value := query.Get(name)
		switch name {
		case "delay":
			fault.Delay, err = time.ParseDuration(value)
		case "status":
			fault.Status, err = strconv.Atoi(value)
		case "panic":
			fault.Panic, err = strconv.ParseBool(value)
		case "share":
			fault.Share, err = strconv.ParseFloat(value, 64)
		default:
			err = errors.New("it is none of delay, status, panic and share")
		}
		if err != nil {
			return fault, fmt.Errorf("%s=%q is not usable: %w", name, value, err)
		}
	}
	if fault.Delay < 0 || !(fault.Share >= 0 && fault.Share <= 1) {
		return fault, errors.New("give a delay from 0s, and a share from 0 to 1")
	}
	if s := fault.Status; s != 0 && s != http.StatusInternalServerError && s != http.StatusServiceUnavailable {
		return fault, fmt.Errorf("status=%d is not usable: give 500 or 503", s)
	}
	return fault, nil
}
