-- By which a plugin asks for whoever has it open (core/plugin_tokens.h): for one team, and with what it was permitted.
create table plugin_tokens (
  token_hash  bytea primary key,  -- SHA-256
  user_id     uuid not null references users on delete cascade,
  team_id     uuid not null references teams on delete cascade,
  plugin      text not null,
  permissions text[] not null,
  expires_at  timestamptz not null
);
create index plugin_tokens_plugin on plugin_tokens (plugin, team_id);
create index plugin_tokens_team on plugin_tokens (team_id);
create index plugin_tokens_user on plugin_tokens (user_id);
create index plugin_tokens_end on plugin_tokens (expires_at);
