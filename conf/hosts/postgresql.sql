-- For PostgreSQL on the host that has the database, as its superuser, once; then restart it. The other hosts reach it
-- over the network between them; conf/hosts/pg_hba.conf says who may.
alter system set listen_addresses = '*';
-- A replica whose primary is gone notices, and the other way round.
alter system set wal_receiver_timeout = '10s';
alter system set wal_sender_timeout = '10s';
-- The primary keeps what the replica has not read, up to this; a replica that was away for longer is made anew.
alter system set max_slot_wal_keep_size = '2GB';
create role plugfleet_replica login replication;
