// Package contracttest tests a service against its OpenAPI document. It compares
// every exchange, which is a request and its response, with the document, and
// it reports documented responses that no exchange had.
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

// Contract is an OpenAPI document and the set of its responses that exchanges
// had so far. It is safe for concurrent use.
type Contract struct {
	t      testing.TB
	doc    *openapi3.T
	router routers.Router

	mu   sync.Mutex
	seen map[documentedResponse]bool
}

// documentedResponse identifies a response in the document: the name of its
// operation and its key, such as "200", "4XX" or "default".
type documentedResponse struct{ operation, key string }

// operation is a documented operation. Its name is its method and its path
// template, such as "GET /users/{id}".
type operation struct {
	name string
	*openapi3.Operation
}

// Load parses and validates an OpenAPI document and its examples. It stops the
// test if the document is invalid. The contract also reports to t whatever an
// exchange violates later, so the contract must not outlive the test.
func Load(t testing.TB, yaml []byte) *Contract {
	t.Helper()
	doc, router, err := parse(yaml)
	if err != nil {
		t.Fatalf("the OpenAPI document is invalid: %v", err)
	}
	return &Contract{t: t, doc: doc, router: router, seen: map[documentedResponse]bool{}}
}

func parse(yaml []byte) (*openapi3.T, routers.Router, error) {
	doc, err := openapi3.NewLoader().LoadFromData(yaml)
	if err != nil {
		return nil, nil, err
	}
	if err := doc.Validate(context.Background(), openapi3.EnableExamplesValidation()); err != nil {
		return nil, nil, err
	}
	doc.Servers = nil // otherwise the router accepts only URLs of these servers
	router, err := gorillamux.NewRouter(doc)
	return doc, router, err
}

// operations returns all operations of the document, sorted by name.
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

// schemaOptions returns options with which a comparison with a schema reports
// all errors and validates e-mail addresses. By default, kin-openapi does not
// validate them. Its registry of formats is global, so the validator is an
// option of each comparison instead.
func schemaOptions(more ...openapi3.SchemaValidationOption) []openapi3.SchemaValidationOption {
	return append(more,
		openapi3.MultiErrors(),
		openapi3.DisableSchemaErrorDetails(),
		openapi3.WithStringFormatValidator("email", openapi3.NewCallbackValidator(checkEmail)),
	)
}

// checkEmail returns an error unless value is an addr-spec (RFC 5322, section
// 3.4.1), without display name, angle brackets and surrounding space.
func checkEmail(value string) error {
	address, err := mail.ParseAddress(value)
	if err != nil {
		return err
	}
	if address.Address != value {
		return fmt.Errorf("it contains more than the address %s", address.Address)
	}
	return nil
}
