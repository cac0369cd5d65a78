-- For the queue: these jobs have ended. One that is completed costs what it used, no more than was held; others nothing.
create or replace function settle_jobs(job_id uuid[], status text[], price jsonb[], tokens bigint[], cost_usd numeric[])
returns void language plpgsql as $$
begin
  -- All that the loop will lock, in order.
  perform from wallet_accounts a
    where a.team_id in (select h.team_id from wallet_holds h where h.job_id = any (settle_jobs.job_id) and h.state = 'open')
    order by a.id for update;
  perform wallet_settle(h.id, case when e.status = 'completed' then job_credits(e.price, e.tokens, e.cost_usd) else 0 end,
                        case when e.status = 'completed' then 'captured' else 'released' end)
     from unnest(settle_jobs.job_id, settle_jobs.status, settle_jobs.price, settle_jobs.tokens, settle_jobs.cost_usd)
       as e(job_id, status, price, tokens, cost_usd)
     join wallet_holds h on h.job_id = e.job_id and h.state = 'open';
end;
$$;
