# shellcheck shell=bash
# Sourced by scripts/demo: a sample user's team, with the sample plugins published (scripts/dev/web-shell has gathered them) and
# installed.
samples=${BUILD:?}/samples

# api METHOD PATH [BODY]: what the fleet answers the sample user; prints nothing and fails where it is refused.
api() {
  curl -sS --fail --noproxy '*' --max-time 60 --cacert "${certificate:?}" -H "@$work/header" -H 'Content-Type: application/json' -X "$1" ${3:+-d "$3"} \
    "https://localhost:${HTTPS_PORT:?}/api/v1$2" 2>/dev/null
}

# The sample user's token, which stays: each has a hundred at most.
use_token() {
  local file=${FLEET_DIR:?}/sample-token
  for _ in 1 2; do
    if [[ -s $file ]]; then
      PLUGFLEET_TOKEN=$(<"$file")
      export PLUGFLEET_TOKEN
      printf 'Authorization: Bearer %s\n' "$PLUGFLEET_TOKEN" >"$work/header"
      if profile=$(api GET /user/profile); then return; fi
    fi
    (umask 077 && "${root:?}/scripts/token" user ada@example.com >"$file" 2>/dev/null)
  done
  fail "The sample user's token is refused."
}

publish_sample() {
  local slug
  slug=$(basename -- "$1")
  "$root/scripts/publish" "$1" --team "$team" >/dev/null || return
  api PUT "/teams/$team/plugins/$slug" '{"version": "latest", "enabled": true}' >/dev/null
}

demo() {
  local profile team folder work names=()
  if [[ $installed || ! -d $samples ]]; then return; fi
  work=$(mktemp -d)
  use_token
  team=$(jq -r '.teams[0].id // ""' <<<"$profile")
  if [[ ! $team ]]; then
    team=$(api POST /teams '{"name": "Sample team"}' | jq -r .id)
    "$root/scripts/credits" grant "$team" 500 'to begin with' >/dev/null
  fi
  for folder in "$samples"/*/; do
    publish_sample "${folder%/}" && names+=("$(basename -- "$folder")")
  done
  rm -rf -- "$work"
  say
  say "The plugins $(printf '%s, ' "${names[@]}" | sed 's/, $//') are published, and installed for ada@example.com's team."
}

next_steps() { :; }
