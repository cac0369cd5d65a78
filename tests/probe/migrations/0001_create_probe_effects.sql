-- What probe.once and probe.limited leave behind: a row for each time they ran, from when to when.
create table probe_effects (
  job_id  uuid not null,
  attempt integer not null,
  kind    text not null,
  began   timestamptz not null default clock_timestamp(),
  ended   timestamptz
);
