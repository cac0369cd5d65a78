-- A job of a kind that has a price says whose it is and what was agreed when it was enqueued. What becomes of that is a
-- wallet's business: migrations/functions/charge_ended_jobs.sql.
alter table jobs add team_id uuid, add price jsonb;
