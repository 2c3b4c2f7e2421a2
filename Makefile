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
KUBECONFORM   := bin/kubeconform-v0.8.0
KUBE_SCORE    := bin/kube-score-v1.20.0
ACTIONLINT    := bin/actionlint-v1.7.12

# Runs helm lint, kubeconform, kube-score and promtool.
CHARTTEST := tandem/src/charttest

# Images carry the charts' appVersion. KIND_NODE_IMAGE empty: kind's own default.
IMAGE_TAG       := $(shell sed -n 's/^appVersion: *"\{0,1\}\([^"]*\)"\{0,1\}/\1/p' charts/users/Chart.yaml)
KIND_NODE_IMAGE ?=
DOCKER_BUILD_FLAGS ?=
# Registry in which the charts of a release look for the images, such as ghcr.io/example.
REGISTRY ?=
# A Go build tag for the images; the image tag then ends with it.
TAGS :=
# Which of the tests on the cluster to run, a pattern as `go test -run` takes it, such as TestObservability or TestResilience/nodes; empty: all.
E2E_RUN ?=
# How many requests a rollout must withstand.
export E2E_REQUESTS ?= 3000
KIND            := go tool kind
CLUSTER         := tandem
NAMESPACE       ?= tandem

# The race detector needs a C compiler.
RACE := $(shell command -v $$(CGO_ENABLED=1 go env CC) >/dev/null 2>&1 && echo -race)

FUZZ_TIME ?= 10s
BENCH     ?=

# They say how far a build and the tests are: the output of `go build -v` becomes one line that counts the packages, and each result
# of `go test` gets its number. Other lines stay as they are.
BUILD_PROGRESS = awk -v total=$$(go list -deps ./src/cmd/... | wc -l) -v end="$$([ -t 2 ] && echo '\r' || echo '\n')" \
	'/^[a-z][A-Za-z0-9._\/-]*$$/ { n++; if (end == "\r" || n % 100 == 0) printf "Compiled %d of at most %d packages.%s", n, total, end; fflush(); next } \
	{ print; fflush() } END { if (n && end == "\r") print "" }'
# A loop, as some versions of awk read whole blocks.
TEST_PROGRESS = while IFS= read -r line; do case $$line in \
	'ok  '$$'\t'*|FAIL$$'\t'*|'?   '$$'\t'*) n=$$(( $${n:-0} + 1 )); echo "[$$n of $$(wc -w <<<"$$packages")] $$line";; \
	*) echo "$$line";; esac; done

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-17s %s\n", $$1, $$2}'

.PHONY: build
build: ## Build bin/users, bin/orders and bin/tandem
	@echo "Building bin/users, bin/orders and bin/tandem; the first time, this compiles all packages and takes a few minutes."
	@go build -v -trimpath -ldflags '$(LDFLAGS)' -o bin/ ./src/cmd/... 2>&1 | $(BUILD_PROGRESS)

.PHONY: run
run: build ## Run both services on embedded stores: ports 5001 and 5002, data in DATA_DIR
	@SEED_DEMO_DATA=$${SEED_DEMO_DATA:-true} exec bin/tandem

.PHONY: test
test: ## Run every test with the race detector, on SQLite and PostgreSQL
	@$(MAKE) --no-print-directory postgres-available
	@[ -n '$(RACE)' ] || { echo "There is no C compiler: tests run without the race detector."; [ "$${CI:-}" != true ]; }
	@packages=$$(go list ./src/... | grep -v '$(CHARTTEST)$$'); \
		echo "Testing $$(wc -w <<<"$$packages") packages; this takes a few minutes, and the first time also the time to compile them."; \
		CGO_ENABLED=$(if $(RACE),1,0) go test $(RACE) -timeout 20m $$packages | $(TEST_PROGRESS)
	@echo "Testing the switches that only builds for tests have."
	CGO_ENABLED=$(if $(RACE),1,0) go test $(RACE) -tags testhooks -run 'TestDisable|TestFaultPort' ./src/chassis/httpclient ./src/chassis/lifecycle
	cd src/e2e && go test ./results

.PHONY: browser
browser: axe-core ## Test the pages of both services in headless Chromium
	cd src/browsertest && go test -count=1 -timeout 10m .

.PHONY: screenshots
screenshots: ## Make the pictures of the pages in docs/images, in headless Chromium
	mkdir -p docs/images
	cd src/browsertest && SCREENSHOTS=$(CURDIR)/docs/images go test -count=1 -run TestScreenshots .

.PHONY: axe-core
axe-core:
	@if command -v npm >/dev/null; then npm ci --prefix src/browsertest --ignore-scripts --no-audit --no-fund --loglevel error; \
		else echo "There is no npm: accessibility is not tested."; [ "$${CI:-}" != true ]; fi

.PHONY: postgres-available
postgres-available:
	@go run ./src/testkit/postgrestest/available

.PHONY: lint
lint: $(GOLANGCI_LINT) $(GOVULNCHECK) $(KUBECONFORM) $(KUBE_SCORE) $(ACTIONLINT) ## Check style, structure, charts and known vulnerabilities
	go mod tidy -diff
	$(GOLANGCI_LINT) run ./src/... ./k8s/...
	go vet -tags next ./src/orders
	go vet -tags testhooks ./src/chassis/httpclient ./src/chassis/lifecycle ./src/chassis/settings ./src/orders
	cd src/e2e && $(CURDIR)/$(GOLANGCI_LINT) run --build-tags e2e
	cd src/browsertest && go mod tidy -diff && $(CURDIR)/$(GOLANGCI_LINT) run
	$(ACTIONLINT)
	go test -timeout 20m $(CHARTTEST)
	@out=$$($(GOVULNCHECK) ./src/... 2>&1) || { echo "$$out"; grep -q 'fetching vulnerabilities' <<<"$$out" && echo "Vulnerabilities were not checked: their database could not be reached."; }

.PHONY: fuzz
fuzz: ## Fuzz decoding, validation, cursors and routes, FUZZ_TIME each
	go run ./src/fuzz -time $(FUZZ_TIME)

.PHONY: bench
bench: ## Measure what the project is held to, and print it as a table
	go run ./src/bench $(BENCH)

.PHONY: hostile
hostile: ## Attack the services with slow clients, and check that nobody else notices: 15 minutes
	go run ./src/hostile

.PHONY: database-results
database-results: ## Measure what callers see when something happens to the database, and write it into docs/postgresql.md
	DATABASE_RESULTS=$(CURDIR)/docs/postgresql.json go test -count=1 -run 'TestFailover|TestConnections|TestRotation|TestFullDisk|TestSQLiteFile' ./src/cmd
	$(MAKE) docs

.PHONY: charts
charts: ## Generate values, schemas, READMEs and templates of the charts from charts/service
	go run ./src/charts

.PHONY: docs
docs: ## Generate the tables of README.md and docs
	go run ./src/docs

# fork: begin
.PHONY: fork
fork: ## Give a fresh clone another name, such as MODULE=example.com/shop NAME=shop
	go run ./src/fork -module '$(MODULE)' -name '$(NAME)'
# fork: end

.PHONY: images
images: image-users image-orders ## Build the images tandem/users and tandem/orders

.PHONY: image-next
image-next: ## Build the successor of tandem/orders, which changes the schema, for tests
	$(MAKE) image-orders TAGS=next

.PHONY: images-testhooks
images-testhooks: ## Build images for tests, which can inject faults and disable mechanisms
	$(MAKE) image-users image-orders TAGS=testhooks

image-%:
	docker build $(DOCKER_BUILD_FLAGS) --file Dockerfile.$* --tag tandem/$*:$(IMAGE_TAG)$(TAGS:%=-%) --build-arg TAGS=$(TAGS) \
		--build-arg VERSION=$(IMAGE_TAG)$(TAGS:%=-%) --build-arg COMMIT=$(COMMIT) --build-arg DATE=$(DATE) .

.PHONY: cluster
cluster: images ## Create the kind cluster, if it is not there, and load the images
	@$(KIND) get clusters | grep -qx $(CLUSTER) || \
		$(KIND) create cluster --config k8s/kind.yaml $(if $(KIND_NODE_IMAGE),--image $(KIND_NODE_IMAGE))
	@kubectl --context kind-$(CLUSTER) get --raw /readyz --request-timeout 30s >/dev/null || \
		{ echo "The cluster $(CLUSTER) is there but does not answer: make cluster-delete, and try again."; exit 1; }
	@kubectl --context kind-$(CLUSTER) wait --for=condition=Ready node --all --timeout=3m || \
		{ echo "A node of the cluster $(CLUSTER) is not ready, perhaps as a test was interrupted: make cluster-delete, and try again."; exit 1; }
	kubectl --context kind-$(CLUSTER) apply -f k8s/namespace.yaml
	$(KIND) load docker-image --name $(CLUSTER) tandem/users:$(IMAGE_TAG) tandem/orders:$(IMAGE_TAG)

.PHONY: cluster-delete
cluster-delete: ## Delete the kind cluster
	$(KIND) delete cluster --name $(CLUSTER)

.PHONY: observability
observability: ## Put collector, Jaeger, Prometheus and Grafana beside the releases in NAMESPACE
	k8s/observability/install.sh $(NAMESPACE)
	@echo "Now: helm upgrade RELEASE charts/… --namespace $(NAMESPACE) --reset-then-reuse-values --values k8s/observability/values.yaml"

.PHONY: e2e-images
e2e-images: cluster image-next images-testhooks ## Load what the tests on the cluster need beside the images
	$(KIND) load docker-image --name $(CLUSTER) tandem/orders:$(IMAGE_TAG)-next tandem/users:$(IMAGE_TAG)-testhooks tandem/orders:$(IMAGE_TAG)-testhooks

.PHONY: e2e
e2e: cluster e2e-images ## Prove images, charts and what they withstand on the kind cluster, which is made if it is not there; E2E_RUN: some of it, as go test -run
	cd src/e2e && KUBE_CONTEXT=kind-$(CLUSTER) go test -tags e2e -count=1 -parallel 3 -timeout 2h -run '$(E2E_RUN)'

# E2E_CONTROLS: run the controls, too. E2E_RESULTS: the folder that results are written to.
# The documents show the results also where a scenario has failed.
E2E_MEASURED := TestResilience|TestInstallations|TestHelm3Release|TestServerSideApply
.PHONY: e2e-full
e2e-full: ## Run the resilience tests with more requests and all controls, every way to install, and write the results into the documents
	$(MAKE) e2e-images
	$(if $(E2E_RUN),,rm -f docs/resilience.json)
	failed=0; E2E_REQUESTS=20000 E2E_CONTROLS=true E2E_RESULTS=docs $(MAKE) e2e E2E_RUN='$(or $(E2E_RUN),$(E2E_MEASURED))' || failed=$$?; \
		$(MAKE) docs; exit $$failed

.PHONY: release
release: ## Write charts, binaries, images and checksums of VERSION into ./dist; REGISTRY: where the charts find the images
	go run ./src/release -version '$(VERSION)' -registry '$(REGISTRY)' -ldflags '$(LDFLAGS)'

.PHONY: clean
clean: ## Remove what was built
	rm -rf bin dist

bin/golangci-lint-%:
	GOBIN=$(CURDIR)/bin/tools go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$*
	mv bin/tools/golangci-lint $@

bin/actionlint-%:
	GOBIN=$(CURDIR)/bin/tools go install github.com/rhysd/actionlint/cmd/actionlint@$*
	mv bin/tools/actionlint $@

bin/kubeconform-%:
	GOBIN=$(CURDIR)/bin/tools go install github.com/yannh/kubeconform/cmd/kubeconform@$*
	mv bin/tools/kubeconform $@

bin/kube-score-%:
	GOBIN=$(CURDIR)/bin/tools go install github.com/zegl/kube-score/cmd/kube-score@$*
	mv bin/tools/kube-score $@

bin/govulncheck-%:
	GOBIN=$(CURDIR)/bin/tools go install golang.org/x/vuln/cmd/govulncheck@$*
	mv bin/tools/govulncheck $@
