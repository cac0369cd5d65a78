-- Jobs belong to the day they were created on. May be run again: a day's numbers are replaced. A type that has lost some
-- of its jobs to retention keeps the numbers it had.
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
