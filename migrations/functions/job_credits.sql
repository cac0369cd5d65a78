-- What a completed job cost its team that used so much (core/jobs/jobs.h, JobPrice), in credits, rounded up. One that is
-- priced by nothing that it uses costs the most; nothing without a price.
create or replace function job_credits(price jsonb, tokens bigint, cost_usd numeric) returns bigint language sql immutable as $$
  select case when price is null then 0
              when (price->>'per_usd')::bigint = 0 and (price->>'per_1000_tokens')::bigint = 0 then (price->>'most')::bigint
              else least((price->>'most')::bigint,
                         ceil(cost_usd * (price->>'per_usd')::bigint + tokens * (price->>'per_1000_tokens')::numeric / 1000)::bigint) end
$$;
