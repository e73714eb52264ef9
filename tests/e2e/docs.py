"""The documents, tried as a newcomer would: what the README shows is what happens, what it says of
errors and packages is so, and the examples of conf/ work."""

import os
import pathlib
import re
import resource
import shlex
import subprocess
import sys
import tempfile
import time

sys.path[0] = str(pathlib.Path(__file__).resolve().parent.parent)

# pylint: disable=wrong-import-position
from harness.cases import main
from harness.report import expect, expect_true
from harness.resp import Error
from harness.rldb import environment, rldb_path
from harness.servers import ROOT, Rldbd

SHORT_S = 240
MEMORY_BYTES = 4 << 20  # the least that two shards take
README = (ROOT / "README.md").read_text(encoding="utf-8")

# What differs from run to run: contexts, stamps, names of actors.
VOLATILE = re.compile(r"[A-Za-z0-9_-]{40,}|[0-9]{15,}|[0-9a-f]{13,16}\.1")
# What a measurement says.
FIGURE = re.compile(r"[0-9.]+[kM]?(/s)?( (ns|us|ms|s))?(?=[ ,)]|$)")


def sessions():
    """The examples: (command, the lines that it is said to print)."""
    examples = []
    shown = None  # of the example whose block we are in
    for line in README.splitlines():
        match = re.match(r"    (127\.0\.0\.1:7379>|\$) (.*)", line)
        if match and match[2] != "redis-cli -p 7379":  # the prompts that follow are its
            shown = []
            examples.append(((match[1], match[2]), shown))
        elif line.startswith("    ") or not line:
            if shown is not None:
                shown.append(line[4:])
        else:
            shown = None
    for _, lines in examples:
        while lines and not lines[-1]:
            lines.pop()
    return examples


def run_example(node, kind, command):
    if kind == "$":
        words = shlex.split(command)
        expect(words[0], "build/rldb", command)
        words = [rldb_path(), "-p", str(node.port), *words[1:]]
    else:
        words = ["redis-cli", "--no-raw", "-p", str(node.port), *shlex.split(command)]
    done = subprocess.run(
        words, capture_output=True, timeout=SHORT_S, check=False, env=environment()
    )
    expect((done.returncode, done.stderr), (0, b""), command)
    return done.stdout.decode().splitlines()


def plain(line, volatile):
    return re.sub(" +", " ", volatile.sub("#", line))


def follows(got, shown, volatile):
    """Whether the lines are those shown, `...` standing for any number of them."""
    pieces = [[]]
    for line in shown:
        if line.strip() == "...":
            pieces.append([])
        else:
            pieces[-1].append(plain(line, volatile))
    got = [plain(line, volatile) for line in got]
    if len(pieces) == 1:
        return got == pieces[0]
    at = 0
    for number, piece in enumerate(pieces):
        starts = range(at, len(got) - len(piece) + 1)
        if number == 0:
            starts = [0]
        elif number == len(pieces) - 1:
            starts = [len(got) - len(piece)]
        at = next((start for start in starts if got[start : start + len(piece)] == piece), None)
        if at is None:
            return False
        at += len(piece)
    return True


def readme_examples():
    """A context that one example prints may be given to the next: the real one takes its place."""
    known = {}
    tried = 0
    with Rldbd() as node:
        for (kind, command), shown in sessions():
            for told, said in known.items():
                command = command.replace(told, said)
            got = run_example(node, kind, command)
            shown = [
                line.replace("7379", str(node.port)).replace("7380", str(node.port + 1))
                for line in shown
            ]
            known.update(
                zip(VOLATILE.findall("\n".join(shown)), VOLATILE.findall("\n".join(got)))
            )
            volatile = FIGURE if " bench " in command else VOLATILE
            expect_true(
                follows(got, shown, volatile),
                f"{command}: README shows\n" + "\n".join(shown) + "\nand it is\n" + "\n".join(got),
            )
            tried += 1
    expect_true(tried >= 12, f"only {tried} examples found")


# Errors.


def table_under(heading):
    """The cells of the first table behind these words of the README."""
    rows = []
    for line in README.split(heading, 1)[1].splitlines():
        if line.startswith("|"):
            rows.append([cell.strip() for cell in line.strip("|").split("|")])
        elif rows:
            break
    return rows[2:]


def told_errors():
    return [row[0].strip("`-") for row in table_under("Errors beyond Redis's own")]


def errors_are_told():
    """Every first word of an error in the source is Redis's or is in the table."""
    redis = {"ERR", "WRONGTYPE", "NOAUTH", "NOPERM", "WRONGPASS", "NOPROTO", "CROSSSLOT", "MOVED"}
    said = set()
    for path in sorted((ROOT / "cluster").glob("*.c")):
        said |= set(re.findall(r'"-?([A-Z]{3,}) [a-z]', path.read_text(encoding="utf-8")))
    said &= {word for word in said if word not in redis and len(word) > 3}
    commands = {"NULL"}
    missing = said - set(told_errors()) - commands
    expect_true(len(said) >= 5, f"found only {said}")
    expect(missing, set(), "errors that README does not explain")


def errors_as_told():
    """Each error of the table but OVERLOADED, which takes a flood (hostile.py has it), and those of
    a disk that is full, damaged or fails."""
    config = {"storage": {"engine": "memory", "value_max": "1KiB"}}
    with Rldbd(config) as node, node.connect() as client:

        def word(*words):
            reply = client.cmd(*words)
            expect_true(isinstance(reply, Error), f"{words}: {reply!r} is no error")
            return reply.args[0].split(" ")[0]

        expect(word("SET", "k", "x" * 1025), "TOOLARGE")
        expect(word("SET", "k" * 65536, "x"), "TOOLARGE")
        context = client.cmd("RLDB.PUT", "k", "a")
        expect(word("RLDB.PUT", "k", "b", "CONTEXT", context[:-1]), "CONTEXT")
        expect(word("RLDB.PUT", "other", "b", "CONTEXT", context), "CONTEXT")
        for _ in range(1000):
            reply = client.cmd("RLDB.PUT", "many", "x")
            if isinstance(reply, Error):
                break
        expect(word("RLDB.PUT", "many", "x"), "SIBLINGS")
        expect(word("RLDB.GET", "k", "R", "2"), "QUORUM")
        expect(word("RLDB.CLUSTER", "JOIN", "127.0.0.1:1"), "TOPOLOGY")
        expect(client.cmd("CONFIG", "SET", "maxmemory", MEMORY_BYTES), "OK")
        for number in range(MEMORY_BYTES // 1024):
            if isinstance(client.cmd("SET", f"full:{number}", "x" * 1000), Error):
                break
        expect(word("SET", "new", "x" * 1000), "OOM")
    tried = {"TOOLARGE", "CONTEXT", "SIBLINGS", "QUORUM", "TOPOLOGY", "OOM", "OVERLOADED"}
    disk = {"NOSPACE", "IOERR", "CORRUPT"}  # disk_errors_as_told()
    expect(set(told_errors()), tried | disk, "README's table")


def first_word(client, *words):
    reply = client.cmd(*words)
    return reply.args[0].split(" ")[0] if isinstance(reply, Error) else reply


def damage(folder, value):
    """Flips a bit of the value in the file that has it."""
    for path in pathlib.Path(folder).rglob("segment-*"):
        data = path.read_bytes()
        at = data.find(value)
        if at >= 0:
            with open(path, "r+b") as file:
                file.seek(at)
                file.write(bytes([data[at] ^ 1]))
            return
    raise AssertionError(f"no segment in {folder} has the value")


def disk_errors_as_told():
    """NOSPACE, CORRUPT and IOERR as a server says them, with what the table says to do."""
    value = b"to be damaged: " + b"0123456789" * 20
    with tempfile.TemporaryDirectory(prefix="rldb-test-") as folder:
        config = {
            "node": {"data_dir": f"{folder}/data"},
            "storage": {"engine": "log", "segment": "4MiB", "disk_reserve": "0%"},
        }
        with Rldbd(config, shards=1) as node, node.connect() as client:
            expect(client.cmd("SET", "damaged", value), "OK")
            expect(client.cmd("SET", "whole", "v"), "OK")
            disk = os.statvfs(folder)
            if disk.f_bavail / disk.f_blocks < 0.85:  # else there is no reserve that is not there
                expect(client.cmd("CONFIG", "SET", "storage.disk_reserve", "90%"), "OK")
                expect(first_word(client, "SET", "more", "v"), "NOSPACE")
                expect(client.cmd("GET", "whole"), b"v", "while there is no space")
                expect(client.cmd("CONFIG", "SET", "storage.disk_reserve", "0%"), "OK")
                expect(client.cmd("SET", "more", "v"), "OK", "with space again")
            expect(node.stop(), 0)
        damage(folder, value)
        with Rldbd(config, shards=1) as node, node.connect() as client:
            expect(first_word(client, "GET", "damaged"), "CORRUPT")
            expect(client.cmd("GET", "whole"), b"v", "beside what is damaged")
            expect(client.cmd("DEL", "damaged"), 1)
            expect(client.cmd("GET", "damaged"), None)
            # From now on the system lets it write no file: as a disk that fails.
            unlimited = resource.RLIM_INFINITY
            resource.prlimit(node.process.pid, resource.RLIMIT_FSIZE, (0, unlimited))
            try:
                expect(first_word(client, "SET", "whole", "w"), "IOERR")
            except EOFError:  # what was held for the write, too late for another reply
                pass
            # Its log is a file too.
            resource.prlimit(node.process.pid, resource.RLIMIT_FSIZE, (unlimited, unlimited))
            with node.connect() as other:
                expect(first_word(other, "SET", "whole", "x"), "IOERR")
                expect(first_word(other, "GET", "whole"), "IOERR", "what may not be there")
                expect(first_word(other, "SET", "more", "x"), "IOERR")
            node.stop()
        with Rldbd(config, shards=1) as node, node.connect() as client:
            expect_true(client.cmd("GET", "whole") in (b"v", b"w"), "after a new start")
            expect(client.cmd("SET", "whole", "y"), "OK", "after a new start")


# Packages and examples.


def packages():
    """README names what ./bootstrap installs, and nothing else."""
    script = (ROOT / "bootstrap").read_text(encoding="utf-8")
    build, test = (
        set(re.search(rf"{name}=\((.*?)\)", script, re.S)[1].split())
        for name in ("build_packages", "test_packages")
    )
    by_hand = re.search(r"apt-get install ((?:.*\\\n)*.*)", README.split("Build it by hand", 1)[1])
    named = set(by_hand[1].replace("\\", " ").split())
    expect(named, build - {"libc6-dev"}, "to build by hand (libc6-dev comes with gcc's use)")
    told = {name for row in table_under("To test, and") for name in row[0].split(", ")}
    expect(told, test, "to test")
    for line in README.split("To build:", 1)[1].split("\n\n", 1):
        for name in build - {p for p in build if p.startswith("lib") and p != "libc6-dev"}:
            expect_true(name in line, f"{name} is not among what building takes")
        break


def users_example():
    """conf/users.acl: the passwords of its comments, and what it says that each may do."""
    config = {"auth": {"users_file": str(ROOT / "conf" / "users.acl")}}
    with Rldbd(config) as node:

        def tried(user, password, *requests):
            with node.connect() as client:
                if user is not None:
                    expect(client.cmd("AUTH", user, password), "OK", f"{user} logs in")
                replies = [client.cmd(*request) for request in requests]
            return [
                reply.args[0].split(" ")[0] if isinstance(reply, Error) else reply
                for reply in replies
            ]

        expect(tried(None, None, ["GET", "k"]), ["NOAUTH"])
        admin = tried("admin", "change-me-admin", ["SET", "k", "v"], ["CONFIG", "GET", "save"])
        expect(admin, ["OK", [b"save", b""]])
        requests = [["SET", key, "v"] for key in ("app:k", "k")] + [["FLUSHALL"]]
        expect(tried("app", "change-me-app", *requests), ["OK", "NOPERM", "NOPERM"])
        with node.connect() as client:
            reply = client.cmd("AUTH", "monitor", "")
            expect_true(isinstance(reply, Error), "a user that is off logs in")


def standalone_example():
    """conf/standalone.yaml says only what is so anyway, as its comment claims."""
    text = (ROOT / "conf" / "standalone.yaml").read_text(encoding="utf-8")
    full = (ROOT / "conf" / "full.yaml").read_text(encoding="utf-8")
    settings = re.findall(r"^ +([a-z_]+: .+)$", text, re.M)
    expect_true(len(settings) >= 5, settings)
    for setting in settings:
        expect_true(
            re.search(rf"^  {re.escape(setting)}$", full, re.M), f"{setting} is no default"
        )


CASES = [
    ("README: its examples", readme_examples),
    ("README: every error is told", errors_are_told),
    ("README: the errors are as told", errors_as_told),
    ("README: the errors of a disk are as told", disk_errors_as_told),
    ("README: packages", packages),
    ("conf/users.acl", users_example),
    ("conf/standalone.yaml", standalone_example),
]

if __name__ == "__main__":
    main("docs", [(None, CASES)])
