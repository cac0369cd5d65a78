-- Whose turns a job takes. Who only says that he is somebody takes none of that one's turns. A text that PostgreSQL can
-- inline: concat_ws is not immutable.
create or replace function job_share(kind text, priority smallint, owner text, user_id text, user_email text)
returns bigint language sql immutable as $$
  select hashtextextended(kind || ' ' || priority::text || case when owner is null then ' f ' else ' t ' end
                          || coalesce(owner, user_id, user_email), 0)
$$;
