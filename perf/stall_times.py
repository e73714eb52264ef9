"""perf/stalls: how long other clients wait while one gives a long command.

rldbd with one shard on one CPU. A process that the scheduler prefers sends PING after PING on the
other CPU, from before the command is sent until its reply is read, and keeps the longest wait.
Of the rounds the least and the median of these are shown: a shard that is held up is held up in
each, a thread that loses its CPU is not. Beside them the same until the reply had arrived, by the
kernel's stamp: what follows is that the one who asks waits for his CPU, which the one who sends
long commands has. And the median of the shard's longest turns, which is what is the server's own.
"""

import argparse
import multiprocessing
import os
import socket
import statistics
import struct
import sys
import time

import machine
from peers import BUILD, ROOT, pin

sys.path.insert(0, str(ROOT / "tests"))

from harness.report import Skip
from harness.resp import Connection, encode
from harness.servers import Rldbd

REPLY_CHUNK = 1 << 20
SETTLE_S = 0.2
PAUSE_S = 0.0002
SO_TIMESTAMPNS = 35
PONG = b"+PONG\r\n"


def parse_arguments():
    parser = argparse.ArgumentParser(
        prog="perf/stalls", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--engine", default="memory", choices=("memory", "log"))
    parser.add_argument("--mib", type=int, default=60, help="of a long value (60)")
    parser.add_argument("--keys", type=int, default=100_000, help="of MSET, MGET and DEL (100000)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", help="commands, by their first word: SET,GET")
    parser.add_argument("--name", help="of the result in perf/results/ (none is kept)")
    return parser.parse_args()


def ping_once(connection):
    """How long a PING took, in ns, and how long until its reply had arrived at this socket."""
    began_wall = time.clock_gettime_ns(time.CLOCK_REALTIME)
    began = time.perf_counter_ns()
    connection.send(b"PING\r\n")
    reply, stamps, _, _ = connection.socket.recvmsg(64, 128)
    took = time.perf_counter_ns() - began
    if reply != PONG:
        raise RuntimeError(f"PING was answered {reply!r}")
    arrived = took
    for level, kind, stamp in stamps:
        if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS):
            seconds, ns = struct.unpack("qq", stamp)
            arrived = seconds * 1_000_000_000 + ns - began_wall
    return took, arrived


def ping_on(address, pipe):
    """Waits of one PING after another: the longest of each span that the pipe asks for, in us."""
    os.sched_setaffinity(0, {1})
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except PermissionError:
        pass
    with Connection(address) as connection:
        connection.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        longest = longest_arrived = 0
        while True:
            if pipe.poll():
                if pipe.recv() == "end":
                    return
                pipe.send((round(longest / 1000), round(longest_arrived / 1000)))
                longest = longest_arrived = 0
            took, arrived = ping_once(connection)
            longest = max(longest, took)
            longest_arrived = max(longest_arrived, arrived)
            time.sleep(PAUSE_S)


def ask(pipe):
    pipe.send("longest")
    return pipe.recv()


def swallow(connection, parts):
    """Reads so many replies, whose last is the one to ECHO, and keeps none of it."""
    tail = b""
    while not tail.endswith(parts):
        got = connection.socket.recv(REPLY_CHUNK)
        if not got:
            raise RuntimeError("the server closed the connection")
        tail = (tail + got)[-64:]


def run(connection, raw):
    connection.socket.sendall(raw + encode("ECHO", "the-end"))
    swallow(connection, b"the-end\r\n")


def longest_turn(connection):
    """us, since CONFIG RESETSTAT."""
    for line in connection.cmd("INFO", "shards").decode().splitlines():
        if line.startswith("shard0:"):
            fields = dict(pair.split("=") for pair in line.split(":", 1)[1].split(","))
            return int(fields["turn_us_max"])
    raise RuntimeError("INFO tells nothing of the shard")


def commands(options):
    """(name, what is done before, the command)."""
    value = b"v" * (options.mib << 20)
    none = encode("DEL", "a", "b")
    there = none + encode("SET", "a", value)
    keys = [f"key:{i}" for i in range(options.keys)]
    pairs = [word for key in keys for word in (key, "value")]
    all_set = encode("MSET", *pairs)
    return [
        ("SET new", none, encode("SET", "a", value)),
        ("SET over", there, encode("SET", "a", value)),
        ("GET", there, encode("GET", "a")),
        ("APPEND", there, encode("APPEND", "a", "more")),
        ("SETRANGE", there, encode("SETRANGE", "a", "1000000", "more")),
        ("GETRANGE", there, encode("GETRANGE", "a", "1", "-2")),
        ("GETSET", there, encode("GETSET", "a", "short")),
        ("GETDEL", there, encode("GETDEL", "a")),
        ("MGET long", there, encode("MGET", "a")),
        ("COPY", there, encode("COPY", "a", "b")),
        ("RENAME", there, encode("RENAME", "a", "b")),
        ("EXPIRE", there, encode("EXPIRE", "a", "1000")),
        ("DEL long", there, encode("DEL", "a")),
        ("MSET many", encode("FLUSHALL"), all_set),
        ("MGET many", all_set, encode("MGET", *keys)),
        ("DEL many", all_set, encode("DEL", *keys)),
        ("FLUSHALL", all_set, encode("FLUSHALL")),
    ]


def main():
    options = parse_arguments()
    os.environ.setdefault("RLDBD", str(BUILD / "rldbd"))
    rows = []
    config = {"storage": {"engine": options.engine, "value_max": "64MiB"}}
    try:
        with Rldbd(config, shards=1) as node:
            pin(node.pid, {0})
            os.sched_setaffinity(0, {1})
            mine, its = multiprocessing.Pipe()
            address = node.port
            pinger = multiprocessing.Process(target=ping_on, args=(address, its))
            pinger.start()
            with Connection(address, timeout=60) as connection:
                connection.cmd("CONFIG", "RESETSTAT")
                ask(mine)
                time.sleep(SETTLE_S)
                wait, arrived = ask(mine)
                row = {"command": "nothing", "longest_us": [wait], "arrived_us": [arrived]}
                rows.append({**row, "turn_us": [longest_turn(connection)]})
                for name, before, raw in commands(options):
                    if options.only and name.split()[0] not in options.only.split(","):
                        continue
                    waits, arrivals, turns = [], [], []
                    for _ in range(options.rounds):
                        run(connection, before)
                        time.sleep(SETTLE_S)
                        connection.cmd("CONFIG", "RESETSTAT")
                        ask(mine)
                        run(connection, raw)
                        wait, arrived = ask(mine)
                        waits.append(wait)
                        arrivals.append(arrived)
                        turns.append(longest_turn(connection))
                    row = {"command": name, "longest_us": waits, "arrived_us": arrivals}
                    rows.append({**row, "turn_us": turns})
            mine.send("end")
            pinger.join()
    except (OSError, RuntimeError, Skip) as error:
        print(f"perf/stalls: {error}", file=sys.stderr)
        return 1
    for row in rows:
        waits = row["longest_us"]
        print(
            f"{options.engine:6} {row['command']:10} others waited for {min(waits) / 1000:8.2f} ms "
            f"(median {statistics.median(waits) / 1000:.2f}; until it arrived "
            f"{statistics.median(row['arrived_us']) / 1000:.2f}; "
            f"longest turn {statistics.median(row['turn_us']) / 1000:.2f})"
        )
    if options.name:
        print(f"\n{machine.save(options.name, {'engine': options.engine, 'rows': rows})}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
