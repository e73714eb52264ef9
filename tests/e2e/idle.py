"""What a node costs that nobody talks to: alone, and with 10,000 connections that say nothing.

`RLDB_TEST_CONNECTIONS` sets another number of connections, for a machine with few descriptors.
"""

import os
import pathlib
import resource
import sys
import time

sys.path[0] = str(pathlib.Path(__file__).resolve().parent.parent)

# pylint: disable=wrong-import-position
from harness.cases import main
from harness.report import Skip, expect, expect_true
from harness.servers import start_node

CONNECTIONS = int(os.environ.get("RLDB_TEST_CONNECTIONS", "10000"))
NODE_MAX_KIB = 40 * 1024
CONNECTION_MAX_BYTES = 2048
# Pools grow in steps and an allocator in pages: so much may be there for connections still to come.
ROUNDING_KIB = 2048
SPARE = 300
# Of one core, over the time watched: timers and the granularity of the kernel's clock (10 ms).
IDLE_CPU_SHARE = 0.05


def raise_own_limit():
    """This process holds one end of every connection."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CONNECTIONS + SPARE
    if soft >= wanted:
        return
    if hard < wanted and hard != resource.RLIM_INFINITY:
        raise Skip(f"{wanted} descriptors are needed, and {hard} are the most here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def start():
    return start_node({"clients": {"max": CONNECTIONS + SPARE}}, nofile=CONNECTIONS + 2 * SPARE)


def idle_cpu(node, seconds=4):
    before = node.cpu_s()
    time.sleep(seconds)
    return (node.cpu_s() - before) / seconds


def alone():
    """Memory and CPU of a node just started, with a client that has asked one thing."""
    with start_node() as node:
        with node.connect() as client:
            expect(client.cmd("PING"), "PONG")
            time.sleep(0.5)
            resident = node.status_kib("VmRSS")
            share = idle_cpu(node)
        expect_true(resident < NODE_MAX_KIB, f"an idle node has {resident} KiB in RAM")
        expect_true(share < IDLE_CPU_SHARE, f"an idle node uses {share:.1%} of a core")
        print(f"       {resident} KiB resident, {share:.1%} of a core")
        expect(node.stop(), 0)


def warm(node):
    """Touches what belongs to the cores and not to a connection: the rings of receive buffers (16
    MiB a core), which are used in turn, and the caches of chunks for replies."""
    clients = [node.connect() for _ in range(64)]
    for _ in range(100):
        for client in clients:
            client.send(b"*2\r\n$3\r\nGET\r\n$4\r\nnone\r\n")
        for client in clients:
            expect(client.read(), None)
    for client in clients:
        client.close()


def connected(used):
    """10,000 connections, silent or with one request each behind them."""
    raise_own_limit()
    with start() as node:
        warm(node)
        time.sleep(0.3)
        before = node.memory_kib()
        held = [node.connect() for _ in range(CONNECTIONS)]
        if used:
            for connection in held:
                connection.send(b"*2\r\n$3\r\nGET\r\n$4\r\nnone\r\n")
            for connection in held:
                expect(connection.read(), None)
        else:
            # All are in when the last one is answered on its own core; the other core's too by
            # then.
            expect(held[-1].cmd("PING"), "PONG")
            time.sleep(1)
        grown = node.memory_kib() - before
        share = idle_cpu(node, 3)
        each = grown * 1024 / CONNECTIONS
        print(
            f"       {grown} KiB for {CONNECTIONS} connections: {each:.0f} bytes each;"
            f" {share:.1%} of a core"
        )
        bound = CONNECTION_MAX_BYTES * CONNECTIONS // 1024 + ROUNDING_KIB
        expect_true(grown <= bound, f"{each:.0f} bytes a connection")
        expect_true(share < IDLE_CPU_SHARE, f"idle connections use {share:.1%} of a core")
        with node.connect() as client:
            lines = client.cmd("CLIENT", "LIST").splitlines()
            expect_true(len(lines) >= CONNECTIONS, f"only {len(lines)} clients are listed")
        for connection in held:
            connection.close()
        deadline = time.monotonic() + 30
        while node.descriptors() > SPARE:
            expect_true(time.monotonic() < deadline, f"{node.descriptors()} descriptors stay open")
            time.sleep(0.05)
        expect(node.stop(), 0)


CASES = [
    ("an idle node", alone),
    (f"{CONNECTIONS} silent connections", lambda: connected(False)),
    (f"{CONNECTIONS} connections that have asked once", lambda: connected(True)),
]

if __name__ == "__main__":
    main("idle", [(None, CASES)])
