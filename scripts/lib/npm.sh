# shellcheck shell=bash
# Sourced after common.sh by what needs packages of npm's.
: "${root:?}"

# packages_of FOLDER WHAT: its node_modules are those of its package-lock.json. No script of a package runs. Without them
# WHAT "is not built".
packages_of() {
  local lock=$1/package-lock.json mark=$1/node_modules/.package-lock.json log=$root/build/npm.log
  if [[ -e $mark && ! $lock -nt $mark ]]; then return; fi
  command -v npm >/dev/null || fail "$2 is not built: npm is missing; scripts/dev/install-packages gets it."
  npm ci --prefix "$1" --ignore-scripts --no-audit --no-fund --loglevel=error \
    --fetch-retries=1 --fetch-retry-mintimeout=1000 --fetch-timeout=20000 >"$log" 2>&1 ||
    fail "$2 is not built: npm can't get what ${lock#"$root/"} names (its words: ${log#"$root/"})."
  touch "$mark"
}

# stale FILE FOLDER...: a source in one of them is newer.
stale() {
  [[ ! -e $1 || $(find "${@:2}" -name node_modules -prune -o -type f -newer "$1" -print -quit) ]]
}
