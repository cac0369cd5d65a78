// The queue's statements (core/jobs/jobs.cc says what they keep true). Plain ones: no statement outlives its transaction
// on a connection that PgBouncer lends. A batch is one statement, with an array for each column.
#pragma once

namespace plugfleet::jobs_sql {

// ---- Enqueueing --------------------------------------------------------------------------------------------------

// Of those that were not inserted. The key's job may have been enqueued by a transaction that the insert waited for:
// this statement sees it.
inline constexpr const char* kFindEnqueued = R"sql(
select g.place, coalesce(k.job_id, j.id) as id, k.digest is distinct from g.digest and k.key is not null as conflict
  from unnest($1::uuid[], $2::text[], $3::text[]) with ordinality as g(id, key, digest, place)
  left join job_keys k on k.key = g.key
  left join jobs j on j.id = g.id
 where k.key is not null or (g.key is null and j.id is not null))sql";

// Of a job that has a price, in the transaction that enqueues it.
inline constexpr const char* kHold = R"sql(
with priced as (update live_jobs set team_id = $2, price = $3 where id = $1 returning id, team_id, price)
select hold_for_job(id, team_id, price) from priced)sql";

// ---- Running -----------------------------------------------------------------------------------------------------

// What follows says of which.
inline constexpr const char* kClaimed = R"sql(
select id, type, coalesce(payload::text, '') as payload, user_email, user_id, coalesce(trace_id, '') as trace_id, has_body,
       attempt, max_attempts, losses, event_number, lease_token,
       greatest(0, extract(epoch from clock_timestamp() - created_at) * 1000)::bigint as age_ms from )sql";
inline constexpr const char* kByThisClaim = "claim_jobs($1, $2, $3, $4, $5, $6 * interval '1 ms', $7)";
inline constexpr const char* kByClaimsBefore =
    "live_jobs where status = 'processing' and lease_token = any ($1::bigint[])";

// A row that somebody else has locked is being ended or taken: it is left alone, so that nobody waits for each other.
inline constexpr const char* kHeartbeat = R"sql(
with given as (
  select * from unnest($1::uuid[], $2::bigint[]) with ordinality as g(id, token, place)
), free as materialized (
  select j.id from live_jobs j join given g on j.id = g.id and j.lease_token = g.token
   where j.status = 'processing' for update of j skip locked
), extended as (
  update live_jobs j set lease_until = clock_timestamp() + $3 * interval '1 ms' from free where j.id = free.id
)
select j.id is null as lost, j.cancel_requested
  from given g left join live_jobs j on j.id = g.id and j.lease_token = g.token and j.status = 'processing'
 order by g.place)sql";

// Nobody waits for a disk: what is forgotten in a crash of PostgreSQL is told again.
inline constexpr const char* kProgress =
    "update live_jobs set progress = $3, progress_message = $4, event_number = event_number + 1 "
    "from (select set_config('synchronous_commit', 'off', true)) as relaxed "
    "where id = $1 and lease_token = $2 and status = 'processing' returning id, type, status, event_number";

// ---- Leaving the state processing, or queued for good ------------------------------------------------------------

// Of jobs that were put back: why they wait, until they are claimed. What is said already is not told again.
inline constexpr const char* kSayWhy =
    "update live_jobs j set progress_message = g.why, event_number = event_number + 1 "
    "from unnest($1::uuid[], $2::bigint[], $3::text[]) as g(id, token, why) "
    "where j.id = g.id and j.lease_token = g.token and j.status = 'queued' and progress_message is distinct from why "
    "returning j.id, j.type, j.status, j.event_number, j.lease_token";

// Rows that others have locked are being ended or renewed. What is not late does not count against the batch. A dead
// runner's leases end within a heartbeat of each other: it is judged when all have (or, should it live and have left
// some of its jobs alone, two seconds later). While it has a suspect none of its other jobs is to blame (J14); suspects
// are taken last, so that all others are judged by them, however many batches that takes.
//
// A lease that ends more than a minute later than one given now would was given before the database's clock was set
// back: it gets what one given now would, and who lives renews it. (A minute: fleets may differ in their JOB_LEASE for
// a while.)
inline constexpr const char* kReap = R"sql(
with too_long as materialized (
  select id from live_jobs
   where status = 'processing' and lease_until > clock_timestamp() + $2 * interval '1 ms' + interval '1 min'
     for update skip locked
), shortened as (
  update live_jobs j set lease_until = clock_timestamp() + $2 * interval '1 ms' from too_long where j.id = too_long.id
), runners as materialized (
  select runner, bool_or(lease_until >= now()) as holds_others, bool_or(losses > 0) as has_suspect
    from live_jobs where status = 'processing' group by runner
), late as materialized (
  select id, lease_token, case when has_suspect and losses = 0 then 'spared' else 'lost' end as outcome
    from live_jobs join runners using (runner)
   where status = 'processing' and lease_until < now() - case when holds_others then interval '2 s' else '0' end
   order by losses limit $1 for update of live_jobs skip locked
), taken as (
  select array_agg(id) as ids, array_agg(lease_token) as tokens, array_agg(outcome) as outcomes,
         array[count(*)::int] as count from late
)
select e.* from taken, finish_jobs(job_id => ids, token => tokens, outcome => outcomes,
                                   error_code => array_fill($3::text, count),
                                   error_message => array_fill('Its process died.'::text, count)) as e)sql";

inline constexpr const char* kCancelQueued =
    "select * from finish_jobs(job_id => array[$1::uuid], token => '{null}', outcome => '{cancelled}')";

// What a finish whose answer never came had done: the token is still the last that the job was claimed with.
inline constexpr const char* kFinishedBefore =
    "select j.id, j.type, j.status, j.event_number, j.lease_token from unnest($1::uuid[], $2::bigint[]) as g(id, "
    "token) "
    "join jobs j on j.id = g.id and j.lease_token = g.token and j.status <> 'processing'";

inline constexpr const char* kRequestCancel =
    "update live_jobs set cancel_requested = true, event_number = event_number + (not cancel_requested)::int "
    "where id = $1 and status = 'processing' returning id, type, status, event_number";

inline constexpr const char* kFind = "select tableoid = 'jobs'::regclass as ended from jobs where id = $1";

// ---- For operators -----------------------------------------------------------------------------------------------

inline constexpr const char* kRetry = "select retry_job($1) as retried";

// What follows says of which.
inline constexpr const char* kView = R"sql(
select id, type, status, attempt, max_attempts, duration_ms, result, result_apart, user_email, user_id, owner,
       team_id as team, plugin, cancel_requested, event_number,
       case status when 'completed' then 100 else progress end as progress,  -- also where its request did it at once
       to_char(jobs.created_at at time zone 'UTC', format) as created_at,
       to_char(started_at at time zone 'UTC', format) as started_at,
       to_char(completed_at at time zone 'UTC', format) as completed_at,
       coalesce(progress_message, '') as progress_message, coalesce(attempt_errors, '[]') as attempt_errors,
       coalesce(error_code, '') as error_code, coalesce(error_message, '') as error_message,
       coalesce(error_stack, '') as error_stack
  from jobs, (values ('YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')) as f(format) )sql";
inline constexpr const char* kThisId = "where id = $1";
inline constexpr const char* kTheseIds = "where id = any ($1::uuid[])";
inline constexpr const char* kTheNewest =
    "where ($1::text is null or type = $1) and ($2::text is null or status = $2) order by jobs.created_at desc, id "
    "limit $3";

inline constexpr const char* kWaitingBodies = R"sql(
select id from live_jobs
 where has_body and created_at > now() - $3 * interval '1 s'
   and id > coalesce(nullif($1, ''), '00000000-0000-0000-0000-000000000000')::uuid
 order by id limit $2)sql";

inline constexpr const char* kPause =
    "insert into job_kinds (kind, paused) values ($1, $2) on conflict (kind) do update set paused = excluded.paused";

// Three parts, each of which an index answers.
inline constexpr const char* kDepths = R"sql(
with depth as (
  select type, count(*) as ready, 0 as to_come, 0 as processing, min(created_at) as oldest
    from live_jobs where status = 'queued' and turn is not null group by type
  union all select type, 0, count(*), 0, null from live_jobs where status = 'queued' and turn is null group by type
  union all select type, 0, 0, count(*), null from live_jobs where status = 'processing' group by type
)
select coalesce(kind, type) as kind, coalesce(paused, false) as paused, at_once, coalesce(sum(ready), 0) as ready,
       coalesce(sum(to_come), 0) as to_come, coalesce(sum(processing), 0) as processing,
       greatest(0, coalesce(extract(epoch from now() - min(oldest)) * 1000, 0))::bigint as oldest_ms
  from job_kinds full join depth on kind = type group by 1, 2, 3 order by 1)sql";

// Oldest first, as jobs_by_type has them. What is not counted yet (core/analytics.h) stays.
inline constexpr const char* kPrune = R"sql(
with doomed as materialized (
  select j.id from unnest(array['completed', 'failed', 'cancelled'], array[$2::int, $3, $3]) as kept(status, count),
    lateral (select id from only jobs
              where type = $1 and status = kept.status and created_at <= now() - $4 * interval '1 s'
                and completed_at <= now() - $4 * interval '1 s' and recorded_at < (select until from usage_counted)
                and id not in (select id from only jobs where type = $1 and status = kept.status
                                order by created_at desc, completed_at desc, id limit kept.count)
              order by created_at limit $5) as j
   limit $5
), pruned as (
  delete from only jobs where id in (select id from doomed) returning idempotency_key
), keys as (
  delete from job_keys where key in (select idempotency_key from pruned)
)
select count(*) as deleted from pruned)sql";

}  // namespace plugfleet::jobs_sql
