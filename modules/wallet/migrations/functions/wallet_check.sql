-- What is wrong with the books, a sentence each; none where they are in order. Reads all of them, as of one moment.
create or replace function wallet_check() returns setof text language plpgsql stable as $$
begin
  return query
  select format('team %s: its accounts add up to %s, not 0', team_id, sum(balance)) from wallet_accounts group by team_id having sum(balance) <> 0
  union all
  select format('team %s: %s is %s, below 0', team_id, kind, balance) from wallet_accounts where balance < 0 and kind <> 'granted'
  union all
  select format('team %s: %s is %s, its %s entries say %s in %s', team_id, a.kind, a.balance, a.entries, coalesce(sum(e.amount), 0), count(e))
    from wallet_accounts a left join wallet_entries e on e.account_id = a.id group by a.id
  having a.balance <> coalesce(sum(e.amount), 0) or a.entries <> count(e)
  union all
  select format('team %s: the chain of %s breaks at its entry %s', t.team_id, a.kind, e.number)
    from (select *, coalesce(lag(c.hash) over chain, '') as before, lag(c.balance, 1, 0::bigint) over chain as balance_before,
                 row_number() over chain as place
            from wallet_entries c window chain as (partition by c.account_id order by c.number)) as e
    join wallet_accounts a on a.id = e.account_id left join wallet_transfers t on t.id = e.transfer_id
   where e.number <> e.place or e.balance <> e.balance_before + e.amount
      or e.hash is distinct from wallet_hash(e.before, e.account_id, e.number, e.amount, e.balance, t)
  union all
  select format('team %s: %s does not end with its last entry', a.team_id, a.kind)
    from wallet_accounts a left join wallet_entries e on e.account_id = a.id and e.number = a.entries
   where coalesce(e.hash, '') <> a.hash
  union all
  select format('transfer %s: its entries are not minus and plus %s', t.id, t.amount)
    from wallet_transfers t left join wallet_entries e on e.transfer_id = t.id group by t.id
  having count(e) <> 2 or sum(e.amount) <> 0 or max(e.amount) <> t.amount
  union all
  select format('team %s: %s held, %s in open holds', a.team_id, a.balance, coalesce(sum(h.amount), 0))
    from wallet_accounts a left join wallet_holds h on h.team_id = a.team_id and h.state = 'open' where a.kind = 'held' group by a.id
  having a.balance <> coalesce(sum(h.amount), 0)
  union all
  select format('hold %s: %s of %s, %s captured; its transfers say otherwise', h.id, h.state, h.amount, h.captured)
    from wallet_holds h left join wallet_transfers t on t.hold_id = h.id group by h.id
  having coalesce(sum(t.amount) filter (where t.kind = 'hold'), 0) <> h.amount
      or coalesce(sum(t.amount) filter (where t.kind = 'capture'), 0) <> h.captured
      or coalesce(sum(t.amount) filter (where t.kind in ('release', 'expiry')), 0) <> case h.state when 'open' then 0 else h.amount - h.captured end;
  -- Not in a database of the wallet's own: there are no jobs.
  if to_regclass('live_jobs') is not null then
    return query
    select format('hold %s: open, and its job %s has ended', h.id, h.job_id) from wallet_holds h
     where h.state = 'open' and h.job_id is not null and not exists (select from live_jobs j where j.id = h.job_id)
    union all
    select format('job %s: it has a price and no open hold', j.id) from live_jobs j
     where j.price is not null and not exists (select from wallet_holds h where h.job_id = j.id and h.state = 'open');
  end if;
end;
$$;
