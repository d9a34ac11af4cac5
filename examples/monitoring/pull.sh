#!/bin/sh
# Appends the decisions since the last run to decisions.ndjson, for a SIEM that reads files: docs/observability.md.
# Run it from cron, in a folder of its own. GATE is the gate's URL; edgewarden.token has a token with scope
# edgewarden:audit:read. Exits 22 if the gate refuses; then the next run begins at the same time.
set -eu
from=$(cat since 2>/dev/null || echo 0)
# Records come some seconds after their decision.
until=$(($(date +%s) - ${LAG:-60}))
next="/.edgewarden/decisions?limit=1000&from=$from&until=$until"
: > new
while [ -n "$next" ]; do
  curl --fail --silent --show-error --oauth2-bearer "$(cat edgewarden.token)" \
    --header 'Accept: application/x-ndjson' --dump-header head "$GATE$next" >> new
  next=$(tr -d '\r' < head | sed -n 's/^[Ll]ink: <\(.*\)>; rel="next"$/\1/p')
done
cat new >> decisions.ndjson
echo "$until" > since
