"""Versions: RLDB.GET, RLDB.PUT and RLDB.DEL beside a model of what clients read and wrote.

The model keeps the values of a key by their stamps. A write takes away what its context covers,
and, without a context, nothing (RLDB.PUT) or all there is (plain commands and RLDB.DEL).
"""

import pathlib
import random
import sys

sys.path[0] = str(pathlib.Path(__file__).resolve().parent.parent)

# pylint: disable=wrong-import-position
from harness.cases import main
from harness.report import expect, expect_true
from harness.resp import Connection, Error
from harness.servers import start_node
from harness.together import entrances

KEYS = [f"key:{number}" for number in range(6)]  # on both cores
STEPS = 3000
SEED = 20261122
SIBLINGS = 64  # LIMIT_SIBLINGS of core/limits.h


def values_of(client, key):
    """The context of a key and its values by stamp, newest first as the server has to send them."""
    reply = client.cmd("RLDB.GET", key)
    if reply is None:
        return None, {}
    context, values = reply[1], [dict(zip(value[::2], value[1::2])) for value in reply[3]]
    stamps = [value[b"hlc"] for value in values]
    expect(stamps, sorted(stamps, reverse=True), "the order of values")
    return context, {value[b"hlc"]: value[b"value"] for value in values}


class Model:
    """What each key holds, and the contexts that clients have, with what each covers."""

    def __init__(self, doors, rand):
        self.doors = doors
        self.rand = rand
        self.held = {key: {} for key in KEYS}
        self.contexts = {key: [] for key in KEYS}

    def cmd(self, *words):
        return self.rand.choice(self.doors).cmd(*words)

    def read(self, key):
        context, values = values_of(self.rand.choice(self.doors), key)
        expect(values, self.held[key], key)
        if context is not None:
            self.contexts[key].append((context, set(values)))

    def settle(self, key, covered, value):
        """The write covered some values, and `value`, unless None, came under a new stamp. Returns
        that stamp."""
        left = {stamp: v for stamp, v in self.held[key].items() if stamp not in covered}
        _, values = values_of(self.rand.choice(self.doors), key)
        new = set(values) - set(self.held[key])
        expect([values[stamp] for stamp in new], [] if value is None else [value], key)
        stamp = new.pop() if new else None
        expect(values, left if stamp is None else {**left, stamp: value}, key)
        self.held[key] = values
        return stamp

    def put(self, key, value):
        context, covered = self.rand.choice([(None, set()), *self.contexts[key][-4:]])
        words = [] if context is None else ["CONTEXT", context]
        reply = self.cmd("RLDB.PUT", key, value, *words)
        if isinstance(reply, Error):
            expect_true(reply.args[0].startswith("SIBLINGS "), f"{key}: {reply}")
            expect(len(self.held[key]), SIBLINGS, f"refused a value of {key}")
            return
        stamp = self.settle(key, covered, value)
        self.contexts[key].append((reply, covered | {stamp}))

    def remove(self, key):
        context, covered = self.rand.choice([(None, None), *self.contexts[key][-4:]])
        if context is None:
            covered = set(self.held[key])
            reply = self.cmd(self.rand.choice(["DEL", "RLDB.DEL", "UNLINK"]), key)
        else:
            reply = self.cmd("RLDB.DEL", key, "CONTEXT", context)
        expect(reply, 1 if covered & set(self.held[key]) else 0, f"the reply to a delete of {key}")
        self.settle(key, covered, None)

    def change(self, key, value):
        held = self.held[key]
        newest = held[max(held)] if held else b""
        if self.rand.random() < 0.5:
            expect(self.cmd("SET", key, value), "OK")
            self.settle(key, set(held), value)
        else:
            expect(self.cmd("APPEND", key, value), len(newest) + len(value))
            self.settle(key, set(held), newest + value)

    def look(self, key):
        held = self.held[key]
        newest = held[max(held)] if held else None
        expect(self.cmd("GET", key), newest, f"GET {key}")
        expect(self.cmd("EXISTS", key), 1 if held else 0, f"EXISTS {key}")
        expect(self.cmd("PEXPIRE", key, 10**9), 1 if held else 0, f"PEXPIRE {key}")
        expect(self.cmd("STRLEN", key), len(newest or b""), f"STRLEN {key}")


def as_modelled(node):
    """Reads, puts and deletes, with contexts new and old, among plain commands, by all doors."""
    rand = random.Random(SEED)
    print(f"seed {SEED}")
    doors = [Connection(address) for address in entrances(node)]
    expect(doors[0].cmd("FLUSHALL"), "OK")
    model = Model(doors, rand)
    for step in range(STEPS):
        key = rand.choice(KEYS)
        what = rand.randrange(10)
        if what < 3:
            model.read(key)
        elif what < 6:
            model.put(key, b"put %d" % step)
        elif what < 7:
            model.remove(key)
        elif what < 8:
            model.change(key, b"set %d" % step)
        else:
            model.look(key)
    for door in doors:
        door.close()


def spoilt_contexts(node):
    """A context with any letter changed, cut, lengthened or of another key is refused, and the key
    stays as it is."""
    with node.connect() as client:
        expect(client.cmd("FLUSHALL"), "OK")
        client.cmd("RLDB.PUT", "k", "read")
        context, held = values_of(client, "k")
        wrong = [context[:-1], context + b"A", context + b"=", context * 2, b"", b"A" * 60000]
        for at in range(len(context)):
            for letter in b"Az09-_=+/\n\0 ":
                if letter != context[at]:
                    wrong.append(context[:at] + bytes([letter]) + context[at + 1 :])
        requests = [("RLDB.PUT", "k", "forged", "CONTEXT", text) for text in wrong]
        requests += [("RLDB.DEL", "k", "CONTEXT", text) for text in wrong]
        requests.append(("RLDB.PUT", "l", "forged", "CONTEXT", context))
        for request, reply in zip(requests, client.pipeline(requests)):
            expect_true(
                isinstance(reply, Error) and reply.args[0].startswith("CONTEXT "),
                f"{request[:3]} {request[-1][:80]!r}: {reply!r}",
            )
        expect(values_of(client, "k")[1], held)
        expect(client.cmd("DBSIZE"), 1)


def options_once(node):
    """Of two expiries or two contexts one would be dropped unsaid: that is refused."""
    with node.connect() as client:
        expect(client.cmd("FLUSHALL"), "OK")
        context = client.cmd("RLDB.PUT", "k", "read")
        held = values_of(client, "k")[1]
        for words in [
            ("EX", 10, "PX", 10),
            ("PX", 10, "EX", 10),
            ("EX", 10, "EX", 10),
            ("CONTEXT", context, "CONTEXT", context),
            ("EX", 10, "CONTEXT", context, "PX", 10),
        ]:
            reply = client.cmd("RLDB.PUT", "k", "new", *words)
            expect(reply, Error("ERR syntax error"), f"RLDB.PUT k new {words}")
        expect(values_of(client, "k")[1], held)
        reply = client.cmd("RLDB.PUT", "k", "new", "PX", 100000, "W", "one", "CONTEXT", context)
        expect_true(isinstance(reply, bytes), f"all of them once: {reply!r}")
        expect(list(values_of(client, "k")[1].values()), [b"new"])
        expect_true(0 < client.cmd("PTTL", "k") <= 100000, "PX among others")


def too_large_together(node):
    """Values that are too large beside each other are refused, and not called too large each."""
    half = "x" * (40 << 20)
    with node.connect() as client:
        expect(client.cmd("FLUSHALL"), "OK")
        context = client.cmd("RLDB.PUT", "k", half)
        reply = client.cmd("RLDB.PUT", "k", half)
        expect_true(isinstance(reply, Error), "two of 40 MiB are over 64 MiB")
        expect_true(reply.args[0].startswith("TOOLARGE what the key would hold "), str(reply))
        expect(len(values_of(client, "k")[1]), 1)
        expect_true(isinstance(client.cmd("RLDB.PUT", "k", half, "CONTEXT", context), bytes), "one")
        expect(client.cmd("FLUSHALL"), "OK")


def nodes_known(node):
    """CLUSTER INFO counts as many nodes as CLUSTER NODES lists, through every door."""
    for address in entrances(node):
        with Connection(address) as client:
            lines = client.cmd("CLUSTER", "NODES").decode().splitlines()
            expect(sum("myself" in line for line in lines), 1, f"myself at {address}")
            known = f"cluster_known_nodes:{len([line for line in lines if line])}"
            info = client.cmd("CLUSTER", "INFO").decode().split("\r\n")
            expect_true(known in info, f"at {address}: no {known} in {info}")


CASES = [
    ("values and contexts as a model has them", as_modelled),
    ("a context that was changed is refused", spoilt_contexts),
    ("an expiry and a context at most once", options_once),
    ("concurrent values that are too large together", too_large_together),
    ("CLUSTER INFO knows the nodes of CLUSTER NODES", nodes_known),
]

if __name__ == "__main__":
    main("versions", [(start_node, CASES)])
