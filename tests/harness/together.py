"""Many clients at once, through every door of a node."""

import threading
import time

from .report import expect_true

WAIT_S = 600
ROUNDS_S = 20


def together(workers):
    """Runs the functions at once, and raises what the first of them raised."""
    problems = []
    barrier = threading.Barrier(len(workers))

    def run(work):
        try:
            barrier.wait(WAIT_S)
            work()
        except Exception as problem:  # pylint: disable=broad-except
            problems.append(problem)

    threads = [threading.Thread(target=run, args=(work,), daemon=True) for work in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
        expect_true(not thread.is_alive(), "a client is stuck")
    if problems:
        raise problems[0]


def rounds(count, seconds=ROUNDS_S):
    """range(count), cut short where that many take long, as on a disk that takes 100 ms to sync."""
    deadline = time.monotonic() + seconds
    for number in range(count):
        if number > 0 and time.monotonic() > deadline:
            return
        yield number


def entrances(node):
    """Every way in: the client port, the shard ports, the unix socket."""
    return [node.port, *getattr(node, "shard_ports", []), node.unix_path]
