-- Users and teams, which every product asks for (core/accounts.h). A product's own tables name users.id and teams.id
-- without a foreign key: they may be in another database, and what stays of a user who left (a booking, an audit line)
-- keeps an id that leads to nobody.

create table users (
  id         uuid primary key default gen_random_uuid(),
  issuer     text not null,  -- who vouches for them: the token's `iss`; 'local' where it was a sign-in link
  subject    text not null,  -- the token's `sub`; the address of a sign-in link
  email      text,
  name       text,
  avatar_url text,
  created_at timestamptz not null default now(),
  constraint users_are_one_by_issuer_and_subject unique (issuer, subject)
);
create index users_email on users (lower(email));

create table teams (
  id           uuid primary key default gen_random_uuid(),
  name         text not null,
  created_at   timestamptz not null default now(),
  suspended_at timestamptz  -- by an operator: its members may read, and change nothing
);

create table team_members (
  team_id   uuid not null references teams on delete cascade,
  user_id   uuid not null references users on delete cascade,
  role      text not null constraint team_members_role_known check (role in ('owner', 'admin', 'member', 'viewer')),
  joined_at timestamptz not null default now(),
  primary key (team_id, user_id)
);
create index team_members_user on team_members (user_id);

-- A link that lets whoever is signed in with that address into the team, once.
create table team_invitations (
  id          uuid primary key default gen_random_uuid(),
  team_id     uuid not null references teams on delete cascade,
  email       text not null,  -- in small letters
  role        text not null constraint team_invitations_role_known check (role in ('admin', 'member', 'viewer')),
  token_hash  bytea not null constraint team_invitations_token unique,  -- SHA-256
  invited_by  uuid references users on delete set null,
  created_at  timestamptz not null default now(),
  expires_at  timestamptz not null,
  accepted_at timestamptz
);
create index team_invitations_team on team_invitations (team_id, created_at);

-- Personal access tokens, "pfu_...": a program asks in the name of its user.
create table access_tokens (
  id           uuid primary key default gen_random_uuid(),
  user_id      uuid not null references users on delete cascade,
  name         text not null,
  token_hash   bytea not null constraint access_tokens_token unique,  -- SHA-256
  scopes       text[] not null,
  created_at   timestamptz not null default now(),
  expires_at   timestamptz,
  last_used_at timestamptz  -- to the minute
);
create index access_tokens_user on access_tokens (user_id);

-- Of the web shell's cookie.
create table sessions (
  token_hash   bytea primary key,  -- SHA-256
  user_id      uuid not null references users on delete cascade,
  created_at   timestamptz not null default now(),
  last_used_at timestamptz not null default now(),  -- to the hour
  expires_at   timestamptz not null
);
create index sessions_user on sessions (user_id);
create index sessions_end on sessions (expires_at);

create table sign_in_links (
  token_hash bytea primary key,  -- SHA-256
  email      text not null,
  expires_at timestamptz not null
);

-- Who did what to which team. Lines are added and never changed; a team's go with it after a year.
create table audit_log (
  id      bigint generated always as identity primary key,
  at      timestamptz not null default now(),
  team_id uuid,
  user_id uuid,           -- null: an operator
  action  text not null,  -- "member.role", "plugin.install"
  details jsonb not null default '{}'
);
create index audit_log_team on audit_log (team_id, id);
