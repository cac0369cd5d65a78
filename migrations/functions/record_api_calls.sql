-- A function, because a session keeps its plan.
create or replace function record_api_calls(endpoint text[], ip_address inet[], user_agent text[], response_status integer[],
                                            response_time_ms float8[], created_at timestamptz[])
returns void language plpgsql
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
begin
  insert into api_calls (endpoint, ip_address, user_agent, response_status, response_time_ms, created_at)
  select * from unnest(record_api_calls.endpoint, record_api_calls.ip_address, record_api_calls.user_agent,
                       record_api_calls.response_status, record_api_calls.response_time_ms, record_api_calls.created_at);
end;
$$;
