module tandem/src/e2e

go 1.26.0
