# shellcheck shell=bash
# The machine starts anew; the fleet with it, and its data.
reboots() {
  local before begin=$EPOCHREALTIME
  before=$(there rows)
  reboot_machine
  there until_true 60 renames
  there until_true 60 whole
  echo "before: $before rows, now: $(there rows)"
  [[ $(there rows) -ge $before ]] && echo "= $(seconds_since "$begin") s from the command until whole"
}
step 'after a loss of power Redis and PostgreSQL start by themselves' guest starts_after_loss_of_power
step 'after a reboot the fleet serves' reboots
step 'no unit has failed' inside bash -c 'systemctl --failed --no-legend | tee /dev/stderr | (! grep .)'
