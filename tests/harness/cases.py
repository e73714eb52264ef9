"""The frame of a program of cases: tests/e2e/*.py hand their list of cases to main()."""

import argparse

from .report import Report


def main(name, groups):
    """Runs groups of cases and ends the process. A group is (start, cases): start() gives a server
    as a context that all of its (name, function) cases share and are called with; None for cases
    that start their own, which are called without argument."""
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "only", nargs="?", help="run the cases whose name this expression is found in"
    )
    report = Report(name, parser.parse_args().only)
    for start, cases in groups:
        wanted = [case for case in cases if report.wants(case[0])]
        if not wanted:
            continue
        if start is None:
            report.run(wanted)
            continue
        with start() as server:
            report.run(wanted, server)
            with report.case("the server is alive, and ends well"):
                if not server.alive():
                    raise AssertionError(f"it ended:\n{server.log()[-3000:]}")
                code = server.stop()
                if code != 0:
                    raise AssertionError(f"exit status {code}:\n{server.log()[-3000:]}")
    report.finish()
