"""A real node's files, damaged one way at a time, and what rldb and rldbd make of it.

    python3 tests/crash/damage.py [--damages N] [--seed S] [--keys N] [--each N] [--one N]
    python3 tests/crash/damage.py --damages 1000              the long form
    python3 tests/crash/damage.py --keys 1000000 --damages 30 a large directory

A directory is filled by a node (several shards, large values, removals, expiry, checkpoints, values
put over until compaction is under way) that ends by SIGTERM or kill -9. Then --each copies of it
get one damage each, at a random place of a random file. Of every one:

- `rldb check` ends by itself, changes nothing, and names what cannot be read;
- rldbd starts, or refuses in words that name what to do, and starts when that was done;
- a key whose newest record has all of its bytes has its value, to the last byte;
- any other has it too, or answers an error, or shows what it had earlier where the log of the node
  has said that something is lost. It never shows what it never had;
- the node takes writes, ends by SIGTERM with 0, and shows the same after another start.

Where the newest record of each key lies is read off the undamaged files (places.py). What the last
frames in flight were at a kill may count as torn, if that is said."""

import argparse
import base64
import collections
import hashlib
import json
import os
import pathlib
import pickle
import random
import shutil
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from crash.places import BLOCK, REMOVAL, Shard  # noqa: E402
from harness.resp import Error  # noqa: E402
from harness.rldb import FAILED, run  # noqa: E402
from harness.servers import Rldbd, rldbd_path, scratch  # noqa: E402

SHARDS = 2
LARGE_KEYS = 6
BATCH, BATCH_LARGE = 200, 2000  # of a large directory
DAMAGES = ("cut", "flip", "zero", "garbage", "swap", "duplicate", "stray", "missing", "stale")
KINDS = ("segment-", "checkpoint-", "large-", "MANIFEST", "CURRENT")
WEIGHTS = (60, 14, 12, 10, 4)
START_S = 240


class Wrong(Exception):
    pass


def value_of(key, version):
    """All values differ in their first bytes, and each is known from its key and version."""
    seed = hashlib.blake2b(b"%b %d" % (key, version), digest_size=32).digest()
    if key.startswith(b"large"):
        size = 1_200_000 + seed[0] * 4000
    else:
        size = (20, 60, 100, 100, 200, 300, 600, 3000)[seed[0] % 8] + seed[1] % 20
    return (b"%b %d " % (key, version) + seed * (size // 32 + 1))[:size]


def version_in(key, value):
    """Which version of the key a value is; Wrong where it is none, or not to the last byte."""
    head = value[: len(key) + 12].split(b" ")
    if len(head) >= 3 and head[0] == key and head[1].isdigit():
        version = int(head[1])
        if value == value_of(key, version):
            return version
    raise Wrong(f"{key}: shows what nobody wrote: {value[:60]!r} ({len(value)} bytes)")


# A directory --------------------------------------------------------------------------------------


class Base:
    """A node's directory as a run has left it, an earlier state of it, and what is in it."""

    def __init__(self, rng, keys):
        self.random = rng
        self.folder = pathlib.Path(scratch())
        self.data = self.folder / "data"
        self.stale = self.folder / "stale"
        self.large_directory = keys > 100_000
        self.batch = BATCH_LARGE if self.large_directory else BATCH
        self.names = [b"key:%d" % number for number in range(keys)]
        self.names += [b"large:%d" % number for number in range(LARGE_KEYS)]
        self.version = 0
        self.sent = {}  # the newest version that was sent of each key
        self.killed = rng.random() < 0.5
        self._fill()
        self._find_truth()
        self.places = {}
        self.durable = {}
        self.used = {}
        for shard in sorted(self.data.glob("generation-*/shard-*")):
            found = Shard(shard)
            self.durable[shard] = found.durable
            self.used.update(found.used)
            self.places.update((name, place) for name, place in found.keys.items())
        self.file_count = len(files_of(self.data))

    def start(self, data, ready=True):
        segment = "16MiB" if self.large_directory else "2MiB"
        storage = {"engine": "log", "cache": "1MiB", "segment": segment, "disk_reserve": "0%"}
        config = {"node": {"data_dir": str(data)}, "storage": storage}
        return Rldbd(config, shards=SHARDS, ready=ready)

    def _request(self, name):
        kind = self.random.random()
        self.version += 1
        if kind < 0.8:
            self.sent[name] = self.version
            return (b"SET", name, value_of(name, self.version))
        if kind < 0.92:
            return (b"DEL", name)
        if kind < 0.95:
            return (b"PEXPIRE", name, b"1")
        return (b"PEXPIRE", name, b"100000000000")

    def _write(self, client, names):
        for at in range(0, len(names), self.batch):
            some = names[at : at + self.batch]
            for reply in client.pipeline([self._request(name) for name in some]):
                if isinstance(reply, Error):
                    raise Wrong(f"a write is refused: {reply}")

    def _fill(self):
        node = self.start(self.data)
        keys = self.names[:-LARGE_KEYS]
        with node.connect() as client:
            self._write(client, self.names)
            client.cmd("SAVE")
            self._write(client, self.random.sample(keys, len(keys) // 3))
            node.kill()
            node.wait()
            node.stop()
        shutil.copytree(self.data, self.stale)
        node = self.start(self.data)
        with node.connect() as client:
            for _ in range(1 if self.large_directory else 4):  # compaction is under way then
                names = self.random.sample(keys, len(keys) // 2)
                self._write(client, names + self.random.sample(self.names[-LARGE_KEYS:], 2))
                if self.random.random() < 0.5:
                    client.cmd("BGSAVE")
            if self.killed:
                node.kill()
                node.wait()
            if node.stop() != 0 and not self.killed:
                raise Wrong(f"it ends with an error:\n{node.log()[-2000:]}")

    def _find_truth(self):
        copy = self.folder / "truth"
        shutil.copytree(self.data, copy)
        node = self.start(copy)
        self.truth = {name: None if value is None else version_in(name, value)
                      for name, value in read_all(node, self.names).items()}
        if "damaged" in node.log():
            raise Wrong(f"nothing is damaged yet:\n{node.log()[-2000:]}")
        node.stop()
        shutil.rmtree(copy)

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)


def files_of(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "LOCK")


def read_all(node, names):
    """What every key shows: its value, None, or an Error."""
    found = {}
    with node.connect() as client:
        for at in range(0, len(names), BATCH):
            some = names[at : at + BATCH]
            if some[0].startswith(b"large"):
                some = some[:1]
            values = client.cmd(b"MGET", *some)
            if isinstance(values, Error) or any(isinstance(value, Error) for value in values):
                values = client.pipeline([(b"GET", name) for name in some])
            found.update(zip(some, values, strict=True))
        for name in names[-LARGE_KEYS:]:
            found[name] = client.cmd(b"GET", name)
    return found


# Damages ------------------------------------------------------------------------------------------


class Damage:
    """One, done to a copy of the base's directory."""

    def __init__(self, base, rng, data):
        self.base, self.random, self.data = base, rng, data
        self.text = ""
        self.touched = []
        while not self.text:
            how = rng.choice(DAMAGES)
            kind = rng.choices(KINDS, WEIGHTS)[0]
            paths = [path for path in files_of(data) if path.name.startswith(kind)]
            if paths:
                path = rng.choice(paths)
                self.text = getattr(self, how)(path, paths) or ""
                self.path = path
                self.touched.append(self._name(path))

    def _offset(self, path):
        """Mostly where something is: behind the frames of a segment are zeros."""
        used = self.base.used.get(self._before(path), 0)
        if used == 0 or self.random.random() < 0.1:
            used = path.stat().st_size
        return self.random.randrange(max(1, used))

    def _before(self, path):
        return self.base.data / path.relative_to(self.data)

    def _name(self, path):
        return path.relative_to(self.data)

    def _put(self, path, offset, data):
        with open(path, "r+b") as file:
            file.seek(offset)
            file.write(data)

    def cut(self, path, _):
        size = self._offset(path)
        with open(path, "r+b") as file:
            file.truncate(size)
        return f"{self._name(path)} cut to {size} bytes"

    def flip(self, path, _):
        data = bytearray(path.read_bytes())
        if not data:
            return None
        offset, bit = self._offset(path), self.random.randrange(8)
        self._put(path, offset, bytes([data[offset] ^ 1 << bit]))
        return f"{self._name(path)} bit {bit} of byte {offset} flipped"

    def zero(self, path, _):
        return self._page(path, bytes(BLOCK), "zeroed")

    def garbage(self, path, _):
        return self._page(path, self.random.randbytes(BLOCK), "overwritten")

    def _page(self, path, data, what):
        size = path.stat().st_size
        offset = self._offset(path) // BLOCK * BLOCK
        self._put(path, offset, data[: min(BLOCK, size - offset)])
        return f"{self._name(path)} page at {offset} {what}"

    def _other(self, path, paths):
        others = [other for other in paths if other != path]
        return self.random.choice(others) if others else None

    def swap(self, path, paths):
        other = self._other(path, paths)
        if other is None:
            return None
        aside = path.with_name("swapping")
        path.rename(aside)
        other.rename(path)
        aside.rename(other)
        self.touched.append(self._name(other))
        return f"{self._name(path)} and {self._name(other)} swapped"

    def duplicate(self, path, paths):
        other = self._other(path, paths)
        if other is None:
            return None
        shutil.copyfile(other, path)
        return f"{self._name(path)} overwritten with {self._name(other)}"

    def stray(self, path, _):
        """A copy under a name that no file has."""
        head, dash, tail = path.name.rpartition("-")
        if not dash:
            return None
        number = int(tail, 16 if head == "large" else 10) + self.random.randrange(1, 40)
        form = {"segment": "05d", "checkpoint": "010d"}.get(head, "016x")
        to = path.with_name(f"{head}-{number:{form}}")
        if to.exists():
            return None
        shutil.copyfile(path, to)
        return f"{self._name(path)} copied to {to.name}"

    def missing(self, path, _):
        path.unlink()
        return f"{self._name(path)} removed"

    def stale(self, path, _):
        old = self.base.stale / path.relative_to(self.data)
        if not old.exists():
            return None
        shutil.copyfile(old, path)
        return f"{self._name(path)} as it was earlier"


# Judging ------------------------------------------------------------------------------------------


class Trial:
    """One damaged copy, from the look at it to the second start."""

    def __init__(self, base, rng, tally):
        self.base, self.random, self.tally = base, rng, tally
        self.data = base.folder / "damaged"
        shutil.rmtree(self.data, ignore_errors=True)
        shutil.copytree(base.data, self.data)
        self.damage = Damage(base, rng, self.data)
        self.changed = {}  # by path in the base: its bytes before, and now, None where it is gone
        for name in self.damage.touched:
            now = self.data / name
            self.changed[base.data / name] = (
                (base.data / name).read_bytes(),
                now.read_bytes() if now.exists() else None,
            )
        self.said = ""

    def run(self):
        self.check()
        node = self.start()
        try:
            shown = read_all(node, self.base.names)
            self.said += node.log()
            self.judge(shown)
            self.goes_on(node, shown)
            self.tally["passed"] += 1
        finally:
            if node.alive():
                node.kill()
            node.stop()
        shutil.rmtree(self.data)

    def check(self):
        before = {path: path.stat().st_mtime_ns for path in files_of(self.data)}
        code, out, err = run(["--json", "check", str(self.data)])
        if code not in (0, FAILED):
            raise Wrong(f"rldb check ends with {code}: {err}")
        if before != {path: path.stat().st_mtime_ns for path in files_of(self.data)}:
            raise Wrong("rldb check has changed something")
        self.check_failed = code == FAILED
        self.told = set()
        self.unnamed = 0
        self.check_text = out.decode() + err
        if out.strip():
            for shard in json.loads(out)["shards"]:
                self.told.update(bytes_of(key) for key in shard["keys"])
                self.unnamed += shard["unnamed"]
        elif not err:
            raise Wrong("rldb check says nothing")

    def start(self):
        """A node on the directory; where it refuses, what it says is done first."""
        self.repaired = False
        for _ in range(2):
            node = self.base.start(self.data, ready=False)
            try:
                node.wait_ready()
                return node
            except RuntimeError:
                code = node.wait(START_S)
                log = node.log()
                node.stop()
                self.said += log
            if code < 0 or code > 125:
                raise Wrong(f"rldbd ends with {code} at start:\n{log[-3000:]}")
            if self.repaired:
                break
            self.mend(log)
        raise Wrong(f"it does not start after what it said was done:\n{self.said[-3000:]}")

    def mend(self, log):
        self.repaired = True
        self.tally["refused"] += 1
        name = self.damage.path.name
        if "CURRENT" in log and "restore" in log and name == "CURRENT":
            shutil.copyfile(self.base.data / name, self.damage.path)
            return
        if "rldb repair" not in log and "rldb check" not in log:
            raise Wrong(f"it refuses to start and does not say what to do:\n{log[-3000:]}")
        code, out, err = run(["repair", str(self.data)])
        if code != 0:
            raise Wrong(f"rldb repair ends with {code}: {out.decode()} {err}\n{log[-2000:]}")

    def is_there(self, path, begin, end):
        if path not in self.changed:
            return True
        before, now = self.changed[path]
        return now is not None and before[begin:end] == now[begin:end]

    def is_whole(self, place):
        return self.is_there(place.path, place.offset, place.end) and (
            place.large is None or place.large not in self.changed
        )

    def judge(self, shown):
        reported = "damaged data" in self.said or self.repaired
        torn = "torn" in self.said
        errors = 0
        for name, value in shown.items():
            right = self.base.truth[name]
            place = self.base.places.get(name)
            is_error = isinstance(value, Error)
            if is_error and not str(value).startswith("CORRUPT"):
                raise Wrong(f"{name}: answers {value}")
            version = None if is_error or value is None else version_in(name, value)
            if not is_error and version == right:
                continue
            last = place is not None and place.sequence > self.base.durable[place.path.parent]
            whole = place is None or (self.is_whole(place) and not (last and torn))
            what = f"{name}: was version {right}, and shows {value if is_error else version}"
            if whole and not (right is None and is_error and reported):
                raise Wrong(f"{what}; its record is not damaged")
            if is_error:
                errors += 1
                if not self.repaired and name not in self.told and self.unnamed == 0:
                    raise Wrong(f"{what}; rldb check has not told of it")
                continue
            if version is not None and (version > self.base.sent[name] or
                                        (right is not None and version > right)):
                raise Wrong(f"{what}, which it never had")
            if not reported and not (last and torn):
                raise Wrong(f"{what}; nobody was told")
            self.tally["as before"] += 1
        self.tally["errors"] += errors
        if errors != 0 and not self.check_failed:
            raise Wrong(f"{errors} keys cannot be read, and rldb check finds all whole")
        if (errors != 0 or reported) and not self.repaired and not self.check_failed:
            raise Wrong("rldbd tells of damage, and rldb check finds all whole")

    def goes_on(self, node, shown):
        """It takes writes; and what it shows stays."""
        names = self.random.sample(self.base.names[:-LARGE_KEYS], 20)
        with node.connect() as client:
            for name in names:
                if client.cmd("SET", name, b"new") != "OK":
                    raise Wrong(f"{name} cannot be written")
                shown[name] = b"new"
        code = node.stop()
        if code != 0:
            raise Wrong(f"it ends with {code}:\n{node.log()[-3000:]}")
        if self.base.large_directory or self.random.random() < 0.5:
            return
        again = self.base.start(self.data)
        try:
            for name, value in read_all(again, self.base.names).items():
                was = shown[name]
                if type(was) is not type(value) or (was != value and not isinstance(was, Error)):
                    raise Wrong(f"{name}: showed {was[:40]!r}, and {value!r} after a stop")
        finally:
            again.stop()


def bytes_of(key):
    return key.encode() if isinstance(key, str) else base64.b64decode(key["base64"])


# Runs ---------------------------------------------------------------------------------------------


def base_of(options, seed):
    """A new directory; or, with --keep, the one that a run has left there."""
    kept = pathlib.Path(options.keep or os.devnull) / "base"
    if options.keep and kept.exists():
        return pickle.loads(kept.read_bytes())
    base = Base(random.Random(seed), options.keys)
    if options.keep:
        kept.parent.mkdir(exist_ok=True)
        kept.write_bytes(pickle.dumps(base))
    return base


def one_base(options, seed, tally, only=None):
    base = base_of(options, seed)
    removed = sum(place.kind == REMOVAL for place in base.places.values())
    ended = "kill -9" if base.killed else "SIGTERM"
    print(f"directory of seed {seed}: {len(base.names)} keys, {removed} removed, "
          f"{base.file_count} files, ended by {ended}", flush=True)
    numbers = range(options.first, options.first + options.each) if only is None else [only]
    for number in numbers:
        if tally["passed"] + tally["failed"] >= options.damages:
            break
        trial = None
        began = time.monotonic()
        try:
            trial = Trial(base, random.Random(seed * 1000 + number), tally)
            trial.run()
        except (Wrong, RuntimeError, OSError, EOFError, subprocess.TimeoutExpired) as problem:
            print(f"FAIL {trial.damage.text if trial else ''}: {type(problem).__name__} {problem}")
            if trial:
                print(f"rldb check: {trial.check_text[:2000]}\nlog:\n{trial.said[-3000:]}")
            print(f"again: --seed {seed} --keys {options.keys} --one {number}", flush=True)
            tally["failed"] += 1
        if options.verbose and trial:
            print(f"  {number} {trial.damage.text} ({time.monotonic() - began:.1f} s)", flush=True)
    if not options.keep:
        base.remove()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--damages", type=int, default=16)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--keys", type=int, default=3000)
    parser.add_argument("--each", type=int, default=8, help="damages of one directory")
    parser.add_argument("--one", type=int, help="this damage of the first directory alone")
    parser.add_argument("--keep", help="a folder that keeps the first directory for further runs")
    parser.add_argument("--first", type=int, default=0, help="number of a directory's first damage")
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    tally = collections.Counter()
    print(f"damage: --seed {options.seed} --damages {options.damages} --keys {options.keys} "
          f"--each {options.each}; {rldbd_path()}")
    seed = options.seed
    while tally["passed"] + tally["failed"] < options.damages:
        one_base(options, seed, tally, options.one)
        if options.one is not None:
            break
        seed += 1
    print(f"{tally['passed'] + tally['failed']} damages: {tally['errors']} keys answered with an "
          f"error, {tally['as before']} showed what they had earlier and it was said, "
          f"{tally['refused']} starts refused first")
    print(f"{tally['passed']} passed, {tally['failed']} failed")
    sys.exit(1 if tally["failed"] else 0)


if __name__ == "__main__":
    main()
