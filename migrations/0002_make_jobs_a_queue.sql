-- Makes `jobs` a queue. The rules are at the head of core/jobs.cc; this is where its state lives.
--
-- A job that has not ended is a row of live_jobs, a child of jobs: whoever reads jobs sees both. When it ends it moves
-- to jobs proper and is never written again. So what is written often is small, has few indexes, and keeps its dead rows
-- to itself; the analysts' indexes are paid for once a job. (Measured against updating one table: claiming and ending a
-- job cost PostgreSQL about a quarter less.)

alter table jobs
  add priority         smallint not null default 2 constraint jobs_priority_known check (priority in (1, 2, 3)),  -- 1 first
  add attempt          smallint not null default 1,  -- a job that its request did at once was one attempt
  add max_attempts     smallint not null default 1,
  add lease_token      bigint,       -- of the claim that has it, or had it last; null when it was taken from that one
  add runner           text,
  add cancel_requested boolean not null default false,
  add progress         smallint not null default 0,
  add progress_message text,
  add event_number     integer not null default 1,  -- goes up with every change that a client may see
  add error_code       text,
  add attempt_errors   jsonb,        -- [{"attempt", "at", "code", "message"}], the latest 20
  add idempotency_key  text,         -- its row in job_keys
  add owner            text,         -- the user that a token proved: nobody else may see the job
  add trace_id         text,
  add has_body         boolean not null default false,  -- it came with a body that is not here: images rest nowhere
  add result_apart     boolean not null default false;  -- its whole result is not here, likewise

create table live_jobs (
  share       bigint not null,  -- whom it is for (its kind, priority and user), hashed
  turn        bigint,           -- its place among the queued of its kind and priority; null: not due yet
  run_at      timestamptz,      -- when it is due, where it has no turn
  lease_until timestamptz,      -- while processing: when it may be taken away, by this database's clock
  losses      smallint not null default 0,  -- how often in a row its runner died while it ran; more than 0: a suspect
  primary key (id),
  constraint live_jobs_have_not_ended check (status in ('queued', 'processing')),
  constraint live_jobs_processing_are_leased
    check (status <> 'processing' or (lease_token is not null and lease_until is not null))
) inherits (jobs) with (
  -- A heartbeat changes no indexed column: with room in the page it stays there (HOT). Vacuum comes by the number of
  -- dead rows, whatever the size, and does not dawdle.
  fillfactor = 70,
  autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_threshold = 5000,
  autovacuum_vacuum_insert_scale_factor = 0,
  autovacuum_vacuum_insert_threshold = 50000,
  autovacuum_analyze_scale_factor = 0,
  autovacuum_analyze_threshold = 20000,
  autovacuum_vacuum_cost_delay = 0
);

create index live_jobs_ready on live_jobs (type, priority, turn) where status = 'queued' and turn is not null;
create index live_jobs_by_share on live_jobs (share, turn) where status = 'queued' and turn is not null;
create index live_jobs_to_come on live_jobs (type, run_at) where status = 'queued' and turn is null;
create index live_jobs_processing on live_jobs (type) where status = 'processing';

-- What the fleet knows of a kind of job (jobs.type). Its row is locked while jobs of the kind are claimed, never for
-- longer than a statement.
create table job_kinds (
  kind      text primary key,
  paused    boolean not null default false,
  attempts  smallint not null default 3,  -- of a job that does not say
  at_once   integer constraint job_kinds_at_once_positive check (at_once > 0),  -- in the whole fleet; null: any number
  -- By priority: the last turn that was served; what that was at marked_at; and what it was at the mark before.
  turns     bigint[] not null default '{0,0,0}',
  marked    bigint[] not null default '{0,0,0}',
  passed    bigint[] not null default '{0,0,0}',
  marked_at timestamptz not null default '-infinity',
  swept_at  timestamptz not null default '-infinity'  -- when turns long passed were last looked for
) with (fillfactor = 20);

-- The idempotency keys that clients gave, each for as long as its job is kept.
create table job_keys (
  key    text primary key,  -- begins with its scope
  digest text not null,     -- of the request it came with
  job_id uuid not null
);

-- ---- The queue's hot statements -----------------------------------------------------------------------------------
-- Functions, because a session keeps their plans: PgBouncer lets nobody prepare a statement, and planning these anew
-- costs more than running them for ten jobs. A plan may have been made when a table was empty: hence enable_seqscan.

-- Whose turns a job takes. Who only says that he is somebody takes none of that one's turns.
create function job_share(kind text, priority smallint, owner text, user_id text, user_email text) returns bigint
language sql immutable as $$
  select hashtextextended(concat_ws(' ', kind, priority, owner is not null, coalesce(owner, user_id, user_email)), 0)
$$;

-- Inserts what is new, and gives back the ids of that. Keys are taken in order: no two batches wait for each other. A
-- job's turn is one past the last of those of its user that wait, or past the one that is served; so users take turns,
-- however many jobs each has (start-time fair queueing).
create function enqueue_jobs(ids uuid[], kinds text[], payloads jsonb[], emails text[], users text[], owners text[],
                             ips inet[], frames text[], layers integer[], variants integer[], traces text[],
                             bodies boolean[], priorities smallint[], delays_ms bigint[], attempts smallint[],
                             keys text[], digests text[])
returns setof uuid language plpgsql
set enable_seqscan = off
as $$
#variable_conflict use_column
begin
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
      from (select distinct share, coalesce(k.turns[priority], 0) as served, coalesce(k.attempts, 3) as attempts
              from given left join job_kinds k using (kind)) s
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
   where (key is null or id in (select job_id from keyed)) and not exists (select from only jobs where id = given.id)
   order by place
  on conflict (id) do nothing
  returning id;
end;
$$;

-- Claims up to `batch` jobs for a runner, of each kind at most its room. Every statement in a function sees what was
-- committed before that statement: what a kind's last claimer did is known to the next. The kinds come sorted, so that no
-- two claims wait for each other.
create function claim_jobs(kinds text[], rooms integer[], batch integer, token bigint, by_runner text, lease interval)
returns setof live_jobs language plpgsql
set enable_seqscan = off
as $$
#variable_conflict use_column
declare
  wanted    integer := batch;
  queue     job_kinds;
  room      integer;
  sweeping  boolean;
  picked    uuid[];
  last_turn bigint;
  taken     integer;
  suspects  uuid[];
begin
  -- A claim forgotten in a crash of PostgreSQL is as good as none: its token is good for nothing then. So the lock on
  -- the kind is not held while a disk writes.
  perform set_config('synchronous_commit', 'off', true);
  -- First every kind gets its share of the batch, then each what the others left.
  for pass in 1..2 loop
    for k in 1..cardinality(kinds) loop
      continue when wanted <= 0 or rooms[k] <= 0;
      select * into queue from job_kinds where kind = kinds[k] and not paused for no key update;
      continue when not found;
      room := least(rooms[k], wanted);
      if pass = 1 then
        room := least(room, (wanted - 1) / (cardinality(kinds) - k + 1) + 1);
        -- What has become due gets its turn; what was tried before does not wait behind its user's others.
        if exists (select from live_jobs where type = queue.kind and status = 'queued' and turn is null
                                           and run_at <= clock_timestamp()) then
          with due as materialized (
            select id, priority, share, run_at from live_jobs
             where type = queue.kind and status = 'queued' and turn is null and run_at <= clock_timestamp()
             order by run_at limit batch for update skip locked
          ), placed as materialized (
            select id, queue.turns[priority] + row_number() over (partition by share order by run_at) as turn from due
          )
          update live_jobs j set turn = placed.turn from placed where j.id = placed.id;
        end if;
      end if;
      if queue.at_once is not null then
        room := least(room, queue.at_once - (select count(*) from live_jobs
                                              where type = queue.kind and status = 'processing'));
      end if;
      -- The index still has every job whose row some old snapshot might want to see, however long ago it was claimed.
      -- They lie before the turns served of late: the search begins there. A job enqueued by a transaction that took
      -- longer than that is found once a second.
      sweeping := queue.swept_at < clock_timestamp() - interval '1 second';
      if sweeping then queue.swept_at := clock_timestamp(); end if;
      taken := 0;
      for level in 1..3 loop
        loop
          exit when room <= 0;
          select array_agg(id), max(turn), array_agg(id) filter (where losses > 0) into picked, last_turn, suspects
            from (select id, turn, losses from live_jobs
                   where type = queue.kind and priority = level and status = 'queued'
                     and turn > case when sweeping then 0 else queue.passed[level] end
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
          queue.turns[level] := greatest(queue.turns[level], last_turn);
          taken := taken + cardinality(picked);
          room := room - cardinality(picked);
          exit when coalesce(cardinality(suspects), 0) = 0;  -- otherwise there may be more for the room that is left
        end loop;
      end loop;
      wanted := wanted - taken;
      rooms[k] := case when room > 0 then 0 else rooms[k] - taken end;  -- room that is left: there are no more
      if taken > 0 then
        if queue.marked_at < clock_timestamp() - interval '250 ms' then
          queue.passed := queue.marked;
          queue.marked := queue.turns;
          queue.marked_at := clock_timestamp();
        end if;
        update job_kinds set turns = queue.turns, marked = queue.marked, passed = queue.passed,
                             marked_at = queue.marked_at, swept_at = queue.swept_at
         where kind = queue.kind;
      end if;
    end loop;
  end loop;
end;
$$;

-- Ends jobs that these tokens hold, or puts them back; a null token ends one that is queued. Tells what became of each
-- that it changed. A row is taken out and put where it belongs now: what decides is read from the row as it was when it
-- was taken out, so that a cancel that came first is seen. Two outcomes are reap's: `lost` is charged to the job,
-- `spared` is not.
create function end_jobs(ids uuid[], tokens bigint[], outcomes text[], results jsonb[], apart boolean[], codes text[],
                         messages text[], stacks text[], waits_ms bigint[], variants integer[])
returns table (id uuid, type text, status text, event_number integer, lease_token bigint) language plpgsql
set enable_seqscan = off
as $$
#variable_conflict use_column
begin
  return query
  with given as (
    select * from unnest(ids, tokens, outcomes, results, apart, codes, messages, stacks, waits_ms, variants)
      as g(given_id, token, outcome, new_result, is_apart, code, message, stack, wait_ms, new_variants)
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
           case when outcome not in ('lost', 'spared') then lease_token end as last_token
      from gone
  ), waiting as (
    insert into live_jobs (id, type, status, payload, user_email, user_id, owner, ip_address, frame_name, layer_count,
                           variant_count, trace_id, has_body, created_at, priority, attempt, max_attempts,
                           idempotency_key, event_number, attempt_errors, lease_token, losses, share, run_at)
    select id, type, becomes, payload, user_email, user_id, owner, ip_address, frame_name, layer_count, variant_count,
           trace_id, has_body, created_at, priority, attempt - (outcome in ('released', 'spared'))::int, max_attempts,
           idempotency_key, event_number + 1, errors, last_token, new_losses, share,
           now() + interval '1 ms' * coalesce(wait_ms, case when outcome in ('released', 'spared') then 0
             else least(1000 * 2 ^ least(attempt - 1, 20), 600000) * (1 + random() / 2) end)
      from decided where becomes = 'queued'
  ), ended as (
    insert into jobs (id, type, status, payload, result, result_apart, user_email, user_id, owner, ip_address,
                      frame_name, layer_count, variant_count, trace_id, has_body, created_at, started_at, completed_at, duration_ms,
                      error_code, error_message, error_stack, priority, attempt, max_attempts, idempotency_key,
                      event_number, attempt_errors, lease_token, runner, cancel_requested, progress, progress_message)
    select id, type, becomes, payload, case when becomes = 'completed' then new_result end,
           becomes = 'completed' and coalesce(is_apart, false), user_email, user_id, owner, ip_address, frame_name,
           layer_count, coalesce(new_variants, variant_count), trace_id, has_body, created_at, started_at, now(),
           (extract(epoch from greatest(now() - started_at, '0')) * 1000)::int, case when becomes = 'failed' then code end,
           case when becomes = 'failed' then message end, case when becomes = 'failed' then stack end, priority, attempt,
           max_attempts, idempotency_key, event_number + 1, errors, last_token, runner, cancel_requested,
           case when becomes = 'completed' then 100 else progress end,
           case when becomes <> 'completed' then progress_message end
      from decided where becomes <> 'queued'
  )
  select id, type, becomes, event_number + 1, lease_token from decided;
end;
$$;
