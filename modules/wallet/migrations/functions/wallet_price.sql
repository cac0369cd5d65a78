-- What a job costs that used so much, in credits, rounded up. One that is priced by nothing that it uses costs the most.
create or replace function wallet_price(price jsonb, tokens bigint, cost_usd numeric) returns bigint language sql immutable as $$
  select case when (price->>'per_usd')::bigint = 0 and (price->>'per_1000_tokens')::bigint = 0 then (price->>'most')::bigint
              else ceil(cost_usd * (price->>'per_usd')::bigint + tokens * (price->>'per_1000_tokens')::numeric / 1000)::bigint end
$$;
