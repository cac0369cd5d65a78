# shellcheck shell=bash
# Sourced in the rehearsal's machine after inside.sh, by step 60: limits, hardening, TLS, firewall, fail2ban.
# shellcheck disable=SC2317,SC2154
set -euo pipefail

pid_of() { systemctl show -p MainPID --value "$1"; }
a_worker() { pgrep -u plugfleet -f '^[^ ]*/plugfleet-worker ' | head -n 1; }

exposure_is_low() { # 2.0 is said as 20
  systemd-analyze security --no-pager --threshold=20 plugfleet.service | tee /tmp/exposure
  sed -nE 's/.*Overall exposure level.*: ([0-9.]+) .*/= \1/p' /tmp/exposure
}

# What a worker that was taken over could change: not one file but logs and sockets; and whom it could see.
worker_is_confined() {
  local worker path
  worker=$(a_worker)
  for path in /var/lib/plugfleet/release /etc/plugfleet /usr/lib/plugfleet /run/lock /root; do
    if nsenter -t "$worker" -m touch "$path/x" 2>&1; then echo "it may write to $path" && return 1; fi
  done
  [[ $(nsenter -t "$worker" -m setpriv --reuid=plugfleet --regid=plugfleet --clear-groups ls /proc | grep -cx 1) == 0 ]]
  grep -E '^(CapEff|CapBnd):' "/proc/$worker/status" | awk '$2 !~ /^0+$/ {bad = 1} END {exit bad}'
  grep -qE '^NoNewPrivs:\s+1' "/proc/$worker/status" && grep -qE '^Seccomp:\s+2' "/proc/$worker/status"
}

backup_and_health_run() {
  local before
  before=$(find /var/lib/plugfleet/backups -name '*.tar' | wc -l)
  systemctl start plugfleet-backup.service plugfleet-health.service
  [[ $(find /var/lib/plugfleet/backups -name '*.tar' | wc -l) -gt $before ]]
}

# What the units ask for: a machine in a container may be refused the negative scores.
score() { systemctl show -p OOMScoreAdjust --value "$1"; }
files() { awk '/^Max open files/ {print $4}' "/proc/$1/limits"; }
servers_live_longest() {
  local unit most
  for unit in nginx pgbouncer postgresql@15-main; do (($(score $unit) <= -500)); done
  for unit in state payloads; do (($(score redis-server@plugfleet-$unit) == -200)); done
  (($(score plugfleet-backup) == 500 && $(cat "/proc/$(a_worker)/oom_score_adj") == 300))
  [[ $(systemctl show -p MemoryMax --value plugfleet) =~ ^[0-9]+$ ]]
  most=$(awk '/^Max open files/ {print $5}' /proc/1/limits) # where this machine may have fewer
  if ((most > 65536)); then most=65536; fi
  (($(files "$(a_worker)") == most && $(files "$(pid_of nginx)") == most))
}

# Set where the kernel lets this machine, else said by setup.
kernel_limits_are_told() {
  local said key value
  said=$(plugfleet setup)
  for key in vm.overcommit_memory=1 net.core.somaxconn=4096; do
    value=${key#*=} key=${key%=*}
    (($(sysctl -n "$key") >= value)) || [[ $said == *"on the machine that hosts this one: sysctl -w $key=$value"* ]]
  done
}

handshake() { openssl s_client -connect 127.0.0.1:443 -servername plugfleet-test "$@" </dev/null 2>&1; }
tls_is_current() {
  local suite
  handshake -tls1_2 | grep 'Protocol  *: TLSv1.2'
  handshake -tls1_3 | grep 'New, TLSv1.3'
  for suite in '-tls1' '-tls1_1'; do # at level 0 this openssl would still speak them
    if handshake "$suite" -cipher ALL:@SECLEVEL=0 | grep 'Cipher is [A-Z]'; then return 1; fi
  done
  # Without forward secrecy, or without authenticated encryption.
  for suite in AES128-GCM-SHA256:AES256-SHA ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA384 aNULL:eNULL:3DES:RC4; do
    if handshake -tls1_2 -cipher "$suite:@SECLEVEL=0" | grep 'Cipher is [A-Z]'; then return 1; fi
  done
  curl -s -o /dev/null -D - --cacert "$certificate" "$site/healthz" |
    grep -i '^strict-transport-security: max-age=31536000'
}

# A certificate whose authority answers OCSP: here the authority is this script.
staples_ocsp() {
  local ca=/tmp/ca tls=/etc/plugfleet/tls responder result=0
  local new_key=(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes)
  rm -rf $ca && mkdir $ca && cp -a $tls $ca/before
  openssl req -x509 "${new_key[@]}" -days 9 -subj /CN=authority -keyout $ca/ca.key -out $ca/ca.pem 2>/dev/null
  openssl req "${new_key[@]}" -subj /CN=plugfleet-test -keyout $ca/key.pem -out $ca/csr.pem 2>/dev/null
  printf '%s\n' subjectAltName=DNS:plugfleet-test 'authorityInfoAccess=OCSP;URI:http://127.0.0.1:2560' >$ca/more
  openssl x509 -req -in $ca/csr.pem -CA $ca/ca.pem -CAkey $ca/ca.key -set_serial 0x1001 -days 9 -extfile $ca/more \
    -out $ca/leaf.pem 2>/dev/null
  printf 'V\t%s\t\t1001\tunknown\t/CN=plugfleet-test\n' "$(date -u -d '+9 days' +%y%m%d%H%M%SZ)" >$ca/index.txt
  openssl ocsp -port 2560 -index $ca/index.txt -CA $ca/ca.pem -rsigner $ca/ca.pem -rkey $ca/ca.key -ndays 2 \
    >/dev/null 2>&1 &
  responder=$!
  cat $ca/leaf.pem $ca/ca.pem >$tls/certificate.pem
  cp $ca/key.pem $tls/key.pem
  plugfleet setup >/dev/null || result=1
  answer_is_stapled() { handshake -status | grep 'OCSP Response Status: successful'; }
  until_true 10 answer_is_stapled || result=1
  kill $responder
  cp -a $ca/before/. $tls/
  plugfleet setup >/dev/null
  return $result
}

# Another host, at 10.9.8.2; this one is 10.9.8.1 to it.
other_host() {
  ip netns add other
  ip link add to-other type veth peer name to-server netns other
  ip addr add 10.9.8.1/24 dev to-other && ip link set to-other up
  ip -n other addr add 10.9.8.2/24 dev to-server && ip -n other link set to-server up
}
from_other() { ip netns exec other curl -sk -o /dev/null --max-time 3 -w '%{http_code}' "$@"; }
is_served() { [[ $(from_other https://10.9.8.1/api/prompts) == 200 ]]; }
is_shut_out() { ! from_other https://10.9.8.1/api/prompts; }

firewall_holds() {
  local listener result=0
  python3 -m http.server 9999 >/dev/null 2>&1 &
  listener=$!
  until_true 10 from_other http://10.9.8.1:9999/
  nft -c -f /usr/lib/plugfleet/conf/firewall/nftables.conf
  cp /usr/lib/plugfleet/conf/firewall/nftables.conf /etc/nftables.conf
  systemctl start nftables
  if from_other http://10.9.8.1:9999/; then result=1; fi
  kill $listener
  is_served && [[ $(from_other http://10.9.8.1/) == 308 ]] && renames && return $result
}

install_fail2ban() { # as docs/operating.md says
  DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends -o Dir::Cache::archives=/opt/archives install \
    nftables fail2ban python3-systemd
  cp -r /usr/lib/plugfleet/conf/fail2ban/. /etc/fail2ban/
  systemctl restart fail2ban
  until_true 20 fail2ban-client status plugfleet-scan
}
# failures of JAIL that fail2ban has counted so far
counted() { fail2ban-client status "$1" | sed -nE 's/.*Total failed:\s+//p'; }

scanner_is_shut_out() {
  local i begin
  is_served
  for ((i = 0; i < 25; i++)); do from_other "https://10.9.8.1/wp-login-$i.php" >/dev/null; done
  # What he writes into the address is not an address: nobody else is counted for it.
  from_other 'https://10.9.8.1/x","address":"192.0.2.1","status":404,' >/dev/null || true
  for ((i = 0; i < 5; i++)); do from_other "https://10.9.8.1/static/figma/none-$i" >/dev/null; done
  begin=$EPOCHREALTIME
  until_true 30 is_shut_out
  renames # from this host
  [[ $(fail2ban-client get plugfleet-scan banip) == 10.9.8.2* ]]
  [[ $(fail2ban-client status plugfleet-scan) != *192.0.2.1* ]]
  fail2ban-client set plugfleet-scan unbanip 10.9.8.2
  until_true 10 is_served
  awk -v a="$begin" -v b="$EPOCHREALTIME" 'BEGIN {printf "= banned, and let in again, within %.1f s\n", b - a}'
}
# Every 429 that a client saw is counted, nginx's and a worker's.
flood_is_counted() {
  local i saw=0
  all_are_counted() { (($(counted plugfleet-flood) == saw)); }
  sed -i 's/^RENAME_LIMIT_PER_MINUTE=.*/RENAME_LIMIT_PER_MINUTE=5/' /etc/plugfleet/plugfleet.conf
  plugfleet setup >/dev/null
  request >/tmp/request
  for ((i = 0; i < 40; i++)); do
    if [[ $(from_other --json @/tmp/request https://10.9.8.1/api/rename-layers) == 429 ]]; then saw=$((saw + 1)); fi
  done
  sed -i 's/^RENAME_LIMIT_PER_MINUTE=.*/RENAME_LIMIT_PER_MINUTE=100000/' /etc/plugfleet/plugfleet.conf
  sed -i 's|^RATE_GENERAL=.*|RATE_GENERAL=1r/s|; s|^BURST_GENERAL=.*|BURST_GENERAL=1|' /etc/plugfleet/fleet.conf
  plugfleet setup >/dev/null
  for ((i = 0; i < 40; i++)); do
    if [[ $(from_other https://10.9.8.1/api/prompts) == 429 ]]; then saw=$((saw + 1)); fi
  done
  sed -i 's|^RATE_GENERAL=.*|RATE_GENERAL=1000r/s|; s|^BURST_GENERAL=.*|BURST_GENERAL=1000|' /etc/plugfleet/fleet.conf
  plugfleet setup >/dev/null
  until_true 20 all_are_counted
  ((saw > 50)) && echo "= $saw of $saw"
}

guard_ends() {
  systemctl stop fail2ban nftables
  nft flush ruleset
  ip netns delete other
  whole
}
