package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
)

// binaries writes every program for every architecture that the images have, too.
func (r release) binaries() error {
	for _, arch := range []string{"amd64", "arm64"} {
		for _, program := range []string{"users", "orders", "tandem"} {
			file := r.path(fmt.Sprintf("%s_%s_linux_%s", program, r.version, arch))
			env := []string{"CGO_ENABLED=0", "GOOS=linux", "GOARCH=" + arch}
			if err := r.execute(env, "go", "build", "-trimpath", "-ldflags", r.ldflags, "-o", file, "./src/cmd/"+program); err != nil {
				return err
			}
		}
	}
	return nil
}

// images builds the images for the platform of the host and saves them, for
// `docker load`. Without Docker there are none.
func (r release) images() error {
	if answers := exec.Command("docker", "version").Run() == nil; !answers {
		fmt.Fprintln(r.stdout, "There are no images, because Docker is not installed or does not answer.")
		return nil
	}
	if err := r.execute(nil, "make", "--no-print-directory", "images", "IMAGE_TAG="+r.version); err != nil {
		return err
	}
	for _, service := range []string{"users", "orders"} {
		file := r.path(fmt.Sprintf("%s_%s_image_%s.tar", service, r.version, runtime.GOARCH))
		if err := r.execute(nil, "docker", "save", "--output", file, "tandem/"+service+":"+r.version); err != nil {
			return err
		}
	}
	return nil
}

// checksums writes SHA256SUMS, which `sha256sum --check` reads.
func (r release) checksums() error {
	entries, err := os.ReadDir(r.dist) // sorted
	if err != nil {
		return err
	}
	var sums strings.Builder
	for _, entry := range entries {
		sum, err := checksum(r.path(entry.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(&sums, "%s  %s\n", sum, entry.Name())
	}
	return os.WriteFile(r.path("SHA256SUMS"), []byte(sums.String()), 0o644) //nolint:gosec // readable by everybody
}

// checksum returns the SHA-256 of a file in hexadecimal.
func checksum(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	sum := sha256.New()
	_, err = io.Copy(sum, file)
	return hex.EncodeToString(sum.Sum(nil)), err
}
