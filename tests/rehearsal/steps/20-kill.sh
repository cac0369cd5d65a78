# shellcheck shell=bash
# kill -9 of each part. Whole means: each process once, no second fleet beside the first.
step 'kill -9 of a worker' there recovers kill_one_worker
step 'kill -9 of every worker at once' there recovers kill_workers
step 'kill -9 of supervisord: one fleet, not two' there recovers kill_unit plugfleet
step 'a job that was accepted is done after a kill -9 of supervisord' there job_survives kill_unit plugfleet
step 'kill -9 of the Redis for counters' there recovers kill_unit redis-server@plugfleet-state
step 'kill -9 of the Redis for images' there recovers kill_unit redis-server@plugfleet-payloads
step 'kill -9 of PgBouncer' there recovers kill_unit pgbouncer
step 'kill -9 of PostgreSQL' there recovers kill_unit postgresql@15-main
step 'kill -9 of nginx' there recovers kill_unit nginx
step 'frozen workers are found by the health timer' there freeze_is_found
