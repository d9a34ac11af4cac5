#!/usr/bin/env bash
# Runs `edgewarden ci` for a change and, on GitHub, puts its summary into the job and one comment on the pull
# request. action.yml sets POLICY_*; in any other pipeline `npx edgewarden ci --base …` is the whole step.
set -euo pipefail

: "${POLICY_CONFIG:=wrangler.toml}" "${POLICY_BASE:=}" "${POLICY_COMMENT:=true}" "${POLICY_PULL_REQUEST:=}"
summary=$(mktemp)
trap 'rm -f "$summary"' EXIT

arguments=(--config "$POLICY_CONFIG" --report github --summary "$summary")
if [ -n "${POLICY_ENV:-}" ]; then arguments+=(--env "$POLICY_ENV"); fi
if [ -n "${POLICY_MIN_COVERAGE:-}" ]; then arguments+=(--min-coverage "$POLICY_MIN_COVERAGE"); fi
if [ -n "${POLICY_OPENAPI:-}" ]; then arguments+=(--openapi "$POLICY_OPENAPI"); fi
if [ "${POLICY_ALLOW_WIDENING:-}" = true ]; then arguments+=(--allow-widening); fi
if [ -n "$POLICY_BASE" ]; then
  # A shallow clone has the change alone.
  git rev-parse --verify --quiet --end-of-options "$POLICY_BASE^{commit}" >/dev/null ||
    git fetch --quiet --no-tags --depth=1 origin "$POLICY_BASE"
  arguments+=(--base "$POLICY_BASE")
fi
# One word each, as in: tests/*.test.toml
# shellcheck disable=SC2206
tests=(${POLICY_TESTS:-})

status=0
# The command needs no token. This hides it from the environment, not from code of the change that looks for it.
env -u GITHUB_TOKEN npx --no -- edgewarden ci "${arguments[@]}" ${tests[@]+"${tests[@]}"} || status=$?

if [ -s "$summary" ] && [ -n "${GITHUB_STEP_SUMMARY:-}" ]; then cat "$summary" >>"$GITHUB_STEP_SUMMARY"; fi

# From a fork the token may not write; that is no reason to fail.
note() { echo "::notice title=edgewarden::$1"; }

api() {
  curl --silent --show-error --fail --max-time 30 --header @<(printf 'Authorization: Bearer %s' "$GITHUB_TOKEN") \
    --header 'Accept: application/vnd.github+json' --header 'Content-Type: application/json' "$@"
}

comment() {
  local marker='<!-- edgewarden-policy -->' comments="$GITHUB_API_URL/repos/$GITHUB_REPOSITORY/issues" body page found=''
  body=$(MARKER=$marker node -p \
    'JSON.stringify({ body: process.env.MARKER + "\n" + require("fs").readFileSync(process.argv[1], "utf8") })' "$summary")
  for page in 1 2 3 4 5 6 7 8 9 10; do
    # Only its own: anyone may write the marker.
    found=$(api "$comments/$POLICY_PULL_REQUEST/comments?per_page=100&page=$page" |
      MARKER=$marker AUTHOR=${POLICY_AUTHOR:-github-actions[bot]} node -e '
        const { MARKER, AUTHOR } = process.env
        const all = JSON.parse(require("fs").readFileSync(0, "utf8"))
        const own = all.find((one) => one.user?.login === AUTHOR && one.body?.startsWith(MARKER))
        console.log(own ? own.id : all.length < 100 ? "none" : "")') || return 1
    [ -z "$found" ] || break
  done
  case $found in
    '' | none) api --request POST --data-binary @- "$comments/$POLICY_PULL_REQUEST/comments" <<<"$body" >/dev/null ;;
    *) api --request PATCH --data-binary @- "$comments/comments/$found" <<<"$body" >/dev/null ;;
  esac
}

if [ -s "$summary" ] && [ "$POLICY_COMMENT" = true ] && [ -n "$POLICY_PULL_REQUEST" ] && [ -n "${GITHUB_TOKEN:-}" ]; then
  comment || note 'The comment could not be written; the summary of the job has the same.'
fi
exit "$status"
