#!/bin/sh
# Starts a published pipeline from a CI job and waits for its end: curl and a service principal are all it takes.
#
#   INVOKE_URI     kubectl get amlpl bank -o jsonpath='{.status.published.invokeUri}'
#   TENANT_ID, CLIENT_ID, CLIENT_SECRET   who asks; the role AzureML Data Scientist on the workspace suffices
#   BODY           what the request sets, absent: nothing
#   AUTHORITY      absent: https://login.microsoftonline.com
#   ML_AUDIENCE    absent: https://ml.azure.com
#   SECONDS_BETWEEN   how often it asks for the run, absent: 15
set -eu

body=${BODY:-'{"properties": {}}'}

# The first value of a field of JSON; what is asked for here holds no quotes.
field() { tr -d '\n' | sed -n 's/.*"'"$1"'" *: *"\([^"]*\)".*/\1/p'; }

token=$(curl --silent --show-error --fail-with-body \
  --data-urlencode "grant_type=client_credentials" \
  --data-urlencode "client_id=$CLIENT_ID" \
  --data-urlencode "client_secret=$CLIENT_SECRET" \
  --data-urlencode "scope=${ML_AUDIENCE:-https://ml.azure.com}/.default" \
  "${AUTHORITY:-https://login.microsoftonline.com}/$TENANT_ID/oauth2/v2.0/token" | field access_token)

started=$(curl --silent --show-error --fail-with-body \
  --header "Authorization: Bearer $token" --header "Content-Type: application/json" \
  --data "$body" "$INVOKE_URI")
job=$(printf '%s' "$started" | grep -o '"name" *: *"batchjob-[^"]*"' | head -n 1 | sed 's/.*"\(batchjob-[^"]*\)"/\1/')
[ -n "$job" ] || { echo "no job was started: $started" >&2; exit 1; }
echo "started $job"

while :; do
  status=$(curl --silent --show-error --fail-with-body --header "Authorization: Bearer $token" "$INVOKE_URI/$job" \
    | grep -o '"status" *: *"[^"]*"' | sed 's/.*"\([^"]*\)"$/\1/' | grep -E '^(Completed|Failed|Canceled)$' | head -n 1 || true)
  case $status in
    Completed) echo "$job: $status"; exit 0 ;;
    Failed | Canceled) echo "$job: $status" >&2; exit 1 ;;
  esac
  sleep "${SECONDS_BETWEEN:-15}"
done
