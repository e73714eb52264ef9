"""perf/table: the tables of perf/README.md, made of what is kept in perf/results.

In the README a table stands between two comments, `table: NAME` and `end of table`. A result that
was measured in several runs (perf/compare --pipelines 1, then 16) lies in several files, whose
names begin alike.

  perf/table            prints all of them
  perf/table --write    puts them into the README
  perf/table --check    says whether the README has them as they are (exit status 1: it has not)
"""

import argparse
import json
import pathlib
import re
import sys

import machine

README = machine.ROOT / "perf" / "README.md"
PLACE = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end of table -->)", re.DOTALL)
MARK = {True: "met", False: "**not met**"}


def results(prefix, but=None):
    """The kept results whose file is PREFIX.json or PREFIX_*.json, in the order of their names."""
    found = []
    for path in sorted(machine.RESULTS.glob(f"{prefix}*.json")):
        if but and path.stem.startswith(but):
            continue
        if path.stem == prefix or path.stem.startswith(f"{prefix}_"):
            found.append(json.loads(path.read_text(encoding="utf-8")))
    return found


def table(heads, rows):
    """Lines of Markdown; the first column is text, the others are figures."""
    yield "| " + " | ".join(heads) + " |"
    yield "|---|" + "---:|" * (len(heads) - 1)
    for row in rows:
        yield "| " + " | ".join(row) + " |"


def origin(documents):
    """Where the figures are from."""
    said = dict.fromkeys(
        f"[{d['name']}](results/{d['name']}.json) of {d['when'][:10]}, commit {d['commit']}"
        for d in documents
    )
    yield ""
    yield f"From {'; '.join(said)}."
    yield ""


def figure(value):
    return f"{value:.2f}" if value >= 1 else f"{value:.3f}"


def cells(documents, part, name):
    """{(op, pipeline): {name of the row: the row}} over all runs, sorted by pipelines."""
    found = {}
    for document in documents:
        for row in document[part]:
            found.setdefault((row["op"], row["pipeline"]), {})[name(row)] = row
    return dict(sorted(found.items(), key=lambda item: (item[0][1], item[0][0])))


def names_of(columns):
    return list(dict.fromkeys(name for column in columns.values() for name in column))


def compare(kind, first):
    documents = results(f"compare_{kind}", f"compare_{kind}_large")
    if not documents:
        return
    columns = cells(documents, "rows", lambda row: row["server"])
    heads = [f"{op.upper()} P={pipeline}" for op, pipeline in columns]
    yield from table(
        [first, *heads],
        (
            [name]
            + [figure(c[name]["cpu_us_a_request"]) if name in c else "" for c in columns.values()]
            for name in names_of(columns)
        ),
    )
    yield ""
    columns = cells(documents, "ratios", lambda row: f"{row['of']} / {row['over']}")
    yield from table(
        ["ratio, and its target", *heads],
        (
            [name] + [ratio(column.get(name)) for column in columns.values()]
            for name in names_of(columns)
        ),
    )
    yield from throughputs(documents, heads)
    weights = {r["server"]: r for document in documents for r in document.get("memory", [])}
    if kind == "large" and weights:
        yield ""
        yield from table(
            ["RAM of the process a key, bytes", "loaded", "after the run"],
            (
                [
                    row["server"],
                    f"{row['process_bytes_a_key']:.0f}",
                    f"{row['process_bytes_a_key_after']:.0f}",
                ]
                for row in weights.values()
            ),
        )
    yield from origin(documents)


def throughputs(documents, heads):
    """What the clients saw, where a result has targets for that."""
    documents = [document for document in documents if document.get("rates")]
    if not documents:
        return
    columns = cells(documents, "rows", lambda row: row["server"])
    yield ""
    yield from table(
        ["thousand requests a second", *heads],
        (
            [name] + [thousands(column.get(name)) for column in columns.values()]
            for name in names_of(columns)
        ),
    )
    found = cells(documents, "rates", lambda row: f"{row['of']} / {row['over']}, of that")
    for name in names_of(found):
        cell = [ratio(found.get(column, {}).get(name), ">=") for column in columns]
        yield "| " + " | ".join([name, *cell]) + " |"


def thousands(row):
    return f"{row['requests_a_second'] / 1000:.0f}" if row else ""


def ratio(row, sign="<="):
    if row is None:
        return ""
    if row["target"] is None:
        return f"{row['ratio']:.2f}"
    return f"{row['ratio']:.2f}, {sign} {row['target']:.2f} {MARK[row['met']]}"


def engine_of(document):
    return ", log engine" if document["name"] == "engine_log" else ""


def engine(_, __):
    documents = results("engine")
    for document in documents:
        if "batches" in document:
            what = f"million a second, one core{engine_of(document)}"
            yield from table(
                [what, "PUT new", "GET hit", "GET miss", "PUT same"],
                (
                    [f"batches of {row['batch']}" if row["batch"] > 1 else "one by one"]
                    + [f"{row[k]:.2f}" for k in ("put_new", "get_hit", "get_miss", "put_same")]
                    for row in document["batches"]
                ),
            )
            bare = {row["batch"]: row["get_hit"] for row in document.get("bare", [])}
            yield ""
            if bare:
                text = f"{bare[1]:.2f} one by one, {bare[16]:.2f} in 16s"
                yield f"A bare table in the same run: {text}."
                yield ""
    rows = [row for document in documents for row in document.get("latencies", [])]
    if rows:
        names = ("p50_us", "p99_us", "p99_9_us", "p99_99_us", "max_us", "waited_max_us")
        yield from table(
            ["us", "p50", "p99", "p99.9", "p99.99", "longest", "longest with a page fault"],
            ([row["what"]] + [f"{row[name]:.2f}" for name in names] for row in rows),
        )
        yield ""
    rows = [
        [row["what"] + engine_of(document), row["figure"], f"{row['target']} {MARK[row['met']]}"]
        for document in documents
        for row in document["targets"]
    ]
    if rows:
        yield from table(["target", "is", "wanted"], rows)
    if documents:
        yield from origin(documents)


def idle(_, __):
    documents = results("idle")
    if documents:
        yield from table(
            ["", "MiB resident", "bytes a connection", "us of CPU a second", "wakes a second"],
            (
                [
                    f"{row['server']}, {row['state']}",
                    f"{row['rss_mib']}",
                    str(row.get("bytes_a_connection", "")),
                    f"{row['cpu_us_a_second']}",
                    f"{row['wakes_a_second']}",
                ]
                for document in documents
                for row in document["rows"]
            ),
        )
        yield from origin(documents)


def disk(_, __):
    documents = results("disk")
    rows = [row for document in documents for row in document.get("rows", [])]
    if rows:
        yield from table(
            ["a second, cold", "GETs", "disk reads", "fio's reads", "disk reads a cold GET"],
            (
                [
                    f"{row['depth']} under way",
                    f"{row['gets_a_second']:,}",
                    f"{row['reads_a_second']:,}",
                    f"{row['fio']:,}",
                    f"{row['reads_a_cold_get']:.4f}",
                ]
                for row in rows
            ),
        )
        yield ""
    rows = [
        [row["what"], row["figure"], f"{row['target']} {MARK[row['met']]}"]
        for document in documents
        for row in document["targets"]
    ]
    if rows:
        yield from table(["target", "is", "wanted"], rows)
        yield from origin(documents)


def targets(prefix, _):
    """Of runs that are kept under a name of their own: only what was wanted."""
    documents = results(prefix)
    if documents:
        yield from table(
            ["target", "is", "wanted"],
            (
                [row["what"], str(row["figure"]), f"{row['target']} {MARK[row['met']]}"]
                for document in documents
                for row in document["targets"]
            ),
        )
        yield from origin(documents)


def machine_line(_, __):
    """What all the kept results were measured on."""
    said = set()
    for path in sorted(machine.RESULTS.glob("*.json")):
        m = json.loads(path.read_text(encoding="utf-8"))["machine"]
        said.add(
            f"{m['cores']} cores ({m['cpu']}), {m['memory_gib']} GiB, Linux {m['kernel']}, huge "
            f"pages {m['huge_pages']}, Redis {m['redis']}, memcached {m['memcached']}"
        )
    yield from sorted(said)


TABLES = {
    "machine": (machine_line, "", ""),
    "small": (compare, "small", "us of server CPU a request, 100,000 keys, values of 64 bytes"),
    "large": (compare, "large", "us of server CPU a request, 10 million keys, 100 bytes"),
    "log": (compare, "log", "us of server CPU a request, 1 million keys, 64 bytes, on disk"),
    "log_large": (compare, "log_large", "us of server CPU a request, 10 million keys, 64 bytes"),
    "shards": (compare, "shards", "us of server CPU a request, all threads"),
    "engine": (engine, "", ""),
    "disk": (disk, "", ""),
    "hundred": (targets, "hundred", ""),
    "idle": (idle, "", ""),
}


def text_of(name):
    function, kind, first = TABLES[name]
    return "".join(f"{line}\n" for line in function(kind, first)).rstrip("\n") + "\n"


def filled(text):
    """The README with each table in its place."""

    def fill(found):
        if found[2] not in TABLES:
            raise ValueError(f"README.md wants a table {found[2]}: there are {', '.join(TABLES)}")
        return found[1] + text_of(found[2]) + found[3]

    return PLACE.sub(fill, text)


def main():
    parser = argparse.ArgumentParser(
        prog="perf/table", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    text = pathlib.Path(README).read_text(encoding="utf-8")
    try:
        after = filled(text)
    except (ValueError, KeyError) as error:
        print(f"perf/table: {error!r}", file=sys.stderr)
        return 1
    if options.check:
        if after != text:
            told = "perf/README.md shows other tables than perf/results has: perf/table --write"
            print(told, file=sys.stderr)
        return after != text
    if options.write:
        README.write_text(after, encoding="utf-8")
    else:
        for name in TABLES:
            print(f"{name}\n\n{text_of(name)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
