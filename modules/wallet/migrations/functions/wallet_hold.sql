-- Sets credits aside until they are captured or released, at `expires_at` or with `job` at the latest; the hold's id. What
-- the team's overdue holds still have counts as available. SQLSTATE 23402, in words for the client, where it has too few.
create or replace function wallet_hold(team uuid, amount bigint, reason text, expires_at timestamptz, job uuid default null)
returns uuid language plpgsql as $$
declare
  wallet record := wallet_open(team);
  made uuid;
begin
  if wallet.credits < amount then
    perform wallet_settle(h.id, 0, 'expired') from wallet_holds h
      where h.team_id = team and h.state = 'open' and h.expires_at <= now();
    wallet := wallet_open(team);
  end if;
  if wallet.credits < amount then
    raise exception using errcode = '23402',
      message = format('this takes %s credits and the team has %s available: %s are missing', amount, wallet.credits, amount - wallet.credits);
  end if;
  insert into wallet_holds (team_id, amount, reason, expires_at, job_id)
       values (team, wallet_hold.amount, wallet_hold.reason, wallet_hold.expires_at, job) returning id into made;
  perform wallet_transfer(wallet.available, wallet.held, amount, 'hold', reason, made);
  return made;
end;
$$;
