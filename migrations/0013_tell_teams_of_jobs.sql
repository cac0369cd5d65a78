-- A job says of which team it is, whether or not it has a price, and which plugin asked for it; and what a team's jobs were is
-- counted beside the other numbers (0004_count_usage.sql), in a shape that its dashboard reads fast.

alter table jobs add plugin text;  -- its slug

-- queue_jobs and record_jobs take more parameters from now on (functions/). Those of fewer stay beside them: programs of the release
-- before call them while the new ones start, and PostgreSQL takes for such a call the one that needs no defaults.

-- Each job is counted three times: by its kind, by the plugin that asked for it and by its user (as jobs.owner names them).
create table usage_by_team (
  team_id         uuid not null,
  dimension       text not null constraint usage_by_team_dimension_known check (dimension in ('kind', 'plugin', 'user')),
  date            date not null,
  name            text not null,  -- '': no plugin, or nobody
  total_jobs      integer not null,
  successful_jobs integer not null,
  failed_jobs     integer not null,
  tokens          bigint not null,
  credits         bigint not null,
  primary key (team_id, dimension, date, name)
) with (fillfactor = 70);

-- How long completed ones took, as in usage_durations.
create table usage_team_durations (
  team_id   uuid not null,
  dimension text not null,
  date      date not null,
  name      text not null,
  bucket    smallint not null,
  jobs      integer not null,
  primary key (team_id, dimension, date, name, bucket)
) with (fillfactor = 70);
