package connections

import (
	"math"
	"runtime/debug"
	"syscall"
)

const (
	// idleCost is the memory in bytes that an idle connection takes.
	idleCost = 20 << 10
	// mostConnections is the capacity where neither files nor memory are limited.
	mostConnections = 16384
	// fewestConnections is the least capacity.
	fewestConnections = 64
)

// Capacity returns the number of connections that the process can hold: they take at
// most half of its files and a quarter of its memory limit.
func Capacity() int {
	capacity := int64(mostConnections)
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err == nil && files.Cur < math.MaxInt64 {
		capacity = min(capacity, int64(files.Cur)/2)
	}
	capacity = min(capacity, debug.SetMemoryLimit(-1)/4/idleCost)
	return int(max(capacity, fewestConnections))
}
