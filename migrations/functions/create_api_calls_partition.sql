-- Makes the partition of the month that the day is in, and gives its name back; harmless when it is there already.
-- Rows of that month that the default partition took meanwhile move over.
create or replace function create_api_calls_partition(month date) returns text
language plpgsql as $$
declare
  first_day date := date_trunc('month', month::timestamp)::date;
  since timestamptz := first_day::timestamp at time zone 'UTC';
  until timestamptz := (first_day + interval '1 month') at time zone 'UTC';
  partition text := 'api_calls_' || to_char(first_day, 'YYYY_MM');
begin
  -- Two that make it at once: the second waits here, and then finds it.
  lock table api_calls in share update exclusive mode;
  if to_regclass(partition) is not null then
    return partition;
  end if;
  -- Nothing may arrive in the default partition between the move and the attaching.
  lock table api_calls_default in access exclusive mode;
  execute format('create table %I (like api_calls including defaults)', partition);
  execute format('with moved as (delete from api_calls_default where created_at >= $1 and created_at < $2 returning *) '
                 'insert into %I select * from moved', partition) using since, until;
  execute format('alter table api_calls attach partition %I for values from (%L) to (%L)', partition, since, until);
  return partition;
end;
$$;
