"""A crowd: many clients at once, each with keys of its own, so that it knows all its replies.

What one client cannot bring about alone shows here: slices that are over in the middle of
something, replies that wait behind others, hops and gates of many. Each draws its commands by a
seed of its own.
"""

import os
import pathlib
import random
import sys

sys.path[0] = str(pathlib.Path(__file__).resolve().parent.parent)

# pylint: disable=wrong-import-position
from harness.cases import main
from harness.report import expect
from harness.resp import Connection, Error
from harness.rldb import fresh
from harness.servers import start_node
from harness.together import entrances, rounds, together

CLIENTS = 24
PIPELINES = int(os.environ.get("RLDB_TEST_CROWD", "30"))  # of each client
ROUNDS_S = max(60, 4 * PIPELINES)  # less of them on a machine that takes longer
KEYS = 200
ANY = object()  # a reply that others have a part in: it only has to be one
COUNTS = (1, 2, 5, 30, 100)


class Model:
    """What one client's keys hold. Each verb draws a request and returns it with its reply."""

    def __init__(self, name, seed, sees_all):
        self.name = name
        self.sees_all = sees_all  # a shard port's KEYS tells of that shard
        self.random = random.Random(seed)
        self.held = {}

    def key(self):
        return b"%s:%d" % (self.name, self.random.randrange(KEYS))

    def keys(self):
        return [self.key() for _ in range(self.random.choice(COUNTS))]

    def value(self):
        size = self.random.choice((0, 3, 10, 50, 200, 2000))
        if self.random.random() < 0.02:
            size = self.random.choice((40_000, 300_000))
        return bytes([self.random.randrange(97, 123)]) * size

    def set(self):
        key, value = self.key(), self.value()
        self.held[key] = value
        return ("SET", key, value), "OK"

    def get(self):
        key = self.key()
        return ("GET", key), self.held.get(key)

    def mget(self):
        keys = self.keys()
        return ("MGET", *keys), [self.held.get(key) for key in keys]

    def mset(self):
        words = []
        for key in self.keys():
            self.held[key] = self.value()[:3000]
            words += [key, self.held[key]]
        return ("MSET", *words), "OK"

    def msetnx(self):
        pairs = {key: self.value()[:300] for key in self.keys()[:5]}
        unset = not any(key in self.held for key in pairs)
        if unset:
            self.held.update(pairs)
        return ("MSETNX", *(word for pair in pairs.items() for word in pair)), int(unset)

    def delete(self):
        keys = self.keys()
        return ("DEL", *keys), sum(self.held.pop(key, None) is not None for key in keys)

    def exists(self):
        keys = self.keys()
        return ("EXISTS", *keys), sum(key in self.held for key in keys)

    def append(self):
        key, value = self.key(), self.value()[:1000]
        self.held[key] = self.held.get(key, b"") + value
        return ("APPEND", key, value), len(self.held[key])

    def rename(self):
        source, destination = self.key(), self.key()
        if source not in self.held:
            return ("RENAME", source, destination), Error("ERR no such key")
        self.held[destination] = self.held.pop(source)
        return ("RENAME", source, destination), "OK"

    def copy(self):
        source = self.key()
        destination = source + b"'"
        copied = source in self.held and destination not in self.held
        if copied:
            self.held[destination] = self.held[source]
        return ("COPY", source, destination), int(copied)

    def getdel(self):
        key = self.key()
        return ("GETDEL", key), self.held.pop(key, None)

    def count(self):
        key = self.name + b":count"
        total = int(self.held.get(key, b"0")) + 7
        self.held[key] = b"%d" % total
        return ("INCRBY", key, 7), total

    def look_around(self):
        """Now and then what takes all cores."""
        words = self.random.choice(
            (("INFO",), ("CLIENT", "LIST"), ("DBSIZE",), ("SCAN", "0", "COUNT", "1000"))
        )
        return (words, ANY) if self.random.random() < 0.2 else self.get()

    def list(self):
        if self.random.random() < 0.9 or not self.sees_all:
            return self.get()
        return ("KEYS", self.name + b":*"), set(self.held)

    def pipeline(self):
        verbs = (
            *(self.set, self.set, self.set, self.get, self.get, self.get, self.mget, self.mset),
            *(self.msetnx, self.delete, self.exists, self.append, self.rename, self.copy),
            *(self.getdel, self.count, self.look_around, self.list),
        )
        depth = self.random.choice((1, 1, 2, 5, 16, 50, 120))
        return [self.random.choice(verbs)() for _ in range(depth)]


def brief(thing):
    return repr(thing)[:200]


def crowd(node):
    fresh(node)
    doors = entrances(node)

    def work(number):
        door = doors[number % len(doors)]
        model = Model(b"c%d" % number, number, door in (node.port, node.unix_path))
        with Connection(door) as client:
            for _ in rounds(PIPELINES, ROUNDS_S):
                asked = model.pipeline()
                replies = client.pipeline([request for request, _ in asked])
                for (request, wanted), got in zip(asked, replies):
                    if isinstance(wanted, set):
                        got = set(got) if len(got) == len(wanted) else got
                    if wanted is not ANY and got != wanted:
                        expect(brief(got), brief(wanted), brief(request))

    together([lambda number=number: work(number) for number in range(CLIENTS)])


CASES = [("each knows its own replies", crowd)]

if __name__ == "__main__":
    main(
        "crowd",
        [
            (lambda: start_node(shards=1), CASES),
            (start_node, CASES),
            (lambda: start_node(shards=4), CASES),
        ],
    )
