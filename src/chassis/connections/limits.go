package connections

import (
	"cmp"
	"math"
	"runtime/debug"
	"syscall"
	"time"
)

const (
	// memoryShare is the part of the memory limit that idle connections may take. The
	// kernel's buffers of connections that are not idle take up to three times as much.
	memoryShare = 8
	// idleCost is the memory in bytes that an idle connection takes.
	idleCost = 20 << 10
	// mostConnections is the capacity where neither files nor memory are limited.
	mostConnections = 16384
	// fewestConnections is the least capacity.
	fewestConnections = 64
	// bytesShare is the part of the memory limit that bodies may take, and responses.
	bytesShare = 16
	// mostBytes is what each may take where memory is not limited, and fewestBytes the least.
	mostBytes, fewestBytes = 64 << 20, 4 << 20
)

// Limits bound the connections of a Listener.
type Limits struct {
	Max          int           // connections; beyond it, the one that is idle or slow for the longest time is closed
	Bodies       Bound         // bodies that are being read, and the bytes that they reserve
	Responses    Bound         // responses that wait to be sent, and their bytes
	BodyGrace    time.Duration // time that a body may take beyond its length at minRate
	StopPatience time.Duration // time without progress after which a connection is cut once the Listener is closed
}

// Bound is the largest number of bodies or responses, and of their bytes; 0 is none.
type Bound struct {
	Number int
	Bytes  int64
}

// NewLimits returns the limits of a process that holds up to maxConnections, or
// Capacity if that is 0. Bodies and responses may each take half of the connections,
// and a sixteenth of the memory limit. The times are not set.
func NewLimits(maxConnections int) Limits {
	most := cmp.Or(maxConnections, Capacity())
	bound := Bound{Number: max(1, most/2), Bytes: min(max(memoryLimit()/bytesShare, fewestBytes), mostBytes)}
	return Limits{Max: most, Bodies: bound, Responses: bound}
}

// Capacity returns the number of connections that the process can hold: they take at
// most half of its files, and an eighth of its memory limit while they are idle.
func Capacity() int {
	capacity := int64(mostConnections)
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err == nil && files.Cur < math.MaxInt64 {
		capacity = min(capacity, int64(files.Cur)/2)
	}
	capacity = min(capacity, memoryLimit()/memoryShare/idleCost)
	return int(max(capacity, fewestConnections))
}

func memoryLimit() int64 { return debug.SetMemoryLimit(-1) }
