-- Ends jobs that these tokens hold, or puts them back; a null token ends one that is queued. Tells what became of each
-- that it changed. A row is taken out and put where it belongs now: what decides is read from the row as it was when it
-- was taken out, so that a cancel that came first is seen. Two outcomes are reap's: `lost` is charged to the job,
-- `spared` is not. The last four parameters are what the attempt that ends used; missing ones are zeros. New
-- facts are added to the job's where it ends. Why it is a function: queue_jobs.sql.
create or replace function finish_jobs(job_id uuid[], token bigint[], outcome text[], result jsonb[] default '{}',
                                       result_apart boolean[] default '{}', facts jsonb[] default '{}',
                                       error_code text[] default '{}', error_message text[] default '{}',
                                       error_stack text[] default '{}', wait_ms bigint[] default '{}',
                                       ai_calls integer[] default '{}', input_tokens bigint[] default '{}',
                                       output_tokens bigint[] default '{}', cost_usd numeric[] default '{}')
returns table (id uuid, type text, status text, event_number integer, lease_token bigint) language plpgsql
set enable_seqscan = off set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
begin
  return query
  with given as (
    select * from unnest(job_id, token, outcome, finish_jobs.result, finish_jobs.result_apart, finish_jobs.facts,
                         finish_jobs.error_code, finish_jobs.error_message, finish_jobs.error_stack, wait_ms,
                         finish_jobs.ai_calls, finish_jobs.input_tokens, finish_jobs.output_tokens, finish_jobs.cost_usd)
      as g(given_id, token, outcome, new_result, is_apart, new_facts, code, message, stack, wait_ms, calls, tokens_in,
           tokens_out, cost)
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
           case when new_facts is not null
                then coalesce((select columns from job_kinds where kind = type), '{layer_count,frame_name,variant_count}')
           end as fact_columns,
           ai_calls + coalesce(calls, 0) as all_calls, input_tokens + coalesce(tokens_in, 0) as all_in,
           output_tokens + coalesce(tokens_out, 0) as all_out, cost_usd + coalesce(cost, 0) as all_cost
      from gone
  ), waiting as (
    insert into live_jobs (id, type, status, payload, user_email, user_id, owner, ip_address, frame_name, layer_count,
                           variant_count, facts, trace_id, has_body, created_at, priority, attempt, max_attempts,
                           idempotency_key, event_number, attempt_errors, lease_token, losses, share, run_at, ai_calls,
                           input_tokens, output_tokens, cost_usd, team_id, price, plugin)
    select id, type, becomes, payload, user_email, user_id, owner, ip_address, frame_name, layer_count, variant_count,
           facts, trace_id, has_body, created_at, priority, attempt - (outcome in ('released', 'spared'))::int, max_attempts,
           idempotency_key, event_number + 1, errors, last_token, new_losses, share,
           now() + interval '1 ms' * coalesce(wait_ms, case when outcome in ('released', 'spared') then 0
             else least(1000 * 2 ^ least(attempt - 1, 20), 600000) * (1 + random() / 2) end),
           all_calls, all_in, all_out, all_cost, team_id, price, plugin
      from decided where becomes = 'queued'
  ), ended as (
    insert into jobs (id, type, status, payload, result, result_apart, user_email, user_id, owner, ip_address,
                      frame_name, layer_count, variant_count, facts, trace_id, has_body, created_at, started_at,
                      completed_at, duration_ms, error_code, error_message, error_stack, priority, attempt, max_attempts, idempotency_key,
                      event_number, attempt_errors, lease_token, runner, cancel_requested, progress, progress_message,
                      ai_calls, input_tokens, output_tokens, cost_usd, team_id, price, plugin)
    select id, type, becomes, payload, case when becomes = 'completed' then new_result end,
           becomes = 'completed' and coalesce(is_apart, false), user_email, user_id, owner, ip_address,
           case when 'frame_name' = any (fact_columns) and new_facts ? 'frame_name' then new_facts->>'frame_name'
                else frame_name end,
           case when 'layer_count' = any (fact_columns) and new_facts ? 'layer_count' then (new_facts->>'layer_count')::integer
                else layer_count end,
           case when 'variant_count' = any (fact_columns) and new_facts ? 'variant_count'
                then (new_facts->>'variant_count')::integer else variant_count end,
           case when new_facts is null then facts
                else nullif(coalesce(facts, '{}') || (new_facts - fact_columns), '{}') end, trace_id, has_body, created_at, started_at, now(),
           (extract(epoch from greatest(now() - started_at, '0')) * 1000)::int, case when becomes = 'failed' then code end,
           case when becomes = 'failed' then message end, case when becomes = 'failed' then stack end, priority, attempt,
           max_attempts, idempotency_key, event_number + 1, errors, last_token, runner, cancel_requested,
           case when becomes = 'completed' then 100 else progress end,
           case when becomes <> 'completed' then progress_message end, all_calls, all_in, all_out, all_cost,
           team_id, price, plugin
      from decided where becomes <> 'queued'
  ), charged as (
    select charge_ended_jobs(array_agg(id), array_agg(becomes), array_agg(price), array_agg(all_in + all_out), array_agg(all_cost))
      from decided where price is not null and becomes <> 'queued' having count(*) > 0
  )
  select id, type, becomes, event_number + 1, lease_token from decided left join charged on true;  -- or nobody would call it
end;
$$;
