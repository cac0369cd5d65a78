-- What a member of a team may open, those they have pinned first. A function, since PostgreSQL keeps a function's plan for the
-- session that PgBouncer keeps: planning this join costs more than running it.
create or replace function my_plugins(team uuid, member uuid, most bigint)
    returns table (slug text, name text, version text, config jsonb, pinned boolean, entry_url text, icon_url text, integrity text, permissions jsonb)
    stable language plpgsql as $$
#variable_conflict use_column
begin
  return query
  select p.slug, p.name, v.version, i.config, coalesce(a.pinned, false) as pinned,
         '/plugins/' || p.slug || '/' || v.version || '/' || v.entry,
         '/plugins/' || p.slug || '/' || v.version || '/' || v.icon_path,
         'sha256-' || encode(decode(v.digest, 'hex'), 'base64'), to_jsonb(v.permissions)
    from team_plugin_installs i join plugin_packages p on p.id = i.package_id
    join plugin_deployments d on d.id = coalesce(i.deployment_id, p.latest_deployment) join plugin_versions v on v.id = d.version_id
    left join team_member_plugin_access a on a.team_id = i.team_id and a.user_id = member and a.package_id = i.package_id
   where i.team_id = team and i.enabled and coalesce(a.enabled, true) and p.blocked_at is null and v.blocked_at is null
   order by pinned desc, lower(p.name), p.slug limit most;
end $$;
