//go:build !next

package orders

import "embed"

// A release does not contain migration 90000, which is for tests: see
// migrations_next.go. The pattern matches the numbers below 10000.
//
//go:embed migrations/*/0*.sql
var migrations embed.FS
