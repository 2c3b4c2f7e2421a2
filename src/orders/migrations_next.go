//go:build next

package orders

import "embed"

// A binary with the build tag next stands for the next release, with which tests
// roll out and roll back a change of the schema. It also contains migration
// 90000, which adds a column. No release has a migration with a higher number,
// so this one always runs last.
//
//go:embed migrations
var migrations embed.FS
