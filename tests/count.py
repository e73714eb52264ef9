"""Counts what one run of `meson test --logbase SUITE` did, for ./bootstrap test.

    count.py SUITE LOG RESULTS

LOG is meson's log, one JSON object a line and test. A program that counts by itself is counted by
its own words: Criterion's `Synthesis: Tested: 3 | Passing: 3 | ...`, or the last line of the form
`3 passed, 0 failed` (`, 1 skipped` may follow). Any other is one check. A program that failed, or
in which a sanitizer objected, counts as one failure at least, whatever it printed.

Prints what failed and the suite's count; appends `suite passed failed skipped` to RESULTS, with
tabs between.
"""

import json
import os
import re
import sys

OUTPUT_LINES_MAX = 200  # of one failed test: enough for a sanitizer's report

SYNTHESIS = re.compile(
    r"Synthesis: Tested: (\d+) \| Passing: (\d+) \| Failing: (\d+) \| Crashing: (\d+)"
)
COUNT = re.compile(r"^(?:\w+: )?(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$", re.MULTILINE)
SANITIZER = re.compile(r"ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|: runtime error: ")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def count_test(entry):
    """Returns (passed, failed, skipped) of one entry of the log."""
    output = COLOUR.sub("", entry.get("stdout", "") + "\n" + entry.get("stderr", ""))
    synthesis = SYNTHESIS.search(output)
    counts = COUNT.findall(output)
    result = "FAIL" if SANITIZER.search(output) else entry["result"]
    if result == "SKIP":
        return 0, 0, 1
    if synthesis:
        tested, passed, failed, _ = map(int, synthesis.groups())  # what crashed has failed
        skipped = tested - passed - failed
    elif counts:
        passed, failed, skipped = (int(number or 0) for number in counts[-1])
    else:
        passed, failed, skipped = (1, 0, 0) if result == "OK" else (0, 1, 0)
    if result != "OK":
        failed = max(failed, 1)
    return passed, failed, skipped


def show_failure(entry):
    print(f"FAILED: {entry['name']}: {entry['result']} after {entry['duration']:.1f} s")
    print(f"  again: {' '.join(entry['command'])}")
    output = COLOUR.sub("", entry.get("stdout", "") + entry.get("stderr", ""))
    lines = [line for line in output.splitlines() if not line.startswith("[PASS]")]
    for line in lines[-OUTPUT_LINES_MAX:]:
        print(f"  | {line}")


def main():
    suite, log, results = sys.argv[1:]
    entries = []
    total = [0, 0, 0]
    if os.path.exists(log):
        with open(log, encoding="utf-8") as lines:
            entries = [json.loads(line) for line in lines]
    if not entries:
        # The build failed, or meson found no test of this suite. Neither is a success.
        print(f"FAILED: suite {suite} did not run")
        total[1] = 1
    for entry in entries:
        counts = count_test(entry)
        total = [a + b for a, b in zip(total, counts)]
        if counts[1] > 0:
            show_failure(entry)
    skipped = f", {total[2]} skipped" if total[2] else ""
    print(f"   {suite}: {total[0]} passed, {total[1]} failed{skipped} in {len(entries)} programs")
    with open(results, "a", encoding="utf-8") as lines:
        lines.write("\t".join([suite, *map(str, total)]) + "\n")


main()
