-- As releases call it that have no facts. To be dropped when the one that brought queue_jobs is the oldest that may run.
create or replace function enqueue_jobs(ids uuid[], kinds text[], payloads jsonb[], emails text[], users text[], owners text[],
                             ips inet[], frames text[], layers integer[], variants integer[], traces text[],
                             bodies boolean[], priorities smallint[], delays_ms bigint[], attempts smallint[],
                             keys text[], digests text[])
returns setof uuid language sql as $$
  select queue_jobs(ids, kinds, payloads, emails, users, owners, ips,
                    (select array_agg(nullif(jsonb_strip_nulls(jsonb_build_object('frame_name', frame, 'layer_count', layer,
                                                                                  'variant_count', variant)), '{}')
                                      order by place)
                       from unnest(frames, layers, variants) with ordinality as g(frame, layer, variant, place)),
                    traces, bodies, priorities, delays_ms, attempts, keys, digests)
$$;
