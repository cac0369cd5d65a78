-- Of an entry: its account's hash before it, its numbers, and the transfer that it is of.
create or replace function wallet_hash(before bytea, account_id bigint, number bigint, amount bigint, balance bigint, of wallet_transfers)
returns bytea language sql stable parallel safe as $$
  select sha256(before || convert_to(concat_ws(' ', account_id, number, amount, balance, of.id, extract(epoch from of.at), of.team_id,
                                               of.kind, of.amount, coalesce(of.hold_id::text, '-'), of.reason), 'UTF8'))
$$;
