-- Beside a transaction that holds an old snapshot (a report, a backup) no row that was updated or deleted goes away, and
-- whoever looks for the living one reads past all its dead. What claims write is now read from its end: a row more each
-- time. Measured: fifty jobs a second for ten minutes beside such a snapshot had claims wait for 5.9 s (p99), for the
-- row of job_kinds alone had hundreds of pages.

-- How far a kind's line has been served. The row with the highest number counts; whoever adds one holds the lock on the
-- kind's row of job_kinds, which nobody updates for it.
create table job_turns (
  kind         text not null,
  number       bigint not null,
  -- By priority: the last turn that was served; what that was at marked_at; and what it was at the mark before.
  turns        bigint[] not null,
  marked       bigint[] not null,
  passed       bigint[] not null,
  marked_at    timestamptz not null,
  swept_at     timestamptz not null,  -- when turns long passed were last looked for
  -- No job with one of these turns, or one before, can appear any more: whoever enqueues takes a turn past those that are
  -- served, as its transaction sees them. So they are `rising` first, until all have ended whose number is below
  -- rising_below, which is taken once rising was there for everybody to see; and until a sweep has found none.
  settled      bigint[] not null,
  rising       bigint[] not null,
  rising_below xid8,
  oldest       timestamptz not null,  -- no job that is processing began before, where the kind has an at_once
  primary key (kind, number)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000, autovacuum_vacuum_insert_scale_factor = 0,
        autovacuum_vacuum_insert_threshold = 1000000, autovacuum_analyze_scale_factor = 0,
        autovacuum_analyze_threshold = 1000000000);

-- job_kinds keeps its columns for this: a claim of the release before may be under way.
insert into job_turns
select kind, 1, turns, marked, passed, marked_at, '-infinity', '{0,0,0}', '{0,0,0}', null, '-infinity' from job_kinds;

create index live_jobs_processing_since on live_jobs (type, started_at) where status = 'processing';
drop index live_jobs_processing;

-- Inserts what is new, and gives back the ids of that. Keys are taken in order: no two batches wait for each other. A
-- job's turn is one past the last of those of its user that wait, or past the one that is served; so users take turns,
-- however many jobs each has (start-time fair queueing).
create or replace function enqueue_jobs(ids uuid[], kinds text[], payloads jsonb[], emails text[], users text[], owners text[],
                             ips inet[], frames text[], layers integer[], variants integer[], traces text[],
                             bodies boolean[], priorities smallint[], delays_ms bigint[], attempts smallint[],
                             keys text[], digests text[])
returns setof uuid language plpgsql
set enable_seqscan = off set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
begin
  -- This transaction has its number before it looks at the turns: claims go by that (job_turns.rising).
  perform pg_current_xact_id();
  return query
  with given as materialized (
    select *, job_share(kind, priority, owner, user_id, email) as share
      from unnest(ids, kinds, payloads, emails, users, owners, ips, frames, layers, variants, traces, bodies,
                  priorities, delays_ms, attempts, keys, digests) with ordinality
        as g(id, kind, payload, email, user_id, owner, ip, frame, layer_count, variant_count, trace, has_body, priority,
             delay_ms, max_attempts, key, digest, place)
  ), lines as materialized (
    select share, coalesce((select max(j.turn) from live_jobs j
                             where j.share = s.share and j.status = 'queued' and j.turn > s.served), s.served) as last,
           attempts
      from (select distinct share, coalesce(t.turns[priority], 0) as served, coalesce(k.attempts, 3) as attempts
              from given left join job_kinds k using (kind) left join lateral
                (select turns from job_turns where kind = given.kind order by number desc limit 1) t on true) s
  ), keyed as (
    insert into job_keys (key, digest, job_id) select key, digest, id from given where key is not null order by key
    on conflict do nothing returning job_id
  )
  insert into live_jobs (id, type, status, payload, user_email, user_id, owner, ip_address, frame_name, layer_count,
                         variant_count, trace_id, has_body, priority, attempt, max_attempts, idempotency_key, share,
                         turn, run_at)
  select id, kind, 'queued', payload, email, user_id, owner, ip, frame, layer_count, variant_count, nullif(trace, ''),
         has_body, priority, 0, coalesce(max_attempts, attempts), key, share,
         case when delay_ms <= 0 then last + row_number() over (partition by share order by place) end,
         case when delay_ms > 0 then now() + delay_ms * interval '1 ms' end
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

-- Claims up to `batch` jobs for a runner, of each kind at most its room. Every statement in a function sees what was
-- committed before that statement: what a kind's last claimer did is known to the next. The kinds come sorted, so that no
-- two claims wait for each other. `sweep`: a runner asks for that once a second.
create or replace function claim_jobs(kinds text[], rooms integer[], batch integer, token bigint, by_runner text, lease interval,
                           sweep boolean default true)
returns setof live_jobs language plpgsql
set enable_seqscan = off set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
  wanted    integer := batch;
  moment    timestamptz := clock_timestamp();  -- a volatile function finds nothing by an index
  queue     job_kinds;
  line      job_turns;
  known     pg_snapshot;  -- of the statement that read `line`
  seen      pg_snapshot;  -- of the one that found `firsts`
  swept     boolean[];    -- by kind: the search for `firsts` began at the settled turns
  room      integer;
  firsts    bigint[];  -- by kind and priority: the first turn that is ready, if any
  picked    uuid[];
  last_turn bigint;
  taken     integer;
  running   integer;
  suspects  uuid[];
begin
  -- A claim forgotten in a crash of PostgreSQL is as good as none: its token is good for nothing then. So the lock on
  -- the kind is not held while a disk writes.
  perform set_config('synchronous_commit', 'off', true);
  -- Most kinds have nothing to claim most of the time: only those that have are locked. The index still has every job
  -- whose row some old snapshot might want to see, however long ago it was claimed; they lie before the turns served of
  -- late, where the search for the first one begins. A job enqueued by a transaction that took longer than that is found
  -- by a sweep, of which a kind with jobs sees one a second: from the settled turns on.
  select array_agg(kind order by kind), array_agg(room order by kind), array_agg(first order by kind),
         array_agg(sweeps order by kind), pg_current_snapshot()
    into kinds, rooms, firsts, swept, seen
    from unnest(kinds, rooms) as given(kind, room) join job_kinds k using (kind)
    left join lateral (select settled, t.passed, t.swept_at from job_turns t
                        where t.kind = given.kind order by number desc limit 1) as served on true, lateral
      (select sweep and coalesce(served.swept_at < moment - interval '1 second', true) as sweeps) as how, lateral
      (select array(select (select j.turn from live_jobs j
                             where type = kind and priority = level and status = 'queued'
                               and j.turn > coalesce(case when sweeps then served.settled[level] else served.passed[level] end, 0)
                             order by j.turn limit 1)
                      from generate_series(1, 3) as level order by level) as first) as ready
   where not paused and room > 0
     and (array_remove(first, null) <> '{}'
       or exists (select from live_jobs where type = kind and status = 'queued' and turn is null
                                          and run_at <= moment));
  -- First every kind gets its share of the batch, then each what the others left.
  for pass in 1..2 loop
    for k in 1..coalesce(cardinality(kinds), 0) loop
      continue when wanted <= 0 or rooms[k] <= 0;
      select * into queue from job_kinds where kind = kinds[k] and not paused for no key update;
      continue when not found;
      -- In a statement of its own, which sees what the last who had the lock did.
      select t.*, pg_current_snapshot() into line.kind, line.number, line.turns, line.marked, line.passed, line.marked_at,
             line.swept_at, line.settled, line.rising, line.rising_below, line.oldest, known
        from job_turns t where t.kind = queue.kind order by t.number desc limit 1;
      if not found then
        line := (queue.kind, 0, '{0,0,0}', '{0,0,0}', '{0,0,0}', '-infinity', '-infinity', '{0,0,0}', '{0,0,0}', null,
                 '-infinity');
      end if;
      room := least(rooms[k], wanted);
      if pass = 1 then
        room := least(room, (wanted - 1) / (cardinality(kinds) - k + 1) + 1);
        -- What has become due gets its turn; what was tried before does not wait behind its user's others.
        if exists (select from live_jobs where type = queue.kind and status = 'queued' and turn is null
                                           and run_at <= moment) then
          with due as materialized (
            select id, priority, share, run_at from live_jobs
             where type = queue.kind and status = 'queued' and turn is null and run_at <= moment
             order by run_at limit batch for update skip locked
          ), placed as materialized (
            select id, line.turns[priority] + row_number() over (partition by share order by run_at) as turn from due
          )
          update live_jobs j set turn = placed.turn from placed where j.id = placed.id;
        end if;
      end if;
      if queue.at_once is not null then
        select count(*), coalesce(min(started_at), moment) into running, line.oldest
          from live_jobs
         where type = queue.kind and status = 'processing' and started_at >= least(line.oldest, moment);
        room := least(room, queue.at_once - running);
      end if;
      taken := 0;
      for level in 1..3 loop
        loop
          exit when room <= 0;
          select array_agg(id), max(turn), array_agg(id) filter (where losses > 0) into picked, last_turn, suspects
            from (select id, turn, losses from live_jobs
                   where type = queue.kind and priority = level and status = 'queued'
                     and turn >= least(firsts[k][level], line.turns[level] + 1)
                   order by turn limit room for update skip locked) as p;
          exit when picked is null;
          -- A runner starts a suspect only where the last has lived for 3 s. Those that it can't have are not in the
          -- line for a moment.
          if suspects is not null then
            if not exists (select from live_jobs where status = 'processing' and runner = by_runner and losses > 0
                                                   and started_at > clock_timestamp() - interval '3 s') then
              suspects := suspects[2:];
            end if;
            update live_jobs set turn = null, run_at = clock_timestamp() + interval '250 ms' where id = any (suspects);
            picked := array(select unnest(picked) except all select unnest(suspects));
          end if;
          return query
            update live_jobs
               set status = 'processing', attempt = attempt + 1, lease_token = token,
                   lease_until = clock_timestamp() + lease, runner = by_runner, started_at = clock_timestamp(),
                   progress = 0, progress_message = null, event_number = event_number + 1
             where id = any (picked)
            returning *;
          line.turns[level] := greatest(line.turns[level], last_turn);
          taken := taken + cardinality(picked);
          room := room - cardinality(picked);
          exit when coalesce(cardinality(suspects), 0) = 0;  -- otherwise there may be more for the room that is left
        end loop;
      end loop;
      wanted := wanted - taken;
      rooms[k] := case when room > 0 then 0 else rooms[k] - taken end;  -- room that is left: there are no more
      if taken > 0 then
        if line.marked_at < clock_timestamp() - interval '250 ms' then
          line.passed := line.marked;
          line.marked := line.turns;
          line.marked_at := clock_timestamp();
        end if;
        if swept[k] then
          line.swept_at := moment;
          if line.rising_below is null then
            line.rising_below := pg_snapshot_xmax(known);
          elsif pg_snapshot_xmin(seen) >= line.rising_below
                and not exists (select from generate_series(1, 3) as level where firsts[k][level] <= line.rising[level]) then
            line.settled := line.rising;
            line.rising := line.turns;
            line.rising_below := null;
          end if;
          swept[k] := false;  -- once a transaction: what it makes rising is not there for others yet
        end if;
        line.number := line.number + 1;
        insert into job_turns values (line.*);
        -- Those before them are deleted by now: this looks at no row twice, dead or not.
        if line.number % 64 = 0 then
          delete from job_turns where kind = queue.kind and number >= line.number - 128 and number < line.number;
        end if;
      end if;
    end loop;
  end loop;
end;
$$;

-- As the others.
alter function end_jobs set plan_cache_mode = force_generic_plan;
