package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// setting is one setting as one or more programs describe it.
type setting struct {
	variable string
	flag     string
	valid    string
	meaning  string
	programs []string
	defaults []string // one for each program
}

// settingsTable returns the table of all settings as Markdown. It builds the
// programs and reads their help, so the table holds what a production build
// accepts: -h is made from the tags of the settings structs.
func settingsTable(ctx context.Context, root string) (string, error) {
	programs := []string{"users", "orders", "tandem"}
	folder, err := os.MkdirTemp("", "docs")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(folder)
	build := exec.CommandContext(ctx, "go", "build", "-ldflags=-s -w", "-o", folder+"/", "./src/cmd/...")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the programs: %w: %s", err, out)
	}
	var all []*setting
	for _, program := range programs {
		help, err := exec.CommandContext(ctx, filepath.Join(folder, program), "-h").CombinedOutput()
		if err != nil {
			return "", fmt.Errorf("%s -h: %w: %s", program, err, help)
		}
		all = merge(all, program, parseHelp(string(help)))
	}
	return formatSettings(all), nil
}

// parseHelp returns the settings in the text that a program prints for -h.
func parseHelp(help string) (found []setting) {
	help = regexp.MustCompile(`\s+`).ReplaceAllString(help, " ") // long lines are wrapped
	entry := regexp.MustCompile(`^([a-z-]+)(?:=\S+)? (.*) \[([A-Z_]+); (?:(.*); )?default (.*)\]`)
	for _, text := range strings.Split(help, " --") {
		if m := entry.FindStringSubmatch(text); m != nil {
			found = append(found, setting{flag: m[1], meaning: m[2], variable: m[3], valid: m[4], defaults: []string{m[5]}})
		}
	}
	return found
}

// merge adds the settings of a program to those of the programs before it.
func merge(all []*setting, program string, more []setting) []*setting {
	for _, s := range more {
		i := slices.IndexFunc(all, func(known *setting) bool {
			return known.variable == s.variable && known.meaning == s.meaning && known.valid == s.valid
		})
		if i < 0 {
			all = append(all, &s)
			i = len(all) - 1
		} else {
			all[i].defaults = append(all[i].defaults, s.defaults...)
		}
		all[i].programs = append(all[i].programs, program)
	}
	return all
}

func formatSettings(all []*setting) string {
	var b strings.Builder
	b.WriteString("| Variable | Flag | Programs | Default | Valid | Meaning |\n| --- | --- | --- | --- | --- | --- |\n")
	for _, s := range all {
		fmt.Fprintf(&b, "| `%s` | `--%s` | %s | %s | %s | %s |\n",
			s.variable, s.flag, strings.Join(s.programs, ", "), s.formatDefault(), s.valid, s.meaning)
	}
	return b.String()
}

// formatDefault returns the default, or one for each program where they differ.
func (s *setting) formatDefault() string {
	if len(slices.Compact(slices.Clone(s.defaults))) == 1 {
		return s.defaults[0]
	}
	var parts []string
	for i, program := range s.programs {
		parts = append(parts, s.defaults[i]+" in "+program)
	}
	return strings.Join(parts, ", ")
}
