-- Jobs that their requests did at once: ended rows of `jobs`. A function, because a session keeps its plan.
create or replace function record_jobs(id uuid[], type text[], status text[], facts jsonb[], payload jsonb[], result jsonb[],
                                       error_code text[], error_message text[], user_email text[], user_id text[],
                                       owner text[], ip_address inet[], started_at timestamptz[],
                                       completed_at timestamptz[], ai_calls integer[], input_tokens bigint[],
                                       output_tokens bigint[], cost_usd numeric[], team_id uuid[] default '{}',
                                       plugin text[] default '{}')
returns void language plpgsql
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
begin
  insert into jobs (id, type, status, layer_count, frame_name, variant_count, facts, payload, result, error_code,
                    error_message, user_email, user_id, owner, ip_address, created_at, started_at, completed_at, duration_ms,
                    ai_calls, input_tokens, output_tokens, cost_usd, team_id, plugin)
  select g.id, g.type, g.status, case when 'layer_count' = any (fact_columns) then (g.facts->>'layer_count')::integer end,
         case when 'frame_name' = any (fact_columns) then g.facts->>'frame_name' end,
         case when 'variant_count' = any (fact_columns) then (g.facts->>'variant_count')::integer end,
         nullif(g.facts - fact_columns, '{}'), g.payload, g.result, g.error_code, g.error_message, g.user_email, g.user_id,
         g.owner, g.ip_address, g.started_at, g.started_at, g.completed_at,
         (extract(epoch from g.completed_at - g.started_at) * 1000)::integer, g.ai_calls, g.input_tokens, g.output_tokens,
         g.cost_usd, g.team_id, g.plugin
    from unnest(record_jobs.id, record_jobs.type, record_jobs.status, record_jobs.facts, record_jobs.payload,
                record_jobs.result, record_jobs.error_code, record_jobs.error_message, record_jobs.user_email,
                record_jobs.user_id, record_jobs.owner, record_jobs.ip_address, record_jobs.started_at,
                record_jobs.completed_at, record_jobs.ai_calls, record_jobs.input_tokens, record_jobs.output_tokens,
                record_jobs.cost_usd, record_jobs.team_id, record_jobs.plugin)
      as g(id, type, status, facts, payload, result, error_code, error_message, user_email, user_id, owner, ip_address,
           started_at, completed_at, ai_calls, input_tokens, output_tokens, cost_usd, team_id, plugin)
    left join job_kinds on kind = g.type,
    lateral (select coalesce(columns, '{layer_count,frame_name,variant_count}') as fact_columns) as declared
  on conflict (id) do nothing;
end;
$$;
