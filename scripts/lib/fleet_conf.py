"""fleet.conf: the one reader of it, for scripts in bash and in Python.

conf/fleet.conf is its manual: the NAME=value lines there are all settings there are, with their defaults. The fleet's own
file says what is otherwise, and the environment wins over both. A pool is a line WORKER_POOL_NAME= or RUNNER_POOL_NAME= of
words; Pool says what they become. What the programs do (plugfleet.conf) they read themselves (fcgi-app/core/settings.h).

    fleet_conf.py MANUAL OWN            prints NAME=value of every setting, for bash (common.sh, read_fleet_settings)
    fleet_conf.py MANUAL OWN MODULES    says what is wrong, a sentence a line, and exits 1 where something is; MODULES is the
                                        folder of the built modules
"""

import os
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

LINE = re.compile(r"([A-Z_]+)=(.*)")
POOL = re.compile(r"(WORKER|RUNNER)_POOL_([A-Z]{1,16})")
UNLISTED = ("CERTIFICATE", "EMAIL")  # plugfleet setup notes them
MOST = 64

# Names that are something else's, below supervisord or in RUN/conf.
TAKEN = {"worker", "runner", "keeper", "spare", "holder", "nginx", "postgresql", "pgbouncer", "redis", "fleet", "migrate", "all",
         "workers", "runners"}
# Settings of plugfleet.conf that say who a process is, or hold for the whole fleet: no pool has its own.
FLEETS_OWN = {"POOL", "POOLS", "SLOT", "RUN_DIR", "MODULES", "MODULES_DIR", "MODULES_SOURCE_DIR", "FILES_DIR", "MIGRATIONS_DIR", "PROMPTS_DIR",
              "LOG_FILE", "CLIENT_PREFIX", "PUBLIC_URL"}


class Wrong(Exception):
    """One sentence for each thing that is."""

    def __init__(self, sentences):
        super().__init__("\n".join(sentences))


@dataclass
class Pool:
    """Processes that load the same modules. Those called worker and runner have what no other of their kind has."""

    name: str
    kind: str  # workers or runners
    least: int
    most: int
    idle: int = 0  # seconds until one that is not needed goes; 0: SCALE_DOWN_AFTER
    modules: list = field(default_factory=list)
    port: int = 9000  # where its workers listen for other hosts
    settings: dict = field(default_factory=dict)  # of plugfleet.conf, for its processes alone

    @property
    def slots(self):
        """What supervisord declares: one to serve while others are replaced and, of workers, one that holds the socket."""
        return self.most + (2 if self.kind == "workers" else 1)

    @property
    def on_demand(self):
        return self.least == 0 and self.most > 0 and self.name != "runner"

    def words(self):
        """As the programs' setting POOLS has it (fcgi-app/host/pools.h)."""
        text = f"{self.name}={self.kind}:{self.least}-{self.most}"
        return f"{text}:{self.idle or ''}:{','.join(self.modules)}" if self.modules else text


def lines_of(text):
    """(line number, name or None where the line is malformed, value) of each line that says something."""
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        found = LINE.fullmatch(line)
        yield (number, found[1], found[2]) if found else (number, None, line)


def read(manual, own, environment):
    """{name: value} of every setting; of one that stands twice in a file the first counts, and an empty one counts
    as none. The texts are those of conf/fleet.conf and of the fleet's own, or "". DEFAULT_NAME in the
    environment is another default, such as a port that a running fleet has."""
    values = {}
    defaults = {name: value for _, name, value in lines_of(manual) if name}
    for name, value in environment.items():
        if value and (name in defaults or POOL.fullmatch(name)):
            values[name] = value
    kept = "".join(f"{name}={environment[f'DEFAULT_{name}']}\n" for name in defaults if environment.get(f"DEFAULT_{name}"))
    for text in (own, kept, manual):
        for _, name, value in lines_of(text):
            if name and not values.get(name):
                values[name] = value
    for least, most in (("WORKERS", "WORKERS_MAX"), ("RUNNERS", "RUNNERS_MAX")):
        # A fleet that was given more at the least than the default is at the most has as many at the most.
        if whole(values[least], MOST) and whole(values[most], MOST) and int(values[least]) > int(values[most]):
            values[most] = values[least]
    return values


def wrong_lines(manual, own, file):
    """What read() passes over."""
    known = {name for _, name, _ in lines_of(manual)} | set(UNLISTED)
    for number, name, _ in lines_of(own):
        if name is None:
            yield f"{file} line {number}: expected NAME=value"
        elif name not in known and not POOL.fullmatch(name):
            moved = re.fullmatch(r"(RATE|BURST)_([A-Z]+)", name)  # a route's own guard
            instead = f"; it is {moved[2]}_EDGE_{moved[1]} in plugfleet.conf now" if moved else ""
            yield f"{file} line {number}: there is no setting {name}{instead}"


def whole(text, most):
    return text.isascii() and text.isdigit() and len(text) <= 9 and int(text) <= most


def wrong_values(values):
    """A sentence for each setting that makes no sense, pools excepted."""
    for name in ("HTTPS_PORT", "HTTP_PORT", "WORKERS", "WORKERS_MAX", "POOL_REQUESTS", "POOL_JOBS", "POOL_OPS", "BURST_GENERAL"):
        if not re.fullmatch(r"[1-9][0-9]{0,4}", values[name]):
            yield f"{name} is '{values[name]}', not a number from 1 to 99999."
        elif name.endswith("_PORT") and int(values[name]) > 65535:
            yield f"{name} is {values[name]}; the last port there is is 65535."
        elif name.startswith("POOL_") and int(values[name]) > 1000:
            yield f"{name} is {values[name]}, more than 1000."
        elif name.startswith("WORKERS") and int(values[name]) > MOST:
            yield f"{name} is {values[name]}, more than {MOST}."
    if values["HTTPS_PORT"] == values["HTTP_PORT"]:
        yield f"HTTPS_PORT and HTTP_PORT are both {values['HTTP_PORT']}."
    if not re.fullmatch(r"[1-9][0-9]*(kB|MB|GB)", values["POSTGRES_MEMORY"]):
        yield f"POSTGRES_MEMORY is '{values['POSTGRES_MEMORY']}', not a size like 128MB."
    for name in ("REDIS_STATE_MEMORY", "REDIS_PAYLOADS_MEMORY"):
        if not re.fullmatch(r"[1-9][0-9]*([kKmMgG][bB]?)?", values[name]):
            yield f"{name} is '{values[name]}', not a size like 256mb."
    if not whole(values["BACKUP_KEEP_DAYS"], 99999):
        yield f"BACKUP_KEEP_DAYS is '{values['BACKUP_KEEP_DAYS']}', not a number of days."
    for name in ("RUNNERS", "RUNNERS_MAX"):
        if not whole(values[name], MOST):
            yield f"{name} is '{values[name]}', not a number from 0 to {MOST}."
    if not re.fullmatch(r"[1-9][0-9]*r/[sm]", values["RATE_GENERAL"]):
        yield f"RATE_GENERAL is '{values['RATE_GENERAL']}', not a rate like 30r/m or 5r/s."
    if values["CLIENT_PREFIX"] not in map(str, range(32, 129, 8)):
        yield f"CLIENT_PREFIX is '{values['CLIENT_PREFIX']}', not a number of bits from 32 to 128 in steps of 8."
    if values["HTTPS_ADDRESS"] not in ("127.0.0.1", "0.0.0.0"):
        yield f"HTTPS_ADDRESS is '{values['HTTPS_ADDRESS']}', neither 127.0.0.1 nor 0.0.0.0."
    for name in ("HOST_ADDRESS", "OTHER_HOSTS", "DATABASE_HOST", "REPLICA_HOST"):
        for word in values[name].split():
            if not re.fullmatch(r"[0-9.]+", word):
                yield f"'{word}' is not an address like 10.8.0.1: see HOST_ADDRESS and what follows it in fleet.conf."
    for word in values["MODULE_DATABASES"].split():
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,30}", word):
            yield f"'{word}' is not a module's name: see MODULE_DATABASES in fleet.conf."
    if values["OTHER_HOSTS"] and not values["HOST_ADDRESS"]:
        yield "OTHER_HOSTS needs HOST_ADDRESS, this host among them."
    if "127.0.0.1" not in values["OPERATOR_ADDRESSES"].split():
        yield "OPERATOR_ADDRESSES lacks 127.0.0.1, where this script asks from."


def seconds_of(text):
    found = re.fullmatch(r"([1-9][0-9]{0,4})(s|m|h)", text)
    return int(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2]] if found else None


def read_pool(setting, text):
    """The pool that the line names, or a list of sentences."""
    found, wrong = POOL.fullmatch(setting), []
    pool = Pool(name=found[2].lower(), kind=found[1].lower() + "s", least=1, most=10, port=0)
    given = {}
    for word in text.split():
        name, equals, value = word.partition("=")
        if not equals or name in given:
            wrong.append(f"{setting}: '{word}' is not NAME=value, or stands there twice")
        else:
            given[name] = value
    for name, value in given.items():
        if name in ("min", "max"):
            if whole(value, MOST):
                setattr(pool, "least" if name == "min" else "most", int(value))
            else:
                wrong.append(f"{setting}: {name} is '{value}', not a number from 0 to {MOST}")
        elif name == "idle":
            pool.idle = seconds_of(value) or 0
            if not pool.idle:
                wrong.append(f"{setting}: idle is '{value}', not a time like 30s or 5m")
        elif name == "port":
            pool.port = int(value) if whole(value, 65535) else 0
            if pool.port < 1024 or pool.port == 9000:
                wrong.append(f"{setting}: port is '{value}', not a number from 1024 to 65535 other than 9000")
        elif name == "modules":
            pool.modules = [module for module in value.split(",") if module]
        elif re.fullmatch(r"[A-Z][A-Z_]*", name) and name not in FLEETS_OWN:
            pool.settings[name] = value
        else:
            wrong.append(f"{setting}: there is no '{name}'; there are min, max, idle, modules, port and settings of plugfleet.conf")
    if "max" not in given:
        pool.most = max(pool.most, pool.least)
    if pool.most < max(pool.least, 1):
        wrong.append(f"{setting}: max is {pool.most}, less than min or than 1")
    if not pool.modules:
        wrong.append(f"{setting}: modules= is missing, such as modules=figma")
    return wrong or pool


def pools_of(values, modules):
    """Every pool, worker and runner first. `modules` are the names of those that are built. Raises Wrong."""
    worker = Pool("worker", "workers", int(values["WORKERS"]), int(values["WORKERS_MAX"]))
    runner = Pool("runner", "runners", int(values["RUNNERS"]), int(values["RUNNERS_MAX"]))
    pools, wrong, names, having, ports = [worker, runner], [], {}, {}, {9000: "WORKERS"}
    for setting in sorted(name for name in values if POOL.fullmatch(name) and values[name]):
        pool = read_pool(setting, values[setting])
        if isinstance(pool, list):
            wrong += pool
            continue
        if pool.name in TAKEN:
            wrong.append(f"{setting}: a pool cannot be called {pool.name}")
        if other := names.get(pool.name):
            wrong.append(f"{setting}: {other} has the name {pool.name} already")
        names[pool.name] = setting
        for module in pool.modules:
            if module not in modules:
                wrong.append(f"{setting}: there is no module {module}; there are: {', '.join(sorted(modules))}")
            if other := having.get((pool.kind, module)):
                wrong.append(f"{setting}: the module {module} is in {other} already")
            having[pool.kind, module] = setting
        if pool.kind == "workers" and values["HOST_ADDRESS"]:
            if not pool.port:
                wrong.append(f"{setting}: port= is missing, where other hosts reach these workers (HOST_ADDRESS)")
            elif other := ports.get(pool.port):
                wrong.append(f"{setting}: {other} has the port {pool.port} already")
            ports[pool.port] = setting
        pools.append(pool)
    if wrong:
        raise Wrong(wrong)
    return pools


def loaded_by(pool, pools, modules):
    """The value of MODULES for the pool's processes; None: whatever there is."""
    if pool.name in ("worker", "runner"):
        others = {module for other in pools if other.kind == pool.kind for module in other.modules}
        return (",".join(sorted(set(modules) - others)) or "-") if others else None
    return ",".join(pool.modules)


def built_modules(folder):
    return {file.stem for file in Path(folder).glob("*.so")}


def all_wrong(manual, own, file, environment, modules):
    """Every sentence there is to say of these settings."""
    values = read(manual, own, environment)
    wrong = list(wrong_values(values))
    for module in set(values["MODULE_DATABASES"].split()) - set(modules):
        wrong.append(f"MODULE_DATABASES: there is no module {module}; there are: {', '.join(sorted(modules))}")
    if not wrong:
        try:
            pools_of(values, modules)
        except Wrong as pools:
            wrong += str(pools).splitlines()
    return [*wrong_lines(manual, own, file), *wrong]


def text_of(file):
    """"" where there is none."""
    try:
        return Path(file).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""


def main(manual_file, own_file, modules_folder=None):
    manual, own = text_of(manual_file), text_of(own_file)
    if modules_folder is None:
        print(*(f"{name}={value}" for name, value in read(manual, own, os.environ).items()), sep="\n")
        return 0
    wrong = all_wrong(manual, own, own_file, os.environ, built_modules(modules_folder))
    print(*wrong, sep="\n", end="\n" if wrong else "")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
