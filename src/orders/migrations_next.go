//go:build next

package orders

import "embed"

// The build tag next builds a future release, for tests of a rollout and a
// rollback with a schema change. Its migration 90000 adds a column. No release
// has a migration with a higher number, so it always runs last.
//
//go:embed migrations
var migrations embed.FS
