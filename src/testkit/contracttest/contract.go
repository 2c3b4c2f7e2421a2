// Package contracttest holds a service to its OpenAPI document: every exchange
// that a test has with the service is compared with the document, and in the
// end nothing may be documented that no exchange has shown.
package contracttest

import (
	"cmp"
	"context"
	"fmt"
	"net/mail"
	"slices"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

// Contract is an OpenAPI document together with what has been seen of it. It
// may be used by many goroutines at once.
type Contract struct {
	t      testing.TB
	doc    *openapi3.T
	router routers.Router

	mu   sync.Mutex
	seen map[outcome]bool
}

// outcome is one of the answers that an operation can give.
type outcome struct{ operation, status string }

// operation is a documented operation, named like a net/http pattern.
type operation struct {
	name string
	*openapi3.Operation
}

// Load parses and validates an OpenAPI document, its examples included. A
// document that is not valid ends the test. Whatever an exchange violates later
// is reported to this same t, so the contract must not outlive its test.
func Load(t testing.TB, yaml []byte) *Contract {
	t.Helper()
	doc, router, err := read(yaml)
	if err != nil {
		t.Fatalf("the OpenAPI document is not valid: %v", err)
	}
	return &Contract{t: t, doc: doc, router: router, seen: map[outcome]bool{}}
}

func read(yaml []byte) (*openapi3.T, routers.Router, error) {
	doc, err := openapi3.NewLoader().LoadFromData(yaml)
	if err != nil {
		return nil, nil, err
	}
	if err := doc.Validate(context.Background(), openapi3.EnableExamplesValidation()); err != nil {
		return nil, nil, err
	}
	doc.Servers = nil // a test's server has an address of its own
	router, err := gorillamux.NewRouter(doc)
	return doc, router, err
}

// operations are all operations of the document, ordered by name.
func (c *Contract) operations() []operation {
	var all []operation
	for path, item := range c.doc.Paths.Map() {
		for method, op := range item.Operations() {
			all = append(all, operation{method + " " + path, op})
		}
	}
	slices.SortFunc(all, func(a, b operation) int { return cmp.Compare(a.name, b.name) })
	return all
}

// schemaOptions make every comparison with a schema find all that is wrong, and
// check e-mail addresses, which kin-openapi does not do by itself. They are
// passed along each time because its registry of formats is global.
func schemaOptions(more ...openapi3.SchemaValidationOption) []openapi3.SchemaValidationOption {
	return append(more,
		openapi3.MultiErrors(),
		openapi3.DisableSchemaErrorDetails(),
		openapi3.WithStringFormatValidator("email", openapi3.NewCallbackValidator(checkEmail)),
	)
}

// checkEmail accepts a bare address (RFC 5322, addr-spec): no display name, no
// angle brackets, no space around it.
func checkEmail(value string) error {
	address, err := mail.ParseAddress(value)
	if err != nil {
		return err
	}
	if address.Address != value {
		return fmt.Errorf("is more than the address %s", address.Address)
	}
	return nil
}
