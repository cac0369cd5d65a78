-- Adds the kinds or sets what they say; pauses stay. `columns`: names with commas between. Kinds are taken in order: no two
-- that declare them wait for each other.
create or replace function declare_job_kinds(kind text[], concurrency_limit integer[], attempts smallint[], columns text[])
returns void language sql as $$
  insert into job_kinds (kind, at_once, attempts, columns)
  select k.kind, k.concurrency_limit, k.attempts, string_to_array(k.columns, ',')
    from unnest(kind, concurrency_limit, attempts, columns) as k(kind, concurrency_limit, attempts, columns) order by k.kind
  on conflict (kind) do update
     set at_once = excluded.at_once, attempts = excluded.attempts, columns = excluded.columns
   where (job_kinds.at_once, job_kinds.attempts, job_kinds.columns)
         is distinct from (excluded.at_once, excluded.attempts, excluded.columns)
$$;
