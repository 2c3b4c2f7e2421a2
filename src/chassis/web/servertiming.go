package web

import (
	"context"
	"os"

	"tandem/src/chassis/timing"
)

// timingSource is what the header Server-Timing says about this process.
type timingSource struct {
	service  string // short name, such as orders
	instance string // name of the host, which in Kubernetes is that of the pod
}

// SendServerTiming makes the router tell in the header Server-Timing of each response,
// except those of probes and refusals, where its time went. It shows the inside of the
// system: how long the store took, which pod answered. Call it before the router serves
// requests.
func (rt *Router) SendServerTiming(service string) {
	host, _ := os.Hostname() // without a name, the header does not contain it
	rt.timing = &timingSource{timing.ShortName(service), timing.Description(host)}
}

// begin returns a context that collects the parts of the request.
func (s *timingSource) begin(ctx context.Context, rec *responseRecorder) context.Context {
	if s == nil {
		return ctx
	}
	return timing.NewContext(ctx, &rec.timing)
}

// end writes the header. The request ends with it, for its metrics and its log line as well.
func (s *timingSource) end(rec *responseRecorder) {
	if s != nil {
		rec.timingText[0] = rec.timing.Header(s.service, s.instance, rec.end())
		rec.Header()["Server-Timing"] = rec.timingText[:]
	}
}
