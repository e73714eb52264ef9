"""perf/pauses: how much longer durable puts, and gets from RAM, take beside compaction.

The engine alone, on one core: perf_pause_bench puts keys over evenly at a steady rate, with
latencies from the moment at which a put was due. Each round does so against the bare disk (the
floor), with compaction at rest, and with compaction at work, one after the other on the same
files. A difference is the median of the rounds'. Rounds in which a durable write to the bare disk
takes more than a millisecond do not count: some disks do so for minutes, whoever writes.
Kept as perf/results/pauses.json, or NAME.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile

import machine
from peers import BUILD, parse_count

PHASES = ("floor", "without", "with")
PERCENTILES = ("p50", "p99", "p99_9", "max")
MORE_MS_MAX = 1
DISK_US_MAX = 1000
ROUNDS_MIN = 3


def parse_arguments():
    parser = argparse.ArgumentParser(
        prog="perf/pauses", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--keys", type=parse_count, default=2_500_000, help="such as 10M (2.5M)")
    parser.add_argument("--value-size", type=int, default=100, help="bytes of a value (100)")
    parser.add_argument("--rate", type=int, default=2000, help="batches of 16 a second (2000)")
    parser.add_argument("--rounds", type=int, default=4, help="(4)")
    parser.add_argument("--seconds", type=int, default=1, help="of each phase (1)")
    parser.add_argument("--live", type=int, default=70, help="percent of the bound (70)")
    parser.add_argument("--segment", type=int, default=4, help="MiB (4)")
    parser.add_argument("--cpu", type=int, default=0)
    parser.add_argument("--dir", default=".", help="where the files lie a while (.)")
    parser.add_argument("--name", default="pauses", help="of the result (pauses)")
    return parser.parse_args()


def parse(line):
    """`phase NAME name value ...` as numbers by their names."""
    words = line.split()[1:]
    found = {name: float(value) for name, value in zip(words[1::2], words[2::2])}
    return words[0], found


def measure(options, folder):
    """The phases' figures by their names, of each round."""
    argv = ["taskset", "-c", options.cpu, BUILD / "perf" / "perf_pause_bench", folder]
    argv += [options.keys, options.value_size, options.rate, options.rounds, options.seconds]
    argv += [options.live, options.segment]
    rounds = []
    with subprocess.Popen([str(w) for w in argv], stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            print(f"  {line}", end="", flush=True)
            if not line.startswith("phase "):
                continue
            phase, found = parse(line)
            if phase == PHASES[0]:
                rounds.append({})
            rounds[-1][phase] = found
    if process.returncode != 0 or not rounds or set(rounds[-1]) != set(PHASES):
        raise RuntimeError(f"perf_pause_bench ended with {process.returncode}")
    return rounds


def judge(rounds):
    """What is told and kept: medians of the phases, and of the rounds' differences, in ms."""
    rows, targets = [], []
    for what in ("puts", "gets"):
        for percentile in PERCENTILES:
            name = f"{what}_{percentile}"
            row = {"what": what, "percentile": percentile}
            for phase in PHASES:
                if name in rounds[0][phase]:
                    found = statistics.median(one[phase][name] for one in rounds)
                    row[phase] = round(found / 1000, 3)
            more = [(one["with"][name] - one["without"][name]) / 1000 for one in rounds]
            row["more"] = round(statistics.median(more), 3)
            rows.append(row)
            print(f"  {what} {percentile}: {row}")
            if percentile == "p99_9":
                spread = f"{row['more']:+.2f} ms ({min(more):+.2f} to {max(more):+.2f})"
                targets.append(
                    {
                        "what": f"{what}, p99.9 with compaction less p99.9 without",
                        "figure": spread,
                        "target": f"<= {MORE_MS_MAX} ms",
                        "met": row["more"] <= MORE_MS_MAX,
                    }
                )
    return rows, targets


def main():
    options = parse_arguments()
    try:
        with tempfile.TemporaryDirectory(prefix="pauses-", dir=options.dir) as folder:
            rounds = measure(options, folder)
        calm = [one for one in rounds if max(one[p]["disk_p50"] for p in PHASES) <= DISK_US_MAX]
        if len(calm) < ROUNDS_MIN:
            raise RuntimeError(f"the disk was calm in {len(calm)} of {len(rounds)} rounds")
        if any(one["without"]["moved"] > one["with"]["moved"] / 20 for one in calm):
            raise RuntimeError("compaction did not rest: smaller segments or more keys leave room")
        rows, targets = judge(calm)
        for row in targets:
            met = "met" if row["met"] else "NOT MET"
            print(f"  {row['what']}: {row['figure']}, target {row['target']}: {met}")
        names = ("keys", "value_size", "rate", "seconds", "live", "segment")
        settings = {name: getattr(options, name) for name in names}
        kept = {"settings": settings, "targets": targets, "rows": rows, "rounds": rounds}
        print(f"\n{os.path.relpath(machine.save(options.name, kept))}")
    except (OSError, RuntimeError) as error:
        print(f"perf/pauses: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
