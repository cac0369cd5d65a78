-- Called by finish_jobs, in the transaction that ends them, of ended jobs that have a price alone. The module that keeps
-- teams' credits has two functions for the queue, which are looked up when they are called:
--
--   hold_for_job(job_id uuid, team_id uuid, price jsonb)   sets aside what it may cost, when it is enqueued or starts anew;
--                                                         SQLSTATE 23402, in words for the client, where there is too little
--   settle_jobs(job_id uuid[], status text[], price jsonb[], tokens bigint[], cost_usd numeric[])
--                                                         takes what each has cost and gives back the rest; refuses nothing
create or replace function charge_ended_jobs(job_id uuid[], status text[], price jsonb[], tokens bigint[], cost_usd numeric[])
returns void language plpgsql as $$
begin
  perform settle_jobs(job_id, status, price, tokens, cost_usd);
end;
$$;
