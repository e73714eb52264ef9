"""Data directories that a node cannot start on: it ends, says what is wrong with which directory or
file and what to do, and leaves what is there as it is. Some cases want root, for mounts and for
another user; without it they are left out, and told."""

import ctypes
import os
import pathlib
import shutil
import struct
import subprocess
import sys

sys.path[0] = str(pathlib.Path(__file__).resolve().parent.parent)

# pylint: disable=wrong-import-position
from harness.cases import main
from harness.ports import PORTS
from harness.report import Skip, expect, expect_true
from harness.rldb import FAILED, run
from harness.servers import Rldbd, config_text, rldbd_path, scratch, storage

SHORT_S = 240  # no more than what hangs takes so long
NOBODY = 65534


class Place:
    """A folder for the length of a `with`, and a configuration whose data_dir is in it."""

    def __enter__(self):
        self.path = scratch()
        os.chmod(self.path, 0o755)
        self.data = os.path.join(self.path, "data")
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)

    def config(self):
        first = PORTS.take(4)
        config = {
            "node": {"name": "n1", "data_dir": self.data, "shards": 2},
            "listen": {
                "client": [f"127.0.0.1:{first}"],
                "peer": f"127.0.0.1:{first + 3}",
                "shard_port_base": first + 1,
            },
            "storage": {**storage(), "engine": "log"},
        }
        path = os.path.join(self.path, "rldbd.yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(config_text(config))
        return path

    def write(self):
        """A node has lived here."""
        with self.node() as node:
            with node.connect() as client:
                expect(client.cmd("SET", "k", "v"), "OK")
            expect(node.stop(), 0)

    def node(self, ready=True):
        return Rldbd(
            {"node": {"data_dir": self.data}, "storage": {**storage(), "engine": "log"}},
            ready=ready,
        )

    def refused(self, *words, before=()):
        """rldbd ends by itself, and says each of the words."""
        done = subprocess.run(
            [*before, rldbd_path(), "--config", self.config()],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=SHORT_S,
            check=False,
        )
        said = done.stdout.decode("utf-8", "replace")
        expect_true(done.returncode > 0, f"exit status {done.returncode}: {said[-2000:]!r}")
        expect_true("ready:" not in said, "it is not ready")
        for word in words:
            expect_true(word in said, f"{word!r} is said: {said[-2000:]!r}")


def as_nobody():
    """Words that start a program as a user who owns nothing, None where that cannot be."""
    words = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        return None
    done = subprocess.run(
        [*words, rldbd_path(), "--version"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=SHORT_S,
        check=False,
    )
    return words if done.returncode == 0 else None


def with_mounts(script):
    """Words that run a script of mounts and then a program, seen by that alone; None where that
    cannot be."""
    words = ["unshare", "--mount", "sh", "-e", "-c", f'{script}\nexec "$@"', "sh"]
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        return None
    done = subprocess.run(
        [*words, "true"], stderr=subprocess.DEVNULL, timeout=SHORT_S, check=False
    )
    return words if done.returncode == 0 else None


def second_node():
    """While one runs another is refused, and the first goes on."""
    with Place() as place, place.node() as first:
        place.refused("node.data_dir", place.data, "in use by another rldbd")
        with first.connect() as client:
            expect(client.cmd("SET", "k", "v"), "OK")
            expect(client.cmd("GET", "k"), b"v")


def second_node_of_another_user():
    with Place() as place:
        nobody = as_nobody()
        if nobody is None:
            raise Skip("another user: that wants root, setpriv and a program that all may run")
        with place.node() as first:
            place.refused(place.data, "Permission denied", before=nobody)
            with first.connect() as client:
                expect(client.cmd("PING"), "PONG")


def no_permission():
    with Place() as place:
        nobody = as_nobody()
        if nobody is None:
            raise Skip("no permission: that wants root, setpriv and a program that all may run")
        place.refused(place.data, "Permission denied", before=nobody)  # to make it
        os.mkdir(place.data, 0o755)
        place.refused(place.data, "Permission denied", before=nobody)  # to write in it
        expect(os.listdir(place.data), [])


def read_only():
    with Place() as place:
        place.write()
        mounts = with_mounts(
            f"mount --bind '{place.data}' '{place.data}'\n"
            f"mount -o remount,bind,ro '{place.data}'"
        )
        if mounts is None:
            raise Skip("a read-only file system: that wants root and unshare --mount")
        place.refused(place.data, "Read-only file system", before=mounts)
        with place.node() as node, node.connect() as client:
            expect(client.cmd("GET", "k"), b"v")


def full_disk():
    """Room for the names, and for no segment."""
    with Place() as place:
        os.mkdir(place.data)
        mounts = with_mounts(f"mount -t tmpfs -o size=64k none '{place.data}'")
        if mounts is None:
            raise Skip("a full disk: that wants root and unshare --mount")
        place.refused(place.data, "No space left on device", "make room", before=mounts)


def no_direct_io():
    """A file system without O_DIRECT (ramfs): all is there after a kill, and a line says so."""
    with Place() as place:
        os.mkdir(place.data)
        if os.geteuid() != 0 or subprocess.run(
            ["mount", "-t", "ramfs", "none", place.data], stderr=subprocess.DEVNULL, check=False
        ).returncode != 0:
            raise Skip("a file system without O_DIRECT: that wants root and ramfs")
        try:
            value = b"v" * (3 << 20)
            with place.node() as node:
                with node.connect() as client:
                    for number in range(500):
                        expect(client.cmd("SET", f"k{number}", str(number) * 100), "OK")
                    expect(client.cmd("SET", "long", value), "OK")
                expect_true("has no O_DIRECT" in node.log(), "it is said")
                node.kill()
            with place.node() as node, node.connect() as client:
                for number in range(500):
                    expect(client.cmd("GET", f"k{number}"), b"%d" % number * 100)
                expect_true(client.cmd("GET", "long") == value, "the long value")
                expect(node.stop(), 0)
        finally:
            subprocess.run(["umount", place.data], check=True)


def a_file():
    with Place() as place:
        pathlib.Path(place.data).write_text("mine", encoding="utf-8")
        place.refused(place.data, "Not a directory")
        expect(pathlib.Path(place.data).read_text(encoding="utf-8"), "mine")


def a_symlink():
    """To a directory it is as good as that; to nothing it is refused."""
    with Place() as place:
        os.mkdir(os.path.join(place.path, "elsewhere"))
        os.symlink("elsewhere", place.data)
        place.write()
        with place.node() as node, node.connect() as client:
            expect(client.cmd("GET", "k"), b"v")
        expect_true(os.path.islink(place.data), "the link is still one")
        os.unlink(place.data)
        os.symlink("nowhere", place.data)
        place.refused(place.data, "No such file or directory", "symbolic link to nothing")


def checksum_of_version(data, version, log_id):
    """engines/log_format.h, VERSIONS."""
    sums = ctypes.CDLL("libxxhash.so.0").XXH3_64bits_withSeed
    sums.restype = ctypes.c_uint64
    sums.argtypes = (ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint64)
    seed = (log_id + (version - 1) * 0x9E3779B97F4A7C15) % (1 << 64)
    return sums(bytes(data), len(data), seed)


def as_newer(path, version):
    """The bytes of a file as a later version of rldb would have begun it, and how many versions
    this one knows."""
    at = bytearray(path.read_bytes())
    if path.name == "CURRENT":
        at[8:16] = struct.pack("<II", version, version ^ 0xFFFFFFFF)
        return bytes(at), 2
    if path.name == "MANIFEST":
        at[4:8] = struct.pack("<HH", version, version ^ 0xFFFF)
        return bytes(at), 1
    (log_id,) = struct.unpack_from("<Q", path.with_name("MANIFEST").read_bytes(), 16)
    at[4:6] = struct.pack("<H", version)
    if path.name.startswith("large-"):
        end = struct.unpack_from("<H", at, 6)[0] + struct.unpack_from("<I", at, 44)[0]
    else:
        end = struct.unpack_from("<I", at, 28 if path.name.startswith("checkpoint-") else 40)[0]
    at[8:16] = struct.pack("<Q", checksum_of_version(at[16:end], version, log_id))
    return bytes(at), 1


def every_file(folder):
    return {path: path.read_bytes() for path in folder.rglob("*-*") if path.is_file()}


def newer(place, path):
    """A file as a later version of rldb would begin it is refused by its name and version, and left
    alone, by those that look and mend too."""
    whole = path.read_bytes()
    at, ours = as_newer(path, 9)
    path.write_bytes(at)
    there = every_file(path.parent)
    said = f"its format is 9, this one reads up to {ours}"
    place.refused(place.data, path.name, "newer version of rldb", said, "start that one")
    for verb in ("check", "repair"):
        code, out, err = run([verb, place.data])
        expect(code, FAILED, f"{verb}: {out} {err}")
        for word in (path.name, said, "start that one"):
            expect_true(word in out.decode() + err, f"{verb} says {word!r}: {out} {err}")
    expect_true(every_file(path.parent) == there, f"no file was changed: {path.name}")
    path.write_bytes(whole)


def flipped(place, path):
    """A flipped bit in its version makes no newer file."""
    whole = path.read_bytes()
    at = bytearray(whole)
    at[8 if path.name == "CURRENT" else 4] ^= 8
    path.write_bytes(at)
    code, out, err = run(["check", place.data])
    expect(code, FAILED, f"{path.name} is damaged: {out} {err}")
    expect_true("newer" not in out.decode() + err, f"it is not newer: {out} {err}")
    path.write_bytes(whole)


def newer_format():
    with Place() as place:
        long = b"v" * (3 << 20)
        with place.node() as node, node.connect() as client:
            expect(client.cmd("SET", "k", "v"), "OK")
            expect(client.cmd("SET", "long", long), "OK")
            expect(node.stop(), 0)
        data = pathlib.Path(place.data)
        shard = sorted(data.glob("generation-*/shard-*/large-*"))[0].parent
        names = (f"{kind}-*" for kind in ("segment", "checkpoint", "large"))
        paths = [data / "CURRENT", shard / "MANIFEST"]
        # Any segment: the one that was written to first has a frame for sure.
        paths += [sorted(shard.glob(name))[0] for name in names]
        for path in paths:
            newer(place, path)
            flipped(place, path)
        # Without a manifest nothing else tells what the files are.
        manifest = (shard / "MANIFEST").read_bytes()
        for path in paths[2:]:
            at, whole = as_newer(path, 2)[0], path.read_bytes()
            path.write_bytes(at)
            (shard / "MANIFEST").unlink()
            place.refused(path.name, "its format is 2, this one reads up to 1")
            path.write_bytes(whole)
            (shard / "MANIFEST").write_bytes(manifest)
        with place.node() as node, node.connect() as client:
            expect(client.cmd("GET", "k"), b"v")
            expect_true(client.cmd("GET", "long") == long, "the long value")
            expect_true("damaged" not in node.log(), node.log()[-2000:])


def first_start_cut_short():
    """A kill may leave a generation without CURRENT, as long as nothing is in it."""
    with Place() as place:
        data = pathlib.Path(place.data)
        (data / "generation-1").mkdir(parents=True)
        (data / "CURRENT.new").touch()
        place.write()
        (data / "CURRENT").rename(data / "elsewhere")
        place.refused(place.data, "holds data and no file CURRENT")


CASES = [
    ("a second node", second_node),
    ("a second node of another user", second_node_of_another_user),
    ("no permission", no_permission),
    ("a read-only file system", read_only),
    ("a full disk", full_disk),
    ("a file system without O_DIRECT", no_direct_io),
    ("a file in its place", a_file),
    ("a symbolic link in its place", a_symlink),
    ("files of a newer version", newer_format),
    ("a first start that was cut short", first_start_cut_short),
]

if __name__ == "__main__":
    main("data_dir", [(None, CASES)])
