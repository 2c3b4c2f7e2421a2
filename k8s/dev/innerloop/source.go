package main

import (
	"fmt"
	"os"
	"strings"
)

// source is a file that is edited and restored.
type source struct {
	name     string
	original string // content before the first edit
	written  string // content after the last edit
	mode     os.FileMode
}

// open reads a file, which must contain the text to edit.
func open(name string) (*source, error) {
	content, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("run this in the root of the repository: %w", err)
	}
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !strings.Contains(string(content), text) {
		return nil, fmt.Errorf("%s does not contain the text to edit: %q", name, text)
	}
	return &source{name, string(content), string(content), info.Mode()}, nil
}

// write saves the file. It returns an error if another program has changed it
// since the last write.
func (s *source) write(content string) error {
	current, err := os.ReadFile(s.name)
	if err != nil {
		return err
	}
	if string(current) != s.written {
		return fmt.Errorf("another program has changed %s: look for the edits of this one with `git diff %s`", s.name, s.name)
	}
	s.written = content
	return os.WriteFile(s.name, []byte(content), s.mode)
}

// restore writes the original content unless the file has it.
func (s *source) restore() error {
	if s.written == s.original {
		return nil
	}
	return s.write(s.original)
}
