package contracttest_test

import (
	"fmt"
	"runtime"
	"sync"
	"testing"

	"tandem/src/testkit/contracttest"
)

// recorder is a testing.TB that records failures, so that tests can check what a
// contract reports.
type recorder struct {
	testing.TB
	mu       sync.Mutex
	failures []string
}

func (r *recorder) Helper() {}

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

// load loads a document with a recorder. It does so in another goroutine, because
// Fatalf ends its goroutine. The contract is nil after Fatalf.
func load(t *testing.T, yaml string) (*contracttest.Contract, *recorder) {
	t.Helper()
	r := &recorder{TB: t}
	var contract *contracttest.Contract
	done := make(chan struct{})
	go func() {
		defer close(done)
		contract = contracttest.Load(r, []byte(yaml))
	}()
	<-done
	return contract, r
}

// notes is the OpenAPI document of the tests in this package.
const notes = `
openapi: 3.0.3
info: {title: Notes, version: 1.0.0}
servers: [{url: https://notes.example.com/v1}]
paths:
  /notes:
    get:
      operationId: listNotes
      parameters:
        - {name: limit, in: query, schema: {type: integer, minimum: 1}}
        - {name: ids, in: query, style: form, explode: false, schema: {type: array, maxItems: 2, items: {type: integer}}}
      responses:
        '200':
          description: all
          content: {application/json: {schema: {type: array, items: {$ref: '#/components/schemas/Note'}}}}
        '503':
          description: unavailable
          headers: {Retry-After: {required: true, schema: {type: integer, minimum: 1}}}
          content: {application/problem+json: {schema: {$ref: '#/components/schemas/Problem'}}}
    post:
      operationId: createNote
      requestBody:
        required: true
        content: {application/json: {schema: {$ref: '#/components/schemas/NewNote'}}}
      responses:
        '201':
          description: created
          content: {application/json: {schema: {$ref: '#/components/schemas/Note'}}}
        '400':
          description: rejected
          content: {application/problem+json: {schema: {$ref: '#/components/schemas/Problem'}}}
  /notes/{id}:
    delete:
      operationId: deleteNote
      parameters: [{name: id, in: path, required: true, schema: {type: integer, format: int64}}]
      responses:
        '204': {description: deleted}
  /document:
    get:
      operationId: getDocument
      responses:
        '200':
          description: the document
          content: {application/yaml: {schema: {type: object, required: [openapi]}}}
  /metrics:
    get:
      operationId: getMetrics
      responses:
        '200':
          description: metrics
          content: {text/plain: {schema: {type: string, minLength: 1}}}
components:
  schemas:
    NewNote:
      type: object
      required: [text, copies, price]
      properties:
        text: {type: string, minLength: 1, maxLength: 20, pattern: '\S'}
        copies: {type: integer, minimum: 1, maximum: 9}
        price: {type: number, minimum: 0, maximum: 1000000000, multipleOf: 0.01, example: 899.99}
        kind: {type: string, enum: [memo, list]}
        pinned: {type: boolean}
        email: {type: string, format: email, maxLength: 254, example: ada@example.com}
    Note:
      type: object
      additionalProperties: false
      required: [id, text, at]
      properties:
        id: {type: integer}
        text: {type: string}
        at: {type: string, format: date-time}
        email: {type: string, format: email}
    Problem:
      type: object
      required: [title, status]
      properties: {title: {type: string}, status: {type: integer}}
`
