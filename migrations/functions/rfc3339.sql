-- A time as the contract writes it: RFC 3339 in UTC, to the millisecond.
create or replace function rfc3339(at timestamptz) returns text language sql immutable parallel safe as
$$ select to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') $$;
