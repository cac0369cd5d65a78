-- Teams' credits, in whole numbers, by double entry. A team has four accounts, made with its first credits. A transfer
-- takes from one what it gives to another, so that a team's four add up to 0:
--
--   granted     minus all that the team was ever given: the only one that may be below 0
--   available   what it may spend
--   held        what is set aside: the sum of its open holds
--   spent
--
--   grant: granted -> available      hold: available -> held      capture: held -> spent
--   release, expiry: held -> available
--
-- wallet_transfer() alone changes a balance. Whoever makes transfers of a team locks its accounts first, in the order of
-- their ids (wallet_open), and whoever has that lock may change its holds. wallet_check() proves what is said here.

create table wallet_accounts (
  id      bigint generated always as identity primary key,
  team_id uuid not null,
  kind    text not null constraint wallet_accounts_kind_known check (kind in ('granted', 'available', 'held', 'spent')),
  balance bigint not null default 0,
  entries bigint not null default 0,   -- the number of its last one
  hash    bytea not null default '',   -- of its last one
  constraint wallet_accounts_are_one_of_a_kind unique (team_id, kind),
  constraint wallet_accounts_never_negative check (balance >= 0 or kind = 'granted')
);

create table wallet_transfers (
  id      bigint generated always as identity primary key,
  at      timestamptz not null default now(),
  team_id uuid not null,
  kind    text not null constraint wallet_transfers_kind_known check (kind in ('grant', 'hold', 'capture', 'release', 'expiry')),
  amount  bigint not null constraint wallet_transfers_amount_positive check (amount > 0),
  reason  text not null,
  hold_id uuid
);
create index wallet_transfers_team on wallet_transfers (team_id, id);

-- Two of each transfer. Each hash covers its transfer and the hash before it of the same account (wallet_hash): a row
-- that is changed or taken out later breaks the chain. One chain for each account, since one for all would let nobody
-- write beside another.
create table wallet_entries (
  account_id  bigint not null,
  number      bigint not null,  -- 1, 2, 3, ... of the account
  transfer_id bigint not null,
  amount      bigint not null,
  balance     bigint not null,  -- of the account, after it
  hash        bytea not null,
  primary key (account_id, number)
);

create table wallet_holds (
  id         uuid primary key default gen_random_uuid(),
  team_id    uuid not null,
  amount     bigint not null constraint wallet_holds_amount_positive check (amount > 0),
  reason     text not null,
  job_id     uuid,  -- it ends with that job
  state      text not null default 'open' constraint wallet_holds_state_known check (state in ('open', 'captured', 'released', 'expired')),
  captured   bigint not null default 0 constraint wallet_holds_captured_within check (captured between 0 and amount),
  made_at    timestamptz not null default now(),
  expires_at timestamptz,
  ended_at   timestamptz,
  constraint wallet_holds_end check ((job_id is null) = (expires_at is not null))
);
create index wallet_holds_open on wallet_holds (team_id) where state = 'open';
create index wallet_holds_due on wallet_holds (expires_at) where state = 'open';
create unique index wallet_holds_job on wallet_holds (job_id) where state = 'open';

-- What was answered to a request that came with a key; the same one again is answered likewise, at any time.
create table wallet_keys (
  key     text primary key,  -- begins with its scope
  digest  text not null,     -- of the request
  answer  jsonb,             -- null only within the transaction that books
  made_at timestamptz not null default now()
);
