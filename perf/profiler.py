"""perf/profile: what a server under load does, on the CPU and off it.

Starts a server on one CPU and a load on another, or looks at a process that runs already, and
leaves in a folder:

  flame.svg, stacks.folded   samples of the CPU: a box is a function, its width its share
  offcpu.svg                 time asleep, by what was waited for
  report.txt, profile.json   system calls, switches, faults and cache misses a request; time asleep
                             and time without a core of each thread; the symbols on top

Each part is a measurement of its own (--seconds), under the same load. What the kernel does not
grant is told and left out. Needs perf (Debian: linux-perf); what it needs of the kernel it says.

  perf/profile                         GET, one request in flight on each of 50 connections
  perf/profile -w set -P 16            SET, pipelined
  perf/profile --shards 2              half of the requests hop between the cores
  perf/profile --server redis          the same load on Redis
  perf/profile --client redis-benchmark    what perf/compare's figures are made of
  perf/profile --pid 1234 --port 7379  a process that is there, under the load that it has
"""

import argparse
import os
import pathlib
import shutil
import sys
import tempfile

import machine
from peers import CONNECTIONS, parse_count
from profile_load import LOADS, FoundLoad
from profile_parts import PARTS, Unavailable


def parse_arguments():
    parser = argparse.ArgumentParser(
        prog="perf/profile", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--server", choices=("rldbd", "redis", "floor"), default="rldbd")
    parser.add_argument("--pid", type=int, help="look at this process, and start nothing")
    parser.add_argument("--port", type=int, help="with --pid: where INFO counts its requests")
    parser.add_argument("--client", choices=tuple(LOADS), default="rldb", help="who sends (rldb)")
    parser.add_argument("-w", "--workload", default="get", help="get, set, or of rldb bench (get)")
    parser.add_argument("-P", "--pipeline", type=int, default=1, help="requests in flight (1)")
    parser.add_argument("-c", "--connections", type=int, default=CONNECTIONS)
    parser.add_argument("--keys", type=parse_count, default=100_000, help="such as 10M (100K)")
    parser.add_argument("--value", type=int, default=64, help="bytes of a value (64)")
    parser.add_argument("--shards", type=int, choices=(1, 2), default=1)
    parser.add_argument("--memory-max", default="8GiB", help="of rldbd (8GiB)")
    parser.add_argument("--seconds", type=float, default=5, help="of each part (5)")
    parser.add_argument("--parts", default=",".join(PARTS), help="(%(default)s)")
    parser.add_argument("--server-cpu", type=int, default=0)
    parser.add_argument("--client-cpu", type=int, default=min(1, os.cpu_count() - 1))
    parser.add_argument("--out", help="the folder (perf/results/tmp/profile_...)")
    options = parser.parse_args()
    options.parts = options.parts.split(",")
    for part in options.parts:
        if part not in PARTS:
            parser.error(f"--parts {part}: there are {', '.join(PARTS)}")
    if options.port and not options.pid:
        parser.error("--port is about --pid: without it, a server is started")
    if options.pid and not os.path.exists(f"/proc/{options.pid}"):
        parser.error(f"--pid {options.pid}: there is no such process")
    if not 0 < options.seconds <= 600:
        parser.error("--seconds is above 0 and at most 600")
    return options


def rates(counts, requests):
    """Lines of `name: a second, a request`."""
    for name, count in sorted(counts.items(), key=lambda item: -item[1]):
        each = f"  {count / requests:8.4f} a request" if requests else ""
        yield f"    {name:24} {count:12.0f}/s{each}"


def cpu_lines(part):
    yield f"  {part['samples']} samples of the CPU; where they were:"
    for place, share in part["where"].items():
        yield f"    {share:6.1%}  {place}"
    yield "  the symbols on top: alone, and with what they call"
    for row in part["top"]:
        shares = f"{row['self']:6.1%}  {row['with_callees']:6.1%}"
        yield f"    {shares}  {row['symbol']} ({row['module']})"


def counter_lines(part):
    requests = part.get("requests_per_second")
    yield "  system calls"
    if "calls_unavailable" in part:
        yield f"    not counted. {part['calls_unavailable']}"
    yield from rates(part.get("calls_per_second", {}), requests)
    yield "  counters"
    yield from rates(part["counters_per_second"], requests)
    if part["not_counted_here"]:
        yield f"    this machine does not count: {', '.join(part['not_counted_here'])}"


def offcpu_lines(part):
    yield f"  off the CPU, of {part['seconds']} s"
    for row in part["threads"]:
        yield (
            f"    {row['name']:16} asleep {row['asleep']:6.1%} ({row['sleeps_per_second']:.0f} "
            f"times/s), without a core {row['without_a_core']:6.1%} (pushed off "
            f"{row['pushed_off_per_second']:.0f} times/s)"
        )


LINES = {
    "cpu": cpu_lines,
    "counters": counter_lines,
    "offcpu": offcpu_lines,
}


def report(title, parts):
    yield title
    for name, part in parts.items():
        if "unavailable" in part:
            yield f"  {name}: not measured. {part['unavailable']}"
            continue
        requests, cpu_us = part.get("requests_per_second"), part.get("server_cpu_us_a_request")
        yield from LINES[name](part)
        if requests:
            each = f", {cpu_us:.2f} us of the server's CPU each" if cpu_us else ""
            yield f"    (under {requests:.0f} requests a second{each}, perf's own cost included)"


def measure(name, options, load, out):
    with tempfile.TemporaryDirectory(prefix="rldb-profile-") as folder:
        load.begin(options.seconds)
        try:
            part = PARTS[name](options, load.pid, out, pathlib.Path(folder) / "data")
        except Unavailable as error:
            part = {"unavailable": str(error)}
        finally:
            requests, cpu_us = load.end()
    if requests:
        part["requests_per_second"] = round(requests, 1)
    if cpu_us:
        part["server_cpu_us_a_request"] = round(cpu_us, 4)
    return part


def profile(options):
    shape = f"{options.workload}_p{options.pipeline}_{options.shards}_{options.client}"
    name = f"pid_{options.pid}" if options.pid else f"{options.server}_{shape}"
    out = pathlib.Path(options.out or machine.RESULTS / "tmp" / f"profile_{name}")
    out.mkdir(parents=True, exist_ok=True)
    options.title = f"process {options.pid}" if options.pid else (
        f"{options.server}, {options.workload}, P={options.pipeline}, {options.connections} "
        f"connections of {LOADS[options.client].name}, {options.keys} keys, values of "
        f"{options.value} bytes, shards {options.shards}"
    )
    load = FoundLoad(options) if options.pid else LOADS[options.client](options)
    try:
        parts = {name: measure(name, options, load, out) for name in options.parts}
    finally:
        load.stop()
    text = "".join(f"{line}\n" for line in report(options.title, parts))
    (out / "report.txt").write_text(text, encoding="utf-8")
    machine.write(out / "profile.json", {"title": options.title, "parts": parts})
    print(f"{text}\n{out}")
    return 0 if any("unavailable" not in part for part in parts.values()) else 1


def main():
    options = parse_arguments()
    if shutil.which("perf") is None:
        told = "perf/profile: perf is not installed. Debian: apt-get install linux-perf"
        print(told, file=sys.stderr)
        return 1
    try:
        return profile(options)
    except (OSError, RuntimeError, ValueError) as error:
        print(f"perf/profile: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
