# shellcheck shell=bash
# Sourced after npm.sh by what is compiled against the API's own types.
: "${root:?}" "${BUILD:?}"

# make_api_types FOLDER WHAT: build/api/index.d.ts, of what the routes of all modules of a build declare, by the
# openapi-typescript of FOLDER's packages. One at a time. Where it can't be made, WHAT "is not built".
make_api_types() {
  local api=$root/build/api
  [[ -x $BUILD/bin/plugfleet-worker ]] || fail "$2 is not built: it is made from what the routes say; first: make build"
  mkdir -p -- "$api"
  exec 7>"$api/lock"
  flock 7
  PLUGFLEET_MODULES_DIR=$BUILD/modules "$BUILD/bin/plugfleet-worker" --print-openapi >"$api/openapi.json.new"
  if ! cmp -s -- "$api/openapi.json.new" "$api/openapi.json" || stale "$api/index.d.ts" "$1/package-lock.json"; then
    node "$1/node_modules/openapi-typescript/bin/cli.js" "$api/openapi.json.new" -o "$api/index.d.ts" >"$api/log" 2>&1 ||
      fail "$2 is not built: openapi-typescript says why in ${api#"$root/"}/log."
    mv -- "$api/openapi.json.new" "$api/openapi.json"
  fi
  exec 7>&-
}
