"""perf/restart: how the log engine starts, how much it writes, and how it gives room back.

  server         the real rldbd: loads the keys, ends it by SIGTERM and starts it again, which has
                 to replay nothing; then ends it by SIGKILL under a load of SETs, some times, and
                 starts it again. From exec to the ready line, and to the first GET's answer
  engine         the engine alone on one core: records a second from checkpoint and frames, memory a
                 key
  empty          all keys removed: what is left on disk and of the index
  amplification  bytes written by bytes put: with half of the room live (uniform, zipfian), and with
                 new keys alone

Each part is kept as perf/results/restart_PART.json.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import machine
from peers import BUILD, ROOT, parse_count

sys.path.insert(0, str(ROOT / "tests"))

from harness.ports import PORTS
from harness.resp import Connection

PARTS = ("server", "engine", "empty", "amplification")
LOAD = ["--pipeline", "64", "--connections", "50"]
STOP_S = 120
OPENED = re.compile(r"engine opened.*")
FIELD = re.compile(r"(\w+)=(\d+)")
READY_S_MAX = 2
RATE_MIN = 10
INDEX_BYTES_MAX = 12
HALF_LIVE_MAX = 2
NO_GARBAGE_MAX = 1.15


def parse_arguments():
    parser = argparse.ArgumentParser(
        prog="perf/restart", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)} (all)")
    parser.add_argument("--keys", type=parse_count, default=10_000_000, help="such as 1M (10M)")
    parser.add_argument("--value-size", type=int, default=100, help="bytes of a value (100)")
    parser.add_argument("--shards", default="2,1", help="of the server, one run for each (2,1)")
    parser.add_argument("--kills", type=int, default=3, help="of the server (3)")
    parser.add_argument("--load-s", type=float, default=4, help="under load before a kill (4)")
    parser.add_argument("--dir", default=".", help="where the files lie a while (.)")
    parser.add_argument("--name", help="of the result in perf/results/ (restart_PART)")
    options = parser.parse_args()
    options.parts = options.parts or list(PARTS)
    for part in options.parts:
        if part not in PARTS:
            parser.error(f"{part}: the parts are {', '.join(PARTS)}")
    return options


# The server -------------------------------------------------------------------------------------


class Node:
    """rldbd on a folder that outlives it."""

    def __init__(self, folder, shards):
        first = PORTS.take(shards + 2)
        self.port = first
        self.log_path = folder / "log"
        self.config_path = folder / "rldbd.yaml"
        config = {
            "node": {"data_dir": str(folder / "data"), "shards": shards},
            "listen": {
                "client": f"127.0.0.1:{first}",
                "peer": f"127.0.0.1:{first + shards + 1}",
                "shard_port_base": first + 1,
            },
            "storage": {"engine": "log", "cache": "256MiB"},
        }
        text = "".join(f"{key}: {json.dumps(value)}\n" for key, value in config.items())
        self.config_path.write_text(text, encoding="utf-8")
        self.process = None

    def start(self, number):
        """Seconds to the ready line and to the answer of a GET, and what the log says of it."""
        with open(self.log_path, "wb") as log:
            argv = [str(BUILD / "rldbd"), "--config", str(self.config_path)]
            begin = time.monotonic()
            self.process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log
            )
        if not self.process.stdout.readline().startswith(b"ready:"):
            raise RuntimeError(f"rldbd did not start:\n{self.log_path.read_text()[-2000:]}")
        ready_s = time.monotonic() - begin
        with Connection(self.port) as client:
            client.cmd("GET", f"none:{number}")
            answered_s = time.monotonic() - begin
            keys = client.cmd("DBSIZE")
        return {
            "ready_s": round(ready_s, 3),
            "answered_s": round(answered_s, 3),
            "keys": keys,
            "shards": self.opened(),
        }

    def opened(self):
        """What each shard says of how it opened its engine."""
        lines = OPENED.findall(self.log_path.read_text(encoding="utf-8"))
        return [{name: int(value) for name, value in FIELD.findall(line)} for line in lines]

    def rss_bytes(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            return int(re.search(r"^VmRSS:\s+(\d+) kB", status.read(), re.M)[1]) * 1024

    def info(self, field):
        with Connection(self.port) as client:
            text = client.cmd("INFO", "engine").decode()
        return int(re.search(rf"^{field}:(\d+)", text, re.M)[1])

    def end(self, number):
        begin = time.monotonic()
        self.process.send_signal(number)
        code = self.process.wait(STOP_S)
        self.process.stdout.close()
        if number == signal.SIGTERM and code != 0:
            raise RuntimeError(f"rldbd ended with {code} on SIGTERM")
        return round(time.monotonic() - begin, 3)


def bench(node, options, *more):
    return [str(BUILD / "rldb"), "-p", str(node.port), "bench", "--keys", str(options.keys)] + [
        "--value-size", str(options.value_size), *LOAD, *more
    ]  # fmt: skip


def show_start(after, row):
    shards = row["shards"]
    replayed = sum(shard["replayed_records"] for shard in shards)
    worst = {n: max(s[n] for s in shards) / 1e6 for n in ("load_us", "replay_us", "open_us")}
    print(
        f"  after {after}: ready in {row['ready_s']} s, a GET answered in {row['answered_s']} s; "
        f"{row['keys']} keys, {sum(s['from_checkpoint'] for s in shards)} from the checkpoint, "
        f"{sum(s['replayed_frames'] for s in shards)} frames ({replayed} records) replayed;\n"
        f"    the slowest shard: load {worst['load_us']:.3f} s, replay {worst['replay_us']:.3f} s, "
        f"all {worst['open_us']:.3f} s",
        flush=True,
    )


def run_server(shards, options, folder):
    node = Node(folder, shards)
    node.start(0)
    begin = time.monotonic()
    subprocess.run(
        bench(node, options, "--load-only"), check=True, stdout=subprocess.DEVNULL, timeout=3600
    )
    loaded_s = time.monotonic() - begin
    rates = {"put_a_second": round(options.keys / loaded_s)}
    rates["rss_bytes_a_key"] = round(node.rss_bytes() / options.keys, 1)
    rates["index_bytes_a_key"] = round(node.info("engine_index_bytes") / options.keys, 2)
    print(f"{shards} shards: {rates['put_a_second']} keys put a second, {rates}", flush=True)
    closed_s = node.end(signal.SIGTERM)
    clean = node.start(1) | {"after": "SIGTERM", "stopped_s": closed_s}
    show_start(f"SIGTERM (stopped in {closed_s} s)", clean)
    starts = [clean]
    for kill in range(options.kills):
        with subprocess.Popen(
            bench(node, options, "--workload", "set", "--duration", "600s", "--allow-errors"),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as load:
            time.sleep(options.load_s * (1 + kill / 3))
            node.end(signal.SIGKILL)
            load.terminate()
        starts.append(node.start(2 + kill) | {"after": "SIGKILL"})
        show_start("SIGKILL under load", starts[-1])
    node.end(signal.SIGTERM)
    return rates | {"shard_count": shards, "starts": starts}


def part_server(options):
    rows = []
    for shards in map(int, options.shards.split(",")):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="restart-", dir=options.dir))
        try:
            rows.append(run_server(shards, options, folder))
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    return {"rows": rows}


def judge_server(figures):
    for row in figures["rows"]:
        shards = f"{row['shard_count']} shards"
        clean = row["starts"][0]
        frames = sum(shard["replayed_frames"] for shard in clean["shards"])
        yield f"{shards}: frames replayed after SIGTERM", frames, "0", frames == 0
        slowest = max(start["answered_s"] for start in row["starts"])
        what = f"{shards}: slowest start, to a GET's answer"
        yield what, f"{slowest} s", f"<= {READY_S_MAX} s", slowest <= READY_S_MAX


# The engine alone -------------------------------------------------------------------------------

STARTED = re.compile(
    r"^after (.*): ([\d.]+) s, ([\d.]+) s of the core: ([\d.]+)M records/s, ([\d.]+)M/s"
)
REPLAYED = re.compile(
    r"checkpoint (\d+) records in ([\d.]+) s; replayed (\d+) records, (\d+) frames, (\d+) bytes "
    r"in ([\d.]+) s, (\d+) of the records by footers"
)
INDEX = re.compile(r"(\d+) records, index ([\d.]+) bytes a key, resident ([\d.]+) more")
LEFT = re.compile(
    r"^(.*): (\d+) records, ([\d.]+) MiB live, ([\d.]+) MiB of files, index ([\d.]+) MiB"
)
WRITTEN = re.compile(
    r"^(.{9}) put +([\d.]+) MiB, written ([\d.]+) of it: frames ([\d.]+) \(moved ([\d.]+)\), "
    r"footers ([\d.]+), checkpoints ([\d.]+).* zeroing apart ([\d.]+);.*; "
    r"([\d.]+)% of (\d+) MiB live"
)


def run(options, *arguments):
    """The lines that the program prints, shown as they come."""
    argv = [str(BUILD / "perf" / "perf_log_bench"), arguments[0], options.dir, str(options.keys)]
    argv += [str(options.value_size), "128", *arguments[1:]]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            print(f"  {line}", end="", flush=True)
            yield line.rstrip("\n")
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)} ended with {process.returncode}")


def part_engine(options):
    rows = []
    for line in run(options, "restart"):
        if found := STARTED.match(line):
            names = ("wall_s", "core_s", "million_a_second", "million_a_second_of_the_core")
            rows.append({"after": found[1]} | dict(zip(names, map(float, found.groups()[1:]))))
        elif found := REPLAYED.search(line):
            rows[-1] |= {
                "loaded_records": int(found[1]),
                "load_s": float(found[2]),
                "replayed_records": int(found[3]),
                "replayed_frames": int(found[4]),
                "replayed_bytes": int(found[5]),
                "replay_s": float(found[6]),
                "footer_records": int(found[7]),
            }
        elif found := INDEX.search(line):
            rows[-1] |= {
                "index_bytes_a_key": float(found[2]),
                "resident_bytes_a_key": float(found[3]),
            }
    return {"rows": rows}


def judge_engine(figures):
    for row in figures["rows"]:
        rate, size = row["million_a_second"], row["index_bytes_a_key"]
        what = f"records a second after {row['after']}"
        yield what, f"{rate}M", f">= {RATE_MIN}M", rate >= RATE_MIN
        what = f"index a key after {row['after']}"
        yield what, f"{size} bytes", f"<= {INDEX_BYTES_MAX}", size <= INDEX_BYTES_MAX


def part_empty(options):
    rows = []
    for line in run(options, "empty"):
        if found := LEFT.match(line):
            names = ("live_mib", "files_mib", "index_mib")
            rows.append(
                {"when": found[1], "records": int(found[2])}
                | dict(zip(names, map(float, found.groups()[2:])))
            )
    return {"rows": rows}


def part_amplification(options):
    rows = []
    for how in ("uniform", "zipfian", "new"):
        for line in run(options, "amplification", how):
            if found := WRITTEN.match(line):
                names = ("put_mib", "written", "frames", "moved", "footers", "checkpoints")
                names += ("zeroed", "live_percent", "disk_mib")
                row = dict(zip(names, map(float, found.groups()[1:])))
                rows.append({"how": how, "phase": found[1].strip()} | row)
    return {"rows": rows}


def judge_amplification(figures):
    for how, most in (("uniform", HALF_LIVE_MAX), ("zipfian", HALF_LIVE_MAX)):
        # After twice what is live has been put over once more.
        rows = [r for r in figures["rows"] if r["how"] == how and r["phase"] == how][4:]
        put = sum(row["put_mib"] for row in rows)
        written = round(sum(row["written"] * row["put_mib"] for row in rows) / put, 3)
        yield f"written by put, half live, {how}", written, f"<= {most}", written <= most
    rows = [r for r in figures["rows"] if r["phase"] == "new keys"]
    written = rows[-1]["written"]
    yield "written by put, new keys", written, f"<= {NO_GARBAGE_MAX}", written <= NO_GARBAGE_MAX


RUN = {
    "server": (part_server, judge_server),
    "engine": (part_engine, judge_engine),
    "empty": (part_empty, lambda figures: ()),
    "amplification": (part_amplification, judge_amplification),
}


def main():
    options = parse_arguments()
    os.makedirs(options.dir, exist_ok=True)
    try:
        for part in options.parts:
            measure, judge = RUN[part]
            print(part)
            figures = measure(options)
            rows = [
                dict(zip(("what", "figure", "target", "met"), row)) for row in judge(figures)
            ]
            for row in rows:
                met = "met" if row["met"] else "NOT MET"
                print(f"  {row['what']}: {row['figure']}, target {row['target']}: {met}")
            settings = {name: getattr(options, name) for name in ("keys", "value_size")}
            kept = {"settings": settings, "targets": rows, **figures}
            name = options.name or f"restart_{part}"
            print(f"\n{os.path.relpath(machine.save(name, kept))}")
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        print(f"perf/restart: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
