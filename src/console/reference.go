package console

import (
	"fmt"
	"html"
	"html/template"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// reference is a contract in the form in which reference.html shows it.
type reference struct {
	About  template.HTML
	Groups []group
}

// group holds the operations with a tag.
type group struct {
	Name       string
	Operations []operation
}

type operation struct {
	ID, Method, Class, Path, Summary string
	About                            template.HTML
	Parameters                       []row
	Body                             *body
	Request                          string // an example
	Answers                          []answer
}

type body struct {
	About   template.HTML
	Members []row
	Example string
}

type answer struct {
	Status, Class, Title string
	About                template.HTML
	Headers              []row
	Bodies               []body
}

// row is a row of a table of parameters, headers or members.
type row struct {
	Name, Type string
	About      template.HTML
}

// renderReference renders the page of a contract.
func (b *bundle) renderReference(name string, openapi []byte) (*asset, error) {
	d, err := parseDocument(openapi)
	if err != nil {
		return nil, err
	}
	contract := &reference{About: prose(d.text(d.root, "info", "description"))}
	if tags := d.get(d.root, "tags"); tags != nil {
		for _, tag := range tags.Content {
			contract.Groups = append(contract.Groups, group{d.text(tag, "name"), d.operations(d.text(tag, "name"))})
		}
	}
	return b.render("reference.html", page{Title: name, Reference: contract})
}

// operations returns the operations with a tag.
func (d *document) operations(tag string) (found []operation) {
	for _, path := range d.members(d.get(d.root, "paths")) {
		shared := d.get(path.value, "parameters")
		for _, method := range d.members(path.value) {
			if tags := d.get(method.value, "tags"); tags == nil || tags.Content[0].Value != tag {
				continue
			}
			found = append(found, d.operation(strings.ToUpper(method.name), path.name, shared, method.value))
		}
	}
	return found
}

func (d *document) operation(method, path string, shared, node *yaml.Node) operation {
	o := operation{
		ID: d.text(node, "operationId"), Method: method, Class: strings.ToLower(method), Path: path,
		Summary: d.text(node, "summary"), About: prose(d.text(node, "description")),
	}
	target, headers := path, ""
	for _, parameters := range []*yaml.Node{shared, d.get(node, "parameters")} {
		if parameters == nil {
			continue
		}
		for _, p := range parameters.Content {
			o.Parameters = append(o.Parameters, d.parameter(p))
			value := fmt.Sprint(d.example(d.get(p, "schema")))
			switch d.text(p, "in") {
			case "path":
				target = strings.ReplaceAll(target, "{"+d.text(p, "name")+"}", value)
			case "header":
				headers += d.text(p, "name") + ": " + value + "\n"
			}
		}
	}
	o.Request = method + " " + target + "\n" + headers
	if request := d.get(node, "requestBody"); request != nil {
		bodies := d.bodies(request)
		o.Body = &bodies[0]
		o.Body.About = prose(d.text(request, "description"))
		o.Request += "Content-Type: " + d.members(d.get(request, "content"))[0].name + "\n\n" + o.Body.Example
	}
	for _, response := range d.members(d.get(node, "responses")) {
		o.Answers = append(o.Answers, d.answer(response.name, target, response.value))
	}
	return o
}

func (d *document) parameter(p *yaml.Node) row {
	kind := d.text(p, "in") + ", " + d.typeOf(d.get(p, "schema"))
	if d.text(p, "required") != "true" {
		kind += ", optional"
	}
	return row{d.text(p, "name"), kind, prose(d.text(p, "description"))}
}

func (d *document) answer(status, target string, node *yaml.Node) answer {
	code, _ := strconv.Atoi(status)
	a := answer{
		Status: status, Class: "ok", Title: http.StatusText(code), About: prose(d.text(node, "description")), Bodies: d.bodies(node),
	}
	for _, header := range d.members(d.get(node, "headers")) {
		a.Headers = append(a.Headers, row{
			header.name, "header, " + d.typeOf(d.get(header.value, "schema")), prose(d.text(header.value, "description")),
		})
	}
	if code < http.StatusBadRequest {
		return a
	}
	a.Class = "degraded"
	if code >= http.StatusInternalServerError {
		a.Class = "failed"
	}
	sentence, _, _ := strings.Cut(strings.Join(strings.Fields(d.text(node, "description")), " ")+" ", ". ")
	for i, media := range d.members(d.get(node, "content")) {
		// The schema of all problems has the example of one of them.
		problem := d.example(d.get(media.value, "schema")).with("status", code).with("title", a.Title).with("instance", target)
		if code != http.StatusNotFound {
			sentence = strings.TrimSuffix(strings.TrimSpace(sentence), ".") + "."
			problem = problem.with("detail", sentence).with("error", sentence)
		}
		a.Bodies[i].Example = problem.String()
	}
	return a
}

// bodies returns the bodies of a request or a response: one for each variant of a schema.
func (d *document) bodies(node *yaml.Node) (found []body) {
	for _, media := range d.members(d.get(node, "content")) {
		schema := d.get(media.value, "schema")
		variants := []*yaml.Node{schema}
		if choices := d.get(schema, "oneOf"); choices != nil {
			variants = choices.Content
		}
		for _, variant := range variants {
			found = append(found, body{Members: d.rows("", variant), Example: d.example(variant).String()})
		}
	}
	return found
}

// rows returns the members of a schema, and of those within it.
func (d *document) rows(prefix string, schema *yaml.Node) (found []row) {
	if all := d.get(schema, "allOf"); all != nil {
		for _, part := range all.Content {
			found = append(found, d.rows(prefix, part)...)
		}
	}
	required := map[string]bool{}
	if names := d.get(schema, "required"); names != nil {
		for _, name := range names.Content {
			required[name.Value] = true
		}
	}
	for _, m := range d.members(d.get(schema, "properties")) {
		value, name := d.resolve(m.value), prefix+m.name
		kind := d.typeOf(value)
		if !required[m.name] {
			kind += ", optional"
		}
		found = append(found, row{name, kind, prose(d.text(value, "description"))})
		if items := d.get(value, "items"); items != nil {
			value, name = items, name+"[]"
		}
		found = append(found, d.rows(name+".", value)...)
	}
	return found
}

// typeOf describes the type of a schema and its limits.
func (d *document) typeOf(schema *yaml.Node) string {
	kind := d.text(schema, "type")
	if choices := d.get(schema, "enum"); choices != nil {
		var values []string
		for _, choice := range choices.Content {
			values = append(values, choice.Value)
		}
		kind = strings.Join(values, " | ")
	}
	if low, high := d.text(schema, "minimum"), d.text(schema, "maximum"); low != "" && high != "" {
		kind += " " + low + "–" + high
	} else if low != "" {
		kind += " ≥ " + low
	}
	if longest := d.text(schema, "maxLength"); longest != "" {
		kind += ", at most " + longest + " characters"
	}
	if value := d.text(schema, "default"); value != "" {
		kind += ", default " + value
	}
	if d.text(schema, "nullable") == "true" && d.get(schema, "enum") == nil {
		kind += " or null"
	}
	return kind
}

// prose returns a description as HTML: paragraphs, `code` and **bold**, the only marks of Markdown in
// the contracts.
func prose(text string) template.HTML {
	code := regexp.MustCompile("`([^`]+)`")
	bold := regexp.MustCompile(`\*\*([^*]+)\*\*`)
	var b strings.Builder
	for paragraph := range strings.SplitSeq(text, "\n\n") {
		if paragraph = strings.TrimSpace(paragraph); paragraph != "" {
			escaped := html.EscapeString(paragraph)
			b.WriteString("<p>" + bold.ReplaceAllString(code.ReplaceAllString(escaped, "<code>$1</code>"), "<strong>$1</strong>") + "</p>")
		}
	}
	return template.HTML(b.String())
}
