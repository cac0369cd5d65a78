"""configure.py [RELEASE]: fills in every template of conf/, in the current directory's conf/, and prints which files changed.

Called by configure() of fleet-prepare.sh, for what is in use (the current directory is RUN) or for a draft beside it. The
environment holds the settings of fleet.conf as bash has them, checked, and RUN, FLEET_DIR, ROOT, INSTALLED, DRAFT, FILES (how many
one process may open) and POSTGRES_PORT. RELEASE is the folder whose programs say what nginx is told of their routes: that in
use where none is given. Exits 1, with what they say, where they refuse; a draft lacks these files then.
"""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import fleet_conf

FOLDERS = ("nginx", "redis", "supervisord", "pgbouncer", "postgresql")
OF_A_POOL = ("workers.conf", "runners.conf")  # filled in once for each pool of that kind
# What the programs print of their routes, and the file in conf/nginx/ that it becomes.
ROUTES = {"openapi": "openapi.json", **{f"nginx-{part}": f"routes-{part}.conf" for part in ("maps", "locations")}}
ALIASES = ("./", "././", "./././", "././././", "./././././")


def fill(text, values):
    """The text with every @NAME@ replaced."""
    return re.sub("@([A-Z_]+)@", lambda found: str(values[found[1]]), text)


def limit_wait(rate):
    """Seconds until an address that ran into the limit may ask once more."""
    number = int(rate.split("r/")[0])
    return 1 if rate.endswith("r/s") else (60 + number - 1) // number


def socket_of(pool, values, owner):
    """supervisord's lines for the socket of a pool of workers."""
    if values["HOST_ADDRESS"]:
        return f"socket=tcp://{values['HOST_ADDRESS']}:{pool.port}"
    return f"socket=unix://{values['RUN']}/{pool.name}.sock\nsocket_mode=0660\nsocket_owner={owner}"


def servers_of(pool, values):
    """nginx's: the hosts that have the pool, or its one socket under several names (nginx.conf says why)."""
    if values["HOST_ADDRESS"]:
        hosts = f"{values['HOST_ADDRESS']} {values['OTHER_HOSTS']}".split()
        return [f"zone {pool.name} 64k;", *(f"server {host}:{pool.port} max_fails=3 fail_timeout=10s;" for host in hosts),
                f"server {values['HOST_ADDRESS']}:{pool.port} max_fails=0 backup;"]
    return [f"server unix:{values['RUN']}/{pool.name}.sock max_fails=0;",
            *(f"server unix:{values['RUN']}/{alias}{pool.name}.sock max_fails=0 backup;" for alias in ALIASES)]


def upstream(pool, values):
    name = "workers" if pool.name == "worker" else f"pool_{pool.name}"
    lines = [*servers_of(pool, values), "keepalive 128;", "keepalive_timeout 2s;", "keepalive_time 5s;", "keepalive_requests 2000;"]
    return "\n".join([f"  upstream {name} {{", *(f"    {line}" for line in lines), "  }"])


def template_values(values, pools):
    """What stands between @ signs, beside the settings of fleet.conf."""
    run, root_user, installed = values["RUN"], os.geteuid() == 0, bool(values["INSTALLED"])
    server = values["DATABASE_HOST"] or f"{run}/postgresql"
    port = 5432 if values["DATABASE_HOST"] else values["POSTGRES_PORT"]
    hosts = 1 + len(values["OTHER_HOSTS"].split())
    databases = values["MODULE_DATABASES"].split()
    connections = sum(int(values[name]) for name in ("POOL_REQUESTS", "POOL_JOBS", "POOL_OPS"))
    connections += int(values["POOL_REQUESTS"]) * len(databases)
    prefix = int(values["CLIENT_PREFIX"]) // 8
    everybody = values["HTTPS_ADDRESS"] == "0.0.0.0" and Path("/proc/net/if_inet6").exists()
    certificate = Path(values["FLEET_DIR"], "tls/certificate.pem")
    responder = subprocess.run(["openssl", "x509", "-in", certificate, "-noout", "-ocsp_uri"], capture_output=True, check=False).stdout
    replica = f"plugfleet_replica = host={values['REPLICA_HOST']} dbname=plugfleet user=plugfleet pool_size={values['POOL_OPS']}"
    return {
        **values,
        "POSTGRES_CONNECTIONS": connections * hosts + 10,
        "LIMIT_GENERAL": values["RATE_GENERAL"].split("r/")[0],
        "WAIT_GENERAL": limit_wait(values["RATE_GENERAL"]),
        "CLIENT_BYTES": prefix,
        "CLIENT_REST": 16 - prefix,
        "NGINX_USER": "user www-data;" if root_user else "",
        "POSTGRES_USER": "user=postgres" if root_user else "",
        "SUPERVISORD_USER": "user=root" if root_user and not installed else "",
        "DATABASE": server,
        "DATABASE_PORT": port,
        "MODULE_DATABASE_LINES": "\n".join(
            f"plugfleet_module_{module} = host={server} port={port} dbname=plugfleet_module_{module} user=plugfleet "
            f"pool_size={values['POOL_REQUESTS']}" for module in databases),
        "REPLICA": replica if values["REPLICA_HOST"] else "",
        "LISTEN_HTTPS_TOO": f"listen [::]:{values['HTTPS_PORT']} ssl http2 backlog=4096 reuseport deferred so_keepalive=30s:10s:3;"
        if everybody else "",
        "LISTEN_HTTP_TOO": "listen [::]:80 default_server backlog=4096;" if everybody else "",
        "STAPLING": "ssl_stapling on;" if responder.strip() else "",
        "REAL_IP": "".join(f"  set_real_ip_from {address};\n" for address in values["TRUSTED_PROXIES"].split()),
        "OPERATORS": "".join(f"  allow {address};\n" for address in values["OPERATOR_ADDRESSES"].split()),
        "UPSTREAMS": "\n".join(upstream(pool, values) for pool in pools if pool.kind == "workers"),
    }


def of_pool(pool, values):
    """What the templates of a pool have besides."""
    owner = "plugfleet:www-data" if values["INSTALLED"] else "root:www-data"
    if os.geteuid() != 0:
        owner = f"{os.geteuid()}:{os.getegid()}"
    holder = f'exec -a "plugfleet-holder {values["RUN"]}/{pool.name}.sock" sleep infinity'
    if pool.on_demand:
        run = values["RUN"]
        holder = f"set -a; . {run}/conf/{pool.name}.env; exec {run}/build/bin/plugfleet-holder {run}/{pool.name}.sock"
    return {**values, "POOL": pool.name, "SLOTS": pool.slots, "HOLDER_SLOT": pool.most + 1, "HOLDER": holder,
            "SOCKET": socket_of(pool, values, owner) if pool.kind == "workers" else ""}


def environment(name, database, values, pools, pool=None, caller=()):
    """The lines of conf/NAME.env: a program's settings, then the caller's own, PLUGFLEET_* and for the sanitizers, then what the
    pool has for itself. `caller` is the environment of a development fleet's; an installed one's secrets are files."""
    run, installed = values["RUN"], bool(values["INSTALLED"])
    kind = pool.kind.removesuffix("s") if pool else name
    own = f"{run}/build" if installed else f"{run}/checkout"
    pgbouncer = f"host={run}/pgbouncer port=6432 dbname={{}} user=plugfleet"
    settings = {
        "POOL": name,
        "POOLS": " ".join(each.words() for each in pools),
        "MODULES_DIR": f"{run}/build/modules",
        "PROMPTS_DIR": f"{run}/checkout/modules/*/prompts",
        "MIGRATIONS_DIR": f"{own}/migrations",
        "MODULES_SOURCE_DIR": f"{run}/build/sources" if installed else f"{run}/checkout/modules",
        "FILES_DIR": f"{run}/files",
        "RUN_DIR": run,
        "PUBLIC_URL": f"https://{values['PUBLIC_NAME']}" + ("" if values["HTTPS_PORT"] == "443" else f":{values['HTTPS_PORT']}"),
        "LOG_FILE": f"{run}/data/log/{kind}.log",
        "CLIENT_PREFIX": values["CLIENT_PREFIX"],
        "DATABASE_URL": pgbouncer.format(database),
        "REPORTS_DATABASE_URL": pgbouncer.format("plugfleet_ops"),
        "REDIS_SOCKET": values["REDIS_STATE"] or f"{run}/redis/state.sock",
        "PAYLOADS_SOCKET": values["REDIS_PAYLOADS"] or f"{run}/redis/payloads.sock",
    }
    for module in values["MODULE_DATABASES"].split():
        settings[f"DATABASE_{module.upper()}"] = pgbouncer.format(f"plugfleet_module_{module}")
    if values["REPLICA_HOST"]:
        settings["REPLICA_DATABASE_URL"] = pgbouncer.format("plugfleet_replica")
    if installed:  # secrets come from plugfleet.service
        for file in sorted(Path("/etc/plugfleet/secrets").glob("*")):
            if re.fullmatch("[A-Z_]+", file.name):
                settings[f"{file.name}_FILE"] = f"/run/credentials/plugfleet.service/secrets_{file.name}"
    lines = {f"PLUGFLEET_{key}": value for key, value in settings.items()}
    if not installed:
        for key, value in dict(caller).items():
            if (key.startswith("PLUGFLEET_") and key != "PLUGFLEET_SLOT") or re.fullmatch(".+SAN_OPTIONS", key):
                lines[key] = value
    if pool:
        lines |= {f"PLUGFLEET_{key}": value for key, value in pool.settings.items()}
        modules = fleet_conf.loaded_by(pool, pools, values["BUILT_MODULES"])
        if modules is not None:
            lines["PLUGFLEET_MODULES"] = modules
    return "".join(f"{key}={shlex.quote(value)}\n" for key, value in lines.items())


class Files:
    """Writes what is not there yet; `changed` names what was not."""

    def __init__(self):
        self.changed = []

    def keep(self, name, text):
        file, text = Path(name), text.rstrip("\n") + "\n"
        if file.exists() and file.read_text(encoding="utf-8") == text:
            return
        new = Path(f"{name}.new")
        new.write_text(text, encoding="utf-8")
        new.rename(file)
        self.changed.append(name)

    def keep_only(self, folder, pattern, names):
        """What is there beside these names goes."""
        for file in Path(folder).glob(pattern):
            if str(file) not in names:
                file.unlink()
                self.changed.append(str(file))


def of_routes(part, release, environment_text, values):
    """What nginx is told, or whoever asks for /openapi.json, of the routes that the modules of a release have. Raises
    subprocess.CalledProcessError."""
    text = environment_text.replace(f"{values['RUN']}/build/modules", f"{release}/modules")
    command = ["bash", "-c", 'set -a; . /dev/stdin; exec "$2/bin/plugfleet-worker" "--print-$1" --settings "$3"',
               "-", part, release, f"{values['FLEET_DIR']}/plugfleet.conf"]
    done = subprocess.run(command, input=text, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=True)
    return done.stdout.replace("@RUN@", values["RUN"])


def templates(values):
    """(template, name of the file) of those that are filled in once."""
    for folder in FOLDERS:
        for template in sorted(Path(values["ROOT"], "conf", folder).iterdir()):
            # An installed fleet's servers are Debian's; the other one is for this machine.
            passed_over = ("servers.conf", "postgresql.conf") if values["INSTALLED"] else ("public.conf",)
            if template.is_file() and template.name not in (*passed_over, *OF_A_POOL):
                yield template, f"conf/{folder}/{template.name}"


def configure(values, release):
    values["BUILT_MODULES"] = fleet_conf.built_modules(f"{release}/modules")
    if caller := os.environ.get("PLUGFLEET_MODULES_DIR"):
        values["BUILT_MODULES"] = fleet_conf.built_modules(caller)
    pools = fleet_conf.pools_of(values, values["BUILT_MODULES"])
    files, known = Files(), template_values(values, pools)
    for template, name in templates(values):
        files.keep(name, fill(template.read_text(encoding="utf-8"), known))
    sections = {}
    for pool in pools:
        template = Path(values["ROOT"], f"conf/supervisord/{pool.kind}.conf")
        sections[f"conf/supervisord/pool-{pool.name}.conf"] = fill(template.read_text(encoding="utf-8"), of_pool(pool, known))
    for name, text in sections.items():
        files.keep(name, text)
    files.keep_only("conf/supervisord", "pool-*.conf", sections)
    files.keep("conf/fleet.env", "".join(f"{name}={values[name]}\n" for name in ("HTTPS_PORT", "HTTP_PORT", "PUBLIC_NAME", "POSTGRES_PORT")))
    files.keep("conf/pools", "".join(f"{pool.name} {pool.kind} {pool.least} {pool.most}\n" for pool in pools))

    databases = {"workers": "plugfleet", "runners": "plugfleet_jobs"}
    environments = {pool.name: environment(pool.name, databases[pool.kind], values, pools, pool, os.environ) for pool in pools}
    environments["keeper"] = environment("keeper", "plugfleet_jobs", values, pools, caller=os.environ)
    for name, text in environments.items():
        files.keep(f"conf/{name}.env", text)
    files.keep_only("conf", "*.env", ["conf/fleet.env", *(f"conf/{name}.env" for name in environments)])
    everything = environment("worker", "plugfleet", values, pools, caller=os.environ)  # with the modules of all pools
    for part, file in ROUTES.items():
        try:
            files.keep(f"conf/nginx/{file}", of_routes(part, release, everything, values))
        except subprocess.CalledProcessError as refused:
            if not values["DRAFT"]:  # a draft's programs are asked what they refuse
                sys.exit((refused.stderr + refused.stdout).strip())
    return files.changed


def main(release=None):
    values = dict(os.environ)
    manual = fleet_conf.text_of(f"{values['ROOT']}/conf/fleet.conf")
    for name in [name for _, name, _ in fleet_conf.lines_of(manual) if name] + ["INSTALLED", "DRAFT"]:
        values.setdefault(name, "")
    try:
        print(*configure(values, release or f"{values['RUN']}/build"), sep="\n")
    except fleet_conf.Wrong as wrong:
        sys.exit(str(wrong))


if __name__ == "__main__":
    main(*sys.argv[1:])
