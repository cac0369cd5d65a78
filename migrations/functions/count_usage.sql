-- Counts what has been recorded since the last time, up to where no transaction that has not ended can add a row: not in
-- the last second, and not since the first of those began that write. One at a time.
create or replace function count_usage() returns void language plpgsql as $$
declare
  since timestamptz;
  up_to timestamptz;
begin
  select until into since from usage_counted for update;
  select least(now(), min(xact_start)) - interval '1 s' into up_to from pg_stat_activity
   where datname = current_database() and backend_xid is not null and pid <> pg_backend_pid();
  if up_to <= since then return; end if;

  insert into usage_totals as u
  select (created_at at time zone 'UTC')::date, type, count(*), count(*) filter (where status = 'completed'),
         count(*) filter (where status = 'failed')
    from only jobs where recorded_at >= since and recorded_at < up_to group by 1, 2
  on conflict (date, operation_type) do update
     set total_jobs = u.total_jobs + excluded.total_jobs, successful_jobs = u.successful_jobs + excluded.successful_jobs,
         failed_jobs = u.failed_jobs + excluded.failed_jobs;

  insert into usage_durations as u
  select (created_at at time zone 'UTC')::date, type, duration_bucket(duration_ms), count(*), sum(duration_ms)
    from only jobs
   where recorded_at >= since and recorded_at < up_to and status = 'completed' and duration_ms is not null
   group by 1, 2, 3 order by 1, 2, 3
  on conflict (date, operation_type, bucket) do update
     set jobs = u.jobs + excluded.jobs, total_ms = u.total_ms + excluded.total_ms;

  insert into usage_by_user as u
  select (created_at at time zone 'UTC')::date, user_email, count(*), count(*) filter (where status = 'completed'),
         max(created_at), sum(input_tokens), sum(output_tokens), sum(cost_usd)
    from only jobs where recorded_at >= since and recorded_at < up_to group by 1, 2 order by 1, 2
  on conflict (date, user_email) do update
     set total_jobs = u.total_jobs + excluded.total_jobs, successful_jobs = u.successful_jobs + excluded.successful_jobs,
         last_activity = greatest(u.last_activity, excluded.last_activity),
         input_tokens = u.input_tokens + excluded.input_tokens, output_tokens = u.output_tokens + excluded.output_tokens,
         cost_usd = u.cost_usd + excluded.cost_usd;

  insert into usage_by_team as u
  select team_id, dimension, (created_at at time zone 'UTC')::date, name, count(*), count(*) filter (where status = 'completed'),
         count(*) filter (where status = 'failed'), sum(input_tokens + output_tokens),
         coalesce(sum(job_credits(price, input_tokens + output_tokens, cost_usd)) filter (where status = 'completed'), 0)
    from only jobs, lateral (values ('kind', type), ('plugin', coalesce(plugin, '')), ('user', coalesce(owner, ''))) as d(dimension, name)
   where recorded_at >= since and recorded_at < up_to and team_id is not null group by 1, 2, 3, 4 order by 1, 2, 3, 4
  on conflict (team_id, dimension, date, name) do update
     set total_jobs = u.total_jobs + excluded.total_jobs, successful_jobs = u.successful_jobs + excluded.successful_jobs,
         failed_jobs = u.failed_jobs + excluded.failed_jobs, tokens = u.tokens + excluded.tokens, credits = u.credits + excluded.credits;

  insert into usage_team_durations as u
  select team_id, dimension, (created_at at time zone 'UTC')::date, name, duration_bucket(duration_ms), count(*)
    from only jobs, lateral (values ('kind', type), ('plugin', coalesce(plugin, '')), ('user', coalesce(owner, ''))) as d(dimension, name)
   where recorded_at >= since and recorded_at < up_to and team_id is not null and status = 'completed' and duration_ms is not null
   group by 1, 2, 3, 4, 5 order by 1, 2, 3, 4, 5
  on conflict (team_id, dimension, date, name, bucket) do update set jobs = u.jobs + excluded.jobs;

  update usage_counted set until = up_to;
end;
$$;
