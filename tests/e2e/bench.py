"""rldb bench: what it sends, what it measures, and what --verify sees."""

import contextlib
import json
import pathlib
import re
import signal
import socket
import sys
import threading
import time

sys.path[0] = str(pathlib.Path(__file__).resolve().parent.parent)

# pylint: disable=wrong-import-position
from harness.cases import main
from harness.ports import PORTS
from harness.rldb import DONE, FAILED, fresh, on, run, told
from harness.report import expect, expect_true
from harness.servers import Rldbd


def bench(node, *words, code=DONE):
    return told(node, "bench", "--keys", "2000", *words, code=code)


def workloads(node):
    for name, operations in (
        ("a", {"read", "update"}),
        ("b", {"read", "update"}),
        ("c", {"read"}),
        ("d", {"read", "insert"}),
        ("e", {"scan", "insert"}),
        ("f", {"read", "rmw"}),
    ):
        fresh(node)
        report = bench(node, "-w", name, "-n", "3000", "--load", "--verify", "-c", "8", "-P", "4")
        result = report["run"]
        expect(set(result["operations"]), operations, f"workload {name}")
        expect(result["count"], 3000, f"workload {name}")
        expect(
            sum(part["count"] for part in result["operations"].values()), 3000, f"workload {name}"
        )
        expect(
            (result["errors"], result["lost"], result["misses"]),
            (0, 0, 0),
            f"workload {name}: {result}",
        )
        expect(report["load"]["count"], 2000, f"workload {name}")
        expect_true(result["verify"]["checked"] >= 1000, f"workload {name}")
        for part in result["operations"].values():
            latency = part["latency_us"]
            expect_true(
                0 < latency["p50"] <= latency["p99"] <= latency["max"],
                f"workload {name}: {latency}",
            )


def ways_to_send(node):
    fresh(node)
    bench(node, "--load-only")
    for words in (
        ["-P", "1"],
        ["-P", "50", "--window"],
        ["--resp3", "-t", "2"],
        ["--cluster", "-P", "8", "-c", "6", "-t", "2"],
        ["-s", node.unix_path],
        ["--distribution", "uniform", "-d", "16-2000"],
        ["--distribution", "hotspot", "-d", "exp:300"],
        ["-d", "200KiB", "-c", "4", "-P", "4"],
        ["-c", "300", "--idle", "50"],
        ["--mix", "read=1,update=1,insert=1,scan=1,rmw=1"],
    ):
        words = [*words, "--verify", "--load", "-n", "2000"]
        if "200KiB" in words:
            words = [*words, "--keys", "100"]
        report = bench(node, *words)
        expect(report["run"]["count"], 2000, f"{words}")
        expect(report["run"]["errors"], 0, f"{words}")
        expect(report["run"]["verify"]["checked"] > 0, True, f"{words}")
        expect(report["nodes"], 2 if "--cluster" in words else 1, f"{words}")


def the_same_seed(node):
    """The same keys and values, whatever the timing."""
    found = []
    for _ in range(2):
        fresh(node)
        bench(node, "-w", "set", "-n", "1000", "--seed", "42", "-c", "1", "--keys", "100000")
        with node.connect() as client:
            keys = sorted(client.cmd("KEYS", "*"))
            found.append((keys, client.cmd("MGET", *keys)))
    expect_true(900 < len(found[0][0]) <= 1000, "keys")
    expect(found[0], found[1], "two runs of one seed")


def an_open_loop(node):
    fresh(node)
    report = bench(
        node, "--rate", "2000", "--duration", "500ms", "--warmup", "100ms", "--load", "--poisson"
    )
    expect_true(report["run"]["count"] + report["run"]["unsent"] > 700, report["run"])
    expect(report["parameters"]["rate"], 2000, "all parameters are in the report")
    # A server that stops for a while: what was due meanwhile waited, and that is counted. On a busy
    # machine the stop may miss most of the run: then again, with a longer one.
    for duration_s in (1.5, 4, 10):
        latency = stopped_meanwhile(node, duration_s)
        if latency["max"] > 200_000 * duration_s and latency["p90"] > 33_000 * duration_s:
            break
    expect_true(latency["max"] > 200_000 * duration_s, latency)
    expect_true(
        latency["p90"] > 33_000 * duration_s, f"a third of the time it stood still: {latency}"
    )


def stopped_meanwhile(node, duration_s):
    """Latencies of reads from a server that stands still for a third of the time, from when they
    have begun."""
    over = threading.Event()

    def reads():
        with node.connect() as client:
            stats = client.cmd("INFO", "commandstats").decode()
        return int((re.search(r"cmdstat_get:calls=(\d+)", stats) or [0, 0])[1])

    def stop():
        before = reads()
        while reads() < before + 100 and not over.is_set():
            time.sleep(0.01)
        node.signal(signal.SIGSTOP)
        time.sleep(duration_s / 3)
        node.signal(signal.SIGCONT)

    stopper = threading.Thread(target=stop, daemon=True)
    stopper.start()
    words = ["-w", "c", "--rate", "1000", "--duration", f"{duration_s * 1000:.0f}ms", "-c", "100"]
    try:
        report = bench(node, *words)
    finally:
        over.set()
        stopper.join()
    return report["run"]["operations"]["read"]["latency_us"]


def cpu_of_the_server(node):
    fresh(node)
    for words in ([], ["--server-pid", str(node.pid)]):
        cpu = bench(node, "-n", "30000", "-P", "16", *words)["run"]["server_cpu"]
        expect_true(cpu["user_seconds"] >= 0 and cpu["us_per_request"] >= 0, cpu)
    expect(
        bench(node, "-n", "100", "--server-pid", "999999999")["run"]["server_cpu"],
        None,
        "no such process",
    )


def bench_for_people(node):
    fresh(node)
    text = on(node, "bench", "-n", "500", "--load", "--keys", "500").decode()
    for word in (
        "workload a, zipfian",
        "load: 500 operations",
        "run: 500 operations",
        "p99.9",
        "server CPU",
    ):
        expect_true(word in text, text)


class Liar:
    """A server that stores what it is told as keep(store, key, value, count) likes."""

    def __init__(self, keep, close_after=None):
        self.keep = keep
        self.close_after = close_after
        self.store = {}
        self.sets = 0
        self.port = PORTS.take()
        self.lock = threading.Lock()
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", self.port))
        self.listener.listen(64)
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)  # wakes accept, which would keep the port
        self.listener.close()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        with contextlib.suppress(OSError, ValueError), client, client.makefile("rb") as stream:
            while True:
                count = int(stream.readline()[1:])
                words = []
                for _ in range(count):
                    size = int(stream.readline()[1:])
                    words.append(stream.read(size + 2)[:-2])
                answer = self.answer(words)
                if answer is None:
                    return
                client.sendall(answer)

    def answer(self, words):
        name = words[0].upper()
        if name == b"PING":
            return b"+PONG\r\n"
        if name == b"GET":
            value = self.store.get(words[1])
            return b"$-1\r\n" if value is None else b"$%d\r\n%s\r\n" % (len(value), value)
        if name == b"SET":
            with self.lock:
                self.sets += 1
                if self.close_after is not None and self.sets > self.close_after:
                    return None
                self.keep(self.store, words[1], words[2], self.sets)
            return b"+OK\r\n"
        return b"-ERR unknown command\r\n"


def verify_sees_lies():
    words = [
        "-w",
        "a",
        "-n",
        "4000",
        "--keys",
        "50",
        "--load",
        "--verify",
        "-c",
        "4",
        "--distribution",
        "uniform",
    ]

    def run_against(keep, *extra, **options):
        with Liar(keep, **options) as liar:
            code, out, err = run(["-p", str(liar.port), "--json", "bench", *words, *extra])
            expect(code, FAILED, err)
            return json.loads(out)["run"]

    def honest(store, key, value, _):
        store[key] = value

    def forgetful(store, key, value, count):
        if count <= 50 or count % 10 != 0:
            store[key] = value

    def deaf(store, key, value, _):
        store.setdefault(key, value)

    def garbling(store, key, value, count):
        store[key] = value if count % 100 else value[:-1] + b"!"

    def cutting(store, key, value, count):
        store[key] = value if count % 100 else value[:-1]

    def mixing(store, key, value, count):
        store[key] = value
        if count % 100 == 0:
            store[b"key:000000000001"] = value

    def losing(store, key, value, count):
        store[key] = value
        if count > 50 and count % 100 == 0:
            del store[key]

    with Liar(honest) as liar:
        code, out, err = run(["-p", str(liar.port), "--json", "bench", *words])
        expect(code, DONE, err)
        expect_true(json.loads(out)["run"]["verify"]["checked"] > 1500, out)
    expect_true(run_against(forgetful)["verify"]["stale"] > 0, "lost writes")
    expect_true(run_against(deaf)["verify"]["stale"] > 0, "writes that are not done")
    expect_true(run_against(garbling)["verify"]["wrong"] > 0, "a changed byte")
    expect_true(run_against(cutting)["verify"]["wrong"] > 0, "a value cut short")
    expect_true(run_against(mixing)["verify"]["wrong"] > 0, "another key's value")
    expect_true(run_against(losing)["verify"]["missing"] > 0, "a value that is gone")
    result = run_against(honest, close_after=1000)
    expect_true(
        result["lost"] > 0 and "connection lost" in result["error_kinds"][0]["error"], result
    )


def errors_are_counted():
    """Against a node with too little memory for the values."""
    with Rldbd({"storage": {"engine": "memory", "memory_max": "4MiB"}}) as node:
        words = ["-w", "set", "-n", "3000", "--keys", "100000", "-d", "4000"]
        report = bench(node, *words, code=FAILED)
        kinds = report["run"]["error_kinds"]
        expect_true(report["run"]["errors"] > 0 and kinds[0]["count"] > 0, report["run"])
        expect(sum(kind["count"] for kind in kinds), report["run"]["errors"], "kinds")
        expect(report["run"]["count"] + report["run"]["errors"], 3000, "each is one or the other")
        bench(node, *words, "--allow-errors")


ALONE = [("--verify sees lies", verify_sees_lies), ("errors", errors_are_counted)]

CASES = [
    ("workloads", workloads),
    ("ways to send", ways_to_send),
    ("the same seed", the_same_seed),
    ("an open loop", an_open_loop),
    ("CPU of the server", cpu_of_the_server),
    ("for people", bench_for_people),
]

if __name__ == "__main__":
    main("bench", [(None, ALONE), (Rldbd, CASES)])
