"""Plugins in a fleet's marketplace without anybody's having uploaded them: rows as publishing leaves them, and files where
nginx serves them.

    put_plugin(live.fleet, team, "colour-names", {"index.html": b"..."}, version="1.2.0")
"""

import hashlib


def text(value):
    return "null" if value is None else "'" + str(value).replace("'", "''") + "'"


def put_plugin(fleet, team, slug, files, version="1.0.0", name=None, summary="Does something", category="design", permissions=(),
               icon=None, readme=None, installs=0):
    """A version of it, which becomes the latest where it is."""
    digest = hashlib.sha256(f"{slug} {version}".encode()).hexdigest()
    major, minor, patch = version.split(".")
    size = sum(map(len, files.values()))
    fleet.sql(f"""
begin;
insert into plugin_packages (slug, team_id, name, summary, category, installs, published_at)
values ({text(slug)}, '{team}', {text(name or slug)}, {text(summary)}, {text(category)}, {installs}, now())
    on conflict (slug) do update set updated_at = now();
insert into plugin_versions (package_id, version, major, minor, patch, digest, entry, permissions, packed_bytes, unpacked_bytes, files,
                             icon_path, readme_html)
select id, '{version}', {major}, {minor}, {patch}, '{digest}', 'index.html', array[{", ".join(map(text, permissions))}]::text[],
       {size}, {size}, {len(files)}, {text(icon)}, {text(readme)} from plugin_packages where slug = {text(slug)};
insert into plugin_deployments (version_id) select id from plugin_versions where digest = '{digest}';
select plugin_set_latest(id) from plugin_packages where slug = {text(slug)};
commit;""")
    served = (fleet.folder / "run/files").resolve() / "marketplace/served"
    folder = served / slug / version
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    for made in (served, *served.rglob("*")):  # nginx's user reads them
        made.chmod(0o755 if made.is_dir() else 0o644)
