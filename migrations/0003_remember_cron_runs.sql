-- Up to when each cron entry's times are dealt with. Who moves it on and does the work in one transaction is the only
-- one in the fleet who does it.
create table cron_runs (
  name      text primary key,
  last_time timestamptz not null  -- the time it ran for last, as its schedule says; at first when it was first seen
);
