"""What a server costs while it has nothing to do, and what connections cost that say nothing."""

import resource
import time

from .report import Skip, expect

ASK = b"*2\r\n$3\r\nGET\r\n$4\r\nnone\r\n"


def raise_own_limit(wanted):
    """This process holds one end of every connection: so many descriptors."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= wanted:
        return
    if hard < wanted and hard != resource.RLIM_INFINITY:
        raise Skip(f"{wanted} descriptors are needed, and {hard} are the most here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def cpu_share(node, seconds):
    """Of one core, while nobody asks anything; in steps of the kernel's clock (10 ms)."""
    before = node.cpu_s()
    time.sleep(seconds)
    return (node.cpu_s() - before) / seconds


def warm(node):
    """Touches what belongs to the cores and not to a connection: the rings of receive buffers (16
    MiB a core), which are used in turn, and the caches of chunks for replies."""
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
        # All are in when the last one is answered on its own core; the other core's too by then.
        expect(held[-1].cmd("PING"), "PONG")
        time.sleep(1)
    return held, node.memory_kib() - before
