//go:build !next

package orders

import "embed"

//go:embed migrations/*/0*.sql
var migrations embed.FS
