"""What a node takes of the disk: little when it is new, little again when all was deleted, and no
key is lost on the way. And a node whose disk somebody else has filled."""

import contextlib
import os
import pathlib
import shutil
import subprocess
import sys
import time

sys.path[0] = str(pathlib.Path(__file__).resolve().parent.parent)

# pylint: disable=wrong-import-position
from harness.cases import main
from harness.report import Skip, expect, expect_true
from harness.resp import Error
from harness.servers import Rldbd, scratch

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


@contextlib.contextmanager
def small_disk(size_mib):
    """A filesystem of its own: ext4 in a file where that can be had, else one in memory."""
    folder = scratch()
    image, place = os.path.join(folder, "image"), os.path.join(folder, "disk")
    os.mkdir(place)
    with open(image, "wb") as file:
        file.truncate(size_mib * MIB)
    ways = [
        [["mkfs.ext4", "-q", image], ["mount", "-o", "loop", image, place]],
        [["mount", "-t", "tmpfs", "-o", f"size={size_mib}m", "none", place]],
    ]
    if os.geteuid() != 0 or not any(all(map(quiet, way)) for way in ways):
        shutil.rmtree(folder)
        raise Skip("a disk of its own: that wants root and mount")
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)
        shutil.rmtree(folder)


def quiet(words):
    """Whether that program is there and does it."""
    if shutil.which(words[0]) is None:
        return False
    done = subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return done.returncode == 0


def fill_up(place):
    """Somebody else takes the disk to its last byte."""
    with open(os.path.join(place, "ballast"), "ab", buffering=0) as ballast:
        for size in (MIB, 4096, 1):
            with contextlib.suppress(OSError):
                while True:
                    ballast.write(b"x" * size)
            with contextlib.suppress(OSError):
                os.fsync(ballast.fileno())


def expect_no_space(reply):
    expect_true(isinstance(reply, Error) and str(reply).startswith("NOSPACE"), reply)


def no_room_at_all():
    """Without a byte for a manifest a start serves what is there, refuses writes, and takes them
    when there is room; a kill -9 on the way changes nothing."""
    keys = 1000
    with small_disk(96) as place:
        config = {"node": {"data_dir": os.path.join(place, "data")}}
        with Rldbd(config, shards=SHARDS) as node:
            with node.connect() as client:
                sets = [("SET", key(n), f"{n} ".ljust(2000, "x")) for n in range(keys)]
                expect(set(client.pipeline(sets)), {"OK"})
            fill_up(place)
            node.kill()
            node.wait()
        for _ in range(2):
            fill_up(place)
            with Rldbd(config, shards=SHARDS) as node, node.connect() as client:
                expect_true("MANIFEST cannot be written" in node.log(), node.log()[-1000:])
                expect(client.cmd("DBSIZE"), keys)
                for number in range(keys):
                    expect(client.cmd("GET", key(number)).split()[0], str(number).encode())
                for name in ("new", *map(key, range(8))):
                    expect_no_space(client.cmd("SET", name, "value"))
                expect_no_space(client.cmd("SET", "large", b"l" * (3 * MIB)))
                node.kill()
                node.wait()
        with Rldbd(config, shards=SHARDS) as node, node.connect() as client:
            os.unlink(os.path.join(place, "ballast"))
            deadline = time.monotonic() + WAIT_S
            for number in range(keys):
                while client.cmd("SET", key(number), "again") != "OK":
                    expect_true(time.monotonic() < deadline, "writes are refused for good")
                    time.sleep(0.1)
            node.kill()
            node.wait()
        with Rldbd(config, shards=SHARDS) as node, node.connect() as client:
            expect(set(client.pipeline([("GET", key(n)) for n in range(keys)])), {b"again"})
            expect(client.cmd("DBSIZE"), keys)
            expect(node.stop(), 0)


CASES = [
    ("a new node takes little", new),
    ("all deleted", emptied),
    ("nearly all deleted, and kill -9", few_left),
    ("a start without a byte of room", no_room_at_all),
]

if __name__ == "__main__":
    main("space", [(None, CASES)])
