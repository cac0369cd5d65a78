-- The middle of the whole milliseconds that a bucket holds.
create or replace function bucket_duration(bucket smallint) returns numeric language sql immutable parallel safe as $$
  select case when bucket < 0 then 0 else
    trim_scale(round(sqrt(ceil(1.03::float8 ^ bucket) * (ceil(1.03::float8 ^ (bucket + 1)) - 1))::numeric, 1)) end
$$;
