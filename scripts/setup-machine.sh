# shellcheck shell=bash
# Sourced by scripts/operate/setup: is this machine fit, what did the operator say, which release runs.
set -euo pipefail
: "${root:?}"

# The units whose configuration setup replaces by a drop-in: ours once the drop-in is there.
is_ours() { [[ -e /etc/systemd/system/$1.service.d/plugfleet.conf ]]; }

# port_holder PORT: who listens there, if anybody.
port_holder() { ss -Hltnp "sport = :$1" | sed -nE 's/.*users:\(\("([^"]+)",pid=([0-9]+).*/\1 (pid \2)/p' | head -n 1; }

memory_mb() { awk '/^MemTotal:/ {print int($2 / 1024)}' /proc/meminfo; }

# Everything that is wrong is said at once.
check_machine() {
  local wrong=() port holder memory
  # shellcheck source=/dev/null
  source /etc/os-release
  [[ ${ID:-} == debian && ${VERSION_ID:-} == 12 ]] || wrong+=("This is ${PRETTY_NAME:-no Debian}; Plugfleet is built for Debian 12.")
  [[ -d /run/systemd/system ]] || wrong+=('systemd does not run here.')
  memory=$(memory_mb)
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
}

# What the kernel has lower than packaging/sysctl.conf asks is raised; where that may not be done here, it is said.
raise_kernel_limits() {
  local key value
  while IFS=' =' read -r key value; do
    if [[ $key != *.* ]] || (($(sysctl -n "$key" 2>/dev/null || echo 0) >= value)); then continue; fi
    sysctl -q -w "$key=$value" 2>/dev/null ||
      say "$key is $(sysctl -n "$key") and cannot be set from in here; set it on the machine that hosts this one: sysctl -w $key=$value"
  done </usr/lib/sysctl.d/60-plugfleet.conf
}

# check_sizes: says where PostgreSQL's buffers and both Redis leave our programs too little.
check_sizes() {
  local size total=0 memory
  memory=$(memory_mb)
  for size in "$POSTGRES_MEMORY" "$REDIS_STATE_MEMORY" "$REDIS_PAYLOADS_MEMORY"; do
    size=${size,,} size=${size/%b/}
    if [[ $size =~ ^[0-9]+[kmg]$ ]]; then total=$((total + $(numfmt --from=iec "${size^^}") / 1024 / 1024)); fi
  done
  if ((total > memory / 2)); then
    say "POSTGRES_MEMORY and the REDIS_* sizes are $total MB of this machine's $memory; half of it should be left for the programs. See Sizing."
  fi
}

# make_settings CERTIFICATE NAME EMAIL: /etc/plugfleet/fleet.conf, from the arguments; those that are empty stay.
make_settings() {
  local file=/etc/plugfleet/fleet.conf key memory
  memory=$(memory_mb)
  mkdir -p /etc/plugfleet
  if [[ ! -e $file ]]; then
    [[ $1 ]] || fail 'Say how it is reached: plugfleet setup --domain example.org, or plugfleet setup --self-signed'
    cat >"$file" <<END
# What is set otherwise here than by default. /usr/lib/plugfleet/conf/fleet.conf is the manual: WORKERS, RATE_GENERAL ...
# After a change: plugfleet reload. What the programs do is set in plugfleet.conf.
HTTPS_ADDRESS=0.0.0.0
HTTPS_PORT=443
# For the $memory MB of memory that this machine had at its first setup; see Sizing.
POSTGRES_MEMORY=$((memory / 8))MB
REDIS_STATE_MEMORY=$((memory / 16))mb
REDIS_PAYLOADS_MEMORY=$((memory / 8))mb
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
    cat >/etc/plugfleet/plugfleet.conf <<END
# What our programs do, KEY=value. /usr/lib/plugfleet/conf/plugfleet.conf lists every setting with its default, those of
# a module are in /usr/lib/plugfleet/modules/NAME/NAME.conf. After a change: plugfleet reload. Secrets do not belong
# here but into /etc/plugfleet/secrets/NAME. For example:
# AI_PROVIDER=openrouter

# An eighth of this machine's memory, from 128 MiB to 1 GiB.
MEMORY_LIMIT=$((memory / 8 < 128 ? 128 : memory / 8 > 1024 ? 1024 : memory / 8))MiB
END
    chown root:plugfleet /etc/plugfleet/plugfleet.conf
    chmod 0640 /etc/plugfleet/plugfleet.conf
  fi
}

# The release in the package is the active one where there is none yet.
adopt_release() {
  [[ -x $BUILD/bin/plugfleet-worker ]] && return
  add_release
  activate_release "${release:?}"
}
