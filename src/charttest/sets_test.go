package charttest

// typicalValues are sets of values as people install the charts, besides
// valueSets: one for each kind of cluster, database, exposure, observability and
// policy, with values as files, --set and GitOps tools write them.
var typicalValues = []string{
	// Databases and volumes.
	"{persistence: {size: 10Gi, storageClass: gp3}}",
	"{persistence: {size: 1Ti, annotations: {backup.velero.io/backup-volumes: data}}}",
	"{persistence: {size: 1073741824}}",
	"{persistence: {existingClaim: data-0}}",
	"{persistence: {enabled: false}, config: {seedDemoData: true}}",
	"{database: {existingSecret: app.credentials, secretKey: uri}}",
	"{database: {existingSecret: db, port: 6432}, replicaCount: 2}",
	`{database: {existingSecret: db, port: "5433"}, replicaCount: "3"}`,
	"{replicaCount: 3, extraEnv: [{name: DATABASE_URL, valueFrom: {secretKeyRef: {name: cluster-app, key: uri}}}]}",
	"{extraEnv: [{name: PGPASSWORD, valueFrom: {secretKeyRef: {name: pg, key: password}}}, {name: DATABASE_URL, value: 'postgres://me:$(PGPASSWORD)@pg/x'}]}",
	"{database: {existingSecret: db}, persistence: null}",
	// Numbers of pods.
	"{replicaCount: 0}",
	"{replicaCount: null}",
	`{replicaCount: ""}`,
	"{database: {existingSecret: db}, replicaCount: null}",
	"{database: {existingSecret: db}, replicaCount: 10, podDisruptionBudget: {maxUnavailable: 25%}}",
	`{database: {existingSecret: db}, replicaCount: 4, podDisruptionBudget: {maxUnavailable: "2"}}`,
	"{database: {existingSecret: db}, replicaCount: 2, podDisruptionBudget: {enabled: false}}",
	"{database: {existingSecret: db}, autoscaling: {enabled: true, minReplicas: 3, maxReplicas: 30, targetCPUUtilizationPercentage: 60}}",
	`{database: {existingSecret: db}, autoscaling: {enabled: true, minReplicas: "2", maxReplicas: "6", targetCPUUtilizationPercentage: "70"}}`,
	"{database: {existingSecret: db}, autoscaling: {enabled: true, behavior: {scaleUp: {policies: [{type: Pods, value: 4, periodSeconds: 15}]}}}}",
	"{database: {existingSecret: db}, autoscaling: {enabled: true}, extraContainers: [{name: proxy, image: proxy:1}]}",
	"{revisionHistoryLimit: 0, minReadySeconds: 10}",
	// Images.
	"{image: {repository: registry.example.com:5000/team/app, tag: v1.2.3, pullPolicy: Always}}",
	"{image: {digest: 'sha256:" + digest + "'}, imagePullSecrets: [{name: a}, {name: b}]}",
	"{image: {tag: '2026.11'}}",
	// Resources.
	"{resources: {limits: null}}",
	"{resources: {requests: {cpu: 1, memory: 536870912}, limits: {cpu: 2, memory: 1073741824}}}",
	"{resources: {requests: {cpu: 0.5}, limits: {memory: 1e9}}}",
	"{resources: {limits: {memory: 2E, ephemeral-storage: 1Ti}}}",
	"{resources: null, readinessProbe: null, livenessProbe: {timeoutSeconds: 10}}",
	"{resources: {requests: {ephemeral-storage: null}, limits: {ephemeral-storage: null}}}",
	// Policies of clusters, such as OpenShift, which chooses user ids.
	"{podSecurityContext: {runAsUser: null, runAsGroup: null, fsGroup: null}}",
	"{podSecurityContext: {supplementalGroups: [2000], sysctls: [{name: net.core.somaxconn, value: '1024'}]}}",
	"{securityContext: {seccompProfile: {type: RuntimeDefault}, privileged: false}}",
	"{hostUsers: false}",
	"{serviceAccount: {create: false, name: shared}}",
	"{serviceAccount: {annotations: {eks.amazonaws.com/role-arn: 'arn:aws:iam::1:role/app'}}}",
	"{priorityClassName: high, nodeSelector: {kubernetes.io/arch: arm64}, tolerations: [{operator: Exists}]}",
	"{affinity: {podAntiAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1, podAffinityTerm: {topologyKey: zone}}]}}}",
	"{topologySpreadConstraints: [{maxSkew: 2, topologyKey: zone, whenUnsatisfiable: DoNotSchedule, labelSelector: {matchLabels: {a: b}}}]}",
	"{dnsConfig: {nameservers: [10.0.0.10], searches: [svc.cluster.local], options: [{name: ndots, value: '1'}, {name: edns0}]}}",
	// Services.
	"{service: {type: LoadBalancer, port: 80, annotations: {service.beta.kubernetes.io/aws-load-balancer-scheme: internal}}}",
	"{service: {type: NodePort}}",
	"{service: {ipFamilyPolicy: RequireDualStack, ipFamilies: [IPv6, IPv4]}, serviceMonitor: {enabled: true}}",
	"{service: {trafficDistribution: PreferClose, ipFamilyPolicy: SingleStack, ipFamilies: [IPv4]}}",
	"{service: null, ingress: null, httpRoute: null}",
	// Ingresses and Gateways.
	"{ingress: {enabled: true}}",
	"{ingress: {enabled: true, className: traefik, hosts: ['*.example.com'], annotations: {cert-manager.io/cluster-issuer: letsencrypt}}}",
	"{ingress: {enabled: true, hosts: [a.example.com], tls: [{hosts: [a.example.com]}]}}",
	"{httpRoute: {enabled: true, parentRefs: [{name: gateway, namespace: gateways, sectionName: https}], hostnames: [a.example.com], annotations: {a: b}}}",
	// NetworkPolicies.
	"{networkPolicy: {enabled: false}}",
	"{networkPolicy: {allowFrom: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}], allowTo: [{namespaceSelector: {}}]}}",
	"{networkPolicy: {dnsTo: [{ipBlock: {cidr: 169.254.20.10/32}}], allowFrom: null}}",
	"{telemetry: {otlpEndpoint: 'https://otlp.example.com', otlpProtocol: grpc, samplingRatio: '0.1'}}",
	// Metrics, rules and dashboards.
	"{serviceMonitor: {enabled: true, scrapeClassicHistograms: false, interval: 30s}}",
	"{prometheusRule: {enabled: true, labels: {release: kube-prometheus-stack}}, slo: {latencySeconds: '0.5', availabilityPercent: '99.95'}}",
	"{prometheusRule: {enabled: true, kind: ConfigMap, timeScale: '0.5'}, dashboards: {enabled: true, label: dashboards}}",
	// Additions.
	"{extraContainers: [{name: proxy, image: proxy:1, restartPolicy: Always, ports: [{containerPort: 8080}]}, {name: log, image: log:1}]}",
	"{extraContainers: [{name: a, image: a:1, securityContext: {runAsNonRoot: true}}], extraVolumes: [{name: s, secret: {secretName: s}}]}",
	"{extraObjects: [{apiVersion: v1, kind: ConfigMap, metadata: {name: extra}, data: {release: '{{ .Release.Name }}'}}]}",
	`{extraObjects: ["apiVersion: v1\nkind: Secret\nmetadata: {name: '{{ .Release.Name }}-extra'}\nstringData: {a: b}"]}`,
	"{commonLabels: {team: shop}, podLabels: {sidecar.istio.io/inject: 'true'}, commonAnnotations: {a: b}, test: {annotations: {c: d}}}",
	"{fullnameOverride: shop, clusterDomain: corp.example, config: {logLevel: warn, maxInFlight: '64', drainDelaySeconds: '6', shutdownTimeoutSeconds: 0}}",
	// Spellings.
	`{replicaCount: 2, extraEnv: [{name: DATABASE_URL, value: 'postgres://me:$(PGPASSWORD)@a:6432,b:6433/x'}]}`,
	`{ingress: {enabled: "true", tls: [{secretName: null, hosts: [a]}]}, persistence: {enabled: "false"}, hostUsers: ""}`,
	"{podAnnotations: {a: null}, commonLabels: {b: null}, affinity: {nodeAffinity: null}}",
	"{extraContainers: [{name: a, image: a:1, securityContext: {readOnlyRootFilesystem: false}, command: null}], imagePullSecrets: [registry]}",
	`{extraObjects: ["{{ if .Values.ingress.enabled }}kind: None{{ end }}",
		"apiVersion: v1\nkind: Secret\nmetadata: {name: a}\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: b}"]}`,
	"{resources: {limits: {memory: 0, cpu: '.5'}}, serviceMonitor: {enabled: true, interval: 1m30s}, clusterDomain: corp.example.}",
	"{securityContext: {capabilities: {add: [NET_BIND_SERVICE]}}, podSecurityContext: {seccompProfile: {type: Localhost, localhostProfile: a.json}}}",
}
