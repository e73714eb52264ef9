"""Order and all-or-nothing, as many clients at once see them.

Every case runs against a node with two shards, over the client port, and where it says so over the
ports of the shards and the unix socket too. Threads of clients work for a stated number of rounds,
or for a stated time on a slow machine.
"""

import pathlib
import random
import sys
import threading

sys.path[0] = str(pathlib.Path(__file__).resolve().parent.parent)

# pylint: disable=wrong-import-position
from harness.cases import main
from harness.report import expect, expect_true
from harness.resp import Connection, Error
from harness.servers import start_node
from harness.together import entrances, rounds, together

# Enough keys that every core has some of them.
SPREAD = [f"spread:{number}" for number in range(16)]


def fresh(node):
    with node.connect() as client:
        expect(client.cmd("FLUSHALL"), "OK")


def increments(node):
    """Two clients, one key, each through its own door: none is lost, none counts twice."""
    fresh(node)
    seen = []

    def work(address):
        with Connection(address) as client:
            mine = []
            for _ in rounds(40):
                mine += client.pipeline([("INCR", "counter")] * 50)
            expect(mine, sorted(mine), "a client saw the counter go back")
            seen.extend(mine)

    doors = entrances(node)
    together([lambda door=door: work(door) for door in doors])
    total = len(seen)
    expect(sorted(seen), list(range(1, total + 1)), "increments")
    with node.connect() as client:
        expect(client.cmd("GET", "counter"), b"%d" % total)


def mset_and_mget(node):
    """MGET over all cores sees all of an MSET or nothing of it, and never goes back."""
    fresh(node)
    ended = threading.Event()
    with node.connect() as client:
        client.cmd("MSET", *sum(([key, "0:0"] for key in SPREAD), []))

    def write(name):
        with node.connect() as client:
            order = SPREAD[:]
            for number in rounds(400):
                random.Random(number).shuffle(order)
                requests = [
                    ("MSET", *sum(([key, f"{name}:{number}:{part}"] for key in order), []))
                    for part in range(5)
                ]
                expect(client.pipeline(requests), ["OK"] * 5)

    def read():
        with node.connect() as client:
            while not ended.is_set():
                for values in client.pipeline([("MGET", *SPREAD)] * 10):
                    expect(len(set(values)), 1, f"an MGET saw a part of an MSET: {values}")

    def writers():
        try:
            together([lambda name=name: write(name) for name in "abc"])
        finally:
            ended.set()

    together([writers, read, read, read])


def del_and_exists(node):
    """DEL and MSET of all keys, EXISTS counts all or none."""
    fresh(node)
    ended = threading.Event()

    def write():
        try:
            with node.connect() as client:
                for _ in rounds(150):
                    replies = client.pipeline(
                        [("MSET", *sum(([key, "v"] for key in SPREAD), [])), ("DEL", *SPREAD)] * 4
                    )
                    expect(replies, ["OK", len(SPREAD)] * 4)
        finally:
            ended.set()

    def read():
        with node.connect() as client:
            while not ended.is_set():
                for count in client.pipeline([("EXISTS", *SPREAD), ("TOUCH", *SPREAD)] * 5):
                    expect_true(count in (0, len(SPREAD)), f"EXISTS saw {count} of {len(SPREAD)}")

    together([write, read, read])


def msetnx_races(node):
    """Clients that want overlapping sets of keys: one wins, and the others leave nothing."""
    fresh(node)
    sets = [SPREAD[0:6], SPREAD[5:11], SPREAD[10:16] + SPREAD[0:1]]
    for number in rounds(60):
        answers = [None] * len(sets)

        def work(index, number=number, answers=answers):
            with node.connect() as client:
                pairs = sum(([f"{key}:{number}", str(index)] for key in sets[index]), [])
                answers[index] = client.cmd("MSETNX", *pairs)

        together([lambda index=index: work(index) for index in range(len(sets))])
        winners = [index for index, answer in enumerate(answers) if answer == 1]
        expect_true(winners, f"nobody won: {answers}")
        with node.connect() as client:
            values = client.cmd("MGET", *(f"{key}:{number}" for key in SPREAD))
        wanted = [None] * len(SPREAD)
        for index in winners:
            for key in sets[index]:
                at = SPREAD.index(key)
                expect(wanted[at], None, f"two won over one key: {answers}")
                wanted[at] = b"%d" % index
        expect(values, wanted, f"what {answers} left")


def msetnx_one_winner(node):
    """The same keys from many clients in one pipeline each: exactly one wins a round."""
    fresh(node)
    total, clients = 200, 6
    won = [[] for _ in range(clients)]

    def work(index):
        with node.connect() as client:
            requests = [
                ("MSETNX", *sum(([f"{key}:{number}", str(index)] for key in SPREAD[:4]), []))
                for number in range(total)
            ]
            won[index] = client.pipeline(requests)

    together([lambda index=index: work(index) for index in range(clients)])
    for number in range(total):
        expect(sum(answers[number] for answers in won), 1, f"winners of round {number}")


def rename_races(node):
    """One value, moved about by many: at every moment it is under exactly one name."""
    fresh(node)
    names = [f"place:{number}" for number in range(6)]
    ended = threading.Event()
    with node.connect() as client:
        client.cmd("SET", names[0], "the value")

    def move(seed):
        draw = random.Random(seed)
        with node.connect() as client:
            for _ in rounds(120):
                requests = []
                for _ in range(10):
                    source, target = draw.sample(names, 2)
                    requests.append((draw.choice(["RENAME", "RENAMENX"]), source, target))
                for reply in client.pipeline(requests):
                    expect_true(
                        reply in ("OK", 1, 0) or reply == Error("ERR no such key"),
                        f"RENAME: {reply!r}",
                    )

    def movers():
        try:
            together([lambda seed=seed: move(seed) for seed in range(4)])
        finally:
            ended.set()

    def look():
        with node.connect() as client:
            while not ended.is_set():
                for values in client.pipeline([("MGET", *names)] * 5 + [("EXISTS", *names)]):
                    count = values if isinstance(values, int) else len(names) - values.count(None)
                    expect(count, 1, f"names of the value: {values}")

    together([movers, look, look])


def copies(node):
    """COPY REPLACE never shows a target without its value."""
    fresh(node)
    ended = threading.Event()
    with node.connect() as client:
        client.cmd("MSET", SPREAD[0], "x", SPREAD[1], "x")

    def copy():
        try:
            with node.connect() as client:
                for _ in rounds(200):
                    expect(
                        client.pipeline([("COPY", SPREAD[0], SPREAD[1], "REPLACE")] * 10), [1] * 10
                    )
        finally:
            ended.set()

    def look():
        with node.connect() as client:
            while not ended.is_set():
                expect(client.pipeline([("GET", SPREAD[1])] * 10), [b"x"] * 10)

    together([copy, look])


def pipeline_barrier(node):
    """`MSET a b`, then `GET b` behind it in one pipeline, over every pair of keys."""
    fresh(node)
    with node.connect() as client:
        requests, wanted = [], []
        number = 0
        for first in SPREAD:
            for second in SPREAD:
                number += 1
                requests += [
                    ("MSET", first, f"a{number}", second, f"b{number}"),
                    ("GET", second),
                    ("SET", second, f"c{number}"),
                    ("MGET", first, second),
                    ("DEL", first, second),
                    ("GET", first),
                ]
                last = b"c%d" % number
                left = last if first == second else b"a%d" % number
                wanted += ["OK", b"b%d" % number, "OK", [left, last], 1 + (first != second), None]
        for _ in rounds(5):
            expect(client.pipeline(requests), wanted)


def pipeline_model(node):
    """20,000 commands over all cores in pipelines of random depth, against a model."""
    fresh(node)
    draw = random.Random(4)
    keys = [f"model:{number}" for number in range(40)]
    model = {}

    def step():
        key = draw.choice(keys)
        way = draw.randrange(6)
        if way == 0:
            value = str(draw.randrange(1000))
            model[key] = value
            return ("SET", key, value), "OK"
        if way == 1:
            return ("DEL", key), int(model.pop(key, None) is not None)
        if way == 2:
            model[key] = str(int(model.get(key, "0")) + 1)
            return ("INCR", key), int(model[key])
        if way == 3:
            some = draw.sample(keys, 3)
            return ("MGET", *some), [model[k].encode() if k in model else None for k in some]
        if way == 4:
            some = draw.sample(keys, 3)
            value = str(draw.randrange(1000))
            model.update({k: value for k in some})
            return ("MSET", *sum(([k, value] for k in some), [])), "OK"
        value = model.get(key)
        return ("GET", key), value.encode() if value is not None else None

    with node.connect() as client:
        for _ in rounds(100):
            steps = [step() for _ in range(draw.randrange(1, 400))]
            replies = client.pipeline([request for request, _ in steps])
            for (request, wanted), reply in zip(steps, replies):
                expect(reply, wanted, f"{request}")


def one_winner(node):
    """SETNX, SET NX, GETDEL, DEL: of many at once, one."""
    fresh(node)
    total, clients = 300, 5
    results = [[] for _ in range(clients)]

    def work(index):
        with node.connect() as client:
            for number in rounds(total):
                results[index].append(
                    client.pipeline(
                        [
                            ("SETNX", f"nx:{number}", str(index)),
                            ("SET", f"set:{number}", str(index), "NX"),
                            ("GETDEL", f"old:{number}"),
                            ("DEL", f"older:{number}"),
                        ]
                    )
                )

    with node.connect() as client:
        for name in ("old", "older"):
            client.pipeline([("SET", f"{name}:{number}", "v") for number in range(total)])
    together([lambda index=index: work(index) for index in range(clients)])
    # Where one had less time than the others, what all have played counts.
    for number, answers in enumerate(zip(*results)):
        expect(sum(a[0] for a in answers), 1, f"SETNX in round {number}")
        expect(sum(a[1] == "OK" for a in answers), 1, f"SET NX in round {number}")
        expect(sum(a[2] == b"v" for a in answers), 1, f"GETDEL in round {number}")
        expect(sum(a[3] for a in answers), 1, f"DEL in round {number}")


def appends(node):
    """APPEND, GETSET and INCRBYFLOAT from many clients: nothing is lost."""
    fresh(node)
    clients = 4
    tokens, asked = [], []

    def work(index):
        with node.connect() as client:
            for number in rounds(200):
                asked.append(f"{index}:{number}")
                _, old, _ = client.pipeline(
                    [
                        ("APPEND", "log", f"{index}:{number};"),
                        ("GETSET", "token", f"{index}:{number}"),
                        ("INCRBYFLOAT", "sum", "0.5"),
                    ]
                )
                tokens.append(old)

    together([lambda index=index: work(index) for index in range(clients)])
    with node.connect() as client:
        tokens.append(client.cmd("GET", "token"))
        log = client.cmd("GET", "log").decode().rstrip(";").split(";")
        expect(client.cmd("GET", "sum"), ("%g" % (len(asked) / 2)).encode())
    wanted = sorted(asked)
    expect(sorted(log), wanted, "what APPEND left")
    expect(
        sorted(token.decode() for token in tokens if token), wanted, "tokens handed on by GETSET"
    )
    for index in range(clients):
        mine = [int(entry.split(":")[1]) for entry in log if entry.startswith(f"{index}:")]
        expect(mine, sorted(mine), "the order of one client's APPENDs")


def flushes(node):
    """FLUSHALL leaves nothing, what is written behind it stays, and nobody sees half of it: not by
    MGET, not by counting, not by walking over all keys."""
    fresh(node)
    ended = threading.Event()

    def write():
        try:
            with node.connect() as client:
                for number in rounds(300):
                    pairs = sum(([key, f"{number}"] for key in SPREAD), [])
                    replies = client.pipeline(
                        [("MSET", *pairs), ("FLUSHALL",), ("EXISTS", *SPREAD), ("DBSIZE",)]
                        + [("MSET", *pairs), ("MGET", *SPREAD)]
                    )
                    values = [b"%d" % number] * len(SPREAD)
                    expect(replies, ["OK", "OK", 0, 0, "OK", values])
        finally:
            ended.set()

    def read():
        commands = [("MGET", *SPREAD), ("EXISTS", *SPREAD), ("DBSIZE",), ("KEYS", "spread:*")]
        with node.connect() as client:
            while not ended.is_set():
                values, exist, size, keys = client.pipeline(commands)
                expect(len(set(values)), 1, "different values at one moment")
                for count in (exist, size, len(keys)):
                    expect_true(count in (0, len(SPREAD)), f"{count} of {len(SPREAD)} keys")

    together([write, read, read])


def flushes_race(node):
    """Many flush, rename and write at once, through every door that empties all: what moves between
    two keys is in one of them, or was flushed."""
    fresh(node)
    total = 150

    def flush():
        with node.connect() as client:
            for _ in rounds(total):
                expect(client.cmd("FLUSHALL"), "OK")

    def move():
        with node.connect() as client:
            for number in rounds(total):
                client.cmd("MSET", "flush:a", str(number), "flush:mark", "x")
                for source, target in (("a", "b"), ("b", "c"), ("c", "a")):
                    reply = client.cmd("RENAME", f"flush:{source}", f"flush:{target}")
                    expect_true(reply == "OK" or "no such key" in str(reply), str(reply))

    def look():
        with node.connect() as client:
            for _ in rounds(total):
                values = client.cmd("MGET", "flush:a", "flush:b", "flush:c", "flush:mark")
                moved = [value for value in values[:3] if value is not None]
                expect(len(moved), 0 if values[3] is None else 1, f"keys beside the mark: {values}")

    together([flush, move, look, look])


def every_door(node):
    """What is written through one door is read through every other one, whichever core has it."""
    fresh(node)
    doors = [Connection(address) for address in entrances(node)]
    for number in rounds(300):
        key = f"door:{number}"
        expect(doors[number % len(doors)].cmd("SET", key, str(number)), "OK", key)
        for door in doors:
            expect(door.cmd("GET", key), b"%d" % number, key)
    for door in doors:
        door.close()


CASES = [
    ("two clients INCR one key", increments),
    ("MSET against MGET over all cores", mset_and_mget),
    ("DEL of many against EXISTS", del_and_exists),
    ("MSETNX with overlapping keys", msetnx_races),
    ("MSETNX of the same keys: one winner", msetnx_one_winner),
    ("RENAME races", rename_races),
    ("COPY REPLACE against GET", copies),
    ("MSET a b, then GET b in one pipeline", pipeline_barrier),
    ("pipelines over all cores against a model", pipeline_model),
    ("SETNX, GETDEL, DEL: one winner", one_winner),
    ("APPEND, GETSET, INCRBYFLOAT lose nothing", appends),
    ("FLUSHALL leaves nothing, all at once", flushes),
    ("FLUSHALL against RENAME", flushes_race),
    ("client port, shard ports, unix socket: one database", every_door),
]

if __name__ == "__main__":
    main("order", [(start_node, CASES)])
