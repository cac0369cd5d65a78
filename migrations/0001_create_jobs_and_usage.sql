-- Jobs, what was used of them by day, and every call of the API: the tables that analysts query.
-- All times are timestamptz; a day and a month are UTC's, whatever the session's time zone.

create table jobs (
  id            uuid primary key default gen_random_uuid(),  -- whoever holds an anonymous job's id may read it: random
  type          text not null,
  status        text not null default 'queued'
                constraint jobs_status_known check (status in ('queued', 'processing', 'completed', 'failed', 'cancelled')),
  layer_count   integer,
  frame_name    text,
  variant_count integer,
  payload       jsonb,  -- never an image
  result        jsonb,  -- never an image
  created_at    timestamptz not null default now(),
  started_at    timestamptz,
  completed_at  timestamptz,
  duration_ms   integer,
  error_message text,
  error_stack   text,
  user_email    text not null,  -- what the client claimed; user_id is what a token proved
  user_id       text,
  ip_address    inet
) with (
  -- A job's row is updated a few times within seconds and then never again. Room in the page keeps updates that touch
  -- no indexed column there (HOT), and vacuum comes by the number of dead rows, not by a fifth of a growing table.
  fillfactor = 85,
  autovacuum_vacuum_scale_factor = 0.01,
  autovacuum_vacuum_threshold = 1000,
  autovacuum_vacuum_insert_scale_factor = 0.05,
  autovacuum_analyze_scale_factor = 0.02,
  autovacuum_vacuum_cost_delay = 1
);

create index jobs_by_type on jobs (type, created_at desc);
create index jobs_by_status on jobs (status, created_at desc);
create index jobs_newest_first on jobs (created_at desc);
create index jobs_by_user_email on jobs (user_email, created_at desc);
create index jobs_by_user_id on jobs (user_id, created_at desc) where user_id is not null;

create table usage_stats (
  date            date not null,
  operation_type  text not null,
  total_jobs      integer not null default 0,
  successful_jobs integer not null default 0,
  failed_jobs     integer not null default 0,
  total_layers    bigint not null default 0,
  avg_duration_ms double precision,  -- this and the percentiles are of completed jobs; null where there was none
  p50_duration_ms integer,
  p95_duration_ms integer,
  p99_duration_ms integer,
  updated_at      timestamptz not null default now(),
  primary key (date, operation_type)
);

-- Jobs belong to the day they were created on. May be run again: a day's numbers are replaced. A type that has no jobs
-- left (retention deletes old ones) keeps the numbers it had.
create function aggregate_daily_stats(target_date date) returns void
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
  on conflict (date, operation_type) do update
     set total_jobs = excluded.total_jobs, successful_jobs = excluded.successful_jobs, failed_jobs = excluded.failed_jobs,
         total_layers = excluded.total_layers, avg_duration_ms = excluded.avg_duration_ms,
         p50_duration_ms = excluded.p50_duration_ms, p95_duration_ms = excluded.p95_duration_ms,
         p99_duration_ms = excluded.p99_duration_ms, updated_at = now();
$$;

-- One row a call. By month, so that an old month is dropped as a table and not deleted row by row.
create table api_calls (
  id               bigserial,
  endpoint         text not null,
  ip_address       inet,
  user_agent       text,
  response_status  integer not null,
  response_time_ms double precision not null,
  created_at       timestamptz not null default now(),
  primary key (id, created_at)  -- a partitioned table's key holds what it is partitioned by
) partition by range (created_at);

-- Rows come in the order of time: a block range index finds a day at next to no cost for those who write.
create index api_calls_by_time on api_calls using brin (created_at);

-- No call is lost when nobody has made its month's partition.
create table api_calls_default partition of api_calls default;

-- Makes the partition of the month that the day is in, and gives its name back; harmless when it is there already.
-- Rows of that month that the default partition took meanwhile move over.
create function create_api_calls_partition(month date) returns text
language plpgsql as $$
declare
  first_day date := date_trunc('month', month::timestamp)::date;
  since timestamptz := first_day::timestamp at time zone 'UTC';
  until timestamptz := (first_day + interval '1 month') at time zone 'UTC';
  partition text := 'api_calls_' || to_char(first_day, 'YYYY_MM');
begin
  -- Two that make it at once: the second waits here, and then finds it.
  lock table api_calls in share update exclusive mode;
  if to_regclass(partition) is not null then
    return partition;
  end if;
  -- Nothing may arrive in the default partition between the move and the attaching.
  lock table api_calls_default in access exclusive mode;
  execute format('create table %I (like api_calls including defaults)', partition);
  execute format('with moved as (delete from api_calls_default where created_at >= $1 and created_at < $2 returning *) '
                 'insert into %I select * from moved', partition) using since, until;
  execute format('alter table api_calls attach partition %I for values from (%L) to (%L)', partition, since, until);
  return partition;
end;
$$;

select create_api_calls_partition((now() at time zone 'UTC')::date);
select create_api_calls_partition(((now() at time zone 'UTC') + interval '1 month')::date);
