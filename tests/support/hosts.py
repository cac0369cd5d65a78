"""Hosts on this machine: network namespaces joined by a bridge, with the addresses 10.8.0.1 and so on. Root alone can
make them; nothing of them is seen outside, and they end with this process, which becomes part of the first host:
127.0.0.1 is that host's.

Hosts are three as conf/hosts/ describes them. Each has both Redis and a sentinel from there; what else runs there is its
Fleet's, which `settings(n)` are for.
"""

import ctypes
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from servers import ROOT, end, wait_for

CONF = ROOT / "conf/hosts"
COUNT = 3
CLONE_NEWNET = 0x40000000
PORTS = {"state": 6379, "payloads": 6380, "sentinel": 26379}


def address(host):
    return f"10.8.0.{host}"


def run(*words):
    subprocess.run(words, check=True, timeout=30, stdout=subprocess.DEVNULL)


class Network:
    def __init__(self, count):
        self.kept = {}
        if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "a network namespace could not be made: this test wants root")
        self.own = os.readlink("/proc/self/ns/net")
        run("ip", "link", "add", "hosts", "type", "bridge")
        self.bring_up((), 1, "hosts")
        for host in range(2, count + 1):
            self.join(host)

    def join(self, host):
        # It ends with this process, which has the other end of its stdin.
        keeper = subprocess.Popen(["unshare", "--net", "cat"], stdin=subprocess.PIPE, start_new_session=True)
        self.kept[host] = keeper
        namespace = f"/proc/{keeper.pid}/ns/net"
        wait_for(lambda: os.readlink(namespace) != self.own, "no namespace was made")
        run("ip", "link", "add", f"host{host}", "type", "veth", "peer", "name", "wg0", "netns", str(keeper.pid))
        run("ip", "link", "set", f"host{host}", "master", "hosts", "up")
        self.bring_up(self.inside(host), host, "wg0")

    @staticmethod
    def bring_up(inside, host, device):
        run(*inside, "ip", "link", "set", "lo", "up")
        run(*inside, "ip", "address", "add", f"{address(host)}/24", "dev", device)
        run(*inside, "ip", "link", "set", device, "up")

    def inside(self, host):
        """The words that have a command run on that host."""
        return () if host == 1 else ("nsenter", f"--net=/proc/{self.kept[host].pid}/ns/net")

    def cut_off(self, host):
        run("ip", "link", "set", f"host{host}", "down")

    def join_again(self, host):
        run("ip", "link", "set", f"host{host}", "up")

    def close(self):
        for keeper in self.kept.values():
            keeper.stdin.close()
            keeper.wait()


class Hosts(Network):
    def __init__(self):
        super().__init__(COUNT)
        self.folder = Path(tempfile.mkdtemp(prefix="plugfleet-hosts-"))
        self.servers = {}
        for host in range(1, COUNT + 1):
            run(*self.inside(host), "sysctl", "-q", "-p", CONF / "sysctl.conf")
            for name in PORTS:
                self.start(name, host)

    # ---- Redis ---------------------------------------------------------------------------------------------------

    def start(self, name, host):
        """Starts a Redis or the sentinel there, on the configuration it had when it ended, if it ran before."""
        folder = self.folder / f"{name}-{host}"
        config = folder / "redis.conf"
        if not config.exists():
            folder.mkdir()
            template = CONF / ("sentinel.conf" if name == "sentinel" else f"redis-{name}.conf")
            text = template.read_text(encoding="utf-8").replace("bind 10.8.0.1", f"bind {address(host)}")
            if host > 1:
                text = text.replace("#replicaof", "replicaof")
            lines = [f"dir {folder}" if line.startswith("dir ") else line for line in text.splitlines()]
            config.write_text("\n".join([*lines, f"logfile {folder}/log", ""]), encoding="utf-8")
        words = ["setpriv", "--pdeathsig", "KILL", *self.inside(host), "redis-server", config]
        self.servers[name, host] = subprocess.Popen(
            [*words, "--sentinel"] if name == "sentinel" else words,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True,
        )

    def kill(self, name, host):
        self.servers[name, host].kill()
        self.servers[name, host].wait()

    def ask(self, name, host, *command):
        """The lines that Redis `name` of that host answers; none where it does not."""
        done = subprocess.run(
            ["redis-cli", "-h", address(host), "-p", str(PORTS[name]), *command],
            capture_output=True, text=True, timeout=30, check=False,
        )
        return done.stdout.split("\n")[:-1] if done.returncode == 0 else []

    def master(self, name):
        """The host of the Redis that calls itself the master and that all the sentinels that answer name; else None."""
        said = [self.ask("sentinel", host, "sentinel", "get-master-addr-by-name", name) for host in range(1, COUNT + 1)]
        named = {answer[0] for answer in said if answer}
        if len(named) != 1:
            return None
        host = int(named.pop().rpartition(".")[2])
        return host if self.ask(name, host, "role")[:1] == ["master"] else None

    def has_replicas(self, name, count):
        """Whether its master has so many that are up to date, and every sentinel knows them and the other sentinels."""
        host = self.master(name)
        info = self.ask(name, host, "info", "replication") if host else []
        if f"connected_slaves:{count}" not in [line.strip() for line in info]:
            return False
        for each in range(1, COUNT + 1):
            lines = self.ask("sentinel", each, "sentinel", "master", name)
            told = dict(zip(lines[::2], lines[1::2]))
            if told.get("num-other-sentinels") != str(COUNT - 1) or int(told.get("num-slaves", 0)) < count:
                return False
        return True

    # ---- Fleets --------------------------------------------------------------------------------------------------

    @staticmethod
    def settings(host):
        """What conf/hosts/fleet.conf says, as that host has it."""
        lines = (CONF / "fleet.conf").read_text(encoding="utf-8").splitlines()
        said = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
        others = [address(other) for other in range(1, COUNT + 1) if other != host]
        return {**said, "HOST_ADDRESS": address(host), "OTHER_HOSTS": " ".join(others),
                "DATABASE_HOST": "" if host == 1 else said["DATABASE_HOST"]}

    def close(self):
        for server in self.servers.values():
            end(server)
        super().close()
        shutil.rmtree(self.folder, ignore_errors=True)
