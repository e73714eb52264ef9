"""Servers to measure beside each other, and the load that is put on them.

Each server runs on one CPU (or one for each shard) and serves on loopback. What a request costs is
the CPU time, user and system, of the server's process over a run of load, divided by the requests:
a figure that hardly depends on who else wants the machine, where throughput does.
"""

import os
import pathlib
import re
import socket
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

# The tests' own way of starting servers: ports of their own, a folder, an end in any case.
from harness.ports import PORTS
from harness.resp import Connection
from harness.servers import Rldbd, Server, scratch, wait_answering

BUILD = pathlib.Path(os.environ.get("RLDB_BUILD", ROOT / "build"))
CONNECTIONS = 50
LOAD_CHUNK = 2000
LISTEN_S = 30


def parse_count(text):
    factor = {"K": 1000, "M": 1_000_000}.get(text[-1:].upper(), 1)
    return int(text[:-1] if factor > 1 else text) * factor


def pin(pid, cpus):
    for task in os.listdir(f"/proc/{pid}/task"):
        os.sched_setaffinity(int(task), cpus)


def prioritise(pid, nice):
    for task in os.listdir(f"/proc/{pid}/task"):
        os.setpriority(os.PRIO_PROCESS, int(task), nice)


def cpu_ns(pid):
    """User and system time of all threads. /proc/PID/stat has the same sum, in steps of 10 ms."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as file:
            total += int(file.read().split()[0])
    return total


def cpu_ticks(pid):
    """(user, system) of /proc/PID/stat in seconds: for the share of each."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    hz = os.sysconf("SC_CLK_TCK")
    return int(fields[11]) / hz, int(fields[12]) / hz


def wait_listening(server, port):
    deadline = time.monotonic() + LISTEN_S
    while time.monotonic() < deadline:
        if not server.alive():
            raise RuntimeError(f"{server.argv[0]} ended at start:\n{server.log()[-3000:]}")
        with socket.socket() as probe:
            probe.settimeout(0.1)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.01)
    server.stop()
    raise RuntimeError(f"{server.argv[0]} does not listen on {port}")


class Peer:
    """A server under measurement. `resp` says whether redis-benchmark can talk to it."""

    resp = True
    stores = True

    def __init__(self, name, server, port, cpus=None, nice=0):
        self.name = name
        self.server = server
        self.port = port
        if cpus is not None:
            pin(server.pid, cpus)
        prioritise(server.pid, nice)

    @property
    def pid(self):
        return self.server.pid

    def rss_bytes(self):
        return self.server.status_kib("VmRSS") * 1024

    def stop(self):
        self.server.stop()

    def info(self, section):
        """INFO as a dictionary of texts."""
        with Connection(self.port) as client:
            text = client.cmd("INFO", section)
        text = text.decode() if isinstance(text, bytes) else text
        return dict(line.split(":", 1) for line in text.split("\r\n") if ":" in line)

    def key_count(self):
        with Connection(self.port) as client:
            return client.cmd("DBSIZE")

    def flush(self):
        with Connection(self.port) as client:
            client.cmd("FLUSHALL")


class Floor(Peer):
    stores = False

    def __init__(self, value_bytes, cpu, nice, program=None):
        port = PORTS.take()
        argv = [str(program or BUILD / "perf" / "perf_floor"), str(port), "1", str(value_bytes)]
        server = Server(argv, scratch())
        wait_listening(server, port)
        super().__init__("floor", server, port, {cpu}, nice)


class RedisPeer(Peer):
    """Debian's redis-server; `aof`: None, "everysec" or "always"."""

    def __init__(self, cpu, nice, aof=None):
        folder = scratch()
        port = PORTS.take()
        argv = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", folder]
        argv += ["--save", "", "--appendonly", "yes" if aof else "no"]
        if aof:
            argv += ["--appendfsync", aof]
        server = Server(argv, folder)
        wait_answering(server, port)
        super().__init__(f"redis-aof-{aof}" if aof else "redis", server, port, {cpu}, nice)


class Memcached(Peer):
    """One worker thread, as the others have; put under load by perf_memcached_load."""

    resp = False

    def __init__(self, cpu, nice, memory_mb):
        port = PORTS.take()
        argv = ["memcached", "-p", str(port), "-U", "0", "-l", "127.0.0.1", "-t", "1"]
        argv += ["-m", str(memory_mb), "-u", "nobody", "-c", "1024"]
        server = Server(argv, scratch())
        wait_listening(server, port)
        super().__init__("memcached", server, port, {cpu}, nice)

    def key_count(self):
        with socket.create_connection(("127.0.0.1", self.port)) as link:
            link.sendall(b"stats\r\n")
            text = b""
            while not text.endswith(b"END\r\n"):
                text += link.recv(65536)
        return int(re.search(rb"STAT curr_items (\d+)", text).group(1))


class RldbPeer(Peer):
    """rldbd with a shard on each of `cpus`: the daemon pins its threads itself."""

    def __init__(self, cpus, nice, memory_max=None, name="rldbd", config=None):
        settings = {"node": {"shards": list(cpus)}, "storage": {"engine": "memory"}}
        if memory_max:
            settings["storage"]["memory_max"] = memory_max
        for section, values in (config or {}).items():
            settings.setdefault(section, {}).update(values)
        os.environ.setdefault("RLDBD", str(BUILD / "rldbd"))
        server = Rldbd(settings, shards=len(cpus))
        super().__init__(name, server, server.port, None, nice)
        self.shard_ports = server.shard_ports


# Loading ----------------------------------------------------------------------------------------


def load_resp(port, keys, value_bytes):
    """SETs all of redis-benchmark's keys, in order."""
    value = b"x" * value_bytes
    head = b"*3\r\n$3\r\nSET\r\n$16\r\nkey:%012d\r\n" + b"$%d\r\n%s\r\n" % (value_bytes, value)
    load_lines(port, keys, head, b"+OK\r\n")


def load_memcached(port, keys, value_bytes):
    line = b"set key:%012d 0 0 " + b"%d\r\n%s\r\n" % (value_bytes, b"x" * value_bytes)
    load_lines(port, keys, line, b"STORED\r\n")


def load_lines(port, keys, request, answer):
    with socket.create_connection(("127.0.0.1", port)) as link:
        for first in range(0, keys, LOAD_CHUNK):
            count = min(LOAD_CHUNK, keys - first)
            link.sendall(b"".join([request % key for key in range(first, first + count)]))
            wanted = count * len(answer)
            got = b""
            while len(got) < wanted:
                piece = link.recv(1 << 18)
                if not piece:
                    raise RuntimeError(f"port {port} closed the connection while loading")
                got += piece
            if got != answer * count:
                raise RuntimeError(f"port {port} refused a key while loading: {got[:80]}")


def load_keys(peer, keys, value_bytes):
    """Stores all keys, and makes sure that they are there."""
    if not peer.stores:
        return
    (load_resp if peer.resp else load_memcached)(peer.port, keys, value_bytes)
    count = peer.key_count()
    if count != keys:
        raise RuntimeError(f"{peer.name} holds {count} keys instead of {keys}")


# Load -------------------------------------------------------------------------------------------


def client_argv(argv, cpus, nice):
    prefix = []
    if cpus is not None:
        prefix += ["taskset", "-c", ",".join(str(cpu) for cpu in sorted(cpus))]
    if nice:
        prefix += ["nice", "-n", str(nice)]
    return prefix + argv


def run_redis_benchmark(port, op, load, cpus, nice, cluster=False):
    """Requests a second by redis-benchmark's own count."""
    argv = ["redis-benchmark", "-h", "127.0.0.1", "-p", str(port), "-t", op, "--csv"]
    argv += ["-n", str(load["requests"]), "-c", str(CONNECTIONS), "-P", str(load["pipeline"])]
    argv += ["-r", str(load["keys"]), "-d", str(load["value_bytes"])]
    argv += ["--cluster"] if cluster else []
    done = subprocess.run(client_argv(argv, cpus, nice), capture_output=True, text=True)
    found = re.search(rf'^"{op.upper()}","([\d.]+)"', done.stdout, re.MULTILINE)
    if done.returncode != 0 or not found:
        raise RuntimeError(f"{' '.join(argv)}:\n{done.stdout}{done.stderr}")
    return float(found[1])


def run_memcached_load(port, op, load, cpus, nice):
    argv = [str(BUILD / "perf" / "perf_memcached_load"), str(port), op, str(load["requests"])]
    argv += [str(CONNECTIONS), str(load["pipeline"]), str(load["keys"]), str(load["value_bytes"])]
    done = subprocess.run(client_argv(argv, cpus, nice), capture_output=True, text=True)
    found = re.match(r"(\d+) requests, ([\d.]+) seconds, (\d+) misses", done.stdout)
    if done.returncode != 0 or not found:
        raise RuntimeError(f"{' '.join(argv)}:\n{done.stdout}{done.stderr}")
    if int(found[3]) != 0:
        raise RuntimeError(f"memcached missed {found[3]} keys that were stored")
    return int(found[1]) / float(found[2])


def measure(peer, op, load, cpus, nice, cluster=False):
    """One run: microseconds of the server's CPU a request, and requests a second."""
    before_ns = cpu_ns(peer.pid)
    before = cpu_ticks(peer.pid)
    if peer.resp:
        port = peer.shard_ports[0] if cluster else peer.port
        rate = run_redis_benchmark(port, op, load, cpus, nice, cluster)
    else:
        rate = run_memcached_load(peer.port, op, load, cpus, nice)
    after = cpu_ticks(peer.pid)
    used_ns = cpu_ns(peer.pid) - before_ns
    user, system = after[0] - before[0], after[1] - before[1]
    return {
        "us": used_ns / 1000 / load["requests"],
        "rate": rate,
        "user_share": user / (user + system) if user + system > 0 else None,
    }
