"""Values of megabytes: every command on them against a plain model.

What is long is copied in slices, while others are served (cluster/haul.h). What is done in many
steps must come to what is done in one.
"""

import contextlib
import os
import pathlib
import random
import resource
import sys
import time

sys.path[0] = str(pathlib.Path(__file__).resolve().parent.parent)

# pylint: disable=wrong-import-position
from harness.cases import main
from harness.report import expect, expect_true
from harness.resp import Connection, encode
from harness.rldb import fresh
from harness.servers import start_node, storage

STEPS = int(os.environ.get("RLDB_TEST_LONG", "60"))
SEED = int(os.environ.get("RLDB_TEST_SEED", "1"))
SIZES = (10, (1 << 20) - 200, 1 << 20, (1 << 20) + 1, 3_000_001, 9_000_000)
LONGEST = 24 << 20
KEYS = [b"k%d" % number for number in range(4)]


class Model:
    """Draws a request, and returns it with its reply."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.held = {}
        self.values = [self.random.randbytes(size) for size in SIZES] + [b"17"]

    def value(self):
        return self.random.choice(self.values)

    def set(self, key, old):
        new = self.value()
        self.held[key] = new
        return self.random.choice(
            [
                (("SET", key, new), "OK"),
                (("SET", key, new, "EX", "1000"), "OK"),
                (("SET", key, new, "GET"), old),
                (("GETSET", key, new), old),
            ]
        )

    def read(self, key, old):
        size = len(old or b"")
        first = self.random.randrange(size + 10)
        last = self.random.randrange(first, size + 20)
        return self.random.choice(
            [
                (("GET", key), old),
                (("STRLEN", key), size),
                (("GETEX", key, "EX", "1000"), old),
                (("EXPIRE", key, "1000"), int(old is not None)),
                (("GETRANGE", key, first, last), (old or b"")[first : last + 1]),
                (("MGET", *KEYS), [self.held.get(each) for each in KEYS]),
            ]
        )

    def append(self, key, old):
        new = (old or b"") + self.value()
        if len(new) > LONGEST:
            return self.remove(key, old)
        self.held[key] = new
        return ("APPEND", key, new[len(old or b"") :]), len(new)

    def overwrite(self, key, old):
        part = self.value()
        at = self.random.randrange(4_000_000)
        old = old or b""
        new = old[:at] + bytes(max(0, at - len(old))) + part + old[at + len(part) :]
        if len(new) > LONGEST:
            return self.remove(key, old)
        self.held[key] = new
        return ("SETRANGE", key, at, part), len(new)

    def remove(self, key, old):
        there = self.held.pop(key, None)
        verb = self.random.choice(["DEL", "GETDEL"])
        return (verb, key), int(there is not None) if verb == "DEL" else there

    def transfer(self, key, old):
        if old is None:
            return self.set(key, old)
        to = self.random.choice([each for each in KEYS if each != key])
        self.held[to] = old
        if self.random.randrange(2):
            return ("COPY", key, to, "REPLACE"), 1
        del self.held[key]
        return ("RENAME", key, to), "OK"

    def several(self, key, old):
        pairs = {each: self.value() for each in KEYS[:3]}
        self.held.update(pairs)
        return ("MSET", *[word for pair in pairs.items() for word in pair]), "OK"

    def draw(self):
        key = self.random.choice(KEYS)
        verb = self.random.choice(
            [self.set, self.read, self.read, self.append, self.overwrite, self.remove]
            + [self.transfer, self.several]
        )
        return verb(key, self.held.get(key))


def brief(thing):
    return f"{len(thing)} bytes, {thing[:40]!r}" if isinstance(thing, bytes) else repr(thing)[:200]


def follows_the_model(node):
    fresh(node)
    for seed in range(SEED, SEED + 2):
        model = Model(seed)
        with Connection(node.port, timeout=240) as client:
            client.cmd("DEL", *KEYS)
            for step in range(STEPS):
                request, wanted = model.draw()
                got = client.cmd(*request)
                if got != wanted:
                    said = f"seed {seed}, step {step}: {brief(request)}"
                    expect(brief(got), brief(wanted), said)


def no_room():
    """A value whose file the disk does not take is refused, and all else goes on."""
    if storage()["engine"] != "log":
        return
    value = b"v" * (12 << 20)
    unlimited = resource.RLIM_INFINITY
    with start_node(shards=1) as node, Connection(node.port, timeout=240) as client:
        expect(client.cmd("SET", "long", value[: 3 << 20]), "OK")
        resource.prlimit(node.process.pid, resource.RLIMIT_FSIZE, (8 << 20, unlimited))
        for verb in ("SET", "APPEND", "SET"):
            said = client.cmd(verb, "long", value)
            expect(str(said).split(" ", maxsplit=1)[0], "NOSPACE", brief(said))
        expect(client.cmd("SET", "short", "v"), "OK", "beside it")
        expect_true(client.cmd("GET", "long") == value[: 3 << 20], "what was there")
        resource.prlimit(node.process.pid, resource.RLIMIT_FSIZE, (unlimited, unlimited))
        end = time.monotonic() + 240
        while client.cmd("SET", "long", value) != "OK":
            expect_true(time.monotonic() < end, "there is room again")
        expect_true(client.cmd("GET", "long") == value, "what was written then")
        expect(node.stop(), 0)


def disk_reads(client):
    lines = client.cmd("INFO", "engine").decode().split("\r\n")
    return int(next(line for line in lines if line.startswith("engine_disk_reads:")).split(":")[1])


def are_read_once(node):
    """What is long does not stay in RAM: reading it ahead of its turn would read it twice."""
    fresh(node)
    keys = ["read%d" % number for number in range(40)]
    with Connection(node.port, timeout=240) as client:
        for key in keys:
            client.cmd("SET", key, b"v" * 1_200_000)
        for verb, wanted in (("EXISTS", 40), ("TOUCH", 40), ("DEL", 40)):
            before = disk_reads(client)
            expect(client.cmd(verb, *keys), wanted, verb)
            # Each, and the record that names its file.
            expect(disk_reads(client) - before <= 2 * len(keys), True, "reads of " + verb)


def fit_beside_many_small(node):
    """What many small records may take of the disk is not what large values take of RAM."""
    fresh(node)
    numbers = range(70_000)
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Connection(node.port, timeout=240)) for _ in range(4)]
        for at, client in enumerate(clients):
            pairs = [word for number in numbers for word in (f"{at}:{number}", "v" * 20)]
            client.send(encode("MSET", *pairs))
        for client in clients:
            expect(client.read(), "OK", "MSET of 70,000 keys, four at once")


CASES = [
    ("long values follow the model", follows_the_model),
    ("each of many long values is read once", are_read_once),
    ("MSETs of 70,000 keys side by side", fit_beside_many_small),
]
REFUSED = [("a long value that the disk has no room for", no_room)]

if __name__ == "__main__":
    main(
        "long_values",
        [(lambda: start_node(shards=1), CASES), (start_node, CASES), (None, REFUSED)],
    )
