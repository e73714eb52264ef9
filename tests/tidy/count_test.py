"""Shows that tests/count.py counts what it says: each kind of output, and that no failure is lost.

    count_test.py PATH-OF-count.py
"""

import json
import os
import subprocess
import sys
import tempfile

SYNTHESIS = "[====] Synthesis: Tested: {} | Passing: {} | Failing: {} | Crashing: {} \n"

# What a test printed on stdout and stderr, meson's result, and (passed, failed, skipped) of it.
CASES = [
    ("", "", "OK", (1, 0, 0)),
    ("", "", "FAIL", (0, 1, 0)),
    ("", "", "TIMEOUT", (0, 1, 0)),
    ("", "", "ERROR", (0, 1, 0)),
    ("", "", "SKIP", (0, 0, 1)),
    ("5 passed, 0 failed\n", "", "SKIP", (0, 0, 1)),
    ("", SYNTHESIS.format(3, 3, 0, 0), "OK", (3, 0, 0)),
    ("", SYNTHESIS.format(7, 3, 2, 1), "FAIL", (3, 2, 2)),
    # All of its tests passed, and then the program failed: a leak, for example.
    ("", SYNTHESIS.format(3, 3, 0, 0), "FAIL", (3, 1, 0)),
    (
        "",
        "[\x1b[0;34m====\x1b[0m] " + SYNTHESIS.format(3, "\x1b[0;1m2\x1b[0m", 1, 0),
        "FAIL",
        (2, 1, 0),
    ),
    ("", "==1==ERROR: LeakSanitizer: x\n" + SYNTHESIS.format(3, 3, 0, 0), "OK", (3, 1, 0)),
    ("x.c:1:2: runtime error: x\n", "", "OK", (0, 1, 0)),
    ("12 passed, 0 failed\n", "", "OK", (12, 0, 0)),
    ("1 passed, 0 failed\nsum: 12 passed, 3 failed, 4 skipped\n", "", "FAIL", (12, 3, 4)),
    ("12 passed, 0 failed\n", "", "TIMEOUT", (12, 1, 0)),
    ("it says 12 passed, 0 failed here\n", "", "OK", (1, 0, 0)),
]


def count(script, entries):
    """The line that count.py appends for a log with these entries, as (passed, failed, skipped)."""
    with tempfile.TemporaryDirectory() as folder:
        log, results = os.path.join(folder, "log.json"), os.path.join(folder, "results")
        if entries is not None:
            with open(log, "w", encoding="utf-8") as file:
                for out, err, result, _ in entries:
                    entry = {"name": "planted", "stdout": out, "stderr": err, "result": result}
                    entry.update(duration=1.0, command=["planted"])
                    file.write(json.dumps(entry) + "\n")
        command = [sys.executable, script, "suite", log, results]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        with open(results, encoding="utf-8") as file:
            return tuple(map(int, file.read().split("\t")[1:]))


def main():
    passed = failed = 0
    total = tuple(sum(case[3][i] for case in CASES) for i in range(3))
    cases = [([case], case[3]) for case in CASES] + [
        (CASES, total),
        (None, (0, 1, 0)),
        ([], (0, 1, 0)),
    ]
    for entries, wanted in cases:
        got = count(sys.argv[1], entries)
        if got == wanted:
            passed += 1
        else:
            failed += 1
            print(f"failed: {entries} counted as {got}, not {wanted}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
