"""Starting and stopping the servers under test: rldbd, and Debian's redis-server beside it."""

import json
import os
import pathlib
import re
import resource
import shutil
import signal
import subprocess
import tempfile
import threading
import time

from .ports import PORTS
from .report import expect_true
from .resp import Connection

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
# Long enough for a machine that is slow, busy and has a slow disk: only what hangs takes so long.
START_S = 240
STOP_S = 240


def rldbd_path():
    """The daemon under test: RLDBD, or what the usual build folder holds."""
    return os.environ.get("RLDBD", str(ROOT / "build" / "rldbd"))


class Server:
    """A child process in a folder of its own, with its output in a file."""

    def __init__(self, argv, folder, env=None, nofile=None):
        self.argv = argv
        self.folder = folder
        self.log_path = os.path.join(folder, "log")
        limits = None
        if nofile is not None:

            def limits():
                resource.setrlimit(resource.RLIMIT_NOFILE, (nofile, nofile))

        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                argv,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                env=env,
                preexec_fn=limits,
            )
        self.pid = self.process.pid
        self.output = []
        self._last_log = None
        self._reader = threading.Thread(target=self._read_output, daemon=True)
        self._reader.start()

    def _read_output(self):
        with open(self.log_path, "ab") as log:
            for line in self.process.stdout:
                self.output.append(line.decode("utf-8", "replace").rstrip("\n"))
                log.write(line)
                log.flush()

    def log(self):
        """All that it wrote, also after stop()."""
        if self._last_log is not None:
            return self._last_log
        with open(self.log_path, encoding="utf-8", errors="replace") as log:
            return log.read()

    def alive(self):
        return self.process.poll() is None

    def status_kib(self, field):
        """A line of /proc/PID/status in KiB, such as VmRSS or VmHWM."""
        with open(f"/proc/{self.pid}/status", encoding="ascii") as status:
            return int(re.search(rf"^{field}:\s+(\d+) kB", status.read(), re.M).group(1))

    def memory_kib(self):
        """What the process has in RAM of its own: anonymous pages and shared ones of its own (a
        backend may place buffers in shared memory), without the pages of its program file."""
        return self.status_kib("RssAnon") + self.status_kib("RssShmem")

    def growth_kib(self, before, bound):
        """What it has grown by since memory_kib() was `before`, once that is below the bound: what
        connections held that were closed comes back a while later."""
        deadline = time.monotonic() + START_S
        while self.memory_kib() - before >= bound and time.monotonic() < deadline:
            time.sleep(0.1)
        grown = self.memory_kib() - before
        expect_true(grown < bound, f"the process grew by {grown} KiB")
        return grown

    def cpu_s(self):
        with open(f"/proc/{self.pid}/stat", encoding="ascii") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, timeout=STOP_S):
        """The exit status, once the process has ended by itself."""
        code = self.process.wait(timeout)
        self._reader.join(5)
        return code

    def stop(self):
        """Ends the process, politely first, and removes its folder. Returns the exit status."""
        if self.alive():
            self.process.terminate()
        try:
            code = self.wait()
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.wait()
        self.process.stdout.close()
        self._last_log = self.log()
        if not os.environ.get("RLDB_TEST_KEEP"):
            shutil.rmtree(self.folder, ignore_errors=True)
        return code

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def scratch():
    return tempfile.mkdtemp(prefix="rldb-test-")


def wait_answering(server, address):
    """Until PING is answered, or an error with the server's own words."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if not server.alive():
            raise RuntimeError(f"{server.argv[0]} ended at start:\n{server.log()[-3000:]}")
        try:
            with Connection(address, timeout=5) as client:
                client.cmd("PING")
            return
        except (OSError, EOFError):
            time.sleep(0.02)
    raise RuntimeError(f"{server.argv[0]} does not answer:\n{server.log()[-3000:]}")


class Redis(Server):
    """redis-server 7.0 without persistence. `config` is a list of its configuration lines."""

    def __init__(self, config=(), password=None):
        folder = scratch()
        self.port = PORTS.take()
        self.unix_path = os.path.join(folder, "client.sock")
        lines = [
            f"port {self.port}",
            "bind 127.0.0.1",
            f"unixsocket {self.unix_path}",
            f"dir {folder}",
            'save ""',
            "appendonly no",
            "daemonize no",
            *config,
        ]
        if "cluster-enabled yes" in config:
            # By default 10000 above the port, which may be among those that connections get.
            lines.append(f"cluster-port {PORTS.take()}")
        path = os.path.join(folder, "redis.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
        super().__init__(["redis-server", path], folder)
        self.password = password
        wait_answering(self, self.port)

    def connect(self, **options):
        return Connection(self.port, **options)


def merge(base, over):
    """`over` laid onto `base`, folder by folder."""
    out = dict(base)
    for key, value in over.items():
        if isinstance(value, dict) and isinstance(out.get(key), dict):
            value = merge(out[key], value)
        out[key] = value
    return out


def config_text(config):
    """YAML: JSON is a part of it, and sections on lines of their own read better in a log."""
    return "".join(f"{section}: {json.dumps(values)}\n" for section, values in config.items())


def storage():
    """The engine that RLDB_TEST_ENGINE names: log, the default, with a cache that most keys of a
    test do not fit into, and segments that are soon full; or memory."""
    if os.environ.get("RLDB_TEST_ENGINE", "log") == "memory":
        return {"engine": "memory"}
    return {"engine": "log", "cache": "1MiB", "segment": "4MiB", "disk_reserve": "0%"}


class Rldbd(Server):
    """rldbd with two shards on the engine of this test run, its ports from the block of it.

    `config` is laid over the defaults below. The client port, the shard ports behind it and the
    peer port are free ones unless it names them.
    """

    def __init__(self, config=None, shards=2, ready=True, nofile=None, env=None):
        folder = scratch()
        config = config or {}
        first = PORTS.take(shards + 2)
        self.port = first
        self.peer_port = first + shards + 1
        self.unix_path = os.path.join(folder, "client.sock")
        self.config = merge(
            {
                "node": {"name": "n1", "data_dir": os.path.join(folder, "data"), "shards": shards},
                "listen": {
                    "client": [f"127.0.0.1:{self.port}", f"unix:{self.unix_path}"],
                    "peer": f"127.0.0.1:{self.peer_port}",
                    "shard_port_base": first + 1,
                },
                "storage": storage(),
            },
            config,
        )
        self.shard_ports = [first + 1 + index for index in range(shards)]
        self.config_path = os.path.join(folder, "rldbd.yaml")
        with open(self.config_path, "w", encoding="utf-8") as file:
            file.write(config_text(self.config))
        super().__init__([rldbd_path(), "--config", self.config_path], folder, env, nofile)
        if ready:
            self.wait_ready()

    def wait_ready(self):
        """Until the line that INTERFACE promises; returns it."""
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            for line in self.output:
                if line.startswith("ready: client "):
                    return line
            if not self.alive():
                self._reader.join(5)
                raise RuntimeError(f"rldbd ended at start:\n{self.log()[-3000:]}")
            time.sleep(0.01)
        raise RuntimeError(f"rldbd never got ready:\n{self.log()[-3000:]}")

    def connect(self, **options):
        return Connection(self.port, **options)

    def kill(self):
        self.signal(signal.SIGKILL)


def _redis_words(config):
    """What of a node's configuration redis-server has a word for."""
    clients = config.get("clients", {})
    lines = []
    if "output_max" in clients:
        size = clients["output_max"].replace("KiB", "kb").replace("MiB", "mb")
        lines.append(f"client-output-buffer-limit normal {size} 0 0")
    if "idle_timeout" in clients:
        lines.append(f"timeout {clients['idle_timeout'].rstrip('s')}")
    if "max" in clients:
        lines.append(f"maxclients {clients['max']}")
    users = config.get("auth", {}).get("users_file")
    if users:
        lines.append(f"aclfile {users}")
    return lines


def start_node(config=None, **options):
    """rldbd; or, with RLDB_TEST_AGAINST=redis, the server that it is to be like, to try a test
    on."""
    if os.environ.get("RLDB_TEST_AGAINST") == "redis":
        return Redis(["enable-debug-command yes", *_redis_words(config or {})])
    return Rldbd(config, **options)


def against_redis():
    return os.environ.get("RLDB_TEST_AGAINST") == "redis"
