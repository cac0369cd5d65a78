"""What `plugfleet status` makes of what it found, and how it shows it. Asks nobody: scripts/operate/status does."""

import math
import re

SLOW_DUTY, SILENT_RUNNER = 150, 15  # seconds: the keeper does each duty every minute, a runner without a job asks every second
NOT_READY = 30
AS_IT_SHOULD_BE = {"RUNNING", "STARTING", "STOPPING"}  # supervisord ends the last two itself: what does not come up is BACKOFF or FATAL


def named(values, name):
    """{labels: value} of the metrics of that name."""
    return {key[len(name):]: value for key, value in values.items() if key == name or key.startswith(name + "{")}


def total(values, name):
    return sum(named(values, name).values())


def tag(labels, name):
    return re.search(rf'{name}="([^"]*)"', labels)[1]


def process_of(program, cells, kinds):
    """One line of the table: the program, with what its process says of itself where that is it."""
    process = {key: program[key] for key in ("name", "state", "pid", "ageSeconds", "memoryMB", "restarts")}
    process |= {"user": program["user"], "pool": program["group"] if program["group"] in kinds else ""}
    if program["holds"]:
        process["name"] += "(socket)"
    own = cells.get("keeper_00" if program["name"] == "keeper" else program["name"])
    if own and own["pid"] == program["pid"]:
        values = own["values"]
        process |= {
            "ready": values.get("plugfleet_ready") == 1,
            "requests": total(values, "plugfleet_requests_total"),
            "inFlight": values.get("plugfleet_in_flight", 0) + total(values, "plugfleet_runner_running"),
            "streams": values.get("plugfleet_streams", 0),
            "jobs": total(values, "plugfleet_jobs_finished_total"),
            "p95Ms": own["quantiles"].get("plugfleet_request_seconds", {}).get("p95"),
            "lastPoll": total(values, "plugfleet_runner_last_poll_seconds"),
        }
    return process


def pool_of(pool, processes, scaling):
    mine = [process for process in processes if process["pool"] == pool["name"] and not process["name"].endswith("(socket)")]
    why = re.search(rf"(?:^|; ){pool['name']} \d+ of \d+-\d+ \((.*?)\)(?=; [a-z]+ \d+ of |$)", scaling)
    return pool | {"running": sum(process["state"] == "RUNNING" for process in mine),
                   "ready": sum(process.get("ready", False) for process in mine), "user": mine[0]["user"] if mine else "",
                   "scaling": why[1] if why else ""}


def wrong_of(processes, pools, health, servers, breakers, resting, duties, kinds, now):
    """A sentence for each thing that is not as it should be."""
    for pool in pools:
        if pool["running"] < pool["min"]:
            yield f"the pool {pool['name']} has {pool['running']} processes, and {pool['min']} at the least"
    for process in processes:
        if process["state"] not in AS_IT_SHOULD_BE:
            yield f"{process['name']} is {process['state']}"
    for process in processes:
        if process.get("ready") is False and process["ageSeconds"] > NOT_READY and kinds.get(process["pool"]) == "workers":
            yield f"{process['name']} is draining, or not ready"
    if health is None:
        yield "/health does not answer"
    elif health["status"] != "ok":
        yield f"/health says: {health['checks']}"
    yield from (f"{name} does not answer" for name, line in servers.items() if line is None)
    yield from (f"the AI provider {name} fails: it is asked again in {seconds} s" for name, seconds in breakers.items())
    for name in sorted(set(resting)):
        yield f"{resting.count(name)} process(es) have a key of {name} that is refused or out of quota"
    for process in processes:
        silent = now - process.get("lastPoll", 0)
        if process.get("lastPoll") and process["inFlight"] == 0 and silent > SILENT_RUNNER:
            yield f"{process['name']} has not asked for jobs for {math.floor(silent)} s"
    keeper_age = next((process["ageSeconds"] for process in processes if process["name"] == "keeper"), math.inf)
    for duty, last in duties.items():
        if last == 0 and keeper_age > SLOW_DUTY:
            yield f"keeper: {duty} has never gone well"
        elif last > 0 and now - last > SLOW_DUTY:
            yield f"keeper: {duty} went well {math.floor(now - last)} s ago for the last time"


def put_together(where, programs, metrics, pools, health, servers, products, breakers, scaling, now):
    """The object that --json prints."""
    kinds = {pool["name"]: pool["kind"] for pool in pools}
    cells = {f"{cell['pool']}_{cell['slot']:02}": cell for cell in metrics}
    alive = [cell for cell in metrics if cell["alive"]]
    processes = [process_of(program, cells, kinds) for program in programs]
    keeper = next((cell["values"] for cell in alive if cell["pool"] == "keeper"), {})
    queue = [{"kind": tag(labels, "kind"), "ready": ready,
              "oldestSeconds": keeper.get(f"plugfleet_jobs_oldest_seconds{labels}", 0),
              "processing": keeper.get(f"plugfleet_jobs_processing{labels}", 0)}
             for labels, ready in named(keeper, "plugfleet_jobs_ready").items()]
    duties = {tag(labels, "duty"): last for labels, last in named(keeper, "plugfleet_keeper_last_turn_seconds").items()}
    calls, resting = {}, []
    for cell in alive:
        for labels, count in named(cell["values"], "plugfleet_ai_calls_total").items():
            calls[tag(labels, "provider")] = calls.get(tag(labels, "provider"), 0) + count
        resting += [tag(labels, "provider") for labels, count in named(cell["values"], "plugfleet_ai_keys_resting").items() if count > 0]
    pools = [pool_of(pool, processes, scaling) for pool in pools]
    return {
        **where,
        "wrong": list(wrong_of(processes, pools, health, servers, breakers, resting, duties, kinds, now)),
        "processes": [{key: value for key, value in process.items() if key != "lastPoll"} for process in processes],
        "pools": pools,
        "health": health,
        "servers": servers,
        "products": products,
        "queue": queue,
        "providers": [{"name": name, "calls": count} for name, count in sorted(calls.items())],
        "scaling": scaling,
        "keeper": {"slowestDutySeconds": max((math.floor(now - last) for last in duties.values()), default=None)},
    }


def age(seconds):
    for limit, unit, letter in ((120, 1, "s"), (7200, 60, "m"), (172_800, 3600, "h")):
        if seconds < limit:
            return f"{seconds // unit}{letter}"
    return f"{seconds // 86_400}d"


def process_line(process):
    done = process["requests"] + process["jobs"] if "requests" in process else ""
    busy = process["inFlight"] + process["streams"] if "inFlight" in process else ""
    p95 = f"{round(process['p95Ms'], 1):g} ms" if process.get("p95Ms") else ""
    name = process["name"].replace("(socket)", " socket")
    return (f"{name:20}{process['state']:9}{process['pid'] or '-':>8}{age(process['ageSeconds']):>6}{process['memoryMB']:>6} MB"
            f"{process['restarts']:>10}{done:>10}{busy:>11}{p95:>10}")


def pool_lines(pool):
    limits = " ".join(f"{name}={value}" for name, value in pool["limits"].items())
    size = f"{pool['running']} of {pool['min']}-{pool['max']}"
    yield f"{pool['name']:12}{size:12}{pool['user'] or '-':11}{pool['modules']:16} {pool['scaling'] or ''}".rstrip()
    yield f"  {pool['socket'].removeprefix('unix://') or 'no socket'}  {limits}"


def shown(found):
    """The object for people, for a terminal of 100 columns and, with two pools, 24 lines: what only holds a socket, and does,
    is left out."""
    lines = [f"WRONG: {sentence}" for sentence in found["wrong"]]
    if lines:
        lines += [f"Logs: {found['dir']}/log", ""]
    lines += [f"Plugfleet in {found['dir']}: {found['https']}  {found['http']}",
              f"{'PROGRAM':20}{'STATE':9}{'PID':>8}{'AGE':>6}{'MEMORY':>9}{'RESTARTS':>10}{'DONE':>10}{'IN FLIGHT':>11}{'P95':>10}"]
    lines += [process_line(process) for process in found["processes"]
              if process["state"] != "RUNNING" or not process["name"].endswith("(socket)")]
    lines += [f"{'POOL':12}{'PROCESSES':12}{'USER':11}{'MODULES':16}"]
    for pool in found["pools"]:
        lines += pool_lines(pool)
    jobs = sum(process.get("jobs", 0) for process in found["processes"])
    runners = [pool["name"] for pool in found["pools"] if pool["kind"] == "runners"]
    running = sum(process.get("inFlight", 0) for process in found["processes"] if process["pool"] in runners)
    queue = "; ".join(f"{kind['kind']}: {kind['ready']} ready, the oldest for {kind['oldestSeconds']} s, {kind['processing']} processing"
                      for kind in found["queue"] if kind["ready"] + kind["processing"] > 0)
    rows = [(name, line or "does not answer") for name, line in found["servers"].items()]
    rows.append(("jobs", f"{running} running, {jobs} ended; {queue or 'none waits'}"))
    if found["providers"]:
        rows.append(("AI", ", ".join(f"{provider['name']} {provider['calls']} calls" for provider in found["providers"])))
    rows += found["products"].items()
    if found["keeper"]["slowestDutySeconds"] is not None:
        rows.append(("keeper", f"each duty went well within the last {found['keeper']['slowestDutySeconds']} s"))
    return "\n".join(lines + [f"{name:17}{line}" for name, line in rows])
