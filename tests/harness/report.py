"""Named cases with a line each, and the count at the end that ./bootstrap test adds up."""

import contextlib
import re
import sys
import time
import traceback


class Skip(Exception):
    """The case does not apply here; its text says why."""


class Report:
    """`only` is a regular expression: cases whose name it is not found in are passed over."""

    def __init__(self, name, only=None):
        self.name = name
        self.only = re.compile(only) if only else None
        self.passed = 0
        self.failed = 0
        self.skipped = 0
        self._notes = []

    def wants(self, case):
        return self.only is None or self.only.search(case) is not None

    def note(self, text):
        """A measured fact for the line of the case that runs."""
        self._notes.append(text)

    @contextlib.contextmanager
    def case(self, name):
        """Runs its body as a case: what it raises is printed and counted."""
        self._notes = []
        start = time.monotonic()
        verdict = "ok  "
        problem = None
        try:
            yield
            self.passed += 1
        except Skip as reason:
            self.skipped += 1
            verdict = "skip"
            self._notes.append(str(reason))
        except Exception as error:  # pylint: disable=broad-except
            self.failed += 1
            verdict = "FAIL"
            problem = error
        took_ms = (time.monotonic() - start) * 1000
        notes = f"  [{'; '.join(self._notes)}]" if self._notes else ""
        print(f"{verdict} {self.name}: {name} ({took_ms:.0f} ms){notes}", flush=True)
        if problem is not None:
            self._explain(problem)

    @staticmethod
    def _explain(problem):
        if not isinstance(problem, AssertionError) or not str(problem):
            traceback.print_exception(problem, limit=-6, file=sys.stdout)
        for line in str(problem).splitlines():
            print("       " + line[:2000])
        sys.stdout.flush()

    def run(self, cases, *args):
        """Runs (name, function) pairs; a function gets `args`."""
        for name, function in cases:
            if not self.wants(name):
                continue
            with self.case(name):
                function(*args)

    def finish(self):
        """Prints the count and ends the process."""
        tail = f", {self.skipped} skipped" if self.skipped else ""
        print(f"{self.passed} passed, {self.failed} failed{tail}", flush=True)
        sys.exit(1 if self.failed or not self.passed else 0)


def expect(got, wanted, what=""):
    """The one assertion that most cases need."""
    if got != wanted:
        raise AssertionError(f"{what or 'differs'}\nwanted {wanted!r:.800}\ngot    {got!r:.800}")


def expect_true(fact, what):
    if not fact:
        raise AssertionError(what)
