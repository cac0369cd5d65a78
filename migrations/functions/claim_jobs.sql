-- Claims up to `batch` jobs for a runner, of each kind at most its room. Every statement in a function sees what was
-- committed before that statement: what a kind's last claimer did is known to the next. The kinds come sorted, so that no
-- two claims wait for each other. `sweep`: a runner asks for that once a second. Why it is a function:
-- queue_jobs.sql.
create or replace function claim_jobs(kinds text[], rooms integer[], batch integer, token bigint, by_runner text, lease interval,
                           sweep boolean default true)
returns table (id uuid, type text, payload jsonb, user_email text, user_id text, trace_id text, has_body boolean,
               attempt smallint, max_attempts smallint, losses smallint, event_number integer, lease_token bigint,
               created_at timestamptz) language plpgsql
set enable_seqscan = off set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
  -- A claim forgotten in a crash of PostgreSQL is as good as none: its token is good for nothing then. So the lock on
  -- the kind is not held while a disk writes.
  relaxed   constant text := set_config('synchronous_commit', 'off', true);
  wanted    integer := batch;
  moment    timestamptz := clock_timestamp();  -- a volatile function finds nothing by an index
  searched  constant boolean := sweep or cardinality(kinds) > 1;  -- for what is ready, before a kind is locked
  queue     job_kinds;
  line      job_turns;
  known     pg_snapshot;  -- of the statement that read `line`
  seen      pg_snapshot;  -- of the one that found `firsts`
  swept     boolean[];    -- by kind: the search for `firsts` began at the settled turns
  room      integer;
  firsts    bigint[];  -- by kind and priority, where searched: the first turn that is ready, if any
  picked    uuid[];
  last_turn bigint;
  taken     integer;
  running   integer;
  suspects  uuid[];
begin
  -- Most kinds have nothing to claim most of the time: only those that have are locked. The index still has every job
  -- whose row some old snapshot might want to see, however long ago it was claimed; they lie before the turns served of
  -- late, where the search for the first one begins. A job enqueued by a transaction that took longer than that is found
  -- by a sweep, of which a kind with jobs sees one a second: from the settled turns on. Who names one kind and no sweep
  -- has heard of a job there: that is locked at once.
  if searched then
    select array_agg(kind order by kind), array_agg(room order by kind), array_agg(first order by kind),
           array_agg(sweeps order by kind), pg_current_snapshot()
      into kinds, rooms, firsts, swept, seen
      from unnest(kinds, rooms) as given(kind, room) join job_kinds k using (kind)
      left join lateral (select settled, t.passed, t.swept_at from job_turns t
                          where t.kind = given.kind order by number desc limit 1) as served on true, lateral
        (select sweep and coalesce(served.swept_at < moment - interval '1 second', true) as sweeps) as how, lateral
        (select array(select (select j.turn from live_jobs j
                               where type = kind and priority = level and status = 'queued'
                                 and j.turn > coalesce(case when sweeps then served.settled[level]
                                                            else served.passed[level] end, 0)
                               order by j.turn limit 1)
                        from generate_series(1, 3) as level order by level) as first
         offset 0) as ready
     where not paused and room > 0
       and (array_remove(first, null) <> '{}'
         or exists (select from live_jobs where type = kind and status = 'queued' and turn is null
                                            and run_at <= moment));
  end if;
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
                     and turn > case when searched then least(firsts[k][level] - 1, line.turns[level])
                                     else line.passed[level] end
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
            returning id, type, payload, user_email, user_id, trace_id, has_body, attempt, max_attempts, losses,
                      event_number, lease_token, created_at;
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
