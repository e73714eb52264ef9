"""rldbd on the log engine, ended by kill -9 again and again under mixed load.

    python3 tests/crash/crash.py [--kills N] [--seed S] [--shards N] [--sync MODE] [--judge MODE]
    python3 tests/crash/crash.py --shards 0     another number at each start: re-shards as well

What was acknowledged is there after each start: no older value, and nothing that was deleted. What
was sent and not acknowledged may have taken effect or not, each key's in their order. Now and then
the kill meets the start itself, and now and then the end is a SIGTERM.

With `--sync interval` and `never` a key may show what it held earlier, but nothing that it never
held, and nothing from before the last start. A SIGTERM loses nothing, nor does a kill after the
node itself has said that all is durable, which with `interval` has to come without any command.
--judge holds a node to the promise of another mode than it runs with."""

import argparse
import contextlib
import pathlib
import random
import shutil
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from crash.history import Writer, Wrong  # noqa: E402
from harness.resp import encode  # noqa: E402
from harness.servers import Rldbd, scratch  # noqa: E402

WRITERS = 4
KEYS = 300


class Load(threading.Thread):
    """A connection with pipelines of its writer's requests, until the server is gone."""

    def __init__(self, node, writer):
        super().__init__(daemon=True)
        self.client = node.connect(timeout=60)
        self.writer = writer
        self.problem = None
        self.stop = threading.Event()

    def run(self):
        depths = (1, 1, 4, 16, 60)
        try:
            while not self.stop.is_set():
                depth = self.writer.random.choice(depths)
                requests = [self.writer.request() for _ in range(depth)]
                self.client.send(b"".join(encode(*request) for request in requests))
                for _ in requests:
                    self.writer.reply(self.client.read())
        except Wrong as problem:
            self.problem = problem
        except TimeoutError as problem:
            self.problem = Wrong(f"no reply: {problem}")
        except (OSError, EOFError):
            pass  # it is gone
        self.client.close()


class Run:
    def __init__(self, options):
        self.options = options
        self.random = random.Random(options.seed)
        self.data = scratch()
        self.writers = [
            Writer(random.Random(self.random.random()), b"w%d" % number, KEYS)
            for number in range(WRITERS)
        ]
        self.kept = 0
        self.lost = 0
        self.durable = True  # all that was acknowledged before the last end

    def start(self, ready=True):
        storage = {
            "engine": "log",
            "sync": self.options.sync,
            "sync_interval": "100ms",
            "cache": "1MiB",
            "segment": "2MiB",
        }
        config = {"node": {"data_dir": self.data + "/data"}, "storage": storage}
        return Rldbd(config, shards=self.options.shards or self.random.randrange(1, 5), ready=ready)

    def kill_at_start(self):
        node = self.start(ready=False)
        time.sleep(self.random.uniform(0, 0.15 if self.options.shards else 0.8))
        node.kill()
        node.wait()
        node.stop()

    def check(self, node):
        with node.connect(timeout=60) as client:
            for writer in self.writers:
                kept, lost = writer.after_crash(
                    lambda names: client.cmd("MGET", *names), self.durable
                )
                self.kept += kept
                self.lost += lost
            there = sum(key.sure is not None for w in self.writers for key in w.keys.values())
            if client.cmd("DBSIZE") != there:
                raise Wrong(f"DBSIZE is {client.cmd('DBSIZE')}, and {there} keys are there")
        if "damaged" in node.log():
            raise Wrong(f"damage was reported:\n{node.log()[-2000:]}")

    def one(self):
        node = self.start()
        try:
            self.check(node)
            loads = [Load(node, writer) for writer in self.writers]
            for load in loads:
                load.start()
            time.sleep(self.random.choice((0.02, 0.1, 0.3, 0.8)) * self.random.uniform(0.5, 1.5))
            self.end(node, loads)
            for load in loads:
                load.join(60)
            try:
                node.wait()
            except subprocess.TimeoutExpired:
                raise Wrong(f"it does not end: pid {node.pid}") from None
            problems = [load.problem for load in loads if load.problem is not None]
            if problems:
                raise problems[0]
        finally:
            self.last_log = node.log()
            if node.alive():
                self.stacks(node)
                node.kill()
            node.stop()

    def end(self, node, loads):
        how = self.random.randrange(10)
        self.durable = how == 0 or self.options.judge == "always"
        if how == 0:
            node.signal(15)
            return
        if how < 4 and self.options.judge == "interval":
            for load in loads:
                load.stop.set()
            for load in loads:
                load.join(60)
            self.wait_durable(node)
            self.durable = True
        node.kill()

    @staticmethod
    def wait_durable(node):
        """Until nothing is left that could be lost: by the interval alone, since nobody asks."""
        deadline = time.monotonic() + 60
        with node.connect(timeout=60) as client:
            while b"engine_unsynced_bytes:0\r" not in client.cmd("INFO", "engine"):
                if time.monotonic() > deadline:
                    raise Wrong("a minute after the last write it is not durable")
                time.sleep(0.01)

    @staticmethod
    def stacks(node):
        """Where it hangs, if there is a debugger to tell."""
        words = ["gdb", "-p", str(node.pid), "-batch", "-ex", "thread apply all backtrace 16"]
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            subprocess.run(words, stderr=subprocess.DEVNULL, timeout=30, check=False)

    def all(self):
        for kill in range(1, self.options.kills + 1):
            try:
                if self.random.randrange(6) == 0:
                    self.kill_at_start()
                self.one()
            except Wrong as problem:
                print(f"FAIL after {kill} kills: {problem}\nits log:\n{self.last_log[-2000:]}")
                print(f"data: {self.data}; again: --seed {self.options.seed}")
                return 1
            if kill % 25 == 0:
                print(f"{kill} kills, {self.acknowledged()} writes acknowledged", flush=True)
        node = self.start()
        self.check(node)
        code = node.stop()
        shutil.rmtree(self.data)
        print(
            f"ok   crash: {self.options.kills} kills, sync {self.options.sync}, "
            f"{self.acknowledged()} acknowledged writes; of what was found then {self.kept} values "
            f"were not acknowledged, and {self.lost} older than what was"
        )
        return code

    def acknowledged(self):
        return sum(writer.acknowledged for writer in self.writers)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=15)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--shards", type=int, default=2)
    modes = ("always", "interval", "never")
    parser.add_argument("--sync", choices=modes, default="always")
    parser.add_argument("--judge", choices=modes)
    options = parser.parse_args()
    options.judge = options.judge or options.sync
    print(
        f"crash: --seed {options.seed} --kills {options.kills} --shards {options.shards} "
        f"--sync {options.sync} --judge {options.judge}"
    )
    failed = Run(options).all() != 0
    print(f"{0 if failed else 1} passed, {1 if failed else 0} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
