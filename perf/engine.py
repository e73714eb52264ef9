"""perf/engine: an engine alone, on one core: perf_engine_bench, with its targets.

  throughput   operations a second of the memory engine, one by one and in batches; the bare table
               in the same run
  log          operations a second of the log engine, with `sync: never` and a cache that holds all,
               in a new directory under --dir
  growth       bytes a key, and the longest PUT, while the index grows
  eviction     the longest PUT while records are evicted, by policy

Each part is kept as perf/results/engine_PART.json, or NAME_PART.
"""

import argparse
import os
import re
import subprocess
import sys

import machine
from peers import BUILD, parse_count

PARTS = ("throughput", "log", "growth", "eviction")
SETTINGS = ("keys", "value_size", "batches", "vnodes", "operations")
# The project's targets hold for so many keys. Millions a second, at least: (batch, operation).
TARGET_KEYS = 9_900_000
TARGETS = {(16, "get_hit"): 8, (16, "put_same"): 4, (1, "get_hit"): 1.3, (1, "put_same"): 1}
INDEX_BYTES_MAX = 12
LONGEST_US_MAX = 1000

COLUMNS = ("put_new", "put_new_user", "get_hit", "get_miss", "put_same", "half_and_half")
BARE = re.compile(r"^bare table: GET ([\d.]+)M/s one by one, ([\d.]+)M/s in batches of (\d+)")
BATCH = re.compile(r"^(\d+)" + r"\s+([\d.]+)" * len(COLUMNS) + "$")
INDEX = re.compile(r"^index over the last doubling: ([\d.]+) bytes a key")
BYTES = re.compile(r"^\s*(\d+) keys: .* together\s+([\d.]+)\s+resident\s+([\d.]+) bytes")
LATENCY = re.compile(
    r"^(PUT.*?)\s+p50\s+([\d.]+)\s+p99\s+([\d.]+)\s+p99\.9\s+([\d.]+)\s+p99\.99\s+([\d.]+)"
    r"\s+max\s+([\d.]+) us"
)
WAITED = re.compile(r"^\s+and (\d+) that waited for a page of memory, max ([\d.]+) us")


def parse_arguments():
    parser = argparse.ArgumentParser(
        prog="perf/engine", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)} (all)")
    parser.add_argument("--keys", type=parse_count, default=10_000_000, help="such as 1M (10M)")
    parser.add_argument("--value-size", type=int, default=100, help="bytes of a value (100)")
    parser.add_argument("--batches", default="1,4,16,64", help="of throughput, log (%(default)s)")
    parser.add_argument("--vnodes", type=int, default=128)
    parser.add_argument("--operations", type=parse_count, default=2_000_000, help="a figure (2M)")
    parser.add_argument("--cpu", type=int, default=0)
    parser.add_argument("--dir", default=".", help="where the log engine's files lie a while (.)")
    parser.add_argument("--name", default="engine", help="of the results: NAME_PART (engine)")
    options = parser.parse_args()
    options.parts = options.parts or list(PARTS)
    for part in options.parts:
        if part not in PARTS:
            parser.error(f"{part}: the parts are {', '.join(PARTS)}")
    return options


def run(part, options):
    """The lines that the program prints, shown as they come."""
    argv = ["taskset", "-c", str(options.cpu), str(BUILD / "perf" / "perf_engine_bench")]
    for name in SETTINGS:
        argv += [f"--{name.replace('_', '-')}", str(getattr(options, name))]
    argv += ["--dir", options.dir, part]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            print(line, end="", flush=True)
            yield line.rstrip("\n")
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)} ended with {process.returncode}")


def read(lines):
    """The figures in them."""
    figures = {"batches": [], "bytes": [], "latencies": []}
    for line in lines:
        if found := BARE.match(line):
            figures["bare"] = [
                {"batch": 1, "get_hit": float(found[1])},
                {"batch": int(found[3]), "get_hit": float(found[2])},
            ]
        elif found := BATCH.match(line):
            rates = dict(zip(COLUMNS, map(float, found.groups()[1:])))
            figures["batches"].append({"batch": int(found[1]), **rates})
        elif found := INDEX.match(line):
            figures["index_bytes_a_key"] = float(found[1])
        elif found := BYTES.match(line):
            row = {"keys": int(found[1]), "bytes_a_key": float(found[2])}
            figures["bytes"].append({**row, "resident_bytes_a_key": float(found[3])})
        elif found := LATENCY.match(line):
            names = ("p50_us", "p99_us", "p99_9_us", "p99_99_us", "max_us")
            row = dict(zip(names, map(float, found.groups()[1:])))
            figures["latencies"].append({"what": found[1], **row})
        elif found := WAITED.match(line):
            figures["latencies"][-1] |= {
                "waited_for_memory": int(found[1]),
                "waited_max_us": float(found[2]),
            }
    return {name: value for name, value in figures.items() if value}


def verdicts(figures):
    """(what, figure, the target in words, whether it is met)."""
    for row in figures.get("batches", []):
        for (batch, operation), least in TARGETS.items():
            if row["batch"] == batch:
                what = f"{operation} in batches of {batch}" if batch > 1 else f"{operation} alone"
                rate = row[operation]
                yield what, f"{rate:.2f}M/s", f">= {least}M/s", rate >= least
    if "index_bytes_a_key" in figures:
        size = figures["index_bytes_a_key"]
        yield "index a key", f"{size} bytes", f"<= {INDEX_BYTES_MAX}", size <= INDEX_BYTES_MAX
    for row in figures.get("latencies", []):
        longest = row["max_us"]
        yield f"longest {row['what']}", f"{longest} us", "<= 1 ms", longest <= LONGEST_US_MAX


def main():
    options = parse_arguments()
    try:
        for part in options.parts:
            figures = read(run(part, options))
            found = verdicts(figures) if options.keys >= TARGET_KEYS else ()
            rows = [dict(zip(("what", "figure", "target", "met"), row)) for row in found]
            print()
            for row in rows:
                met = "met" if row["met"] else "NOT MET"
                print(f"  {row['what']}: {row['figure']}, target {row['target']}: {met}")
            settings = {name: getattr(options, name) for name in SETTINGS}
            kept = {"settings": settings, "targets": rows, **figures}
            print(f"\n{os.path.relpath(machine.save(f'{options.name}_{part}', kept))}")
    except (OSError, RuntimeError) as error:
        print(f"perf/engine: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
