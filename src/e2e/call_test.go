//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"regexp"
	"time"
)

// service is a server that a test reaches through a forwarded port.
type service struct {
	url  string
	stop func() // stops port forwarding
}

// forward forwards a local port to a port of a pod or a service. The caller must
// call stop.
func (n namespace) forward(to, port string) (service, error) {
	ctx, cancel := context.WithCancel(context.Background())
	command := exec.CommandContext(ctx, "kubectl", "--namespace="+string(n), "port-forward", to, ":"+port)
	stop := func() { cancel(); _ = command.Wait() }
	var stderr bytes.Buffer
	command.Stderr = &stderr
	stdout, err := command.StdoutPipe()
	if err == nil {
		err = command.Start()
	}
	if err != nil {
		cancel()
		return service{}, err
	}
	line, _ := bufio.NewReader(stdout).ReadString('\n')
	go func() { _, _ = io.Copy(io.Discard, stdout) }()
	found := regexp.MustCompile(`^Forwarding from (127\.0\.0\.1:\d+)`).FindStringSubmatch(line)
	if found == nil {
		stop()
		return service{}, fmt.Errorf("port-forward to %s: %s%s", to, line, stderr.String())
	}
	return service{"http://" + found[1], stop}, nil
}

// through forwards a service's port while do runs.
func (n namespace) through(name string, do func(service) error) error {
	port := n.kubectl("get", "service", name, "--output=jsonpath={.spec.ports[0].port}")
	if port.err != nil {
		return port.err
	}
	s, err := n.forward("service/"+name, port.stdout)
	if err != nil {
		return err
	}
	defer s.stop()
	return do(s)
}

// throughPod forwards a pod's port while do runs.
func (n namespace) throughPod(p pod, port string, do func(service) error) error {
	s, err := n.forward("pod/"+p.Metadata.Name, port)
	if err != nil {
		return err
	}
	defer s.stop()
	return do(s)
}

// call sends a request and returns the members of the JSON response. A status
// other than the expected one is an error.
func (s service) call(method, path, body string, status int) (map[string]any, error) {
	request, err := http.NewRequest(method, s.url+path, bytes.NewReader([]byte(body)))
	if err != nil {
		return nil, err
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	client := http.Client{Timeout: 10 * time.Second}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != status {
		return nil, fmt.Errorf("%s %s returned status %d instead of %d: %s", method, path, response.StatusCode, status, text)
	}
	var members map[string]any
	return members, json.Unmarshal(text, &members)
}

// createUser creates a user in a release of users and returns the user's path.
func (n namespace) createUser(release string) (path string, err error) {
	err = n.through(release, func(s service) error {
		body := fmt.Sprintf(`{"name": "Ada", "email": "%s-%d@example.com"}`, release, time.Now().UnixNano())
		user, err := s.call("POST", "/users", body, 201)
		path = fmt.Sprint("/users/", user["id"])
		return err
	})
	return path, err
}

// expectStatus sends a GET to a release and returns an error unless the response
// has the status.
func (n namespace) expectStatus(release, path string, status int) error {
	return n.through(release, func(s service) error {
		_, err := s.call("GET", path, "", status)
		return err
	})
}
