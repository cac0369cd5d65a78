# shellcheck shell=bash
# Sourced in the rehearsal's machine after inside.sh: the secrets of an installed fleet are rotated.
# shellcheck disable=SC2317,SC2154
set -euo pipefail

jwt_secret=/etc/plugfleet/secrets/JWT_SECRET

base64url() { base64 -w0 | tr '+/' '-_' | tr -d =; }
user_token() { # SECRET
  local text
  text=$(printf '{"alg":"HS256"}' | base64url).$(printf '{"iss":"test","aud":"test","sub":"ada","exp":%d}' $((EPOCHSECONDS + 3600)) | base64url)
  printf '%s.%s' "$text" "$(printf %s "$text" | openssl dgst -sha256 -hmac "$1" -binary | base64url)"
}
# answers STATUS SECRET: what whoever bears a token signed with it is told, by either worker.
answers() {
  local tries status
  for ((tries = 0; tries < 8; tries++)); do
    status=$(post -o /dev/null -w '%{http_code}' -H "Authorization: Bearer $(user_token "$2")")
    [[ $status == "$1" ]] || { echo "$status, not $1" && return 1; }
  done
}

knows_users() {
  install -m 0600 <(openssl rand -hex 32) $jwt_secret
  printf '%s\n' JWT_ALG=HS256 JWT_ISSUER=test JWT_AUDIENCE=test >>/etc/plugfleet/plugfleet.conf
  plugfleet reload
  answers 200 "$(<$jwt_secret)"
}

rotates_jwt_secret() {
  local old new load
  old=$(<$jwt_secret)
  rm -f /opt/stop
  nice -n 5 python3 /opt/load.py /opt/stop >/opt/load &
  load=$!
  plugfleet rotate jwt-secret --make
  new=$(head -n 1 $jwt_secret)
  answers 200 "$old"
  answers 200 "$new"
  plugfleet rotate jwt-secret --finish
  answers 401 "$old"
  answers 200 "$new"
  touch /opt/stop
  wait "$load" || { cat /opt/load && return 1; }
  [[ $(stat -c '%a %U' $jwt_secret) == '600 root' && $(<$jwt_secret) == "$new" ]]
  plugfleet check
  # The service's own copy is what is kept when its processes, or all of it, start again.
  systemctl restart plugfleet
  until_true 60 whole
  answers 200 "$new"
  if { cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null && journalctl -q && cat /var/log/plugfleet/*; } |
    grep -qFf <(printf '%s\n' "$old" "$new"); then return 1; fi
  cat /opt/load
}

admits() { [[ $(curl -sS -o /dev/null -w '%{http_code}' --cacert "$certificate" -H "Authorization: Bearer $1" "$site/api/analytics") == 200 ]]; }
is_refused() { ! admits "$1"; }
rotates_operator_token() {
  local old new
  old=$(/usr/lib/plugfleet/scripts/token create rehearsal)
  new=$(plugfleet rotate operator-token rehearsal)
  admits "$old" && admits "$new"
  plugfleet rotate operator-token rehearsal --finish
  until_true 20 is_refused "$old"
  admits "$new"
}
