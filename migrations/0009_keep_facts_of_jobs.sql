-- What a product says of its jobs for those who query them is one object of facts. Those that its kind declares as
-- columns stand in the columns of jobs, as before; others stand in `facts`.

alter table jobs add facts jsonb;

-- Null until a runner has declared the kind: a fact that has the name of a column goes there.
alter table job_kinds add columns text[]
  constraint job_kinds_columns_exist check (columns <@ array['layer_count', 'frame_name', 'variant_count']);
