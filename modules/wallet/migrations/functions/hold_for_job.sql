-- For the queue (core/job.h, JobPrice): sets aside the most that a job may cost. SQLSTATE 23402 where its team has too few.
create or replace function hold_for_job(job_id uuid, team_id uuid, price jsonb) returns void language plpgsql as $$
begin
  perform wallet_hold(hold_for_job.team_id, (price->>'most')::bigint, 'a job', null, hold_for_job.job_id);
end;
$$;
