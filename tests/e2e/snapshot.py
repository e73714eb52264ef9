"""Snapshots of a node that serves: each is one moment of all its cores, whole or not there at all,
and a node that starts on one has exactly that.

Writers keep three things true at every moment: the two keys of a pair, set by one MSET over both
cores, are equal; number n of a row was acknowledged before n + 1 was asked for; and pairs, row and
large values are set in one order. So a copy in which one core is ahead of another shows it.
"""

import contextlib
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import threading
import time

sys.path[0] = str(pathlib.Path(__file__).resolve().parent.parent)

# pylint: disable=wrong-import-position
from harness.cases import main
from harness.report import Skip, expect, expect_true
from harness.resp import Error
from harness.rldb import DONE, FAILED, on, run, told
from harness.servers import Rldbd, scratch

SEED = int(os.environ.get("RLDB_TEST_SEED", "0")) or random.randrange(1, 1 << 30)
KILLS = int(os.environ.get("RLDB_TEST_KILLS", "6"))
PAIRS = 16
WRITERS = 3
LARGE_BYTES = 1500000
LARGE_EVERY = 50
ENOUGH_S = 20
KEYS = int(os.environ.get("RLDB_TEST_KEYS", "50000"))
SLICE = 1000
EXPIRES_S = 4102444800  # in 2100
DEADLINE_S = 240


def start(folder, shards=2, data="/data", **storage):
    storage = {"engine": "log", "cache": "2MiB", "segment": "4MiB", **storage}
    return Rldbd({"node": {"data_dir": folder + data}, "storage": storage}, shards=shards)


class Writers:
    """Clients that write until they are ended, or the node is."""

    def __init__(self, node, found=(1,) * WRITERS):
        # The last one that was found may be there in part: it is written again.
        self.sent = [number - 1 for number in found]  # what may be there
        self.done = list(self.sent)  # what was acknowledged
        self.problem = None
        self._ended = threading.Event()
        self._threads = [
            threading.Thread(target=self._work, args=(node, index), daemon=True)
            for index in range(WRITERS)
        ]
        for thread in self._threads:
            thread.start()

    def _work(self, node, index):
        try:
            with node.connect(timeout=DEADLINE_S) as client:
                while not self._ended.is_set():
                    number = self.sent[index] = self.sent[index] + 1
                    self._write(client, index, number)
                    self.done[index] = number
        except (OSError, EOFError, ValueError):
            pass  # the node was killed
        except Exception as problem:  # pylint: disable=broad-except
            self.problem = problem

    @staticmethod
    def _write(client, index, number):
        pair = f"{index}:{number % PAIRS}"
        value = b"%d:" % number + b"v" * (number * 37 % 3000)
        words = [("MSET", "left:" + pair, value, "right:" + pair, value)]
        words.append(("SET", f"row:{index}:{number}", number))
        if number % LARGE_EVERY == 0:
            words.append(("SET", f"large:{index}", b"%d:" % number + b"l" * LARGE_BYTES))
        for word in words:
            reply = client.cmd(*word)
            if isinstance(reply, Error):
                raise AssertionError(f"{word[0]}: {reply}")

    def wait(self, count):
        """Until each has gone on by so many; by fewer on a disk that takes long for that."""
        begun, began = list(self.done), time.monotonic()
        while not self.problem:
            gone_on = min(done - before for done, before in zip(self.done, begun))
            passed_s = time.monotonic() - began
            if gone_on >= count or (gone_on > 0 and passed_s > ENOUGH_S):
                break
            expect_true(passed_s < DEADLINE_S, f"writers stand still: {self.done}")
            time.sleep(0.005)
        self.check()

    def check(self):
        if self.problem is not None:
            raise AssertionError(f"a writer failed: {self.problem!r}")

    def end(self):
        self._ended.set()
        for thread in self._threads:
            thread.join(DEADLINE_S)
        self.check()


def numbers(client, index, killed):
    """What the node has of a writer: the newest of its row, and that all fits together. A kill may
    leave a part of an MSET that was never acknowledged; a snapshot never does."""
    row = sorted(int(key.split(b":")[2]) for key in client.cmd("KEYS", f"row:{index}:*"))
    newest = len(row)
    expect(row, list(range(1, newest + 1)))
    for pair in range(PAIRS):
        left, right = client.cmd("MGET", f"left:{index}:{pair}", f"right:{index}:{pair}")
        torn = f"a torn pair: {left and left[:20]} {right and right[:20]}"
        expect_true(left == right or killed, torn)
        for value in (left, right):
            number = 0 if value is None else int(value.split(b":")[0])
            expect_true(number == 0 or value == b"%d:" % number + b"v" * (number * 37 % 3000), pair)
            # Set before that number in the row, and so perhaps one ahead of it.
            last = newest - (newest - pair) % PAIRS
            expect_true(number in (max(last, 0), newest + 1), f"{number} of {pair} by {newest}")
            expect_true(number % PAIRS == pair or number == 0, f"{number} of {pair}")
    large = client.cmd("GET", f"large:{index}")
    number = 0 if large is None else int(large.split(b":")[0])
    # Set after it, and so perhaps one behind.
    expect_true(number in (newest // LARGE_EVERY * LARGE_EVERY,
                           (newest - 1) // LARGE_EVERY * LARGE_EVERY), f"{number} by {newest}")
    expect_true(large is None or large == b"%d:" % number + b"l" * LARGE_BYTES, "a large value")
    return newest


def seen(node, killed=False):
    with node.connect(timeout=DEADLINE_S) as client:
        return [numbers(client, index, killed) for index in range(WRITERS)]


def expect_sound(path):
    code, out, err = run(["--json", "check", path])
    expect(code, DONE, f"{path}: {out} {err}")
    document = json.loads(out)
    expect((document["whole"], document["unreadable"]), (True, 0))


def snapshots(folder, data="/data"):
    path = folder + data + "/snapshots"
    return sorted(os.listdir(path)) if os.path.isdir(path) else []


def under_load():
    folder = scratch()
    node = start(folder)
    writers = Writers(node)
    bounds = []
    with node.connect(timeout=DEADLINE_S) as client:
        for name in ("one", "two", "three"):
            writers.wait(100)
            before = list(writers.done)
            expect(client.cmd("RLDB.SNAPSHOT", "CREATE", name), "OK")
            bounds.append((name, before, list(writers.sent)))
        writers.wait(100)
        expect(client.cmd("RLDB.SNAPSHOT", "LIST"), [b"one", b"three", b"two"])
        # The log goes round, over segments that it shares with the snapshots.
        writers.wait(250)
    writers.end()
    last = list(writers.done)
    expect(seen(node), last)
    for name, before, after in bounds:
        expect_sound(f"{folder}/data/snapshots/{name}")
    expect(node.stop(), 0)
    for (name, before, after), shards in zip(bounds, (2, 3, 1)):
        there = f"/data/snapshots/{name}"
        restored = start(folder, shards, there)
        found = seen(restored)
        for index in range(WRITERS):
            expect_true(before[index] <= found[index] <= after[index],
                        f"{name}: {before} <= {found} <= {after}")
        # It is a node like any other.
        more = Writers(restored, found)
        more.wait(50)
        more.end()
        expect(restored.stop(), 0)
        expect_sound(folder + there)
        print(f"     {name} on {shards} shards: {before} <= {found} <= {after}")
    node = start(folder)
    expect(seen(node), last)
    expect(node.stop(), 0)
    shutil.rmtree(folder)


def killed_meanwhile():
    folder = scratch()
    draw = random.Random(SEED)
    whole = 0
    print(f"     RLDB_TEST_SEED={SEED}")
    node = start(folder)
    took = []
    found = (1,) * WRITERS
    for kill in range(KILLS):
        writers = Writers(node, found)
        writers.wait(100)
        began = time.monotonic()
        on(node, "snapshot", "create", "timed")
        took.append(time.monotonic() - began)
        on(node, "snapshot", "delete", "timed")
        asked = threading.Event()

        def create(name, asked=asked, node=node):
            try:
                with node.connect(timeout=DEADLINE_S) as client:
                    asked.set()
                    client.cmd("RLDB.SNAPSHOT", "CREATE", name)
            except (OSError, EOFError, ValueError):
                pass

        thread = threading.Thread(target=create, args=(f"kill-{kill}",), daemon=True)
        thread.start()
        asked.wait(DEADLINE_S)
        time.sleep(draw.random() * min(took))  # at any moment of it
        node.kill()
        node.wait()
        thread.join(DEADLINE_S)
        writers.end()
        node = start(folder)
        names = snapshots(folder)
        expect_true(all(not name.startswith(".") for name in names), names)
        found = seen(node, killed=True)
        for index in range(WRITERS):
            expect_true(found[index] >= writers.done[index], f"{found} {writers.done}")
        found = [max(1, number) for number in found]
        if f"kill-{kill}" in names:
            whole += 1
            expect_sound(f"{folder}/data/snapshots/kill-{kill}")
            with start(folder, 2, f"/data/snapshots/kill-{kill}") as restored:
                seen(restored)
            expect_true(on(node, "snapshot", "delete", f"kill-{kill}") is not None, "deleted")
    on(node, "snapshot", "create", "after")
    expect(node.stop(), 0)
    with start(folder, 2, "/data/snapshots/after") as restored:
        seen(restored)
    print(f"     {KILLS} kills, {whole} snapshots were whole")
    shutil.rmtree(folder)


def names_and_errors():
    folder = scratch()
    node = start(folder)
    with node.connect() as client:
        expect(client.cmd("RLDB.SNAPSHOT", "LIST"), [])
        for name in ("", ".hidden", "a/b", "..", "x" * 65, "a b"):
            reply = client.cmd("RLDB.SNAPSHOT", "CREATE", name)
            expect_true(isinstance(reply, Error) and "name is" in str(reply), (name, reply))
        reply = client.cmd("RLDB.SNAPSHOT", "DELETE", "none")
        expect(str(reply), "ERR there is no snapshot 'none'")
        expect(client.cmd("SET", "key", "value"), "OK")
        actors = client.cmd("RLDB.KEY", "key")
        expect_true(actors is not None, "a key")
    expect(told(node, "snapshot", "create", "a.1"), {"name": "a.1", "created": True})
    code, _, err = run(["-p", str(node.port), "snapshot", "create", "a.1"])
    expect(code, FAILED)
    expect_true("already" in err, err)
    expect(told(node, "snapshot", "list"), ["a.1"])
    # One on which a node runs is not deleted from below it.
    with start(folder, 1, "/data/snapshots/a.1") as other:
        with other.connect() as client:
            expect(client.cmd("GET", "key"), b"value")
        code, _, err = run(["-p", str(node.port), "snapshot", "delete", "a.1"])
        expect(code, FAILED)
        expect_true("a node runs on" in err, err)
    wanted = {"snapshot made": 1, "snapshot not made": 1, "snapshot not deleted": 2}
    deadline = time.monotonic() + DEADLINE_S
    while (logged := {line: node.log().count(line) for line in wanted}) != wanted:
        expect_true(time.monotonic() < deadline, f"{logged}: {node.log()}")
        time.sleep(0.05)
    expect(told(node, "snapshot", "delete", "a.1"), {"name": "a.1", "deleted": True})
    expect(snapshots(folder), [])
    with node.connect() as client:
        info = client.cmd("INFO", "persistence").decode().split()
        wanted = ("snapshot_in_progress:0", "snapshots_made:1", "snapshot_failures:3")
        expect_true(all(line in info for line in wanted), info)
    # What is in the way is told, and nothing is left.
    os.rmdir(folder + "/data/snapshots")
    with open(folder + "/data/snapshots", "w", encoding="ascii"):
        pass
    with node.connect() as client:
        reply = client.cmd("RLDB.SNAPSHOT", "CREATE", "b")
        expect_true(isinstance(reply, Error) and str(reply).startswith("IOERR"), reply)
        os.unlink(folder + "/data/snapshots")
        expect(client.cmd("RLDB.SNAPSHOT", "CREATE", "b"), "OK")
        expect(client.cmd("GET", "key"), b"value")
    expect(node.stop(), 0)
    shutil.rmtree(folder)


@contextlib.contextmanager
def mounted(path, size="64m"):
    """Another filesystem there, in memory."""
    os.makedirs(path, exist_ok=True)
    words = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", path]
    done = os.geteuid() == 0 and subprocess.run(words, stderr=subprocess.DEVNULL, check=False)
    if not done or done.returncode != 0:
        raise Skip("another filesystem: that wants root and mount")
    try:
        yield
    finally:
        subprocess.run(["umount", path], check=True)


def fill(client):
    """So that what each core is filling has something in it."""
    words = [("SET", f"key:{number}", b"%d:" % number + b"v" * 2000) for number in range(400)]
    expect(set(client.pipeline(words)), {"OK"})


def expect_filled(client):
    for number in range(400):
        expect(client.cmd("GET", f"key:{number}"), b"%d:" % number + b"v" * 2000)


def refused(client, folder, name, *words, data="/data"):
    """What is in the way is told, with what to do, nothing is left, and the node goes on."""
    reply = client.cmd("RLDB.SNAPSHOT", "CREATE", name)
    for word in words:
        expect_true(isinstance(reply, Error) and word in str(reply), reply)
    expect(snapshots(folder, data), [])
    expect(client.cmd("RLDB.SNAPSHOT", "LIST"), [])
    expect_filled(client)


def another_filesystem():
    folder = scratch()
    with start(folder) as node, node.connect(timeout=DEADLINE_S) as client:
        fill(client)
        with mounted(folder + "/data/snapshots"):
            refused(client, folder, "s", "IOERR", "'s'", "another filesystem", "unmount")
        expect(client.cmd("SET", "key:0", b"0:" + b"v" * 2000), "OK")
        expect(client.cmd("RLDB.SNAPSHOT", "CREATE", "s"), "OK")
    expect_sound(folder + "/data/snapshots/s")
    with start(folder, 1, "/data/snapshots/s") as node, node.connect() as client:
        expect_filled(client)
    shutil.rmtree(folder)


def full_disk():
    folder = scratch()
    with mounted(folder + "/disk"):
        filler = folder + "/disk/filler"
        data = "/disk/data"
        with start(folder, 2, data) as node, node.connect(timeout=DEADLINE_S) as client:
            fill(client)
            # No room for a checkpoint; room for that, and not beside the reserve for the rest.
            for left in (0, 2 << 20):
                room = os.statvfs(folder + "/disk")
                with open(filler, "wb") as file:
                    os.posix_fallocate(file.fileno(), 0, room.f_bavail * room.f_bsize - left)
                refused(client, folder, "s", "NOSPACE", "'s'", "free some", data=data)
                os.unlink(filler)
            deadline = time.monotonic() + DEADLINE_S
            while (reply := client.cmd("RLDB.SNAPSHOT", "CREATE", "s")) != "OK":
                expect_true(time.monotonic() < deadline, reply)
                time.sleep(0.05)
        expect_sound(folder + data + "/snapshots/s")
        with start(folder, 1, data + "/snapshots/s") as node, node.connect() as client:
            expect_filled(client)
    shutil.rmtree(folder)


def standing_words(number):
    """What is asked for a key that nobody changes later."""
    value = b"%d:" % number + b"s" * (number % 90)
    words = [("SET", f"stands:{number}", value)]
    if number % 20000 == 1:
        words = [("SET", f"stands:{number}", value + b"L" * LARGE_BYTES)]
    elif number % 11 == 0:
        words = [("SET", f"stands:{number}", value, "EXAT", EXPIRES_S)]
    elif number % 13 == 0:
        words.append(("PEXPIRE", f"stands:{number}", 1))
    elif number % 7 == 0:
        words.append(("DEL", f"stands:{number}"))
    return words


def standing_value(number):
    words = standing_words(number)
    return words[0][2] if len(words) == 1 else None


def every_key():
    """A start on a snapshot with another number of shards: every key is compared."""
    folder = scratch()
    node = start(folder, 2, segment="16MiB")
    with node.connect(timeout=DEADLINE_S) as client:
        for first in range(0, KEYS, SLICE):
            numbers = range(first, min(first + SLICE, KEYS))
            replies = client.pipeline([words for n in numbers for words in standing_words(n)])
            expect_true(not any(isinstance(reply, Error) for reply in replies), replies[:3])
        writers = Writers(node)
        writers.wait(30)
        expect(client.cmd("RLDB.SNAPSHOT", "CREATE", "all"), "OK")
        writers.wait(30)
    writers.end()
    expect(node.stop(), 0)
    with start(folder, 3, "/data/snapshots/all", segment="16MiB") as node:
        seen(node)
        with node.connect(timeout=DEADLINE_S) as client:
            for first in range(0, KEYS, SLICE):
                numbers = range(first, min(first + SLICE, KEYS))
                found = client.cmd("MGET", *(f"stands:{number}" for number in numbers))
                for number, value in zip(numbers, found):
                    expect(value, standing_value(number), f"stands:{number}")
                asked = [number for number in numbers if number % 11 == 0 and number % 20000 != 1]
                times = client.pipeline([("EXPIRETIME", f"stands:{n}") for n in asked])
                expect(set(times), {EXPIRES_S})
    print(f"     {KEYS} keys")
    shutil.rmtree(folder)


def actors(client):
    return {value[1]: value[7] for value in client.cmd("RLDB.GET", "key")[3]}


def versions_go_apart():
    """Two nodes that go on from one moment never give out the same stamp."""
    folder = scratch()
    node = start(folder)
    with node.connect() as client:
        client.cmd("RLDB.PUT", "key", "old")
        expect(client.cmd("RLDB.SNAPSHOT", "CREATE", "s"), "OK")
        client.cmd("RLDB.PUT", "key", "ours")
        ours = actors(client)
        expect(ours[b"ours"], ours[b"old"])
    with start(folder, 2, "/data/snapshots/s") as other, other.connect() as twin:
        kept = twin.cmd("RLDB.PUT", "key", "theirs")
        theirs = actors(twin)
    expect(set(theirs), {b"old", b"theirs"})
    expect(theirs[b"old"], ours[b"old"])
    expect_true(theirs[b"theirs"] != ours[b"ours"], f"{theirs} {ours}")
    # The other node knows nothing of what its twin has written, and does not take its word.
    with node.connect() as client:
        reply = client.cmd("RLDB.PUT", "key", "after", "CONTEXT", kept)
        expect_true(isinstance(reply, Error) and str(reply).startswith("CONTEXT"), reply)
    expect(node.stop(), 0)
    # Only the first start on a snapshot begins a new life, whichever way it ends.
    with start(folder, 2, "/data/snapshots/s") as other, other.connect() as twin:
        twin.cmd("RLDB.PUT", "key", "more")
        expect(actors(twin)[b"more"], theirs[b"theirs"])
    shutil.rmtree(folder)


if __name__ == "__main__":
    main(
        "snapshot",
        [
            (
                None,
                [
                    ("snapshots under load are one moment, and start with any shards", under_load),
                    ("every key is there with another number of shards", every_key),
                    ("names, lists, errors, and one that is in use", names_and_errors),
                    ("snapshots/ on another filesystem", another_filesystem),
                    ("a disk without room", full_disk),
                    ("two nodes from one moment stamp apart", versions_go_apart),
                    ("kill -9 in the middle", killed_meanwhile),
                ],
            )
        ],
    )
