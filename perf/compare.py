"""perf/compare: rldbd beside Redis, memcached and the floor, in one run.

With --engine log, rldbd on disk beside Redis with an append-only file, both with each way to sync.

Rounds are interleaved: in each, every server is put under the same load, one after the other, so
that what else happens on the machine happens to all. Figures are medians over the rounds; ratios
are medians of each round's ratio. A ratio is set beside the target of the project; no time is.
"""

import argparse
import os
import statistics
import sys

import machine
from peers import (
    Floor,
    Memcached,
    RedisPeer,
    RldbPeer,
    load_keys,
    measure,
    parse_count,
    run_redis_benchmark,
)

# Server CPU a request, rldbd over the other: (peer, keys at least) -> (op, pipeline) -> at most.
BOTH = ("get", "set")
TARGETS_SMALL = {
    ("rldbd", "redis"): {(op, p): t for op in BOTH for p, t in ((1, 0.85), (16, 0.45), (64, 0.40))},
    ("rldbd", "floor"): {("get", 1): 1.15},
}
TARGETS_LARGE = {
    ("rldbd", "redis"): {(op, p): t for op in BOTH for p, t in ((1, 0.70), (16, 0.30), (64, 0.25))},
    ("rldbd", "floor"): {},
    ("floor", "redis"): {},
}
TARGETS_SHARDS = {
    ("two, shard ports", "one"): {
        (op, p): 1.10 for op in BOTH for p in (1, 16, 64)
    },
    ("two, client port", "one"): {
        (op, p): t for op in BOTH for p, t in ((1, 1.8), (16, 1.5))
    },
}
# The log engine, durable: beside Redis with an append-only file.
TARGETS_LOG = {
    ("rldbd-always", "redis-aof-everysec"): {
        ("get", 1): 0.85,
        ("get", 16): 0.50,
        ("set", 1): 1.15,
        ("set", 16): 0.45,
    },
    ("rldbd-always", "redis-aof-always"): {("set", 1): 0.80},
    ("rldbd-interval", "redis-aof-everysec"): {},
}
TARGETS_LOG_LARGE = {("rldbd-always", "redis-aof-everysec"): {("get", 16): 0.35}}
RATES_LOG = {("rldbd-always", "redis-aof-always"): {("set", 1): 1.2, ("set", 16): 2.0}}
LARGE_KEYS = 1_000_000  # from here on memory latency decides, and other targets hold
LARGE_LOG_KEYS = 10_000_000
BYTES_A_KEY_MAX = 150

PIPELINES = [1, 16, 64]
PIPELINES_LOG = [1, 16]
# Requests of a measurement: about a second of a fast server.
REQUESTS = {1: 100_000, 16: 800_000, 64: 2_000_000}
# redis-benchmark --cluster puts one of 16384 hash tags into each key: so many keys for each tag.
CLUSTER_KEYS_A_TAG = 6
CLUSTER_TAGS = 16384


def words(text, default):
    return [word for word in (default if text is None else text).split(",") if word]


def parse_arguments():
    parser = argparse.ArgumentParser(
        prog="perf/compare", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    engines = ("memory", "log")
    parser.add_argument("--engine", choices=engines, default="memory", help="log: beside AOF")
    parser.add_argument("--keys", type=parse_count, help="such as 10M (100K; log 1M)")
    parser.add_argument("--value", type=int, help="bytes of a value (64; from 1M keys on 100)")
    parser.add_argument("--pipelines", help="requests in flight (1,16,64; log 1,16)")
    parser.add_argument("--ops", default="get,set")
    parser.add_argument("--rounds", type=int, help="(7; --quick 3)")
    parser.add_argument("--quick", action="store_true", help="a quarter of the requests")
    parser.add_argument("--peers", help="beside rldbd (floor,redis,memcached; log none)")
    parser.add_argument("--aof", help="Redis with appendfsync too: everysec,always (log: both)")
    parser.add_argument("--shards", type=int, choices=(1, 2), default=1, help="2: two against one")
    parser.add_argument("--server-cpu", type=int, default=0)
    parser.add_argument("--client-cpus", help="such as 1 or 0,1 (1)")
    parser.add_argument("--nice", type=int, default=0, help="of servers and client, -20 to 19")
    parser.add_argument("--floor", help="another program in the place of perf_floor")
    parser.add_argument("--name", help="of the result in perf/results/")
    options = parser.parse_args()
    log = options.engine == "log"
    if log and options.shards != 1:
        parser.error("--engine log: one shard is what is compared")
    options.pipelines = (
        [int(p) for p in options.pipelines.split(",")]
        if options.pipelines
        else PIPELINES_LOG if log else PIPELINES
    )
    options.ops = options.ops.split(",")
    options.peers = words(options.peers, "" if log else "floor,redis,memcached")
    options.aof = words(options.aof, "everysec,always" if log else "")
    options.rounds = options.rounds or (3 if options.quick else 7)
    options.keys = options.keys or (1_000_000 if log else 100_000)
    options.value = options.value or (64 if log or options.keys < LARGE_KEYS else 100)
    if options.client_cpus:
        options.client_cpus = {int(cpu) for cpu in options.client_cpus.split(",")}
    elif os.cpu_count() > 1:
        options.client_cpus = {options.server_cpu + 1}
    return options


def load_of(options, pipeline, keys=None):
    requests = REQUESTS.get(pipeline, REQUESTS[64] if pipeline > 16 else REQUESTS[1])
    return {
        "requests": requests // 4 if options.quick else requests,
        "pipeline": pipeline,
        "keys": keys or options.keys,
        "value_bytes": options.value,
    }


class Contest:
    """Lanes that are measured in turns. A lane is a peer, and by which port it is asked."""

    def __init__(self, options):
        self.options = options
        self.lanes = {}  # name -> (peer, keys, cluster)
        self.runs = {}  # (op, pipeline) -> name -> [measured]

    def add(self, name, peer, keys=None, cluster=False):
        self.lanes[name] = (peer, keys, cluster)

    def run(self):
        options = self.options
        for op in options.ops:
            for pipeline in options.pipelines:
                runs = {name: [] for name in self.lanes}
                self.runs[op, pipeline] = runs
                for turn in range(options.rounds):
                    names = list(self.lanes)
                    # Each goes first in turn: who follows whom must not decide.
                    for name in names[turn % len(names) :] + names[: turn % len(names)]:
                        peer, keys, cluster = self.lanes[name]
                        load = load_of(options, pipeline, keys)
                        cpus = options.client_cpus
                        arguments = (peer, op, load, cpus, options.nice, cluster)
                        runs[name].append(measure(*arguments))
                print_row(op, pipeline, runs)

    def rows(self):
        for (op, pipeline), runs in self.runs.items():
            for name, measured in runs.items():
                shares = [run["user_share"] for run in measured if run["user_share"] is not None]
                yield {
                    "op": op,
                    "pipeline": pipeline,
                    "server": name,
                    "cpu_us_a_request": round(median(measured, "us"), 4),
                    "requests_a_second": round(median(measured, "rate")),
                    "user_share": round(statistics.median(shares), 2) if shares else None,
                    "cpu_us_of_rounds": [round(run["us"], 4) for run in measured],
                }

    def ratios(self, targets):
        for (ours, theirs), limits in targets.items():
            for (op, pipeline), runs in self.runs.items():
                if ours not in runs or theirs not in runs:
                    continue
                each = [a["us"] / b["us"] for a, b in zip(runs[ours], runs[theirs])]
                yield verdict(ours, theirs, op, pipeline, each, limits.get((op, pipeline)))

    def rates(self, targets):
        """Ratios of throughput, where there is a target for one: at least so much."""
        for (ours, theirs), limits in targets.items():
            for (op, pipeline), target in limits.items():
                runs = self.runs.get((op, pipeline), {})
                if ours in runs and theirs in runs:
                    each = [a["rate"] / b["rate"] for a, b in zip(runs[ours], runs[theirs])]
                    row = verdict(ours, theirs, op, pipeline, each, target)
                    yield {**row, "met": row["ratio"] >= target}


def median(measured, field):
    return statistics.median(run[field] for run in measured)


def verdict(ours, theirs, op, pipeline, each, target):
    ratio = statistics.median(each)
    met = None if target is None else ratio <= target
    return {
        "of": ours,
        "over": theirs,
        "op": op,
        "pipeline": pipeline,
        "ratio": round(ratio, 3),
        "least": round(min(each), 3),
        "most": round(max(each), 3),
        "target": target,
        "met": met,
    }


def print_row(op, pipeline, runs):
    parts = [
        f"{name} {median(measured, 'us'):.3g} us ({median(measured, 'rate') / 1000:.0f}K/s)"
        for name, measured in runs.items()
    ]
    print(f"{op.upper():3} P={pipeline:<3} " + " | ".join(parts), flush=True)


def print_ratios(ratios, what="server CPU a request", sign="<="):
    print(f"\n{what}, median of the rounds' ratios (least to most)")
    for r in ratios:
        target = "" if r["target"] is None else f"  target {sign} {r['target']:.2f}"
        met = {None: "", True: ": met", False: ": NOT MET"}[r["met"]]
        print(
            f"  {r['op'].upper():3} P={r['pipeline']:<3} {r['of']} / {r['over']}: "
            f"{r['ratio']:.2f} ({r['least']:.2f} to {r['most']:.2f}){target}{met}"
        )


def start_durable(options):
    """rldbd on the log engine with all in its cache: as durable as it can be, and as Redis is with
    everysec. With many keys the first alone: loading them takes minutes."""
    cache_mb = max(256, options.keys * (options.value + 96) * 5 // 4 >> 20)
    for sync in ("always",) if options.keys >= LARGE_LOG_KEYS else ("always", "interval"):
        storage = {"engine": "log", "sync": sync, "cache": f"{cache_mb}MiB"}
        name, config = f"rldbd-{sync}", {"storage": storage}
        yield RldbPeer([options.server_cpu], options.nice, name=name, config=config)


def start_peers(options):
    cpu, nice = options.server_cpu, options.nice
    memory_mb = max(256, options.keys * (options.value + 160) >> 20)
    makers = {
        "floor": lambda: Floor(options.value, cpu, nice, options.floor),
        "redis": lambda: RedisPeer(cpu, nice),
        "memcached": lambda: Memcached(cpu, nice, memory_mb),
    }
    for name in options.peers:
        yield makers[name]()
    for aof in options.aof:
        yield RedisPeer(cpu, nice, aof)
    if options.engine == "log":
        yield from start_durable(options)
    else:
        yield RldbPeer([cpu], nice, f"{max(256, memory_mb * 2)}MiB")


def load_and_weigh(peer, options):
    """Stores the keys; what the process has grown by, in RAM."""
    before = peer.rss_bytes()
    load_keys(peer, options.keys, options.value)
    after = peer.rss_bytes()
    return {
        "server": peer.name,
        "process_bytes_a_key": round(after / options.keys, 1),
        "grown_bytes_a_key": round((after - before) / options.keys, 1),
    }


def check_hits(peers, options):
    """Every GET found its key: what was measured is the work that was meant."""
    for peer in peers:
        if peer.stores and peer.resp and "get" in options.ops:
            stats = peer.info("stats")
            if int(stats["keyspace_misses"]) > int(stats["keyspace_hits"]) // 1000:
                raise RuntimeError(f"{peer.name} missed keys that were stored: {stats}")


def compare_peers(options, peers):
    contest = Contest(options)
    for peer in start_peers(options):
        peers.append(peer)
        contest.add(peer.name, peer)
    memory = [load_and_weigh(peer, options) for peer in peers if peer.stores]
    contest.run()
    for row in memory:
        peer = next(peer for peer in peers if peer.name == row["server"])
        row["process_bytes_a_key_after"] = round(peer.rss_bytes() / options.keys, 1)
    check_hits(peers, options)
    large = options.keys >= LARGE_KEYS
    ratios = list(contest.ratios(TARGETS_LARGE if large else TARGETS_SMALL))
    print_ratios(ratios)
    if large:
        print_memory(memory)
    return {"rows": list(contest.rows()), "ratios": ratios, "memory": memory}


def print_memory(memory):
    print("\nRAM of the process a key, when loaded and at the end")
    for row in memory:
        met = ""
        if row["server"] == "rldbd":
            ok = row["process_bytes_a_key_after"] <= BYTES_A_KEY_MAX
            met = f"  target <= {BYTES_A_KEY_MAX}: {'met' if ok else 'NOT MET'}"
        print(
            f"  {row['server']}: {row['process_bytes_a_key']:.0f} and "
            f"{row['process_bytes_a_key_after']:.0f} bytes{met}"
        )


def compare_durable(options, peers):
    contest = Contest(options)
    for peer in start_peers(options):
        peers.append(peer)
        contest.add(peer.name, peer)
        load_keys(peer, options.keys, options.value)
    contest.run()
    check_hits(peers, options)
    large = options.keys >= LARGE_LOG_KEYS
    ratios = list(contest.ratios(TARGETS_LOG_LARGE if large else TARGETS_LOG))
    rates = list(contest.rates(RATES_LOG))
    print_ratios(ratios)
    if rates:
        print_ratios(rates, "throughput", ">=")
    return {"rows": list(contest.rows()), "ratios": ratios, "rates": rates}


def compare_shards(options, peers):
    cpu, nice = options.server_cpu, options.nice
    contest = Contest(options)
    one = RldbPeer([cpu], nice, "1GiB", "one")
    peers.append(one)
    two = RldbPeer([cpu, cpu + 1], nice, "1GiB", "two")
    peers.append(two)
    for peer in peers:
        load_keys(peer, options.keys, options.value)
    # All keys of all tags, but for one in e^20.
    fill = load_of(options, 64, CLUSTER_KEYS_A_TAG)
    fill["requests"] = CLUSTER_TAGS * CLUSTER_KEYS_A_TAG * 20
    run_redis_benchmark(two.shard_ports[0], "set", fill, None, nice, cluster=True)
    # Always on the same CPU. Beside one shard that is one of its own, as in every run with one: a
    # client that takes turns with the server lets requests pile up meanwhile, and larger turns are
    # cheaper. Beside two it is the second shard's: where the client may move between the two, two
    # runs of the same server differ by up to 1.4, by where it happened to stay.
    contest.add("one", one)
    contest.add("two, client port", two)
    contest.add("two, shard ports", two, CLUSTER_KEYS_A_TAG, cluster=True)
    contest.run()
    check_hits(peers, options)
    ratios = list(contest.ratios(TARGETS_SHARDS))
    print_ratios(ratios)
    return {"rows": list(contest.rows()), "ratios": ratios}


def settings_of(options):
    return {key: sorted(v) if isinstance(v, set) else v for key, v in vars(options).items()}


def main():
    options = parse_arguments()
    peers = []
    compare = compare_shards if options.shards == 2 else compare_peers
    compare = compare_durable if options.engine == "log" else compare
    try:
        result = compare(options, peers)
    finally:
        for peer in peers:
            peer.stop()
    if options.engine == "log":
        kind = "log_large" if options.keys >= LARGE_LOG_KEYS else "log"
    else:
        kind = "large" if options.keys >= LARGE_KEYS else "small"
    kind = "shards" if options.shards == 2 else kind
    whole = PIPELINES_LOG if options.engine == "log" else PIPELINES
    part = "".join(f"_p{p}" for p in options.pipelines if options.pipelines != whole)
    name = options.name or f"compare_{kind}{part}{'_quick' if options.quick else ''}"
    print(f"\n{machine.save(name, {'settings': settings_of(options), **result})}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
