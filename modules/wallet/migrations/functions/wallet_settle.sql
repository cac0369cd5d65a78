-- Ends an open hold: takes so much of it, and gives the rest back. `becomes`: captured, released or expired. What the hold
-- was before: where that is not 'open', nothing is taken and an overdue one has expired; null where there is none. `amount`
-- is no more than was held.
create or replace function wallet_settle(hold uuid, amount bigint, becomes text) returns text language plpgsql as $$
declare
  wallet record;
  it wallet_holds;
begin
  select * into it from wallet_holds h where h.id = hold;
  if not found then return null; end if;
  wallet := wallet_open(it.team_id);
  select * into it from wallet_holds h where h.id = hold;  -- as it is under the lock
  if it.state <> 'open' then return it.state; end if;
  if it.expires_at <= now() then
    becomes := 'expired';
    amount := 0;
  end if;
  if amount > 0 then
    perform wallet_transfer(wallet.held, wallet.spent, amount, 'capture', it.reason, hold);
  end if;
  if amount < it.amount then
    perform wallet_transfer(wallet.held, wallet.available, it.amount - amount,
                            case becomes when 'expired' then 'expiry' else 'release' end, it.reason, hold);
  end if;
  update wallet_holds h set state = becomes, captured = wallet_settle.amount, ended_at = now() where h.id = hold;
  return case becomes when 'expired' then becomes else 'open' end;
end;
$$;
