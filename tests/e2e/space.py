"""What a node takes of the disk: little when it is new, little again when all was deleted, and no
key is lost on the way."""

import os
import pathlib
import shutil
import sys
import time

sys.path[0] = str(pathlib.Path(__file__).resolve().parent.parent)

# pylint: disable=wrong-import-position
from harness.cases import main
from harness.report import Skip, expect, expect_true
from harness.servers import Rldbd

MIB = 1 << 20
SHARDS = 2
LITTLE_BYTES = 24 * MIB  # a shard: two small segments that are filled, two that wait, a checkpoint
FILL_BYTES = 160 * MIB
VALUE_BYTES = 64 << 10
KEYS = FILL_BYTES // VALUE_BYTES
FREE_BYTES = 4 << 30  # of the disk: with less of it nothing is small
WAIT_S = 240


def taken(node):
    """Bytes of the data directory's files, as du counts them."""
    total = 0
    for folder, _, names in os.walk(node.config["node"]["data_dir"]):
        for name in names:
            try:
                total += os.lstat(os.path.join(folder, name)).st_blocks * 512
            except FileNotFoundError:
                pass
    return total


def start(**node):
    config = {"node": node, "storage": {"engine": "log", "segment": "64MiB"}}
    node = Rldbd(config, shards=SHARDS)
    if shutil.disk_usage(node.config["node"]["data_dir"]).free < FREE_BYTES:
        node.stop()
        raise Skip("the disk has too little room")
    return node


def wait_little(node, what):
    deadline = time.monotonic() + WAIT_S
    while taken(node) > SHARDS * LITTLE_BYTES:
        expect_true(time.monotonic() < deadline, f"{taken(node) // MIB} MiB stay {what}")
        time.sleep(0.2)
    print(f"       {taken(node) // MIB} MiB {what}")


def key(number):
    return f"key:{number}"


def fill(client):
    for number in range(KEYS):
        expect(client.cmd("SET", key(number), f"{number} ".ljust(VALUE_BYTES, "x")), "OK")


def delete(client, numbers):
    numbers = list(numbers)
    for first in range(0, len(numbers), 500):
        part = numbers[first : first + 500]
        expect(client.cmd("DEL", *(key(number) for number in part)), len(part))


def new():
    with start() as node:
        expect_true(taken(node) <= SHARDS * LITTLE_BYTES, f"a new node takes {taken(node)} bytes")
        print(f"       {taken(node) // MIB} MiB")
        expect(node.stop(), 0)


def emptied():
    with start() as node:
        with node.connect() as client:
            fill(client)
            expect_true(taken(node) >= FILL_BYTES, f"all that is there in {taken(node)} bytes")
            delete(client, range(KEYS))
            expect(client.cmd("DBSIZE"), 0)
            wait_little(node, "when all was deleted")
        expect(node.stop(), 0)


def few_left():
    """Some keys stay, which lie among what goes; then the process ends and begins anew."""
    few = range(0, KEYS, KEYS // 20)
    with start() as node:
        with node.connect() as client:
            fill(client)
            delete(client, set(range(KEYS)) - set(few))
        wait_little(node, "when nearly all was deleted")
        node.kill()
        node.wait()
        with start(data_dir=node.config["node"]["data_dir"]) as again, again.connect() as client:
            expect(client.cmd("DBSIZE"), len(few))
            for number in few:
                expect(client.cmd("GET", key(number)).split()[0], str(number).encode())
            wait_little(again, "after kill -9")
            expect(again.stop(), 0)


CASES = [
    ("a new node takes little", new),
    ("all deleted", emptied),
    ("nearly all deleted, and kill -9", few_left),
]

if __name__ == "__main__":
    main("space", [(None, CASES)])
