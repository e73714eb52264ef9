"""perf/snapshots: what snapshots cost those who are served meanwhile.

rldbd with the log engine on one CPU, on the other `rldb bench` twice, open loops of GET and of SET
on connections of their own, with latencies from the moment at which a request was due. Each round
measures without snapshots, then with them: one after the other without a pause, or --every so many
seconds, and each is deleted when the next is whole. Ratios and differences are the medians of the
rounds'.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import threading
import time

import machine
from peers import BUILD, ROOT, pin

sys.path.insert(0, str(ROOT / "tests"))

from harness.report import Skip
from harness.resp import Connection
from harness.servers import Rldbd

PERCENTILES = ("p50", "p99", "p99_9", "max")
STORAGE = {"engine": "log", "cache": "256MiB", "segment": "64MiB"}


def parse_arguments():
    parser = argparse.ArgumentParser(
        prog="perf/snapshots", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rate", type=int, default=5_000, help="of GET a second (5000)")
    parser.add_argument("--sets", type=int, default=2_000, help="of SET a second (2000)")
    parser.add_argument("--keys", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=4, help="of each measurement (4)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--every", type=float, default=0, help="seconds from one to the next (0)")
    parser.add_argument("--shards", type=int, default=1)
    parser.add_argument("--log", action="store_true", help="show what the server logged")
    parser.add_argument("--name", help="of the result in perf/results/ (none is kept)")
    return parser.parse_args()


def bench(port, options, *more):
    command = [str(BUILD / "rldb"), "-p", str(port), "--json", "bench", "-r", str(options.keys)]
    return subprocess.Popen(
        [*command, *more], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def told(process):
    out, err = process.communicate()
    if process.returncode != 0:
        raise RuntimeError(err.strip() or "rldb bench failed")
    return json.loads(out)


class Snapshots(threading.Thread):
    """Makes and deletes them until it is stopped; counts them, and the longest."""

    def __init__(self, port, every):
        super().__init__()
        self.port, self.every = port, every
        self.stopped = threading.Event()
        self.took = []
        self.failed = None

    def run(self):
        last = None
        with Connection(self.port, timeout=60) as connection:
            while not self.stopped.is_set():
                began = time.monotonic()
                name = f"s{len(self.took)}"
                reply = connection.cmd("RLDB.SNAPSHOT", "CREATE", name)
                self.took.append(time.monotonic() - began)
                if str(reply) != "OK" and reply != b"OK":
                    self.failed = str(reply)
                    return
                if last is not None:
                    connection.cmd("RLDB.SNAPSHOT", "DELETE", last)
                last = name
                self.stopped.wait(max(0, self.every - (time.monotonic() - began)))
            if last is not None:
                connection.cmd("RLDB.SNAPSHOT", "DELETE", last)


def measure(node, options, snapshots):
    """The percentiles of GET and of SET in us, and how long each snapshot took in s."""
    maker = Snapshots(node.port, options.every)
    time_ = ["--duration", f"{options.seconds}s", "--warmup", "500ms"]
    if snapshots:
        maker.start()
    try:
        loads = [
            bench(node.port, options, "-w", kind, "-c", "16", "--rate", str(rate), *time_)
            for kind, rate in (("get", options.rate), ("set", options.sets))
        ]
        got = [told(load)["run"]["operations"] for load in loads]
    finally:
        maker.stopped.set()
        if snapshots:
            maker.join()
    if maker.failed:
        raise RuntimeError(f"RLDB.SNAPSHOT CREATE: {maker.failed}")
    of = [next(iter(operations.values()))["latency_us"] for operations in got]
    return {"GET": of[0], "SET": of[1], "took": maker.took}


def tell(rounds, options):
    for command in ("GET", "SET"):
        for name in PERCENTILES:
            without = [one["without"][command][name] for one in rounds]
            during = [one["with"][command][name] for one in rounds]
            ratio = statistics.median(b / a for a, b in zip(without, during))
            more = statistics.median(b - a for a, b in zip(without, during))
            print(
                f"{command} {name:5} {statistics.median(without) / 1000:7.2f} ms, with snapshots "
                f"{statistics.median(during) / 1000:7.2f} ms: {ratio:.2f} times, "
                f"{more / 1000:+.2f} ms"
            )
    took = [seconds for one in rounds for seconds in one["with"]["took"]]
    print(
        f"{len(took) / len(rounds) / (options.seconds + 0.5):.1f} snapshots a second, "
        f"each took {statistics.median(took) * 1000:.0f} ms, the longest {max(took) * 1000:.0f}"
    )


def main():
    options = parse_arguments()
    os.environ.setdefault("RLDBD", str(BUILD / "rldbd"))
    rounds = []
    try:
        with Rldbd({"storage": STORAGE}, shards=options.shards) as node:
            pin(node.pid, {0})
            os.sched_setaffinity(0, {1})
            told(bench(node.port, options, "-w", "set", "--load-only"))
            for _ in range(options.rounds):
                one = {"without": measure(node, options, False)}
                one["with"] = measure(node, options, True)
                rounds.append(one)
            if options.log:
                print(node.log())
    except (OSError, RuntimeError, Skip) as error:
        print(f"perf/snapshots: {error}", file=sys.stderr)
        return 1
    tell(rounds, options)
    if options.name:
        print(f"\n{machine.save(options.name, {'every': options.every, 'rounds': rounds})}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
