"""Shows that each bug of core/planted.h is found, by an oracle that is named for it.

    planted.py PROGRAM [NAME...]

PROGRAM is a simulator built with -Dplanted=true, which lists its bugs with --planted. First it has
to hold without any; then with each, one at a time, where nothing else goes wrong. README.md
has to name each.
"""

import os
import pathlib
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

README = pathlib.Path(__file__).parent / "README.md"
CLEAN_SEEDS = 20
LIMIT_S = 240
AT_A_TIME = 2


def run(program, *arguments):
    """What it wrote to standard error, and whether it held."""
    environment = {"ASAN_OPTIONS": "abort_on_error=1", **os.environ}
    done = subprocess.run(
        [program, *arguments], capture_output=True, text=True, errors="replace",
        timeout=LIMIT_S, env=environment
    )
    return done.stderr, done.returncode == 0


def shape(program, engine, profile):
    """Most bugs of a node need no faults, and no disk. Those of the log engine need both."""
    return [] if program.endswith("sim_log") else ["--profile", profile, "--engine", engine]


def bugs_of(program):
    listed = subprocess.run([program, "--planted"], capture_output=True, text=True, check=True)
    for line in listed.stdout.splitlines():
        name, seeds, oracles, engine, profile, what = line.split("\t")
        yield name, int(seeds), oracles.split("|"), engine, profile, what


def find(program, name, seeds, oracles, engine, profile):
    """None when the bug was found as it should be, else why not; and what to say."""
    try:
        chosen = ["--planted", name, "--seeds", f"1..{seeds}"]
        text, held = run(program, *shape(program, engine, profile), *chosen)
    except subprocess.TimeoutExpired:
        return f"not done after {LIMIT_S} s", ""
    if held:
        return f"not found within {seeds} seeds", ""
    oracle = re.search(r"^oracle ([\w-]+):", text, re.MULTILINE)
    seed = re.search(r"^seed (\d+)", text, re.MULTILINE)
    if oracle is None or seed is None:
        return f"ended without naming an oracle and a seed: {text[-500:]}", ""
    if oracle[1] not in oracles:
        return f"found by {oracle[1]} (seed {seed[1]}) and not by {' or '.join(oracles)}", ""
    return None, f"found by {oracle[1]}, seed {seed[1]}"


def undocumented(bugs):
    """Names that the table in README.md lacks."""
    text = README.read_text(encoding="utf-8")
    return [name for name, *_ in bugs if f"`{name}`" not in text]


def main():
    program, *chosen = sys.argv[1:]
    bugs = [bug for bug in bugs_of(program) if not chosen or bug[0] in chosen]
    failures = []
    for engine, profile in sorted({bug[3:5] for bug in bugs}):
        text, held = run(program, *shape(program, engine, profile), "--seeds", f"1..{CLEAN_SEEDS}")
        if not held:
            failures.append(f"without a bug: {text[-500:]}")
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        found = pool.map(lambda bug: find(program, *bug[:5]), bugs)
        for (name, *_), (wrong, said) in zip(bugs, found):
            print(f"{'passed' if wrong is None else 'FAILED'}: {name}: {wrong or said}", flush=True)
            if wrong is not None:
                failures.append(name)
    for name in undocumented(bugs):
        print(f"FAILED: README.md does not name {name}")
        failures.append("README.md")
    print(f"{len(bugs) + 1 - len(set(failures))} passed, {len(set(failures))} failed")
    return 1 if failures else 0


sys.exit(main())
