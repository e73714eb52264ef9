"""What a node costs that nobody talks to: alone, and with 10,000 connections that say nothing.

`RLDB_TEST_CONNECTIONS` sets another number of connections, for a machine with few descriptors.
"""

import os
import pathlib
import sys
import time

sys.path[0] = str(pathlib.Path(__file__).resolve().parent.parent)

# pylint: disable=wrong-import-position
from harness import idle
from harness.cases import main
from harness.report import expect, expect_true
from harness.servers import start_node

CONNECTIONS = int(os.environ.get("RLDB_TEST_CONNECTIONS", "10000"))
NODE_MAX_KIB = 40 * 1024
CONNECTION_MAX_BYTES = 2048
# Pools grow in steps and an allocator in pages: so much may be there for connections still to come.
ROUNDING_KIB = 2048
SPARE = 300
# Of one core, over the time watched: timers and the granularity of the kernel's clock (10 ms).
IDLE_CPU_SHARE = 0.05
LOOKS = 10


def start():
    return start_node({"clients": {"max": CONNECTIONS + SPARE}}, nofile=CONNECTIONS + 2 * SPARE)


def alone():
    """Memory and CPU of a node just started, with a client that has asked one thing."""
    with start_node() as node:
        with node.connect() as client:
            expect(client.cmd("PING"), "PONG")
            time.sleep(0.5)
            resident = node.status_kib("VmRSS")
            share = idle.cpu_share(node, 4, IDLE_CPU_SHARE, LOOKS)
        expect_true(resident < NODE_MAX_KIB, f"an idle node has {resident} KiB in RAM")
        expect_true(share < IDLE_CPU_SHARE, f"an idle node uses {share:.1%} of a core")
        print(f"       {resident} KiB resident, {share:.1%} of a core")
        expect(node.stop(), 0)


def connected(used):
    """10,000 connections, silent or with one request each behind them."""
    idle.raise_own_limit(CONNECTIONS + SPARE)
    with start() as node:
        held, grown = idle.hold_connections(node, CONNECTIONS, used)
        share = idle.cpu_share(node, 3, IDLE_CPU_SHARE, LOOKS)
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
        deadline = time.monotonic() + 120
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
