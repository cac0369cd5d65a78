# shellcheck shell=bash
# Sourced by what looks for the tests of a source.

# tests_of FILE: sets `found` to the files that hold the tests of a source (fcgi-app/core/auth.cc, or core/auth) or that are
# a test themselves: those beside its path below tests/ whose names go on from it (jobs_test, jobs_running_test), or
# else those that tests/proofs names for it.
tests_of() {
  local stem=${1#fcgi-app/} candidate source tests
  stem=${stem#tests/} stem=${stem%.*} stem=${stem%_test}
  found=()
  for candidate in "tests/$stem"_test.cc "tests/$stem"_*_test.cc; do
    if [[ -e $candidate ]]; then found+=("$candidate"); fi
  done
  ((${#found[@]} == 0)) || return 0
  while read -r source tests; do
    source=${source%.*}
    if [[ ${source#fcgi-app/} == "$stem" ]]; then read -ra found <<<"$tests"; fi
  done < <(grep -v '^#' tests/proofs)
}
