# shellcheck shell=bash
: "${machine:?}"
# Installed, set up, repeated. Limits are lifted for the steps that follow: they ask more often than a client may.
more_may_be_asked() {
  printf '%s\n' RATE_GENERAL=1000r/s BURST_GENERAL=1000 >>"$machine/etc/plugfleet/fleet.conf"
  printf '%s\n' RENAME_{EDGE_RATE=1000r/s,EDGE_BURST=1000,LIMIT_PER_MINUTE=100000} REQUESTS_PER_MINUTE=100000 >>"$machine/etc/plugfleet/plugfleet.conf"
  inside plugfleet setup
}
nothing_is_replaced() {
  local before
  before=$(inside pgrep -u plugfleet)
  inside plugfleet setup
  [[ $before == "$(inside pgrep -u plugfleet)" ]]
}

step 'plugfleet setup --self-signed gives a running fleet' inside plugfleet setup --self-signed
step 'a layer is renamed through TLS' there renames
step 'plugfleet demo renames the sample frame' inside plugfleet demo
step 'port 80 leads to https' there redirects
step 'the world reaches nginx on 80 and 443 and nothing else' there only_nginx_listens
step 'likewise by IPv6' guest serves_ipv6
step 'health-check is content before the first night' guest watches_before_the_first_night
step 'a fleet that is stopped says how to start it' guest tells_how_to_start
step 'setup again replaces no process' nothing_is_replaced
step 'setup applies changed settings' more_may_be_asked
step 'a secret is in no environment, argument, log or other file' there secret_is_nowhere
step 'a certificate of certbot'\''s is taken, its challenge answered' there certbot_is_used
step 'where certbot fails, setup says so and goes on self-signed' there certbot_may_fail
step 'another name, or a key that is gone, makes another certificate' guest takes_another_name
step 'logs are rotated' there rotates_logs
step 'an edited prompt outlives an unattended installation' guest edits_prompts
step 'all that is theirs is as it was' guest others_are_untouched
