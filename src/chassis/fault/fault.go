// Package fault delays, fails or panics requests of a running service, so that a
// test can observe its callers, metrics and alerts. Only programs that are built
// with the tag testhooks contain it. It is off unless FAULT_PORT is set, and
// then listens on loopback alone: in a cluster, port forwarding reaches it.
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

// Fault is what the Injector does to a request before the handler runs.
type Fault struct {
	Delay  time.Duration // comes first; ends early when the request is canceled
	Status int           // the response's status, 500 or 503; 0: the handler runs
	Panic  bool          // the handler panics
	Share  float64       // share of the requests that are affected, from 0 to 1
}

// LogValue returns the members of f, with the delay in seconds.
func (f Fault) LogValue() slog.Value {
	return slog.GroupValue(slog.Float64("delay_seconds", f.Delay.Seconds()), slog.Int("status", f.Status),
		slog.Bool("panic", f.Panic), slog.Float64("share", f.Share))
}

// Injector holds the fault that is active. The zero value injects nothing.
type Injector struct{ active atomic.Pointer[Fault] }

// Inject applies the active fault to a request: it returns after the delay, with
// the error to respond with, or panics.
func (i *Injector) Inject(ctx context.Context) error {
	fault := i.active.Load()
	if fault == nil || rand.Float64() >= fault.Share {
		return nil
	}
	if err := sleep(ctx, fault.Delay); err != nil {
		return err
	}
	if fault.Panic {
		panic("injected fault")
	}
	switch fault.Status {
	case http.StatusInternalServerError:
		return errors.New("injected fault")
	case http.StatusServiceUnavailable:
		return failure.New(failure.Unavailable, "A fault is injected.")
	default:
		return nil
	}
}

// sleep waits for delay. It returns the error of ctx if that ends first.
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

// Listen serves the following requests on a loopback port until ctx ends:
//
//	PUT /fault?delay=5s&status=503&panic=true&share=0.5
//	DELETE /fault
func (i *Injector) Listen(ctx context.Context, port int, log *slog.Logger) error {
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("listen for faults on FAULT_PORT %d: %w", port, err)
	}
	log.Warn("faults can be injected", slog.String("address", address))
	server := &http.Server{Handler: i.handler(log), ReadHeaderTimeout: time.Second}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	go func() { _ = server.Serve(listener) }()
	return nil
}

func (i *Injector) handler(log *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /fault", func(w http.ResponseWriter, r *http.Request) {
		fault, err := parse(r.URL.Query())
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		i.active.Store(&fault)
		log.Warn("fault injection started", slog.Any("fault", fault))
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("DELETE /fault", func(w http.ResponseWriter, _ *http.Request) {
		i.active.Store(nil)
		log.Warn("fault injection stopped")
		w.WriteHeader(http.StatusNoContent)
	})
	return mux
}

// parse returns the fault that a query describes, or an error that names the
// parameter that is not valid. Share is 1 where the query has none.
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
			err = errors.New("want one of delay, status, panic and share")
		}
		if err != nil {
			return fault, fmt.Errorf("%s=%q is not valid: %w", name, value, err)
		}
	}
	return fault, fault.validate()
}

func (f Fault) validate() error {
	if f.Delay < 0 {
		return fmt.Errorf("delay=%s is not valid: want 0s or more", f.Delay)
	}
	if !(f.Share >= 0 && f.Share <= 1) { // also refuses NaN
		return fmt.Errorf("share=%v is not valid: want a number from 0 to 1", f.Share)
	}
	switch f.Status {
	case 0, http.StatusInternalServerError, http.StatusServiceUnavailable:
		return nil
	default:
		return fmt.Errorf("status=%d is not valid: want 500 or 503", f.Status)
	}
}
