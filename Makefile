# Everything a person does with this repository. "make help" lists it.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

export CGO_ENABLED ?= 0
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT  ?= $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
DATE    ?= $(shell date -u +%Y-%m-%dT%H:%M:%SZ)
BUILD   := tandem/src/chassis/build
LDFLAGS := -s -w -X $(BUILD).version=$(VERSION) -X $(BUILD).commit=$(COMMIT) -X $(BUILD).date=$(DATE)

# Tools are pinned here and built into ./bin.
GOLANGCI_LINT := bin/golangci-lint-v2.15.0
GOVULNCHECK   := bin/govulncheck-v1.9.0

FUZZ_TIME ?= 10s
BENCH     ?=

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

.PHONY: build
build: ## Build bin/users, bin/orders and bin/tandem
	go build -trimpath -ldflags '$(LDFLAGS)' -o bin/ ./src/cmd/...

.PHONY: run
run: build ## Run both services on embedded stores: ports 5001 and 5002, data in DATA_DIR
	SEED_DEMO_DATA=$${SEED_DEMO_DATA:-true} exec bin/tandem

.PHONY: test
test: ## Run every test with the race detector, on SQLite and PostgreSQL
	@$(MAKE) --no-print-directory postgres-available
	CGO_ENABLED=1 go test -race -timeout 20m ./src/...

.PHONY: postgres-available
postgres-available:
	@go run ./src/chassis/database/postgrestest/available

.PHONY: lint
lint: $(GOLANGCI_LINT) $(GOVULNCHECK) ## Check style, structure and known vulnerabilities
	go mod tidy -diff
	$(GOLANGCI_LINT) run ./src/...
	@$(GOVULNCHECK) ./src/... || { [ $$? -ne 3 ] && echo "govulncheck could not reach its database: vulnerabilities were not checked"; }

.PHONY: fuzz
fuzz: ## Fuzz decoding, validation, cursors and routes, FUZZ_TIME each
	go run ./src/fuzz -time $(FUZZ_TIME)

.PHONY: bench
bench: ## Measure what the project is held to, and print it as a table
	go run ./src/bench $(BENCH)

.PHONY: clean
clean: ## Remove what was built
	rm -rf bin

bin/golangci-lint-%:
	GOBIN=$(CURDIR)/bin/tools go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$*
	mv bin/tools/golangci-lint $@

bin/govulncheck-%:
	GOBIN=$(CURDIR)/bin/tools go install golang.org/x/vuln/cmd/govulncheck@$*
	mv bin/tools/govulncheck $@
