package main

import (
	"fmt"
	"os"
	"strings"
)

// source is a file that this program edits and restores.
type source struct {
	path     string
	original string
	written  string // last
	mode     os.FileMode
}

func openSource(path string) (*source, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("run this in the root folder of the repository: %w", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !strings.Contains(string(content), originalText) {
		return nil, fmt.Errorf("%s does not contain %q, which this program replaces", path, originalText)
	}
	return &source{path, string(content), string(content), info.Mode()}, nil
}

// write saves the file. It returns an error if somebody else has changed it.
func (s *source) write(content string) error {
	current, err := os.ReadFile(s.path)
	if err != nil {
		return err
	}
	if string(current) != s.written {
		return fmt.Errorf("another program has changed %s; `git diff %s` shows whether it still has an edit of this program", s.path, s.path)
	}
	s.written = content
	return os.WriteFile(s.path, []byte(content), s.mode)
}

func (s *source) restore() error {
	if s.written == s.original {
		return nil
	}
	return s.write(s.original)
}
