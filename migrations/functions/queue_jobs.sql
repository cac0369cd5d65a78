-- Inserts what is new, and gives back the ids of that. Keys are taken in order: no two batches wait for each other. A
-- job's turn is one past the last of those of its user that wait, or past the one that is served; so users take turns,
-- however many jobs each has (start-time fair queueing).
--
-- A function, because a session keeps its plan: PgBouncer lets nobody prepare a statement, and planning this anew costs
-- more than running it for ten jobs. The plan may have been made when a table was empty: hence enable_seqscan. One that
-- is made for its arguments is never cheaper: hence force_generic_plan.
create or replace function queue_jobs(id uuid[], kind text[], payload jsonb[], user_email text[], user_id text[],
                                      owner text[], ip_address inet[], facts jsonb[], trace_id text[], has_body boolean[],
                                      priority smallint[], delay_ms bigint[], max_attempts smallint[], key text[],
                                      digest text[], team_id uuid[] default '{}', plugin text[] default '{}')
returns setof uuid language plpgsql
set enable_seqscan = off set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
begin
  -- This transaction has its number before it looks at the turns: claims go by that (job_turns.rising).
  perform pg_current_xact_id();
  return query
  with given as materialized (
    select *, job_share(kind, priority, owner, user_id, user_email) as share
      from unnest(queue_jobs.id, queue_jobs.kind, queue_jobs.payload, queue_jobs.user_email, queue_jobs.user_id,
                  queue_jobs.owner, queue_jobs.ip_address, queue_jobs.facts, queue_jobs.trace_id, queue_jobs.has_body,
                  queue_jobs.priority, queue_jobs.delay_ms, queue_jobs.max_attempts, queue_jobs.key, queue_jobs.digest,
                  queue_jobs.team_id, queue_jobs.plugin)
        with ordinality
        as g(id, kind, payload, user_email, user_id, owner, ip_address, facts, trace_id, has_body, priority, delay_ms,
             max_attempts, key, digest, team_id, plugin, place)
  ), lines as materialized (
    select share, coalesce((select max(j.turn) from live_jobs j
                             where j.share = s.share and j.status = 'queued' and j.turn > s.served), s.served) as last,
           attempts, columns
      from (select distinct share, coalesce(t.turns[priority], 0) as served, coalesce(k.attempts, 3) as attempts,
                   coalesce(k.columns, '{layer_count,frame_name,variant_count}') as columns
              from given left join job_kinds k using (kind) left join lateral
                (select turns from job_turns where kind = given.kind order by number desc limit 1) t on true) s
  ), keyed as (
    insert into job_keys (key, digest, job_id) select key, digest, id from given where key is not null order by key
    on conflict do nothing returning job_id
  )
  insert into live_jobs (id, type, status, payload, user_email, user_id, owner, ip_address, layer_count, frame_name,
                         variant_count, facts, trace_id, has_body, priority, attempt, max_attempts, idempotency_key, share,
                         turn, run_at, team_id, plugin)
  select id, kind, 'queued', payload, user_email, user_id, owner, ip_address,
         case when 'layer_count' = any (columns) then (facts->>'layer_count')::integer end,
         case when 'frame_name' = any (columns) then facts->>'frame_name' end,
         case when 'variant_count' = any (columns) then (facts->>'variant_count')::integer end,
         nullif(facts - columns, '{}'), nullif(trace_id, ''),
         has_body, priority, 0, coalesce(max_attempts, attempts), key, share,
         case when delay_ms <= 0 then last + row_number() over (partition by share order by place) end,
         case when delay_ms > 0 then now() + delay_ms * interval '1 ms' end, team_id, plugin
    from given join lines using (share)
   where (key is null or id in (select job_id from keyed))
     -- One look by index for each. As an anti-join it was planned, while `jobs` was thought small, as a walk over all of it:
     -- 8 ms a statement instead of 1.4, with 12,000 jobs.
     and (select j.id from only jobs j where j.id = given.id) is null
   order by place
  on conflict (id) do nothing
  returning id;
end;
$$;
