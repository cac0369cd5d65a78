-- As releases call it that have no facts. To be dropped when the one that brought finish_jobs is the oldest that may run.
create or replace function end_jobs(ids uuid[], tokens bigint[], outcomes text[], results jsonb[], apart boolean[], codes text[],
                         messages text[], stacks text[], waits_ms bigint[], variants integer[],
                         calls integer[] default '{}', tokens_in bigint[] default '{}',
                         tokens_out bigint[] default '{}', costs numeric[] default '{}')
returns table (id uuid, type text, status text, event_number integer, lease_token bigint) language sql as $$
  select * from finish_jobs(ids, tokens, outcomes, results, apart,
                            (select array_agg(case when variant is not null
                                              then jsonb_build_object('variant_count', variant) end order by place)
                               from unnest(variants) with ordinality as g(variant, place)),
                            codes, messages, stacks, waits_ms, calls, tokens_in, tokens_out, costs)
$$;
