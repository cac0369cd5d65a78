-- What teams publish, and who has installed it. A package is a plugin's name and its page; a version is a bundle that never
-- changes; a deployment says that nginx serves it. A version's row comes before its files, and its deployment's after them
-- (publishing/publish.h): what has no deployment is shown to nobody.
--
-- A package is shown where it has a latest deployment and no operator has blocked it. Which one is the latest is said by
-- plugin_set_latest() alone; whoever publishes, yanks, blocks or unblocks a version calls it in the same transaction.

create table plugin_packages (
  id                uuid primary key default gen_random_uuid(),
  slug              text not null constraint plugin_packages_slug unique
                      constraint plugin_packages_slug_shape check (slug ~ '^[a-z][a-z0-9-]{1,49}$'),
  team_id           uuid not null,  -- the publisher: whoever came first
  name              text not null,
  summary           text not null,
  category          text not null,
  icon_path         text,  -- of the latest version, and so the next
  readme_html       text,
  latest_deployment uuid,
  installs          int not null default 0 constraint plugin_packages_installs_counted check (installs >= 0),
  created_at        timestamptz not null default now(),
  updated_at        timestamptz not null default now(),
  published_at      timestamptz,  -- when its first version was
  blocked_at        timestamptz,
  blocked_reason    text
);
create index plugin_packages_team on plugin_packages (team_id, slug);
-- The catalog's orders, of what is shown.
create index plugin_packages_by_name on plugin_packages (lower(name), slug)
  where latest_deployment is not null and blocked_at is null;
create index plugin_packages_by_installs on plugin_packages (installs desc, slug)
  where latest_deployment is not null and blocked_at is null;
create index plugin_packages_by_age on plugin_packages (published_at desc, slug)
  where latest_deployment is not null and blocked_at is null;
create index plugin_packages_by_category on plugin_packages (category, installs desc, slug)
  where latest_deployment is not null and blocked_at is null;

-- In the order of (major, minor, patch, prerelease_key) they are as semver.org's section 11 says: a release, whose key is
-- null, is after its prereleases, as nulls are last (semver.h makes the key).
create table plugin_versions (
  id             uuid primary key default gen_random_uuid(),
  package_id     uuid not null references plugin_packages on delete cascade,
  version        text not null,
  major          bigint not null,
  minor          bigint not null,
  patch          bigint not null,
  prerelease_key text collate "C",
  digest         text not null constraint plugin_versions_digest_shape check (digest ~ '^[0-9a-f]{64}$'),  -- SHA-256 of the archive
  entry          text not null,
  permissions    text[] not null default '{}',
  min_shell      text,
  packed_bytes   bigint not null,
  unpacked_bytes bigint not null,
  files          int not null,
  icon_path      text,  -- within the bundle
  readme_html    text,  -- of its README.md, made safe
  published_by   uuid,
  published_at   timestamptz not null default now(),
  yanked_at      timestamptz,  -- by its publisher: nobody new gets it, who has pinned it keeps it
  blocked_at     timestamptz,  -- by an operator: nobody gets it
  blocked_reason text,
  constraint plugin_versions_are_one_of_a_name unique (package_id, version)
);
create index plugin_versions_newest on plugin_versions (package_id, major desc, minor desc, patch desc, prerelease_key desc);

create table plugin_deployments (
  id          uuid primary key default gen_random_uuid(),
  version_id  uuid not null constraint plugin_deployments_version unique references plugin_versions on delete cascade,
  deployed_at timestamptz not null default now()
);

create table team_plugin_installs (
  team_id       uuid not null,
  package_id    uuid not null references plugin_packages on delete cascade,
  deployment_id uuid references plugin_deployments on delete set null,  -- null: whatever is the latest
  enabled       bool not null default true,
  config        jsonb not null default '{}',
  installed_by  uuid,
  installed_at  timestamptz not null default now(),
  primary key (team_id, package_id)
);
create index team_plugin_installs_package on team_plugin_installs (package_id);
create index team_plugin_installs_deployment on team_plugin_installs (deployment_id) where deployment_id is not null;

-- What differs from the rule that each member may open what the team has. It outlives an uninstalling: whoever was shut
-- out of a plugin is so still when it comes again.
create table team_member_plugin_access (
  team_id    uuid not null,
  user_id    uuid not null,
  package_id uuid not null references plugin_packages on delete cascade,
  enabled    bool not null default true,
  pinned     bool not null default false,
  primary key (team_id, user_id, package_id)
);
create index team_member_plugin_access_package on team_member_plugin_access (package_id);
