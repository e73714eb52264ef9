"""perf/idle: what a server costs that nobody talks to, and what connections cost that say nothing.

rldbd with two shards, and Redis beside it. RAM is what the process has of its own: anonymous pages,
and shared ones such as the rings of receive buffers; the kernel's sockets are not in it. A
connection's share is taken after buffers that belong to the cores have been touched. CPU is user
and system time while nothing is sent.
"""

import argparse
import os
import pathlib
import sys
import time

import machine
from peers import BUILD, ROOT, cpu_ns

sys.path.insert(0, str(ROOT / "tests"))

from harness import idle
from harness.report import Skip
from harness.servers import Redis, Rldbd

SPARE = 300
TARGETS = {"alone_rss_mib": 40, "bytes_a_connection": 2048}


def parse_arguments():
    parser = argparse.ArgumentParser(
        prog="perf/idle", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--connections", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=10, help="to watch the CPU for (10)")
    parser.add_argument("--servers", default="rldbd,redis")
    parser.add_argument("--name", default="idle", help="of the result in perf/results/ (idle)")
    return parser.parse_args()


def start(server, options):
    room = options.connections + SPARE
    if server == "redis":
        return Redis([f"maxclients {room}"])
    os.environ.setdefault("RLDBD", str(BUILD / "rldbd"))
    config = {"clients": {"max": room}, "storage": {"engine": "memory"}}
    return Rldbd(config, nofile=room + SPARE)


def watch(node, seconds):
    """Microseconds of CPU in a second, and the threads' switches."""
    before_ns, before = cpu_ns(node.pid), switches(node.pid)
    time.sleep(seconds)
    return {
        "cpu_us_a_second": round((cpu_ns(node.pid) - before_ns) / 1000 / seconds, 1),
        "wakes_a_second": round((switches(node.pid) - before) / seconds, 1),
    }


def switches(pid):
    """How often threads went to sleep."""
    total = 0
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        for line in (task / "status").read_text(encoding="ascii").splitlines():
            if line.startswith("voluntary_ctxt_switches:"):
                total += int(line.split()[1])
    return total


def alone(server, options):
    with start(server, options) as node:
        time.sleep(1)
        rss_mib = round(node.status_kib("VmRSS") / 1024, 1)
        return {"server": server, "state": "alone", "rss_mib": rss_mib} | watch(
            node, options.seconds
        )


def connected(server, options, used):
    with start(server, options) as node:
        held, grown_kib = idle.hold_connections(node, options.connections, used)
        row = {
            "server": server,
            "state": "connections that have asked once" if used else "silent connections",
            "connections": options.connections,
            "rss_mib": round(node.status_kib("VmRSS") / 1024, 1),
            "bytes_a_connection": round(grown_kib * 1024 / options.connections),
        } | watch(node, options.seconds)
        for connection in held:
            connection.close()
        return row


def print_row(row):
    each = ""
    if "connections" in row:
        each = f", {row['connections']} connections: {row['bytes_a_connection']} bytes each"
    met = ""
    if row["server"] == "rldbd":
        ok = (
            row["bytes_a_connection"] <= TARGETS["bytes_a_connection"]
            if "connections" in row
            else row["rss_mib"] < TARGETS["alone_rss_mib"]
        )
        met = "  target met" if ok else "  target NOT MET"
    print(
        f"{row['server']:6} {row['state']}: {row['rss_mib']} MiB resident{each}; "
        f"{row['cpu_us_a_second']} us of CPU and {row['wakes_a_second']} wakes a second{met}",
        flush=True,
    )


def main():
    options = parse_arguments()
    rows = []
    try:
        idle.raise_own_limit(options.connections + SPARE)
        for server in options.servers.split(","):
            for row in (
                lambda s=server: alone(s, options),
                lambda s=server: connected(s, options, False),
                lambda s=server: connected(s, options, True),
            ):
                rows.append(row())
                print_row(rows[-1])
    except (OSError, RuntimeError, Skip) as error:
        print(f"perf/idle: {error}", file=sys.stderr)
        return 1
    print(f"\n{machine.save(options.name, {'targets': TARGETS, 'rows': rows})}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
