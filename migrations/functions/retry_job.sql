-- A failed or cancelled job starts anew, with all its attempts and what they have used; false where it is neither.
create or replace function retry_job(job_id uuid) returns boolean language plpgsql as $$
declare
  counted timestamptz;
  gone jobs;
begin
  select until into counted from usage_counted for share;  -- no counting meanwhile
  delete from only jobs where id = job_id and status in ('failed', 'cancelled') returning * into gone;
  if not found then return false; end if;
  if gone.recorded_at < counted then
    update usage_totals set total_jobs = total_jobs - 1, failed_jobs = failed_jobs - (gone.status = 'failed')::int
     where date = (gone.created_at at time zone 'UTC')::date and operation_type = gone.type;
    update usage_by_user
       set total_jobs = total_jobs - 1, input_tokens = input_tokens - gone.input_tokens,
           output_tokens = output_tokens - gone.output_tokens, cost_usd = cost_usd - gone.cost_usd
     where date = (gone.created_at at time zone 'UTC')::date and user_email = gone.user_email;
    update usage_by_team set total_jobs = total_jobs - 1, failed_jobs = failed_jobs - (gone.status = 'failed')::int,
           tokens = tokens - gone.input_tokens - gone.output_tokens
     where team_id = gone.team_id and date = (gone.created_at at time zone 'UTC')::date
       and (dimension, name) in (('kind', gone.type), ('plugin', coalesce(gone.plugin, '')), ('user', coalesce(gone.owner, '')));
  end if;
  insert into live_jobs (id, type, status, payload, user_email, user_id, owner, ip_address, frame_name, layer_count,
                         variant_count, facts, trace_id, has_body, created_at, priority, attempt, max_attempts,
                         idempotency_key, event_number, attempt_errors, share, run_at, ai_calls, input_tokens, output_tokens, cost_usd,
                         team_id, price, plugin)
  values (gone.id, gone.type, 'queued', gone.payload, gone.user_email, gone.user_id, gone.owner, gone.ip_address,
          gone.frame_name, gone.layer_count, gone.variant_count, gone.facts, gone.trace_id, gone.has_body,
          gone.created_at, gone.priority, 0, greatest(gone.max_attempts, 1), gone.idempotency_key, gone.event_number + 1,
          gone.attempt_errors, job_share(gone.type, gone.priority, gone.owner, gone.user_id, gone.user_email), now(),
          gone.ai_calls, gone.input_tokens, gone.output_tokens, gone.cost_usd, gone.team_id, gone.price, gone.plugin);
  if gone.price is not null then perform hold_for_job(gone.id, gone.team_id, gone.price); end if;
  return true;
end;
$$;
