"""What a profiled server is kept busy with.

A load has `pid`, the process to look at; begin(seconds), after which it is under load for at least
so long; end(), which returns the requests a second and the server's CPU microseconds each, as far
as these are known; and stop().
"""

import json
import re
import subprocess
import time

from peers import (
    BUILD,
    Connection,
    Floor,
    RedisPeer,
    RldbPeer,
    client_argv,
    cpu_ns,
    load_keys,
)

SETTLE_S = 0.5
MANY = 2_000_000_000


class OwnLoad:
    """A server of our own. A run of load for each part, as long as that part."""

    def __init__(self, options):
        self.options = options
        self.running = None
        self.peer = self.start_server(options)
        self.pid = self.peer.pid
        try:
            if self.peer.stores:
                self.store()
        except BaseException:
            self.peer.stop()
            raise

    @staticmethod
    def start_server(options):
        cpu = options.server_cpu
        if options.server == "redis":
            return RedisPeer(cpu, 0)
        if options.server == "floor":
            return Floor(options.value, cpu, 0)
        cpus = [cpu, options.client_cpu][: options.shards]
        return RldbPeer(cpus, 0, options.memory_max)

    def start(self, argv):
        cpus = {self.options.client_cpu} if self.options.shards == 1 else None
        return subprocess.Popen(
            client_argv(argv, cpus, 0), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def stop(self):
        self.peer.stop()


class BenchLoad(OwnLoad):
    name = "rldb bench"

    def words(self, words):
        o = self.options
        argv = [str(BUILD / "rldb"), "-p", str(self.peer.port), "--json", "bench", *words]
        argv += ["--keys", str(o.keys), "-d", str(o.value), "-c", str(o.connections)]
        return argv + ["--server-pid", str(self.pid)]

    @staticmethod
    def finish(process):
        out, problem = process.communicate()
        if process.returncode != 0:
            raise RuntimeError(f"rldb bench failed: {problem.strip()}")
        return json.loads(out)

    def store(self):
        self.finish(self.start(self.words(["--load-only", "-P", "64"])))

    def begin(self, seconds):
        o = self.options
        words = ["-w", o.workload, "-P", str(o.pipeline), "--warmup", f"{SETTLE_S}s"]
        words += ["--duration", f"{seconds + 2 * SETTLE_S}s"]
        self.running = self.start(self.words(words))
        time.sleep(2 * SETTLE_S)

    def end(self):
        run = self.finish(self.running)["run"]
        cpu = run["server_cpu"]
        return run["requests_for_cpu"] / run["seconds"], cpu and cpu["us_per_request"]


class RedisBenchmarkLoad(OwnLoad):
    """It has no duration: it is ended when the part is over, and tells its rate all the time."""

    name = "redis-benchmark"

    def store(self):
        load_keys(self.peer, self.options.keys, self.options.value)

    def begin(self, _):
        o = self.options
        argv = ["stdbuf", "-o0", "redis-benchmark", "-h", "127.0.0.1", "-p", str(self.peer.port)]
        argv += ["-t", o.workload, "-n", str(MANY), "-c", str(o.connections), "-P", str(o.pipeline)]
        argv += ["-r", str(o.keys), "-d", str(o.value)]
        self.running = self.start(argv)
        time.sleep(2 * SETTLE_S)
        self.since = time.monotonic(), cpu_ns(self.pid)

    def end(self):
        seconds, ns = time.monotonic() - self.since[0], cpu_ns(self.pid) - self.since[1]
        early = self.running.poll() is not None
        self.running.kill()
        out, problem = self.running.communicate()
        found = re.findall(r"rps=[\d.]+ \(overall: ([\d.]+)", out)
        if early or not found:
            raise RuntimeError(f"redis-benchmark failed: {(problem or out).strip()[-300:]}")
        rate = float(found[-1])
        return rate, ns / 1000 / (rate * seconds)


LOADS = {"rldb": BenchLoad, "redis-benchmark": RedisBenchmarkLoad}


class FoundLoad:
    """A process that is there, with the load that it has."""

    def __init__(self, options):
        self.pid = options.pid
        self.port = options.port
        self.before = None

    def look(self):
        if not self.port:
            return None
        with Connection(self.port) as client:
            text = client.cmd("INFO", "stats")
        text = text.decode() if isinstance(text, bytes) else text
        found = re.search(r"^total_commands_processed:(\d+)", text, re.MULTILINE)
        return time.monotonic(), int(found[1])

    def begin(self, _):
        self.before = self.look()

    def end(self):
        after = self.look()
        if after is None:
            return None, None
        return (after[1] - self.before[1]) / (after[0] - self.before[0]), None

    def stop(self):
        pass
