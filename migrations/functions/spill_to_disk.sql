-- For /health: fails with 53100 where PostgreSQL's disk is full, and leaves nothing behind. What a set of rows holds over
-- work_mem goes to a temporary file beside the tables; writing to those themselves would be felt by who reads them.
create or replace function spill_to_disk() returns bigint language plpgsql
set work_mem = '64kB'
as $$
begin
  return (select count(*) from generate_series(1, 8000));
end;
$$;
