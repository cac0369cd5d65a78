-- The newest version that is neither yanked nor blocked: a release before any prerelease. None where there is none.
create or replace function plugin_set_latest(package uuid) returns void language sql as $$
  with latest as (
    select d.id, v.icon_path, v.readme_html from plugin_versions v join plugin_deployments d on d.version_id = v.id
     where v.package_id = package and v.yanked_at is null and v.blocked_at is null
     order by v.prerelease_key is not null, v.major desc, v.minor desc, v.patch desc, v.prerelease_key desc limit 1)
  update plugin_packages p set updated_at = now(), latest_deployment = (select id from latest),
         icon_path = (select icon_path from latest), readme_html = (select readme_html from latest)
   where p.id = package;
$$;
