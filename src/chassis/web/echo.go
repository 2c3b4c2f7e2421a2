package web

import "strings"

// MaxEcho is the greatest length, in characters, of text that the caller chose,
// such as an ID in the path, in a response, a log line or a span attribute. Longer
// text is cut there.
const MaxEcho = 256

// echo returns the text, cut after MaxEcho characters and then with an ellipsis.
func echo(text string) string {
	count := 0
	for i := range text {
		if count == MaxEcho {
			return text[:i] + "…"
		}
		count++
	}
	return text
}

// echoPath returns an escaped path, cut after MaxEcho characters. Unlike that of
// echo, the result is a URI reference: it ends with no part of an escape.
func echoPath(escaped string) string {
	if len(escaped) <= MaxEcho {
		return escaped
	}
	cut := escaped[:MaxEcho]
	if i := strings.LastIndexByte(cut, '%'); i > len(cut)-len("%00") {
		cut = cut[:i]
	}
	return cut + "..."
}
