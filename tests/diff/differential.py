"""The differential test of the client port against Debian's redis-server 7.0: see README.md.

`run` beside this file starts it by hand. Without arguments it is the short form.
"""

import argparse
import os
import pathlib
import random
import sys
import time

sys.path[0] = str(pathlib.Path(__file__).resolve().parent.parent)

# pylint: disable=wrong-import-position
from diff import differences, named, selftest
from diff.runner import Run, spell
from diff.targets import Targets
from harness.report import Report
from harness.servers import storage

SHORT_COMMANDS = 60000
README = pathlib.Path(__file__).resolve().parent.parent.parent / "README.md"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--commands", type=int, default=SHORT_COMMANDS, help="random requests to send"
    )
    parser.add_argument("--seed", type=int, help="of the random part; drawn and printed by default")
    parser.add_argument("--epoch", type=int, help="play this epoch of the random part alone")
    parser.add_argument(
        "--findings", type=int, default=5, help="stop after so many unlike findings"
    )
    parser.add_argument("--only", help="run the cases whose name this expression is found in")
    parser.add_argument("--table", action="store_true", help="print the table of differences")
    parser.add_argument("--self-test", action="store_true", help="only the planted mutations")
    parser.add_argument(
        "--against",
        choices=["rldbd", "redis"],
        default="rldbd",
        help="redis: compare the reference with itself, to judge the test",
    )
    return parser.parse_args()


def random_part(report, targets, options):
    """Epochs until enough commands were sent. One case that fails on any finding."""
    seed = random.SystemRandom().randrange(1 << 32) if options.seed is None else options.seed
    print(f"random sessions: --seed {seed} --commands {options.commands}", flush=True)
    run = Run(targets.main(), seed)
    start = time.monotonic()
    findings = 0
    numbers = range(1 << 40) if options.epoch is None else [options.epoch]
    last_words = start
    with report.case(f"random sessions, seed {seed}"):
        for number in numbers:
            if run.commands >= options.commands:
                break
            result = run.epoch(number)
            now = time.monotonic()
            if now - last_words > 20:
                last_words = now
                print(f"  {run.commands} requests, {findings} findings", flush=True)
            if result is None:
                continue
            lines, finding = run.describe(number, *result)
            if finding.signature() not in run.seen:
                run.seen.add(finding.signature())
                findings += 1
                print("\n".join("  " + line for line in lines), flush=True)
            # Started again where one has ended.
            run.addresses = targets.main()
            if findings >= options.findings:
                break
        took = time.monotonic() - start
        report.note(f"{run.commands} requests in {took:.1f} s, {run.commands / took:.0f}/s")
        for name, count in sorted(run.covered.items()):
            report.note(f"{count} by '{name}'")
        if findings:
            raise AssertionError(f"{findings} findings")


def table_part(report, targets):
    """Each row of the table still holds, and README shows the table as it is."""
    for row in differences.DIFFERENCES:
        name = f"difference: {row.name}"
        if row.probes and report.wants(name):
            with report.case(name):
                check_row(row, targets)
    name = "README shows the table of differences"
    if report.wants(name):
        with report.case(name):
            text = README.read_text(encoding="utf-8")
            if differences.table() not in text:
                raise AssertionError("put the output of `tests/diff/run --table` into README.md")


def check_row(row, targets):
    if row.engine not in (None, storage()["engine"]):
        return
    for probe in row.probes:
        theirs, ours = named.ask_both(targets.main(), probe)
        if not row.redis_re.fullmatch(theirs):
            raise AssertionError(
                f"{probe}: redis no longer answers as the row says: {spell(theirs)}"
            )
        if not row.rldb_re.fullmatch(ours):
            raise AssertionError(f"{probe}: rldb no longer answers as the row says: {spell(ours)}")
        if row.undo:
            named.ask_both(targets.main(), [row.undo])


def main():
    options = arguments()
    if options.table:
        print(differences.table(), end="")
        return
    report = Report("diff", options.only)
    if options.against == "rldbd" and not os.path.exists(os.environ.get("RLDBD", "build/rldbd")):
        print("no rldbd: name it in RLDBD or build it in ./build", file=sys.stderr)
        sys.exit(2)
    if not options.self_test:
        with Targets(options.against) as targets:
            if options.epoch is None:
                named.run(report, targets)
                if options.against == "rldbd":
                    table_part(report, targets)
            if report.wants("random sessions"):
                random_part(report, targets, options)
    if options.epoch is None:
        selftest.run(report)
    report.finish()


if __name__ == "__main__":
    main()
