-- Takes `amount` from the account `debit` and gives it to `credit` (their ids), with an entry for each; the transfer's id.
-- Locks both in the order of their ids. A balance that would be below 0 is a check_violation: callers look first.
create or replace function wallet_transfer(debit bigint, credit bigint, amount bigint, kind text, reason text, hold_id uuid default null)
returns bigint language plpgsql as $$
declare
  booked wallet_transfers;
begin
  perform from wallet_accounts a where a.id in (debit, credit) order by a.id for update;
  insert into wallet_transfers (team_id, kind, amount, reason, hold_id)
       select a.team_id, wallet_transfer.kind, wallet_transfer.amount, wallet_transfer.reason, wallet_transfer.hold_id
         from wallet_accounts a where a.id = debit
    returning * into strict booked;
  with moved as (
    update wallet_accounts a
       set balance = a.balance + change, entries = a.entries + 1,
           hash = wallet_hash(a.hash, a.id, a.entries + 1, change, a.balance + change, booked)
      from (values (debit, -booked.amount), (credit, booked.amount)) as side(account_id, change)
     where a.id = side.account_id
    returning a.id, a.entries, change, a.balance, a.hash
  )
  insert into wallet_entries (account_id, number, transfer_id, amount, balance, hash)
  select id, entries, booked.id, change, balance, hash from moved;
  return booked.id;
end;
$$;
