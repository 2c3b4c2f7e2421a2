//go:build next

package orders

import "embed"

// The build tag next makes a binary that stands for the next release. Tests roll
// it out and back to see whether a change of the schema works. The change is
// migration 90000, which adds a column. No release has a migration with a higher
// number, so this one always runs last.
//
//go:embed migrations
var migrations embed.FS
