"""rldb as a program that tests start: with words and pipes, or on a terminal of its own."""

import contextlib
import json
import os
import pathlib
import pty
import select
import shutil
import signal
import subprocess
import tempfile
import time

from .report import Skip, expect, expect_true
from .servers import ROOT

SHORT_S = 240
DONE, NOT_FOUND, USAGE, FAILED = 0, 1, 2, 3


def rldb_path():
    return os.environ.get("RLDB", str(ROOT / "build" / "rldb"))


def environment(**extra):
    """Without what the caller's shell may have set."""
    names = ("RLDB_PASSWORD", "NO_COLOR", "XDG_STATE_HOME")
    return {
        **{k: v for k, v in os.environ.items() if k not in names},
        "TERM": "xterm",
        "LC_ALL": "C.UTF-8",
        **extra,
    }


def run(words, data=b"", env=None):
    """Exit status, standard output (bytes) and standard error (text)."""
    done = subprocess.run(
        [rldb_path(), *words],
        input=data,
        capture_output=True,
        timeout=SHORT_S,
        check=False,
        env=env or environment(),
    )
    return done.returncode, done.stdout, done.stderr.decode()


def on(node, *words, data=b"", code=DONE, env=None):
    """Standard output of a run on the node that has to end with this exit status."""
    got, out, err = run(["-p", str(node.port), *words], data, env)
    expect(got, code, f"{words}: {err}")
    expect_true(err or code in (DONE, NOT_FOUND), f"{words}: failed without a word")
    return out


def told(node, *words, code=DONE, **options):
    return json.loads(on(node, "--json", *words, code=code, **options))


def error_of(node, *words, code=FAILED, **options):
    got, _, err = run(["-p", str(node.port), *words], **options)
    expect(got, code, f"{words}: {err}")
    return err


@contextlib.contextmanager
def folder():
    path = tempfile.mkdtemp(prefix="rldb-cli-")
    try:
        yield pathlib.Path(path)
    finally:
        shutil.rmtree(path, ignore_errors=True)


def fresh(node):
    with node.connect() as client:
        client.cmd("FLUSHALL")


def fork_on_terminal():
    """pty.fork(); a Skip where the system grants no terminals, as a root without /dev/pts."""
    try:
        return pty.fork()
    except OSError as problem:
        raise Skip(f"no terminal to be had: {problem}") from None


class Terminal:
    """rldb on a terminal of its own."""

    def __init__(self, words, env=None):
        self.pid, self.fd = fork_on_terminal()
        self.text = ""
        if self.pid == 0:
            os.execve(rldb_path(), ["rldb", *words], env or environment())

    def read(self, until, seconds=60):
        """What it printed until `until` was among it."""
        deadline = time.monotonic() + seconds
        start = len(self.text)
        while until not in self.text[start:]:
            left = deadline - time.monotonic()
            ready = left > 0 and select.select([self.fd], [], [], left)[0]
            try:
                piece = os.read(self.fd, 65536) if ready else b""
            except OSError:
                piece = b""
            expect_true(piece, f"{until!r} never came, but {self.text[start:]!r}")
            self.text += piece.decode("utf-8", "replace")
        return self.text[start:]

    def type(self, keys, until):
        os.write(self.fd, keys.encode())
        return self.read(until)

    def type_until(self, keys, until, seconds=60):
        """Types what may get lost where it comes before the line editor waits for it, again and
        again until it shows."""
        deadline = time.monotonic() + seconds
        while True:
            os.write(self.fd, keys.encode())
            try:
                return self.read(until, 3)
            except AssertionError:
                if time.monotonic() > deadline:
                    raise

    def end(self, seconds=120):
        """The exit status, after it has ended by itself and `text` is all that it printed."""
        deadline = time.monotonic() + seconds
        with contextlib.suppress(OSError):
            while select.select([self.fd], [], [], max(0, deadline - time.monotonic()))[0]:
                self.text += os.read(self.fd, 65536).decode("utf-8", "replace")
        os.close(self.fd)
        while time.monotonic() < deadline:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid != 0:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.01)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        raise AssertionError(f"it did not end: {self.text[-500:]!r}")
