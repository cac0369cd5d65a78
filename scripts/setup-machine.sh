# shellcheck shell=bash
# Sourced by scripts/operate/setup: is this machine fit, what did the operator say, which release runs.
set -euo pipefail
: "${root:?}"

# The units whose configuration setup replaces by a drop-in: ours once the drop-in is there.
is_ours() { [[ -e /etc/systemd/system/$1.service.d/plugfleet.conf ]]; }

# port_holder PORT: who listens there, if anybody.
port_holder() { ss -Hltnp "sport = :$1" | sed -nE 's/.*users:\(\("([^"]+)",pid=([0-9]+).*/\1 (pid \2)/p' | head -n 1; }

# Everything that is wrong is said at once.
check_machine() {
  local wrong=() port holder memory
  # shellcheck source=/dev/null
  source /etc/os-release
  [[ ${ID:-} == debian && ${VERSION_ID:-} == 12 ]] || wrong+=("This is ${PRETTY_NAME:-no Debian}; Plugfleet is built for Debian 12.")
  [[ -d /run/systemd/system ]] || wrong+=('systemd does not run here.')
  memory=$(awk '/^MemTotal:/ {print int($2 / 1024)}' /proc/meminfo)
  ((memory >= 900)) || wrong+=("$memory MB of memory; Plugfleet needs 1 GB at the least (docs: Sizing).")
  if ! is_ours nginx; then
    if [[ $(find /etc/nginx/sites-enabled /etc/nginx/conf.d -type l,f ! -name default 2>/dev/null) ]]; then
      wrong+=('nginx serves other sites here (/etc/nginx/sites-enabled): Plugfleet takes nginx.service for itself.')
    fi
    for port in 80 443; do
      holder=$(port_holder "$port")
      if [[ $holder && $holder != nginx* ]]; then wrong+=("Port $port is taken by $holder: stop it."); fi
    done
  fi
  if ! is_ours pgbouncer && sed -n '/^\[databases\]/,/^\[pgbouncer\]/p' /etc/pgbouncer/pgbouncer.ini | grep -q '^[^;[:space:]\[%]'; then
    wrong+=('PgBouncer serves other databases here (/etc/pgbouncer/pgbouncer.ini): Plugfleet takes it for itself.')
  fi
  if ((${#wrong[@]})); then
    printf '%s\n' "${wrong[@]}" >&2
    exit 1
  fi
  if ((memory < 1900)); then say "Only $memory MB of memory: lower POSTGRES_MEMORY and the REDIS_* sizes in /etc/plugfleet/fleet.conf."; fi
}

# make_settings CERTIFICATE NAME EMAIL: /etc/plugfleet/fleet.conf, from the arguments; those that are empty stay.
make_settings() {
  local file=/etc/plugfleet/fleet.conf key
  mkdir -p /etc/plugfleet
  if [[ ! -e $file ]]; then
    [[ $1 ]] || fail 'Say how it is reached: plugfleet setup --domain example.org, or plugfleet setup --self-signed'
    cat >"$file" <<'END'
# What is set otherwise here than by default. /usr/lib/plugfleet/conf/fleet.conf is the manual: WORKERS, RATE_GENERAL ...
# After a change: plugfleet setup. What the programs do is set in plugfleet.conf.
HTTPS_ADDRESS=0.0.0.0
HTTPS_PORT=443
END
  fi
  if [[ $1 == certbot && ! $2 =~ ^([a-z0-9-]+\.)+[a-z]{2,}$ ]]; then fail "'$2' is no domain; for example: plugfleet setup --domain example.org"; fi
  [[ ! $2 || $2 =~ ^[A-Za-z0-9.:-]+$ ]] || fail "'$2' is neither a name nor an address."
  local -A values=([CERTIFICATE]=$1 [PUBLIC_NAME]=$2 [EMAIL]=$3)
  if [[ $1 == self-signed && ! $2 ]] && ! grep -q '^PUBLIC_NAME=' "$file"; then values[PUBLIC_NAME]=$(hostname -f 2>/dev/null || hostname); fi
  for key in CERTIFICATE PUBLIC_NAME EMAIL; do
    if [[ ${values[$key]} ]]; then
      sed -i "/^$key=/d" "$file"
      printf '%s=%s\n' "$key" "${values[$key]}" >>"$file"
    fi
  done
  if [[ ! -e /etc/plugfleet/plugfleet.conf ]]; then
    cat >/etc/plugfleet/plugfleet.conf <<'END'
# What our programs do, KEY=value. /usr/lib/plugfleet/conf/plugfleet.conf lists every setting with its default, those of
# a module are in /usr/lib/plugfleet/modules/NAME/NAME.conf. After a change: plugfleet restart. Secrets do not belong
# here but into /etc/plugfleet/secrets/NAME. For example:
# AI_PROVIDER=openrouter
END
    chown root:plugfleet /etc/plugfleet/plugfleet.conf
    chmod 0640 /etc/plugfleet/plugfleet.conf
  fi
}

# The release in the package is the active one where there is none yet. Hard links: the package may go, it stays.
adopt_release() {
  local version target
  [[ -x $BUILD/bin/plugfleet-worker ]] && return
  version=$(<"$root/VERSION") target=/var/lib/plugfleet/releases/$version
  rm -rf -- "$target.new" "$target"
  cp -al -- "$root/build/release" "$target.new" 2>/dev/null || cp -a -- "$root/build/release" "$target.new"
  mv -- "$target.new" "$target"
  ln -sfn -- "releases/$version" "$BUILD"
}
