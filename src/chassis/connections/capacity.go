package connections

import (
	"math"
	"runtime/debug"
	"syscall"
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
)

// Capacity returns the number of connections that the process can hold: they take at
// most half of its files, and an eighth of its memory limit while they are idle.
func Capacity() int {
	capacity := int64(mostConnections)
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err == nil && files.Cur < math.MaxInt64 {
		capacity = min(capacity, int64(files.Cur)/2)
	}
	capacity = min(capacity, debug.SetMemoryLimit(-1)/memoryShare/idleCost)
	return int(max(capacity, fewestConnections))
}
