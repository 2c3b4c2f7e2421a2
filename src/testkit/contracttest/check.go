package contracttest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/go-json-experiment/json/jsontext"
)

const problemType = "application/problem+json"

// check reports all differences between an exchange and the document.
func (c *Contract) check(x exchange) {
	c.t.Helper()
	for _, err := range c.violations(x) {
		c.t.Errorf("%s %s got status %d: %v", x.method, x.request.URL.RequestURI(), x.status, err)
	}
}

func (c *Contract) violations(x exchange) []error {
	route, params, err := c.router.FindRoute(x.request)
	switch {
	case errors.Is(err, routers.ErrPathNotFound):
		return c.checkUndocumented(x, http.StatusNotFound, "path")
	case errors.Is(err, routers.ErrMethodNotAllowed):
		return c.checkUndocumented(x, http.StatusMethodNotAllowed, "method")
	case err != nil:
		return []error{err}
	}
	input := &openapi3filter.RequestValidationInput{
		Request: x.request, PathParams: params, Route: route,
		Options: &openapi3filter.Options{
			MultiError:              true,
			SkipSettingDefaults:     true,
			ExcludeResponseBody:     true, // compared below, see compareBody
			SchemaValidationOptions: schemaOptions(),
		},
	}
	return append(checkRequest(x, input), c.checkResponse(x, input)...)
}

// checkUndocumented checks the response to an undocumented path or method.
func (c *Contract) checkUndocumented(x exchange, status int, what string) []error {
	if x.status != status {
		return []error{fmt.Errorf("the %s is not documented, so the status must be %d", what, status)}
	}
	var errs []error
	if status == http.StatusMethodNotAllowed && x.header.Get("Allow") == "" {
		errs = append(errs, errors.New("the header Allow is missing"))
	}
	if c.doc.Components == nil || c.doc.Components.Schemas["Problem"] == nil {
		return append(errs, errors.New("the document has no schema Problem to compare it with"))
	}
	problem := openapi3.Content{problemType: {Schema: c.doc.Components.Schemas["Problem"]}}
	return append(errs, compareBody(x, problem)...)
}

// checkRequest reports an invalid request that was not rejected. The service may
// reject a valid request, too: a schema cannot express that a name is taken.
func checkRequest(x exchange, input *openapi3filter.RequestValidationInput) []error {
	err := openapi3filter.ValidateRequest(context.Background(), input)
	if err == nil && input.Route.Operation.RequestBody != nil && len(x.requestBody) > 0 {
		_, err = decode(x.request.Header.Get("Content-Type"), x.requestBody) // stricter than ValidateRequest, see compareBody
	}
	if err == nil || x.status >= 400 && x.status < 500 {
		return nil
	}
	return []error{fmt.Errorf("the request does not match the document, so the status must be 4xx: %w", err)}
}

func (c *Contract) checkResponse(x exchange, input *openapi3filter.RequestValidationInput) []error {
	key, response := findResponse(input.Route.Operation.Responses, x.status)
	if response == nil {
		return []error{errors.New("the status is not documented")}
	}
	var errs []error
	err := openapi3filter.ValidateResponse(context.Background(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Status: x.status, Header: x.header, Options: input.Options,
	})
	if err != nil {
		errs = append(errs, err)
	}
	errs = append(errs, compareBody(x, response.Content)...)
	if len(errs) == 0 && x.method != http.MethodHead {
		c.markSeen(documentedResponse{input.Route.Method + " " + input.Route.Path, key})
	}
	return errs
}

// findResponse returns the documented response for a status and its key: the
// status, its class, or "default". The response is nil if there is none.
func findResponse(responses *openapi3.Responses, status int) (key string, response *openapi3.Response) {
	number := strconv.Itoa(status)
	for _, key := range []string{number, number[:1] + "XX", "default"} {
		if ref := responses.Value(key); ref != nil {
			return key, ref.Value
		}
	}
	return "", nil
}

// compareBody compares content type and body with the documented content. It
// does not use openapi3filter for that: its decoders are global, ignore text
// after the first JSON value, and do not support YAML and metrics by default.
func compareBody(x exchange, content openapi3.Content) []error {
	if len(content) == 0 {
		if len(x.body) > 0 {
			return []error{errors.New("a body is not documented")}
		}
		return nil
	}
	contentType := x.header.Get("Content-Type")
	media := content.Get(contentType)
	if media == nil {
		return []error{fmt.Errorf("the content type %q is not documented", contentType)}
	}
	if x.method == http.MethodHead {
		return nil
	}
	value, err := decode(contentType, x.body)
	if err != nil {
		return []error{fmt.Errorf("the body is not valid %s: %w", contentType, err)}
	}
	return compareValue(x, media, value)
}

func compareValue(x exchange, media *openapi3.MediaType, value any) []error {
	var errs []error
	if media.Schema != nil {
		err := media.Schema.Value.VisitJSON(value, schemaOptions(openapi3.VisitAsResponse())...)
		if err != nil {
			errs = append(errs, fmt.Errorf("the body does not match its schema: %w", err))
		}
	}
	problem, _ := value.(map[string]any)
	status, isNumber := problem["status"].(json.Number)
	if strings.HasPrefix(x.header.Get("Content-Type"), problemType) && isNumber && status.String() != strconv.Itoa(x.status) {
		errs = append(errs, fmt.Errorf("the status in the problem is %s", status))
	}
	return errs
}

// decode decodes a JSON or YAML body into the value that a schema describes. It
// returns any other body as a string.
func decode(contentType string, body []byte) (any, error) {
	mediaType, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return nil, err
	}
	switch {
	case mediaType == "application/json" || strings.HasSuffix(mediaType, "+json"):
		return decodeJSON(body)
	case strings.HasSuffix(mediaType, "yaml"):
		return openapi3filter.YamlBodyDecoder(bytes.NewReader(body), nil, nil, nil)
	}
	return string(body), nil
}

// decodeJSON decodes a single JSON value. It rejects duplicate names and
// trailing text, and decodes numbers as json.Number.
func decodeJSON(body []byte) (any, error) {
	if !jsontext.Value(body).IsValid() {
		return nil, errors.New("it is malformed, has a duplicate name or has trailing text")
	}
	var value any
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	err := decoder.Decode(&value)
	return value, err
}
