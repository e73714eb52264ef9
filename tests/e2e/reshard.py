"""Data that moves to another number of shards: all of it is there, without a hand moved.

A node is filled, stopped, and started on the same directory with other numbers of shards; what
every key holds, its versions, stamps and expiry are compared with what the first one said.
"""

import json
import os
import pathlib
import shutil
import signal
import sys
import time

sys.path[0] = str(pathlib.Path(__file__).resolve().parent.parent)

# pylint: disable=wrong-import-position
from harness.cases import main
from harness.report import expect, expect_true
from harness.rldb import DONE, run
from harness.servers import Rldbd, scratch

KEYS = int(os.environ.get("RLDB_TEST_RESHARD", "5000"))
LARGE = {b"large:%d" % number: os.urandom(1 << 20) * (2 + number) for number in range(3)}
BATCH = 1000


def start(folder, shards, ready=True):
    storage = {"engine": "log", "cache": "2MiB", "segment": "8MiB"}
    config = {"node": {"data_dir": folder + "/data"}, "storage": storage}
    return Rldbd(config, shards=shards, ready=ready)


def key_of(number):
    return b"key:%d" % number


def fill(client):
    for first in range(0, KEYS, BATCH):
        words = []
        for number in range(first, min(first + BATCH, KEYS)):
            words += [key_of(number), b"%d:" % number + b"x" * (number % 97)]
        client.cmd("MSET", *words)
    for key, value in LARGE.items():
        client.cmd("SET", key, value)
    for number in range(0, KEYS, 10):
        client.cmd("PEXPIREAT", key_of(number), 4102444800000 + number)
    for number in range(5, KEYS, 50):
        client.cmd("DEL", key_of(number))
    for number in range(50):
        client.cmd("INCRBY", b"count:%d" % number, number)
        for value in (b"a", b"b", b"c"):
            client.cmd("RLDB.PUT", b"siblings:%d" % number, value)


def seen(client):
    """All that a client can see of what fill() has written. Contexts are not comparable bytes."""
    held = {}
    names = [key_of(number) for number in range(KEYS)] + list(LARGE)
    names += [b"count:%d" % number for number in range(50)]
    for first in range(0, len(names), BATCH):
        part = names[first : first + BATCH]
        for key, value in zip(part, client.cmd("MGET", *part)):
            held[key] = value
    for number in range(0, KEYS, 10):
        held["expiry", number] = client.cmd("PEXPIRETIME", key_of(number))
    for number in range(50):
        reply = client.cmd("RLDB.GET", b"siblings:%d" % number)
        held["siblings", number] = reply[3]
    for key in names[:: max(1, len(names) // 200)]:
        reply = client.cmd("RLDB.GET", key)
        held["versions", key] = reply and key not in LARGE and reply[3]
    held["size"] = client.cmd("DBSIZE")
    return held


def check(folder):
    code, out, err = run(["--json", "check", folder + "/data"])
    expect(code, DONE, err)
    told = json.loads(out)
    expect((told["whole"], told["unreadable"]), (True, 0))
    return len(told["shards"])


def end(node):
    expect(node.stop(), 0, "exit status")


def to_other_numbers():
    folder = scratch()
    node = start(folder, 1)
    with node.connect(timeout=240) as client:
        fill(client)
        before = seen(client)
        context = client.cmd("RLDB.GET", "siblings:7")[1]
    end(node)
    for shards in (4, 3, 1, 2):
        began = time.monotonic()
        node = start(folder, shards)
        print(f"     to {shards} shards: ready after {time.monotonic() - began:.2f} s")
        log = node.log()
        expect_true("re-sharding begins" in log and "re-sharded" in log, log)
        with node.connect(timeout=240) as client:
            after = seen(client)
            for key, value in before.items():
                expect(after[key], value, f"{key} with {shards} shards")
        end(node)
        expect(check(folder), shards)
    node = start(folder, 2)
    expect_true("re-shard" not in node.log(), "nothing is left to be done")
    with node.connect() as client:
        # A context from before the moves still covers what it has read, and a counter goes on.
        client.cmd("RLDB.PUT", "siblings:7", "all", "CONTEXT", context)
        expect([value[1] for value in client.cmd("RLDB.GET", "siblings:7")[3]], [b"all"])
        expect(client.cmd("INCR", "count:49"), 50)
    end(node)
    expect(sorted(os.listdir(folder + "/data")), ["CURRENT", "LOCK", "generation-5"])
    shutil.rmtree(folder)


def asked_to_end_meanwhile():
    folder = scratch()
    node = start(folder, 2)
    with node.connect(timeout=240) as client:
        fill(client)
        before = seen(client)
    end(node)
    node = start(folder, 3, ready=False)
    deadline = time.monotonic() + 240
    while "re-sharding begins" not in node.log() and time.monotonic() < deadline:
        time.sleep(0.002)
    node.signal(signal.SIGTERM)
    # Told in the middle, or when it was through: it ends well either way.
    expect(node.wait(), 0)
    node.stop()
    node = start(folder, 4)
    with node.connect(timeout=240) as client:
        expect_true(seen(client) == before, "all is there")
    end(node)
    expect(check(folder), 4)
    shutil.rmtree(folder)


if __name__ == "__main__":
    main(
        "reshard",
        [
            (
                None,
                [
                    ("one shard becomes four, three, one and two", to_other_numbers),
                    ("SIGTERM while it re-shards", asked_to_end_meanwhile),
                ],
            )
        ],
    )
