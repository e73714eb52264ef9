"""Blocks of loopback ports that no other test run uses.

The range (RLDB_TEST_PORTS, by default 20200-20299) is cut into blocks of twenty. The last port of a
block is its lock: whoever listens there owns the block for as long as its process lives, so that
two test runs on one machine never hand the same port to two servers. Ports that something else
listens on are passed over.
"""

import os
import socket
import time

BLOCK = 20
WAIT_S = 600


def _range():
    first, last = os.environ.get("RLDB_TEST_PORTS", "20200-20299").split("-")
    return int(first), int(last)


def is_free(port):
    """Whether nothing listens on the loopback port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


class Ports:
    """One block, taken at the first need and given back when the process ends."""

    def __init__(self):
        self._lock = None
        self._first = 0
        self._next = 0

    def _take_block(self):
        first, last = _range()
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            for base in range(first, last - BLOCK + 2, BLOCK):
                lock = socket.socket()
                try:
                    lock.bind(("127.0.0.1", base + BLOCK - 1))
                    lock.listen(1)
                except OSError:
                    lock.close()
                    continue
                if all(is_free(port) for port in range(base, base + BLOCK - 1)):
                    self._lock, self._first = lock, base
                    return
                lock.close()
            time.sleep(1)
        raise RuntimeError(f"no free block of {BLOCK} ports in {first}-{last}")

    def take(self, count=1):
        """The first of `count` free adjacent ports. They are not kept: a later call may name them
        again once their server is gone."""
        if self._lock is None:
            self._take_block()
        size = BLOCK - 1
        for _ in range(size):
            if self._next + count > size:
                self._next = 0
            first = self._first + self._next
            self._next += 1
            if all(is_free(port) for port in range(first, first + count)):
                self._next += count - 1
                return first
        raise RuntimeError(f"no {count} free ports from {self._first}")


PORTS = Ports()
