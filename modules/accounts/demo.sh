# shellcheck shell=bash
# Sourced by scripts/demo: how somebody signs in.
demo() { :; }

next_steps() {
  local link
  link=$(FLEET_DIR=${FLEET_DIR:?} "${root:?}/scripts/token" sign-in ada@example.com 2>/dev/null) || return 0
  cat <<END
  the web shell, signed in as ada@example.com: once, within 15 minutes (scripts/token sign-in EMAIL prints another)
    $link
END
}
