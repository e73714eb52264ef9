"""Many clients at once, through every door of a node."""

import threading

from .report import expect_true


def together(workers):
    """Runs the functions at once, and raises what the first of them raised."""
    problems = []
    barrier = threading.Barrier(len(workers))

    def run(work):
        try:
            barrier.wait(30)
            work()
        except Exception as problem:  # pylint: disable=broad-except
            problems.append(problem)

    threads = [threading.Thread(target=run, args=(work,), daemon=True) for work in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
        expect_true(not thread.is_alive(), "a client is stuck")
    if problems:
        raise problems[0]


def entrances(node):
    """Every way in: the client port, the shard ports, the unix socket."""
    return [node.port, *getattr(node, "shard_ports", []), node.unix_path]
