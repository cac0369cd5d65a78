# shellcheck shell=bash
# Sourced by tests/rehearsal/run: a Debian 12 machine with systemd in a container without network. Needs root.
#   make_base DEB     the machine's disk before it is used, in build/rehearsal/base, with every package DEB needs downloaded
#   boot              a copy of it, started; what it says is in $machine.log
#   inside COMMAND... runs there, as root;  files go to and fro below $machine
#   reboot_machine, end_machine
set -euo pipefail

base=build/rehearsal/base
machine=$PWD/build/rehearsal/machine-$$
name=plugfleet-rehearsal-$$
group=rehearsal-$$
nspawn_pid='' leader=''

make_base() {
  local mirror packages
  mirror=$(cat /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list 2>/dev/null |
    sed -nE '0,/https?:/s/^(URIs: |deb )(\[[^]]*\] )?(https?:[^ ]+).*/\3/p') || true
  for packages in debootstrap:debootstrap systemd-nspawn:systemd-container; do
    command -v "${packages%:*}" >/dev/null || DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y -q --no-install-recommends "${packages#*:}" >/dev/null
  done
  if [[ ! -d $base ]]; then
    echo 'Making the machine with debootstrap, once: a few minutes'
    rm -rf "$base.new"
    mkdir -p "${base%/*}"
    debootstrap --variant=minbase --include=systemd,systemd-sysv,dbus,iproute2,procps,curl,ca-certificates,openssl,jq \
      bookworm "$base.new" "${mirror:-http://deb.debian.org/debian}" >"$base.log" 2>&1 || { tail "$base.log" && return 1; }
    mv "$base.new" "$base"
  fi
  # This machine's way to the packages.
  rm -f "$base"/etc/apt/sources.list{,.d/*}
  cp /etc/apt/sources.list "$base/etc/apt/" 2>/dev/null || true
  cp /etc/apt/sources.list.d/debian.sources "$base/etc/apt/sources.list.d/" 2>/dev/null || true
  apt-config dump Acquire | grep -v '^Acquire "";' >"$base/etc/apt/apt.conf.d/99rehearsal"
  mkdir -p "$base/opt/archives/partial"
  cp /etc/resolv.conf "$base/etc/resolv.conf"
  cp "$1" "$base/opt/plugfleet.deb"
  local find_packages=(chroot "$base" apt-get -q -o APT::Sandbox::User=root -o Dir::Cache::archives=/opt/archives)
  if [[ ! $(find "$base/var/lib/apt/lists" -name '*Packages*' -mtime -1) ]]; then "${find_packages[@]}" update >"$base.log" 2>&1; fi
  "${find_packages[@]}" -y --no-install-recommends --download-only install /opt/plugfleet.deb logrotate nftables fail2ban python3-systemd >"$base.log" 2>&1 ||
    { tail "$base.log" && return 1; }
}

boot() {
  cp -a --reflink=auto "$base" "$machine"
  ln -sf /dev/null "$machine/etc/systemd/system/systemd-networkd-wait-online.service"
  echo "plugfleet-test" >"$machine/etc/hostname"
  power_on
}

# cgroup v2 alone, as on a server: with v1 in a container systemd learns late that a unit is empty, and a unit whose main
# process was killed waits for its TimeoutStopSec. Where this machine has its controllers in v1, no memory limit holds inside.
power_on() {
  # shellcheck disable=SC2016
  (
    for controller in /sys/fs/cgroup/*/; do
      if mkdir -p "$controller$group" 2>/dev/null; then echo "$BASHPID" >"$controller$group/cgroup.procs" || true; fi
    done
    export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1
    exec unshare -m --propagation private bash -c 'mount -t tmpfs tmpfs /run && exec systemd-nspawn -D "$1" --private-network \
      --register=no --keep-unit --machine="$2" --console=read-only --kill-signal=SIGRTMIN+3 /sbin/init' \
      - "$machine" "$name"
  ) >>"$machine.log" 2>&1 </dev/null &
  nspawn_pid=$!
  local tries child
  for ((tries = 0; tries < 300; tries++)); do
    leader=''
    for child in $(pgrep -P "$nspawn_pid"); do
      if [[ $(awk '/^NSpid:/ {print $NF}' "/proc/$child/status" 2>/dev/null) == 1 ]]; then leader=$child; fi
    done
    if [[ $leader && $(inside systemctl is-system-running 2>/dev/null) =~ ^(running|degraded)$ ]]; then return; fi
    kill -0 "$nspawn_pid" 2>/dev/null || break
    sleep 0.2
  done
  tail -n 20 "$machine.log"
  return 1
}

inside() { nsenter -t "$leader" -m -u -i -n -p -C -r -w env -i PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 "$@"; }

reboot_machine() {
  inside systemctl reboot || true
  wait "$nspawn_pid" || true # by status 133
  power_on
}

end_machine() {
  local controller
  if [[ $nspawn_pid ]] && kill -0 "$nspawn_pid" 2>/dev/null; then
    inside systemctl poweroff 2>/dev/null || true
    timeout 60 tail --pid="$nspawn_pid" -f /dev/null || kill -KILL "$leader" "$nspawn_pid" || true
  fi
  for controller in /sys/fs/cgroup/*/; do
    find "$controller$group" -depth -type d -exec rmdir {} + 2>/dev/null || true
  done
  rm -rf -- "${machine:?}" "$machine.log"
}
