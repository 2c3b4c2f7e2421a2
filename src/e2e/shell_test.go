//go:build e2e

package e2e

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// shell is a container with a shell, in which a test runs commands in the network
// of its pod.
type shell struct {
	namespace
	pod, container string
}

// shellPodManifest is a pod with a shell that listens on shellPort. It runs on the
// control plane, so that it is not affected when a test stops or drains a worker.
const shellPodManifest = `
apiVersion: v1
kind: Pod
metadata:
  name: %s
  labels: {%s}
spec:
  automountServiceAccountToken: false
  terminationGracePeriodSeconds: 0
  nodeSelector: {node-role.kubernetes.io/control-plane: ""}
  tolerations: [{key: node-role.kubernetes.io/control-plane, effect: NoSchedule}]
  securityContext: {runAsNonRoot: true, runAsUser: 65532, seccompProfile: {type: RuntimeDefault}}
  containers:
    - name: shell
      image: busybox:1.36
      command: [httpd, -f, -p, "8080", -h, /tmp]
      securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
      volumeMounts: [{name: tmp, mountPath: /tmp}]
  volumes: [{name: tmp, emptyDir: {}}]
`

const shellPort = 8080

// newShell starts a pod with a shell and with labels such as "a: b, c: d".
func (n namespace) newShell(name, labels string) (shell, error) {
	applied := runWithInput(fmt.Sprintf(shellPodManifest, name, labels), "kubectl", "--namespace="+string(n), "apply", "--filename=-")
	if applied.err != nil {
		return shell{}, applied.err
	}
	s := shell{n, name, "shell"}
	return s, n.kubectl("wait", "pod", name, "--for=condition=Ready", "--timeout=1m").err
}

// debugShell adds an ephemeral container with a shell to a pod. The name of the
// container must not be in use in that pod.
func (n namespace) debugShell(pod, container string) (shell, error) {
	s := shell{n, pod, container}
	debug := n.kubectl("debug", pod, "--container="+container, "--image=busybox:1.36", "--profile=restricted", "--",
		"sh", "-c", "trap exit TERM; sleep 3600 & wait")
	if debug.err != nil {
		return s, debug.err
	}
	return s, eventually(time.Minute, func() error { return s.exec("true").err })
}

// exec runs a shell command.
func (s shell) exec(command string) commandResult {
	return s.kubectl("exec", s.pod, "--container="+s.container, "--", "sh", "-c", command)
}

// expectReachable returns an error unless a TCP connection to the endpoint
// succeeds, or fails, as expected.
func (s shell) expectReachable(e endpoint, expected bool) error {
	tried := s.exec(fmt.Sprintf("nc -w 2 %s %d </dev/null && echo reached || echo refused", e.ip, e.port))
	reached := strings.Contains(tried.stdout, "reached")
	switch {
	case tried.err != nil:
		return tried.err
	case reached != expected:
		return fmt.Errorf("%s reaches %s: %t", s.pod, e.name, reached)
	default:
		return nil
	}
}

// udpDatagramsSent returns the number of UDP datagrams that the pod has sent. The
// services send UDP only for DNS queries.
func (s shell) udpDatagramsSent() (int, error) {
	r := s.exec("awk '/^Udp:/ { sent = $5 } END { print sent }' /proc/net/snmp")
	if r.err != nil {
		return 0, r.err
	}
	return strconv.Atoi(strings.TrimSpace(r.stdout))
}

// udpDatagramsDuring returns the number of UDP datagrams that the pod sends while
// do runs.
func (s shell) udpDatagramsDuring(do func() error) (int, error) {
	before, err := s.udpDatagramsSent()
	if err == nil {
		err = do()
	}
	if err != nil {
		return 0, err
	}
	after, err := s.udpDatagramsSent()
	return after - before, err
}

// endpoint is the address of a TCP connection that a test tries.
type endpoint struct {
	name, ip string
	port     int
}
