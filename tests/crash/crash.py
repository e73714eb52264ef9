"""rldbd on the log engine, ended by kill -9 again and again under mixed load.

    python3 tests/crash/crash.py [--kills N] [--seed S] [--shards N] [--sync MODE] [--judge MODE]
    python3 tests/crash/crash.py --shards 0     another number at each start: re-shards as well

What was acknowledged is there after each start: no older value, and nothing that was deleted. What
was sent and not acknowledged may have taken effect or not, each key's in their order. Now and then
kills meet the start itself, several in a row, and now and then the end is a SIGTERM.

With `--sync interval` and `never` a key may show what it held earlier, but nothing that it never
held, and nothing from before the last start. A SIGTERM loses nothing, nor does a kill after the
node itself has said that all is durable, which with `interval` has to come without any command.
How old what was lost was at the kill is told; --age MS is a bound for it.
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
KEYS = 1000
FIRST_STARTS = 6
REPLY_S = 300  # only what hangs takes so long
# What of INFO tells whether kills had something to meet.
MET = (b"engine_compacted_bytes", b"engine_checkpoints", b"engine_start_replayed_frames")


class Turns:
    """Many at a time, or one alone, who does not wait for ever."""

    def __init__(self):
        self._changed = threading.Condition()
        self._shared = 0
        self._wanted = 0

    @contextlib.contextmanager
    def shared(self):
        with self._changed:
            self._changed.wait_for(lambda: self._wanted == 0)
            self._shared += 1
        try:
            yield
        finally:
            with self._changed:
                self._shared -= 1
                self._changed.notify_all()

    @contextlib.contextmanager
    def alone(self):
        with self._changed:
            self._changed.wait_for(lambda: self._wanted == 0)
            self._wanted = 1
            self._changed.wait_for(lambda: self._shared == 0)
        try:
            yield
        finally:
            with self._changed:
                self._wanted = 0
                self._changed.notify_all()


class Load(threading.Thread):
    """A connection with pipelines of its writer's requests, until the server is gone. Now and then
    one begins with FLUSHALL, while the others have nothing under way."""

    def __init__(self, node, writer, writers, turns):
        super().__init__(daemon=True)
        self.client = node.connect(timeout=REPLY_S)
        self.writer = writer
        self.writers = writers
        self.turns = turns
        self.problem = None
        self.stop = threading.Event()

    def pipeline(self, first):
        depth = self.writer.random.choice((1, 1, 4, 16, 60))
        requests = first + [self.writer.request() for _ in range(depth)]
        self.client.send(b"".join(encode(*request) for request in requests))
        for _ in requests:
            self.writer.reply(self.client.read())

    def run(self):
        try:
            while not self.stop.is_set():
                if self.writer.random.randrange(800) == 0:
                    with self.turns.alone():
                        self.pipeline([self.writer.flush(self.writers)])
                else:
                    with self.turns.shared():
                        self.pipeline([])
        except Wrong as problem:
            self.problem = problem
        except TimeoutError as problem:
            self.problem = Wrong(f"no reply: {problem}")
        except (OSError, EOFError):
            pass  # it is gone
        self.client.close()


class Keeper(threading.Thread):
    """Checkpoints and snapshots meanwhile."""

    def __init__(self, node, rng, snapshots):
        super().__init__(daemon=True)
        self.client = node.connect(timeout=REPLY_S)
        self.random = rng
        self.snapshots = snapshots
        self.problem = None
        self.stop = threading.Event()

    def run(self):
        try:
            while not self.stop.wait(self.random.choice((0, 0.02, 0.1))):
                if self.random.randrange(2) == 0:
                    self.client.cmd("BGSAVE")
                elif len(self.snapshots.sure) < 3:
                    self.snapshots.create(self.client)
                else:
                    self.snapshots.delete(self.client, self.random)
        except Wrong as problem:
            self.problem = problem
        except TimeoutError as problem:
            self.problem = Wrong(f"no reply: {problem}")
        except (OSError, EOFError):
            pass  # it is gone
        self.client.close()


class Snapshots:
    """Those that are there: what was acknowledged, and the one whose command had no reply."""

    def __init__(self):
        self.sure = set()
        self.asked = None
        self.made = 0

    def _ask(self, client, verb, name):
        self.asked = name
        reply = client.cmd("RLDB.SNAPSHOT", verb, name)
        if reply != "OK":
            raise Wrong(f"RLDB.SNAPSHOT {verb} is answered {reply!r}")
        self.asked = None

    def create(self, client):
        self.made += 1
        name = f"s{self.made}"
        self._ask(client, "CREATE", name)
        self.sure.add(name)

    def delete(self, client, rng):
        name = rng.choice(sorted(self.sure))
        self._ask(client, "DELETE", name)
        self.sure.remove(name)

    def check(self, client):
        found = {name.decode() for name in client.cmd("RLDB.SNAPSHOT", "LIST")}
        if found - {self.asked} != self.sure - {self.asked}:
            raise Wrong(f"snapshots are {found}, acknowledged {self.sure}, asked {self.asked}")
        self.sure = found
        self.asked = None


class Run:
    def __init__(self, options):
        self.options = options
        self.random = random.Random(options.seed)
        self.data = scratch()
        self.writers = [
            Writer(random.Random(self.random.random()), b"w%d" % number, KEYS)
            for number in range(WRITERS)
        ]
        self.snapshots = Snapshots()
        self.kept = 0
        self.lost = 0
        self.age_ms = 0  # of the oldest that was lost, at the kill
        self.ended = 0  # when the last kill was
        self.kills = 0  # under load
        self.early = 0  # before the node was ready
        self.met = dict.fromkeys(MET, 0)
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
        self.early += not any(line.startswith("ready:") for line in node.output)
        node.kill()
        node.wait()
        node.stop()

    def check(self, node):
        with node.connect(timeout=REPLY_S) as client:
            for writer in self.writers:
                kept, lost = writer.after_crash(client, self.durable)
                self.kept += kept
                self.lost += len(lost)
                self.age_ms = max([self.age_ms, *((self.ended - at) * 1000 for at in lost)])
            if self.options.age is not None and self.age_ms > self.options.age:
                raise Wrong(f"what was lost had been acknowledged {self.age_ms:.0f} ms before")
            there = sum(writer.there() for writer in self.writers)
            mortal = sum(len(writer.mortal) for writer in self.writers)
            size = client.cmd("DBSIZE")
            if not there <= size <= there + mortal:  # expired ones are counted until compaction
                raise Wrong(f"DBSIZE is {size}, and {there} keys are there beside {mortal}")
            self.snapshots.check(client)
        if "damaged" in node.log():
            raise Wrong(f"damage was reported:\n{node.log()[-2000:]}")

    def one(self):
        node = self.start()
        threads = []
        try:
            self.check(node)
            turns = Turns()
            threads = [Load(node, writer, self.writers, turns) for writer in self.writers]
            if self.random.randrange(2) == 0:
                threads.append(Keeper(node, self.random, self.snapshots))
            for thread in threads:
                thread.start()
            time.sleep(self.random.choice((0.02, 0.1, 0.3, 0.8)) * self.random.uniform(0.5, 1.5))
            self.note(node)
            self.end(node, threads)
            for thread in threads:
                thread.join(REPLY_S)
            try:
                node.wait()
            except subprocess.TimeoutExpired:
                raise Wrong(f"it does not end: pid {node.pid}") from None
            problems = [thread.problem for thread in threads if thread.problem is not None]
            if problems:
                raise problems[0]
        finally:
            self.last_log = node.log()
            if node.alive():
                self.stacks(node)
                node.kill()
            node.stop()

    def note(self, node):
        """Adds up what this life has met."""
        with contextlib.suppress(OSError, EOFError), node.connect(timeout=REPLY_S) as client:
            lines = client.cmd("INFO", "engine").split(b"\r\n")
            for name, _, value in (line.partition(b":") for line in lines):
                if name in MET:
                    self.met[name] += int(value)

    def end(self, node, threads):
        how = self.random.randrange(10)
        self.durable = how == 0 or self.options.judge == "always"
        if how == 0:
            node.signal(15)
            return
        if how < 4 and self.options.judge == "interval":
            for thread in threads:
                thread.stop.set()
            for thread in threads:
                thread.join(REPLY_S)
            self.wait_durable(node)
            self.durable = True
        self.ended = time.monotonic()
        node.kill()
        self.kills += 1

    @staticmethod
    def wait_durable(node):
        """Until nothing is left that could be lost: by the interval alone, since nobody asks."""
        deadline = time.monotonic() + REPLY_S
        with node.connect(timeout=REPLY_S) as client:
            while b"engine_unsynced_bytes:0\r" not in client.cmd("INFO", "engine"):
                if time.monotonic() > deadline:
                    raise Wrong("long after the last write it is not durable")
                time.sleep(0.01)

    @staticmethod
    def stacks(node):
        """Where it hangs, if there is a debugger to tell."""
        words = ["gdb", "-p", str(node.pid), "-batch", "-ex", "thread apply all backtrace 16"]
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            subprocess.run(words, stderr=subprocess.DEVNULL, timeout=30, check=False)

    def all(self):
        said = 0
        for _ in range(FIRST_STARTS):  # until it stays, each is the first of the directory
            self.kill_at_start()
        while self.kills < self.options.kills:
            try:
                while self.random.randrange(6) == 0:
                    self.kill_at_start()
                self.one()
            except Wrong as problem:
                print(f"FAIL after {self.kills} kills: {problem}\nits log:")
                print(self.last_log[-2000:])
                print(f"data: {self.data}; again: --seed {self.options.seed}")
                return 1
            if self.kills >= said + 25:
                said = self.kills
                print(f"{self.kills} kills, {self.acknowledged()} writes acknowledged", flush=True)
        node = self.start()
        self.check(node)
        code = node.stop()
        shutil.rmtree(self.data)
        met = ", ".join(f"{name.decode()[7:]} {count}" for name, count in self.met.items())
        print(
            f"ok   crash: {self.kills} kills under load and {self.early} of a start that was not "
            f"through, sync {self.options.sync}, {self.acknowledged()} acknowledged writes, "
            f"{self.snapshots.made} snapshots begun; met: {met}; of what was found then "
            f"{self.kept} values were not acknowledged, and {self.lost} older than what was"
            + (f", by {self.age_ms:.0f} ms at most" if self.lost else "")
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
    parser.add_argument("--age", type=float, metavar="MS")
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
