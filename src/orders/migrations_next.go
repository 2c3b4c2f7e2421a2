//go:build next

package orders

import "embed"

// The tag next makes this release's successor, for tests of a rollout and a
// rollback across a change of the schema: its migration expands, and its
// number, which no release reaches, keeps it the last.
//
//go:embed migrations
var migrations embed.FS
