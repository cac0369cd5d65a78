-- For operators' scripts: one job of a kind, as a cron would enqueue it. Runners find it within a second.
create or replace function queue_job(kind text, payload jsonb) returns void language sql as $$
  select queue_jobs(array[gen_random_uuid()], array[kind], array[payload], array['operator'], array[null::text], array[null::text],
                    array[null::inet], array[null::jsonb], array[''], array[false], array[2::smallint], array[0::bigint],
                    array[null::smallint], array[null::text], array[null::text]);
$$;
