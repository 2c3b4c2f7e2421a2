package main

import (
	"fmt"
	"os"
	"strings"
)

// source is a file that is edited and put back.
type source struct {
	name     string
	original string
	written  string
	mode     os.FileMode
}

func open(name string) (*source, error) {
	content, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("run this in the repository's folder: %w", err)
	}
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !strings.Contains(string(content), text) {
		return nil, fmt.Errorf("%s does not hold %q, which is to be edited", name, text)
	}
	return &source{name, string(content), string(content), info.Mode()}, nil
}

// write saves the file, unless somebody else has done so meanwhile.
func (s *source) write(content string) error {
	current, err := os.ReadFile(s.name)
	if err != nil {
		return err
	}
	if string(current) != s.written {
		return fmt.Errorf("%s was edited by somebody else: look for this program's edits with `git diff %s`", s.name, s.name)
	}
	s.written = content
	return os.WriteFile(s.name, []byte(content), s.mode)
}

func (s *source) restore() error {
	if s.written == s.original {
		return nil
	}
	return s.write(s.original)
}
