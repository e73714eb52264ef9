"""A well-behaved client that goes on asking while others misbehave."""

import threading
import time

from .resp import Connection

PATIENCE_S = 60
PERIOD_S = 0.002


class Bystander:
    """Writes and reads a key of its own until the `with` block ends. What it cannot accept is no
    answer, a late one, or a wrong one; how fast they came is only told."""

    def __init__(self, address, login=None):
        self.connection = Connection(address, timeout=PATIENCE_S)
        if login:
            reply = self.connection.cmd("AUTH", *login)
            if reply != "OK":
                raise AssertionError(f"the bystander cannot log in: {reply!r}")
        self.answers = 0
        self.worst_s = 0.0
        self.problem = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def _work(self):
        key = f"bystander:{id(self)}"
        try:
            while not self._ended.is_set():
                start = time.monotonic()
                value = b"%d" % self.answers
                written, read = self.connection.pipeline([("SET", key, value), ("GET", key)])
                self.worst_s = max(self.worst_s, time.monotonic() - start)
                if written != "OK" or read != value:
                    raise AssertionError(f"wrote {value!r}, was answered {written!r} and {read!r}")
                self.answers += 1
                self._ended.wait(PERIOD_S)
        except Exception as problem:  # pylint: disable=broad-except
            self.problem = problem

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, kind, *_):
        self._ended.set()
        self._thread.join(PATIENCE_S + 5)
        self.connection.close()
        if kind is not None:
            return
        if self.problem is not None:
            raise AssertionError(f"another client was not served: {self.problem!r}")
        if not self.answers:
            raise AssertionError("another client got no answer at all")

    def wait_for(self, answers):
        """Until it has so many; what goes wrong with it is told as the block ends."""
        deadline = time.monotonic() + PATIENCE_S
        while self.answers < answers and self.problem is None and time.monotonic() < deadline:
            time.sleep(0.01)

    def words(self):
        return f"bystander: {self.answers} answers, the slowest after {self.worst_s * 1000:.0f} ms"
