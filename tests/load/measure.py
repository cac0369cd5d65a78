"""What the benchmarks read: CPU and memory of groups of processes from /proc, and the answers of wrk and load."""

import json
import re
import subprocess

from processes import processes_under


def cpu_us(roots):
    """Microseconds of CPU used so far, by program. A program's children that ended count as the program's."""
    used = {}
    for process in processes_under(roots):
        used[process.program] = used.get(process.program, 0) + process.own_us
        if process.program != "supervisord":
            used[process.program] += process.ended_children_us
    return used


class Cpu:
    """CPU used in a `with` block, by program, in microseconds."""

    def __init__(self, roots):
        self.roots = roots
        self.used = {}

    def __enter__(self):
        self.before = cpu_us(self.roots)
        return self

    def __exit__(self, *failure):
        after = cpu_us(self.roots)
        self.used = {name: us - self.before.get(name, 0) for name, us in after.items()}

    def us(self, program):
        if program not in self.used:
            raise RuntimeError(f"no process of {program} was there to measure")
        return self.used[program]


def memory(pid, field):
    """VmRSS, or its highest so far VmHWM, in bytes."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        return int(re.search(rf"^{field}:\s+(\d+) kB", file.read(), re.MULTILINE).group(1)) * 1024


def wrk(url, seconds, connections=64, headers=None):
    """Requests a second. An answer that is not 2xx means there is nothing to compare."""
    words = [word for name, value in (headers or {}).items() for word in ("-H", f"{name}: {value}")]
    done = subprocess.run(
        ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", *words, url],
        capture_output=True, text=True, timeout=seconds + 30, check=True,
    )
    if "Non-2xx" in done.stdout or "Socket errors" in done.stdout:
        raise RuntimeError(f"{url}: {done.stdout}")
    return {
        "rate": float(re.search(r"Requests/sec:\s+([\d.]+)", done.stdout).group(1)),
        "requests": int(re.search(r"(\d+) requests in", done.stdout).group(1)),
    }


class Load:
    """A run of the `load` tool in the background; result() waits for its figures. Every answer must be `status`, if any."""

    def __init__(
        self, tools, url, requests, concurrency, body=None, headers=(), expect=None, rate=None, times=None,
        timeout_s=60, status=200, each=None,
    ):
        command = [f"{tools}/load", "--url", url, "--requests", str(requests), "--concurrency", str(concurrency)]
        command += ["--timeout-s", str(timeout_s)]
        for header in headers:
            command += ["--header", header]
        for option, value in (("--body", body), ("--expect", expect), ("--rate", rate), ("--times", times), ("--each", each)):
            if value is not None:
                command += [option, str(value)]
        self.url, self.status = url, status
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def result(self, limit_s=300):
        try:
            out, _ = self.process.communicate(timeout=limit_s)
        finally:
            self.stop()
        figures = json.loads(out or '{"failures": -1}')
        if figures["failures"] or (self.status and set(figures["statuses"]) != {str(self.status)}):
            raise RuntimeError(f"{self.url} did not answer as it should: {out}")
        return figures

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
