//go:build e2e

package e2e

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// shell is a container with a shell, from which a test tries what its pod may
// do.
type shell struct {
	namespace
	pod, container string
}

// probePod has nothing but a shell and a port on which it listens, listenPort. It
// is on the control plane, so that it outlives the workers.
const probePod = `
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
    - name: probe
      image: busybox:1.36
      command: [httpd, -f, -p, "8080", -h, /tmp]
      securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
      volumeMounts: [{name: tmp, mountPath: /tmp}]
  volumes: [{name: tmp, emptyDir: {}}]
`

const listenPort = 8080

// newShell starts a pod of its own with labels such as "a: b, c: d".
func (n namespace) newShell(name, labels string) (shell, error) {
	made := runOn(fmt.Sprintf(probePod, name, labels), "kubectl", "--namespace="+string(n), "apply", "--filename=-")
	if made.err != nil {
		return shell{}, made.err
	}
	s := shell{n, name, "probe"}
	return s, n.kubectl("wait", "pod", name, "--for=condition=Ready", "--timeout=1m").err
}

// shellIn puts a shell into the network of a pod that has none.
func (n namespace) shellIn(pod string) (shell, error) {
	s := shell{n, pod, "probe"}
	if r := n.kubectl("debug", pod, "--container=probe", "--image=busybox:1.36", "--profile=restricted", "--", "sh", "-c", "trap exit TERM; sleep 3600 & wait"); r.err != nil {
		return s, r.err
	}
	return s, eventually(time.Minute, func() error { return s.do("true").err })
}

func (s shell) do(command string) result {
	return s.kubectl("exec", s.pod, "--container="+s.container, "--", "sh", "-c", command)
}

// reaches demands that a connection can be made, or that it cannot.
func (s shell) reaches(t target, allowed bool) error {
	tried := s.do(fmt.Sprintf("nc -w 2 %s %d </dev/null && echo reached || echo refused", t.ip, t.port))
	reached := strings.Contains(tried.text, "reached")
	switch {
	case tried.err != nil:
		return tried.err
	case reached != allowed:
		return fmt.Errorf("%s reaches %s: %t", s.pod, t.name, reached)
	default:
		return nil
	}
}

// datagrams is how many UDP datagrams the pod has sent. The services send none
// but DNS queries.
func (s shell) datagrams() (int, error) {
	r := s.do("awk '/^Udp:/ { sent = $5 } END { print sent }' /proc/net/snmp")
	if r.err != nil {
		return 0, r.err
	}
	return strconv.Atoi(strings.TrimSpace(r.text))
}

// datagramsDuring is how many the pod sends while something happens.
func (s shell) datagramsDuring(do func() error) (int, error) {
	before, err := s.datagrams()
	if err == nil {
		err = do()
	}
	if err != nil {
		return 0, err
	}
	after, err := s.datagrams()
	return after - before, err
}

// target is where a connection may lead.
type target struct {
	name, ip string
	port     int
}
