"""Many clients, each within its own bounds, who together want more than there is.

As in hostile.py no time is asserted: another client is answered meanwhile, within 60 s.
"""

import contextlib
import pathlib
import sys
import time

sys.path[0] = str(pathlib.Path(__file__).resolve().parent.parent)

# pylint: disable=wrong-import-position
from harness.bystander import Bystander
from harness.cases import main
from harness.report import expect, expect_true
from harness.resp import encode
from harness.servers import start_node

MIB = 1 << 20
# Beyond what the clients may hold: receive buffers that were touched for the first time (16 MiB a
# core), and what was given up and is unmapped a piece a turn.
SLACK_KIB = 96 * 1024
PATIENCE_S = 60


def all_together():
    """200 connections that each keep to their own bound, and together want five times what all may
    hold: those that hold most are hung up on, others are served, and the memory comes back."""
    bound_mib = 64
    with start_node({"clients": {"memory_max": f"{bound_mib}MiB"}}) as node:
        with node.connect() as client:
            expect(client.cmd("SET", "large", "x" * MIB), "OK")
        before = node.memory_kib()
        peak = 0
        announced = b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$%d\r\n" % (60 * MIB)
        with Bystander(node.port) as bystander:
            held = [node.connect(rcvbuf=4096) for _ in range(200)]
            for number, connection in enumerate(held):
                connection.socket.settimeout(0.2)
                with contextlib.suppress(TimeoutError, BrokenPipeError, ConnectionResetError):
                    if number % 2:
                        connection.send(announced + b"x" * (MIB + 1000 * number))
                    else:
                        connection.send(encode("GET", "large") * 3)
                peak = max(peak, node.memory_kib())
            deadline = time.monotonic() + PATIENCE_S
            evicted = 0
            with node.connect() as client:
                # What was sent is not yet all taken: until enough are evicted, and a while longer.
                while evicted <= 50 and time.monotonic() < deadline:
                    time.sleep(0.5)
                    peak = max(peak, node.memory_kib())
                    info = client.cmd("INFO").decode()
                    evicted = int(info.split("evicted_clients:")[1].split("\r")[0])
            for connection in held:
                connection.close()
            deadline = time.monotonic() + PATIENCE_S
            # Receive buffers stay: 16 MiB a core, touched by now.
            while node.memory_kib() > before + 48 * 1024 and time.monotonic() < deadline:
                time.sleep(0.1)
        left = node.memory_kib() - before
        lines = node.log().count("clients.memory_max")
        print(f"       {bystander.words()}; at most {peak - before:+d} KiB, {left:+d} in the end")
        expect_true(evicted > 50, f"{evicted} clients were evicted")
        expect_true(0 < lines < 50, f"{lines} lines of log for {evicted} clients")
        expect_true(peak < before + bound_mib * 1024 + SLACK_KIB, f"{peak} KiB, {before} before")
        expect_true(left <= 48 * 1024, f"{left} KiB are kept after all have left")
        expect(node.stop(), 0)


def who_holds_it_is_told():
    """A client that may not be evicted holds more than all may: commands without keys are served,
    since they tell of it and end it, and others are told the reason."""
    with start_node({"clients": {"memory_max": "4MiB"}}, shards=1) as node:
        with node.connect() as client, node.connect() as holder:
            expect(holder.cmd("CLIENT", "NO-EVICT", "ON"), "OK")
            holder.cmd("CLIENT", "SETNAME", "holder")
            holder.send(b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$9000000\r\n" + b"x" * 8000000)
            client.cmd("CLIENT", "NO-EVICT", "ON")
            keys = [str(number) for number in range(200)]
            reply, deadline = None, time.monotonic() + PATIENCE_S
            while "clients.memory_max" not in str(reply) and time.monotonic() < deadline:
                reply = client.cmd("MGET", *keys)
            expect_true("clients.memory_max" in str(reply), f"MGET says {str(reply)[:200]}")
            listed = client.cmd("CLIENT", "LIST")
            expect_true(b"name=holder" in bytes(listed), f"CLIENT LIST says {listed[:200]}")
            expect(client.cmd("CLIENT", "KILL", "SKIPME", "yes"), 1)
            while "clients.memory_max" in str(reply) and time.monotonic() < deadline:
                reply = client.cmd("MGET", *keys)
            expect(reply, [None] * 200, "once it is gone")
        expect(node.stop(), 0)


CASES = [
    ("more memory for clients than clients.memory_max", all_together),
    ("who holds more than clients.memory_max can be found", who_holds_it_is_told),
]

if __name__ == "__main__":
    main("memory", [(None, CASES)])
