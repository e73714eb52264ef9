"""What a server costs while it has nothing to do, and what connections cost that say nothing."""

import re
import resource
import time

from .report import Skip, expect, expect_true

WAIT_S = 120
ASK = b"*2\r\n$3\r\nGET\r\n$4\r\nnone\r\n"


def raise_own_limit(wanted):
    """This process holds one end of every connection: so many descriptors."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= wanted:
        return
    if hard < wanted and hard != resource.RLIM_INFINITY:
        raise Skip(f"{wanted} descriptors are needed, and {hard} are the most here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def cpu_share(node, seconds, bound=0.0, looks=1):
    """Of one core, while nobody asks anything; in steps of the kernel's clock (10 ms). The least of
    several looks, the last of them the first below the bound: work that was left from before may
    take its time on a slow machine, and one that is shared charges what others take."""
    least = 1.0
    for _ in range(looks):
        before = node.cpu_s()
        time.sleep(seconds)
        least = min(least, (node.cpu_s() - before) / seconds)
        if least < bound:
            break
    return least


def clients_of(node):
    """How many connections the node has."""
    with node.connect() as client:
        info = client.cmd("INFO", "clients").decode()
    return int(re.search(r"connected_clients:(\d+)", info).group(1))


def warm(node):
    """Touches what belongs to the cores and not to a connection: receive buffers (2 MiB a core are
    used in turn, up to 16 when more are needed at once), and the caches of chunks for replies."""
    clients = [node.connect() for _ in range(64)]
    for _ in range(100):
        for client in clients:
            client.send(ASK)
        for client in clients:
            expect(client.read(), None)
    for client in clients:
        client.close()


def hold_connections(node, count, used):
    """Opens connections that then are silent, after one request each if `used`. Returns them, and
    the KiB of RAM that the server has grown by."""
    warm(node)
    time.sleep(0.3)
    before = node.memory_kib()
    held = [node.connect() for _ in range(count)]
    if used:
        for connection in held:
            connection.send(ASK)
        for connection in held:
            expect(connection.read(), None)
    else:
        deadline = time.monotonic() + WAIT_S
        while clients_of(node) < count:
            expect_true(time.monotonic() < deadline, "not all connections are taken")
            time.sleep(0.1)
        expect(held[-1].cmd("PING"), "PONG")
    return held, node.memory_kib() - before
