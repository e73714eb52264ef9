"""perf/disk: the log engine alone, beside RocksDB and beside what the disk can do.

  fill    puts of keys in a random order, one by one, nothing waited for: perf_disk_bench on one CPU
          and RocksDB's db_bench (filluniquerandom) with all of the machine, in turns
  cold    gets with a cache of a twentieth of the data, and fio's random reads of 4 KiB from the
          same files, at the same depth, in turns

Each part is kept as perf/results/disk_PART.json, or NAME_PART. Needs db_bench
(Debian: rocksdb-tools) and fio.
"""

import argparse
import json
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile

import machine
from peers import BUILD, parse_count

PARTS = ("fill", "cold")
KEYS = {"fill": 2_000_000, "cold": 5_000_000}
NEEDS = {"fill": ("db_bench", "rocksdb-tools"), "cold": ("fio", "fio")}
FILL_RATIO_MIN = 5
COLD_RATIO_MIN = 0.9
READS_MAX = 1.01


def parse_arguments():
    parser = argparse.ArgumentParser(
        prog="perf/disk", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)} (all)")
    parser.add_argument("--keys", type=parse_count, help="such as 10M (fill 2M, cold 5M)")
    parser.add_argument("--value-size", type=int, default=100, help="bytes of a value (100)")
    parser.add_argument("--depths", default="1,8,32,64", help="of cold (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="of fill and cold (3)")
    parser.add_argument("--seconds", type=float, default=2, help="of a cold run (2)")
    parser.add_argument("--cpu", type=int, default=0)
    parser.add_argument("--dir", default=".", help="where the files lie a while (.)")
    parser.add_argument("--name", default="disk", help="of the results: NAME_PART (disk)")
    options = parser.parse_args()
    options.parts = options.parts or list(PARTS)
    for part in options.parts:
        if part not in PARTS:
            parser.error(f"{part}: the parts are {', '.join(PARTS)}")
    options.depths = [int(depth) for depth in options.depths.split(",")]
    return options


def output(argv):
    done = subprocess.run([str(word) for word in argv], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{argv} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def bench(options, part, folder, keys, *words):
    """The figures that perf_disk_bench prints."""
    argv = ["taskset", "-c", options.cpu, BUILD / "perf" / "perf_disk_bench"]
    argv += [part, folder, keys, options.value_size, *words]
    pairs = (line.split() for line in output(argv).splitlines())
    return {name: float(value) for name, value in pairs}


def db_bench(options, folder, keys):
    """Puts a second, of RocksDB as db_bench sets it up: its log is not synced."""
    argv = ["db_bench", "--benchmarks=filluniquerandom", f"--num={keys}", "--key_size=16"]
    argv += [f"--value_size={options.value_size}", f"--db={folder}"]
    found = re.search(r"filluniquerandom\s*:.*?([\d.]+) ops/sec", output(argv))
    if not found:
        raise RuntimeError("db_bench told no rate")
    return float(found[1])


def fio(options, folder, depth):
    """Reads a second of 4 KiB from the engine's own files."""
    files = ":".join(str(path) for path in sorted(pathlib.Path(folder).glob("segment-*")))
    argv = ["fio", "--name=cold", f"--filename={files}", "--readonly", "--rw=randread", "--bs=4k"]
    argv += ["--direct=1", "--ioengine=io_uring", f"--iodepth={depth}", "--time_based"]
    argv += [f"--runtime={options.seconds}", f"--cpus_allowed={options.cpu}"]
    argv += ["--output-format=json"]
    return json.loads(output(argv))["jobs"][0]["read"]["iops"]


def target(what, figure, wanted, met):
    return {"what": what, "figure": figure, "target": wanted, "met": met}


def spread(ratios):
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def fill(options, keys, folder):
    rows = []
    for turn in range(options.rounds):
        ours = bench(options, "fill", folder / f"log-{turn}", keys)
        theirs = db_bench(options, folder / "rocksdb", keys)
        rows.append({"log": round(ours["puts_a_second"]), "rocksdb": round(theirs)})
        print(f"  log engine {rows[-1]['log']:,} a second, RocksDB {rows[-1]['rocksdb']:,}")
        shutil.rmtree(folder / f"log-{turn}")
        shutil.rmtree(folder / "rocksdb")
    ratios = [row["log"] / row["rocksdb"] for row in rows]
    met = statistics.median(ratios) >= FILL_RATIO_MIN
    targets = [target("random fill / RocksDB's", spread(ratios), f">= {FILL_RATIO_MIN}", met)]
    return {"rounds": rows, "targets": targets}


def cold(options, keys, folder):
    log = folder / "log"
    bench(options, "fill", log, keys)
    runs = {depth: [] for depth in options.depths}
    for turn in range(options.rounds):
        for depth in options.depths:
            lanes = [
                lambda depth=depth: {"fio": fio(options, log, depth)},
                lambda depth=depth: bench(options, "cold", log, keys, depth, options.seconds),
            ]
            run = {}
            for lane in lanes if turn % 2 == 0 else lanes[::-1]:
                run.update(lane())
            runs[depth].append(run)
    rows, targets = [], []
    for depth, found in runs.items():
        ratios = [run["reads_a_second"] / run["fio"] for run in found]
        row = {"depth": depth, "ratio": round(statistics.median(ratios), 3)}
        for name in ("fio", "gets_a_second", "reads_a_second"):
            row[name] = round(statistics.median(run[name] for run in found))
        for name in ("reads_a_cold_get", "hits_in_ram"):
            row[name] = round(statistics.median(run[name] for run in found), 4)
        rows.append(row)
        print(f"  depth {depth}: {row['reads_a_second']:,} reads a second, fio {row['fio']:,}")
        met = row["ratio"] >= COLD_RATIO_MIN
        what = f"disk reads of cold GETs / fio's, depth {depth}"
        targets.append(target(what, spread(ratios), f">= {COLD_RATIO_MIN}", met))
    most = max(row["reads_a_cold_get"] for row in rows)
    met = 1 <= most <= READS_MAX
    targets.append(target("disk reads a cold GET", f"{most:.4f}", f"1.00 to {READS_MAX}", met))
    return {"rows": rows, "targets": targets}


def main():
    options = parse_arguments()
    for part in options.parts:
        program, package = NEEDS[part]
        if shutil.which(program) is None:
            print(f"perf/disk: no {program}. Debian: apt-get install {package}", file=sys.stderr)
            return 1
    try:
        for part in options.parts:
            keys = options.keys or KEYS[part]
            print(f"{part}, {keys:,} keys")
            with tempfile.TemporaryDirectory(prefix="disk-bench-", dir=options.dir) as folder:
                found = {"fill": fill, "cold": cold}[part](options, keys, pathlib.Path(folder))
            for row in found["targets"]:
                met = "met" if row["met"] else "NOT MET"
                print(f"  {row['what']}: {row['figure']}, target {row['target']}: {met}")
            names = ("value_size", "depths", "rounds", "seconds")
            settings = {"keys": keys, **{name: getattr(options, name) for name in names}}
            print(machine.save(f"{options.name}_{part}", {"settings": settings, **found}))
    except (OSError, RuntimeError, ValueError) as error:
        print(f"perf/disk: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
