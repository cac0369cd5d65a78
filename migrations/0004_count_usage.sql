-- What jobs use of the AI, who may ask for the numbers, and the numbers in a shape that GET /api/analytics reads fast,
-- also when retention has deleted their jobs.

-- ---- What a job used, all its attempts together ---------------------------------------------------------------------

alter table jobs
  add ai_calls      integer not null default 0,
  add input_tokens  bigint not null default 0,
  add output_tokens bigint not null default 0,
  add cost_usd      numeric(14, 6) not null default 0;

-- ---- Operators' tokens ----------------------------------------------------------------------------------------------

create table operator_tokens (
  id           uuid primary key default gen_random_uuid(),
  name         text not null unique,
  token_hash   bytea not null unique,  -- SHA-256; nobody has the token itself but whom it was shown to
  created_at   timestamptz not null default now(),
  expires_at   timestamptz,
  revoked_at   timestamptz,
  last_used_at timestamptz             -- to the minute
);

-- ---- What has been used, counted as jobs end ------------------------------------------------------------------------
-- Every ended job that was recorded before usage_counted.until is counted in the three tables below, once, under the day
-- (UTC) it was created on; count_usage() moves `until` on. So whoever wants numbers adds the jobs recorded since, and
-- those in live_jobs, and reads no others: most of them retention has deleted by then. retry_job() takes one back.

alter table jobs
  add recorded_at timestamptz not null default now();  -- of an ended job: when its row came here
alter table jobs alter recorded_at set default clock_timestamp();  -- in two steps, or every row would be written anew

-- Rows come in this order, so that whoever writes pays little for it: measured, 2 us of the 90 that a job costs.
create index jobs_by_recorded_at on jobs (recorded_at);

create table usage_counted (until timestamptz not null);
insert into usage_counted values ('-infinity');

create table usage_totals (
  date            date not null,
  operation_type  text not null,
  total_jobs      integer not null,
  successful_jobs integer not null,
  failed_jobs     integer not null,
  primary key (date, operation_type)
) with (fillfactor = 50);

-- Of what retention has deleted already no more is known than this.
insert into usage_totals
select s.date, s.operation_type, s.total_jobs - count(j.id),
       greatest(0, s.successful_jobs - count(j.id) filter (where j.status = 'completed')),
       greatest(0, s.failed_jobs - count(j.id) filter (where j.status = 'failed'))
  from usage_stats s
  left join jobs j on j.type = s.operation_type and j.created_at >= s.date::timestamp at time zone 'UTC'
                  and j.created_at < (s.date + 1)::timestamp at time zone 'UTC'
 group by s.date, s.operation_type having s.total_jobs > count(j.id);

-- How long completed jobs took. Bucket b holds 1.03^b ms up to 1.03^(b+1): its middle is within 1.5 % of each of them.
create table usage_durations (
  date           date not null,
  operation_type text not null,
  bucket         smallint not null,  -- -1: less than 1 ms
  jobs           integer not null,
  total_ms       bigint not null,
  primary key (date, operation_type, bucket)
) with (fillfactor = 70);

create table usage_by_user (
  date            date not null,
  user_email      text not null,
  total_jobs      integer not null,
  successful_jobs integer not null,
  last_activity   timestamptz not null,  -- when the last of these jobs was created
  input_tokens    bigint not null,
  output_tokens   bigint not null,
  cost_usd        numeric not null,
  primary key (date, user_email)
) with (fillfactor = 70);

create function duration_bucket(ms integer) returns smallint language sql immutable parallel safe as $$
  select case when ms < 1 then -1 else floor(ln(ms::float8) / ln(1.03::float8)) end::smallint
$$;

-- The middle of the whole milliseconds that a bucket holds.
create function bucket_duration(bucket smallint) returns numeric language sql immutable parallel safe as $$
  select case when bucket < 0 then 0 else
    trim_scale(round(sqrt(ceil(1.03::float8 ^ bucket) * (ceil(1.03::float8 ^ (bucket + 1)) - 1))::numeric, 1)) end
$$;

-- Counts what has been recorded since the last time, up to where no transaction that has not ended can add a row: not in
-- the last second, and not since the first of those began that write. One at a time.
create function count_usage() returns void language plpgsql as $$
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

  update usage_counted set until = up_to;
end;
$$;

-- A failed or cancelled job starts anew, with all its attempts and what they have used; false where it is neither.
create function retry_job(job_id uuid) returns boolean language plpgsql as $$
declare
  counted timestamptz;
  gone jobs;
begin
  select until into counted from usage_counted for share;  -- no counting meanwhile
  delete from only jobs where id = job_id and status in ('failed', 'cancelled') returning * into gone;
  if not found then return false; end if;
  if gone.recorded_at < counted then
    update usage_totals set total_jobs = total_jobs - 1, failed_jobs = failed_jobs - (gone.status = 'failed')::int
     where date = (gone.created_at at time zone 'UTC')::date and operation_type = gone.type;
    update usage_by_user
       set total_jobs = total_jobs - 1, input_tokens = input_tokens - gone.input_tokens,
           output_tokens = output_tokens - gone.output_tokens, cost_usd = cost_usd - gone.cost_usd
     where date = (gone.created_at at time zone 'UTC')::date and user_email = gone.user_email;
  end if;
  insert into live_jobs (id, type, status, payload, user_email, user_id, owner, ip_address, frame_name, layer_count,
                         variant_count, trace_id, has_body, created_at, priority, attempt, max_attempts, idempotency_key,
                         event_number, attempt_errors, share, run_at, ai_calls, input_tokens, output_tokens, cost_usd)
  values (gone.id, gone.type, 'queued', gone.payload, gone.user_email, gone.user_id, gone.owner, gone.ip_address,
          gone.frame_name, gone.layer_count, gone.variant_count, gone.trace_id, gone.has_body, gone.created_at,
          gone.priority, 0, greatest(gone.max_attempts, 1), gone.idempotency_key, gone.event_number + 1,
          gone.attempt_errors, job_share(gone.type, gone.priority, gone.owner, gone.user_id, gone.user_email), now(),
          gone.ai_calls, gone.input_tokens, gone.output_tokens, gone.cost_usd);
  return true;
end;
$$;

-- ---- The analysts' numbers of a day ---------------------------------------------------------------------------------

-- As before, and now a type that has lost some of its jobs to retention also keeps the numbers it had.
create or replace function aggregate_daily_stats(target_date date) returns void
language sql as $$
  insert into usage_stats (date, operation_type, total_jobs, successful_jobs, failed_jobs, total_layers, avg_duration_ms,
                           p50_duration_ms, p95_duration_ms, p99_duration_ms)
  select target_date, type, count(*),
         count(*) filter (where status = 'completed'),
         count(*) filter (where status = 'failed'),
         coalesce(sum(layer_count), 0),
         avg(duration_ms) filter (where status = 'completed'),
         percentile_disc(0.50) within group (order by duration_ms) filter (where status = 'completed'),
         percentile_disc(0.95) within group (order by duration_ms) filter (where status = 'completed'),
         percentile_disc(0.99) within group (order by duration_ms) filter (where status = 'completed')
    from jobs
   where created_at >= target_date::timestamp at time zone 'UTC'
     and created_at < (target_date + 1)::timestamp at time zone 'UTC'
   group by type
  having count(*) >= coalesce((select total_jobs from usage_totals where date = target_date and operation_type = type), 0)
  on conflict (date, operation_type) do update
     set total_jobs = excluded.total_jobs, successful_jobs = excluded.successful_jobs, failed_jobs = excluded.failed_jobs,
         total_layers = excluded.total_layers, avg_duration_ms = excluded.avg_duration_ms,
         p50_duration_ms = excluded.p50_duration_ms, p95_duration_ms = excluded.p95_duration_ms,
         p99_duration_ms = excluded.p99_duration_ms, updated_at = now();
$$;

-- ---- A job's end adds what its attempt used -------------------------------------------------------------------------
-- As before, with the last four parameters: what the attempt that ends used. Missing ones are zeros.
-- Ends jobs that these tokens hold, or puts them back; a null token ends one that is queued. Tells what became of each
-- that it changed. A row is taken out and put where it belongs now: what decides is read from the row as it was when it
-- was taken out, so that a cancel that came first is seen. Two outcomes are reap's: `lost` is charged to the job,
-- `spared` is not.
drop function end_jobs;
create function end_jobs(ids uuid[], tokens bigint[], outcomes text[], results jsonb[], apart boolean[], codes text[],
                         messages text[], stacks text[], waits_ms bigint[], variants integer[],
                         calls integer[] default '{}', tokens_in bigint[] default '{}',
                         tokens_out bigint[] default '{}', costs numeric[] default '{}')
returns table (id uuid, type text, status text, event_number integer, lease_token bigint) language plpgsql
set enable_seqscan = off
as $$
#variable_conflict use_column
begin
  return query
  with given as (
    select * from unnest(ids, tokens, outcomes, results, apart, codes, messages, stacks, waits_ms, variants,
                         calls, tokens_in, tokens_out, costs)
      as g(given_id, token, outcome, new_result, is_apart, code, message, stack, wait_ms, new_variants,
           calls, tokens_in, tokens_out, cost)
  ), gone as (
    delete from live_jobs using given
     where id = given_id
       and ((status = 'processing' and lease_token = token) or (status = 'queued' and token is null))
    returning *
  ), decided as materialized (
    select *, case when cancel_requested or outcome = 'cancelled' then 'cancelled'
                   when outcome = 'done' then 'completed'
                   when outcome in ('released', 'spared') then 'queued'
                   when outcome in ('retry', 'lost') and attempt < max_attempts then 'queued'
                   else 'failed' end as becomes,
           case when outcome in ('retry', 'lost', 'failed')
                then case when jsonb_array_length(attempt_errors) >= 20 then attempt_errors - 0
                          else coalesce(attempt_errors, '[]') end
                     || jsonb_build_object('attempt', attempt, 'code', code, 'message', message, 'at',
                                           to_char(now() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))
                else attempt_errors end as errors,
           case outcome when 'lost' then losses + 1 when 'retry' then 0 else losses end as new_losses,
           case when outcome not in ('lost', 'spared') then lease_token end as last_token,
           ai_calls + coalesce(calls, 0) as all_calls, input_tokens + coalesce(tokens_in, 0) as all_in,
           output_tokens + coalesce(tokens_out, 0) as all_out, cost_usd + coalesce(cost, 0) as all_cost
      from gone
  ), waiting as (
    insert into live_jobs (id, type, status, payload, user_email, user_id, owner, ip_address, frame_name, layer_count,
                           variant_count, trace_id, has_body, created_at, priority, attempt, max_attempts,
                           idempotency_key, event_number, attempt_errors, lease_token, losses, share, run_at, ai_calls,
                           input_tokens, output_tokens, cost_usd)
    select id, type, becomes, payload, user_email, user_id, owner, ip_address, frame_name, layer_count, variant_count,
           trace_id, has_body, created_at, priority, attempt - (outcome in ('released', 'spared'))::int, max_attempts,
           idempotency_key, event_number + 1, errors, last_token, new_losses, share,
           now() + interval '1 ms' * coalesce(wait_ms, case when outcome in ('released', 'spared') then 0
             else least(1000 * 2 ^ least(attempt - 1, 20), 600000) * (1 + random() / 2) end),
           all_calls, all_in, all_out, all_cost
      from decided where becomes = 'queued'
  ), ended as (
    insert into jobs (id, type, status, payload, result, result_apart, user_email, user_id, owner, ip_address,
                      frame_name, layer_count, variant_count, trace_id, has_body, created_at, started_at, completed_at, duration_ms,
                      error_code, error_message, error_stack, priority, attempt, max_attempts, idempotency_key,
                      event_number, attempt_errors, lease_token, runner, cancel_requested, progress, progress_message,
                      ai_calls, input_tokens, output_tokens, cost_usd)
    select id, type, becomes, payload, case when becomes = 'completed' then new_result end,
           becomes = 'completed' and coalesce(is_apart, false), user_email, user_id, owner, ip_address, frame_name,
           layer_count, coalesce(new_variants, variant_count), trace_id, has_body, created_at, started_at, now(),
           (extract(epoch from greatest(now() - started_at, '0')) * 1000)::int, case when becomes = 'failed' then code end,
           case when becomes = 'failed' then message end, case when becomes = 'failed' then stack end, priority, attempt,
           max_attempts, idempotency_key, event_number + 1, errors, last_token, runner, cancel_requested,
           case when becomes = 'completed' then 100 else progress end,
           case when becomes <> 'completed' then progress_message end, all_calls, all_in, all_out, all_cost
      from decided where becomes <> 'queued'
  )
  select id, type, becomes, event_number + 1, lease_token from decided;
end;
$$;
