-- Bucket b holds 1.03^b ms up to 1.03^(b+1), bucket -1 less than 1 ms: see usage_durations.
create or replace function duration_bucket(ms integer) returns smallint language sql immutable parallel safe as $$
  select case when ms < 1 then -1 else floor(ln(ms::float8) / ln(1.03::float8)) end::smallint
$$;
