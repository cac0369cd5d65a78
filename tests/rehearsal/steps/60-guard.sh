# shellcheck shell=bash
: "${machine:?}"
# Limits, hardening, TLS; the firewall and fail2ban as the manual says, with another host that misbehaves.
cp tests/rehearsal/guard.sh "$machine/opt/"
guard() { inside bash -c '. /opt/inside.sh; . /opt/guard.sh; "$@"' - "$@"; }

step 'systemd-analyze security plugfleet.service: 2.0 or better' guard exposure_is_low
step 'a worker can write to logs and sockets alone, and sees no other user' guard worker_is_confined
step 'the nightly backup and the health service do their work, confined' guard backup_and_health_run
step 'nginx and PostgreSQL live longest; memory and files are bounded' guard servers_live_longest
step 'the kernel'\''s limits are raised, or setup says which could not be' guard kernel_limits_are_told
step 'TLS 1.1 and weak ciphers are refused, and HSTS is sent' guard tls_is_current
step 'the certificate'\''s OCSP answer is sent along' guard staples_ocsp
step 'fail2ban starts with our jails' guard install_fail2ban
guard other_host >/dev/null 2>&1 || true
step 'the example of a firewall lets in http and https, and nothing else' guard firewall_holds
step 'another host that tries many addresses is shut out, and only it' guard scanner_is_shut_out
step 'fail2ban counts every 429, nginx'\''s and the workers'\''' guard flood_is_counted
step 'the fleet is whole after all that' guard guard_ends
