{{- define "service.deployment" -}}
{{- include "service.setDefaults" . -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "service.fullname" . | quote }}
  {{- $scale := include "service.currentScale" . | fromYaml }}
  {{- include "service.metadata" (dict "root" . "component" "server" "annotations" $scale.annotations) | nindent 2 }}
spec:
  {{- if hasKey $scale "replicas" }}
  replicas: {{ $scale.replicas }}
  {{- end }}
  revisionHistoryLimit: {{ .Values.revisionHistoryLimit }}
  minReadySeconds: {{ .Values.minReadySeconds }}
  strategy:
    {{- if include "service.postgres" . }}
    type: RollingUpdate
    rollingUpdate:
      maxUnavailable: 0
      maxSurge: 1
    {{- else }}
    # Two pods must not open the same SQLite file.
    type: Recreate
    {{- end }}
  selector:
    matchLabels:
      {{- include "service.selectorLabels" . | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "service.labels" (dict "root" . "component" "server" "labels" .Values.podLabels) | nindent 8 }}
      annotations:
        {{- include "service.podAnnotations" . | nindent 8 }}
    spec:
      {{- include "service.podSpec" . | nindent 6 }}
      {{- with .Values.affinity }}
      affinity:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      topologySpreadConstraints:
        {{- include "service.topologySpreadConstraints" . | trim | nindent 8 }}
      # Drain, shutdown and flushing traces (3 s) take this long at most; 5 s are spare.
      terminationGracePeriodSeconds: {{ add .Values.config.drainDelaySeconds .Values.config.shutdownTimeoutSeconds 3 5 }}
      {{- with include "service.extraContainers" (dict "root" . "sidecars" true) }}
      initContainers:
        {{- trim . | nindent 8 }}
      {{- end }}
      containers:
        - name: {{ include "service.name" . | quote }}
          image: {{ include "service.image" . | quote }}
          imagePullPolicy: {{ .Values.image.pullPolicy }}
          ports:
            - name: http
              containerPort: {{ include "service.port" . }}
              protocol: TCP
          envFrom:
            - configMapRef:
                name: {{ include "service.fullname" . | quote }}
          {{- with include "service.env" . }}
          env:
            {{- trim . | nindent 12 }}
          {{- end }}
          startupProbe:
            httpGet:
              path: /health
              port: http
            {{- toYaml .Values.startupProbe | nindent 12 }}
          livenessProbe:
            httpGet:
              path: /health
              port: http
            {{- toYaml .Values.livenessProbe | nindent 12 }}
          readinessProbe:
            httpGet:
              path: /health?ready=1
              port: http
            {{- toYaml .Values.readinessProbe | nindent 12 }}
          resources:
            {{- toYaml .Values.resources | nindent 12 }}
          securityContext:
            {{- toYaml .Values.securityContext | nindent 12 }}
          volumeMounts:
            - name: tmp
              mountPath: /tmp
            {{- if not (include "service.postgres" .) }}
            - name: data
              mountPath: /data
            {{- end }}
            {{- with .Values.extraVolumeMounts }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
        {{- with include "service.extraContainers" (dict "root" . "sidecars" false) }}
        {{- trim . | nindent 8 }}
        {{- end }}
      volumes:
        # For the temporary files of SQLite.
        - name: tmp
          emptyDir: {}
        {{- if not (include "service.postgres" .) }}
        - name: data
          {{- if .Values.persistence.enabled }}
          persistentVolumeClaim:
            claimName: {{ .Values.persistence.existingClaim | default (include "service.fullname" .) | quote }}
          {{- else }}
          emptyDir: {}
          {{- end }}
        {{- end }}
        {{- with .Values.extraVolumes }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
{{- end }}

{{/* Annotations of the pods. The checksums take precedence over the user's annotations, because a changed one must replace the pods. */}}
{{- define "service.podAnnotations" -}}
{{- $annotations := dict "checksum/config" (include "service.configmap" . | sha256sum) }}
{{- if .Values.database.existingSecret }}
{{- with (lookup "v1" "Secret" .Release.Namespace .Values.database.existingSecret).metadata }}
{{- /*
    If the Secret has changed, the next upgrade replaces the pods. The checksum is the resource version, because a weak
    password could be guessed from a hash of the content.
    */}}
{{- $_ := set $annotations "checksum/database" .resourceVersion }}
{{- end }}
{{- end }}
{{- merge $annotations .Values.podAnnotations .Values.commonAnnotations | toYaml }}
{{- end }}

{{/*
The variables of extraEnv, and those of the chart whose names extraEnv does not use. Names must be unique: with
duplicates, the strategic merge patch of an upgrade may remove both.
*/}}
{{- define "service.env" -}}
{{- $extra := list }}
{{- range .Values.extraEnv }}
{{- $extra = append $extra .name }}
{{- end }}
{{- range include "service.defaultEnv" . | fromYamlArray }}
{{- if not (has .name $extra) }}
{{ list . | toYaml }}
{{- end }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The variables that the chart sets. */}}
{{- define "service.defaultEnv" -}}
{{- if .Values.database.existingSecret }}
- name: DATABASE_URL
  valueFrom:
    secretKeyRef:
      name: {{ .Values.database.existingSecret | quote }}
      key: {{ .Values.database.secretKey | quote }}
{{- end }}
{{- if .Values.telemetry.otlpEndpoint }}
- name: POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: POD_NAMESPACE
  valueFrom:
    fieldRef:
      fieldPath: metadata.namespace
- name: NODE_NAME
  valueFrom:
    fieldRef:
      fieldPath: spec.nodeName
- name: OTEL_RESOURCE_ATTRIBUTES
  value: k8s.pod.name=$(POD_NAME),k8s.namespace.name=$(POD_NAMESPACE),k8s.node.name=$(NODE_NAME)
{{- end }}
{{- end }}

{{/*
By default, pods must be spread over nodes and should be spread over zones. Nodes with taints that the pods do not tolerate
(control plane, drained or lost nodes) do not count. Only pods of the same revision count: the old ones are about to end.
*/}}
{{- define "service.topologySpreadConstraints" -}}
{{- if .Values.topologySpreadConstraints }}
{{- toYaml .Values.topologySpreadConstraints }}
{{- else }}
{{- range $key, $whenUnsatisfiable := dict "kubernetes.io/hostname" "DoNotSchedule" "topology.kubernetes.io/zone" "ScheduleAnyway" }}
- topologyKey: {{ $key }}
  maxSkew: 1
  whenUnsatisfiable: {{ $whenUnsatisfiable }}
  nodeTaintsPolicy: Honor
  matchLabelKeys: [pod-template-hash]
  labelSelector:
    matchLabels:
      {{- include "service.selectorLabels" $ | nindent 6 }}
{{- end }}
{{- end }}
{{- end }}

{{/* "true" if the database is PostgreSQL, otherwise nothing. */}}
{{- define "service.postgres" -}}
{{- if .Values.database.existingSecret }}true
{{- else }}
{{- range .Values.extraEnv }}
{{- if and (eq .name "DATABASE_URL") (or .value .valueFrom) }}true{{ end }}
{{- end }}
{{- end }}
{{- end }}

{{/*
The items of extraContainers: native sidecars, which Kubernetes has among the init containers, or the others. Takes a dict:
root, sidecars.
*/}}
{{- define "service.extraContainers" -}}
{{- range .root.Values.extraContainers }}
{{- if eq $.sidecars (eq (toString .restartPolicy) "Always") }}
{{ list (merge (dict) . (dict "securityContext" $.root.Values.securityContext)) | toYaml }}
{{- end }}
{{- end }}
{{- end }}
