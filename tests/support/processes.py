"""Processes as /proc tells of them."""

import os

TICK_US = 1_000_000 // os.sysconf("SC_CLK_TCK")
PROGRAM = {f"plugfleet-{name}"[:15]: name for name in ("worker", "runner", "keeper")}  # as the kernel cuts them


class Process:
    """One line of /proc/PID/stat."""

    def __init__(self, pid):
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            text = file.read()
        self.pid = pid
        name = text[text.index("(") + 1 : text.rindex(")")]
        self.program = PROGRAM.get(name, name)
        fields = text[text.rindex(")") + 2 :].split()
        self.parent = int(fields[1])
        self.own_us = (int(fields[11]) + int(fields[12])) * TICK_US
        self.ended_children_us = (int(fields[13]) + int(fields[14])) * TICK_US


def processes_under(roots):
    """The processes of these pids and all below them."""
    known = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                known[int(entry)] = Process(int(entry))
            except OSError:
                pass  # it ended meanwhile
    wanted = {pid for pid in roots if pid in known}
    while True:
        more = {p.pid for p in known.values() if p.parent in wanted} - wanted
        if not more:
            return [known[pid] for pid in sorted(wanted)]
        wanted |= more
