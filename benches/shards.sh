#!/usr/bin/env bash
# Measures what COUNT PresignedUrls in one namespace cost: bytes in etcd, memory of the operator, time to
# Ready and writes of a renewal. docs/scaling.md has the figures.
#
# Usage: benches/shards.sh OPERATOR ETCD [COUNT]
#   OPERATOR  the binary of presign-operator
#   ETCD      the client address of the etcd of the cluster in KUBECONFIG, such as http://127.0.0.1:2379
# The cluster is one of `make up`. The namespace must not exist.
set -euo pipefail

operator=$1 etcd=$2 count=${3:-1000}
namespace=shards port=18099
crds=$(dirname "$0")/../deploy/crds.yaml
folder=$(mktemp -d)

post() { curl -fsS -X POST "$etcd/v3/$1" -d "${2:-{\}}"; }
field() { grep -o "\"$1\":\"[0-9]*\"" | head -n 1 | grep -o '[0-9]*'; }
used() { post maintenance/status | field dbSizeInUse; }
# Bytes in use without history.
settled() {
  local revision
  revision=$(post maintenance/status | field revision)
  post kv/compaction "{\"revision\":\"$revision\",\"physical\":true}" > /dev/null
  post maintenance/defragment > /dev/null
  used
}
start() {
  PRESIGN_CLUSTER_SIGNERS=false "$operator" run --namespace "$namespace" --listen "127.0.0.1:$port" \
    --leader-elect=false > "$folder/log" 2>&1 &
  pid=$!
  until curl -fsS "http://127.0.0.1:$port/readyz" > /dev/null 2>&1; do sleep 0.05; done
}
stop() { kill "$pid"; wait "$pid" || true; }
metric() { curl -fsS "http://127.0.0.1:$port/metrics" | awk -v name="$1" 'index($0, name) == 1 { sum += $NF } END { print sum + 0 }'; }
# Waits until the sum of a metric is at least a number.
await() {
  local tries
  for tries in $(seq 6000); do
    [ "$(metric "$1")" -lt "$2" ] || return 0
    sleep 0.05
  done
  echo "$1 is not $2 after $tries looks" >&2
  return 1
}
writes() { curl -fsS "http://127.0.0.1:$port/metrics" | grep '^presign_api_requests_total' | grep -E 'verb="(apply|create|patch|update|delete)"' |
  grep -v events | awk '{ sum += $NF } END { print sum + 0 }'; }
memory() { awk '/^VmRSS/ { print $2 }' "/proc/$pid/status"; }
now() { date +%s.%N; }
since() { awk -v from="$1" -v to="$(now)" 'BEGIN { printf "%.1f", to - from }'; }
object() {
  cat << EOF
---
apiVersion: presign.dev/v1alpha1
kind: PresignedUrl
metadata: {name: shard-$1}
spec:
  bucket: datasets
  key: imagenet/train/shard-$1.tar
  expiresIn: 12h
  s3:
    endpoint: https://us-west.s3.qencode.com
    region: us-west
    credentials: {secretRef: {name: keys}}
EOF
}

kubectl apply --server-side -f "$crds" > /dev/null
kubectl wait --for=condition=established crd/presignedurls.presign.dev > /dev/null
kubectl create namespace "$namespace" > /dev/null
kubectl -n "$namespace" create secret generic keys \
  --from-literal=access-key-id=AKIAIOSFODNN7EXAMPLE \
  --from-literal=secret-access-key=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY > /dev/null
start; sleep 3; echo "memory of the operator without objects: $(memory) KiB"; stop
empty=$(settled)
for number in $(seq -f %06g "$count"); do object "$number"; done > "$folder/objects.yaml"
begun=$(now)
kubectl -n "$namespace" create -f "$folder/objects.yaml" > /dev/null
echo "kubectl create of $count objects: $(since "$begun") s"
bare=$(settled)
echo "etcd, a PresignedUrl without status: $(( (bare - empty) / count )) bytes"

begun=$(now); start
await 'presign_objects_by_reason{reason="Issued"' "$count"
echo "time from the start of the operator until all are Ready: $(since "$begun") s"
sleep 5
echo "writes: $(writes)"
echo "memory of the operator: $(memory) KiB"
history=$(used); issued=$(settled)
echo "etcd, a PresignedUrl with its Secret and status: $(( (issued - empty) / count )) bytes"
echo "etcd, of this until the next compaction: $(( (history - issued) / count )) bytes of history for each"

# A token of the annotation for all of them, which makes the operator renew all at once.
before=$(writes); before_issued=$(metric presign_issued_total)
begun=$(now)
kubectl -n "$namespace" annotate presignedurls --all presign.dev/renew=again > /dev/null
await presign_issued_total $(( before_issued + count ))
echo "renewal of all, with the annotations by kubectl: $(since "$begun") s"
sleep 5
echo "writes of the operator for it: $(( $(writes) - before ))"
history=$(used); renewed=$(settled)
echo "etcd, history of a renewal with its annotation: $(( (history - renewed) / count )) bytes for each"
echo "memory of the operator after it: $(memory) KiB"
stop
rm -rf "$folder"
