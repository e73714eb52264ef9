"""Runs a Criterion program, and starts it anew when it hangs.

    run.py PROGRAM [ARGUMENT]...

Criterion 2.4.1, Debian 12's, hangs once in some thousand runs: its runner and the process of a test
wait for each other (https://github.com/Snaipe/Criterion/pull/468). It shows as processes that all
sleep and use no CPU for IDLE_S, which no unit test does by itself: what they wait for is simulated,
or comes at once. A program that hangs TRIES times fails. Every hang is told.
"""

import os
import signal
import subprocess
import sys
import time

IDLE_S = float(os.environ.get("RLDB_TEST_IDLE_S", "20"))
TRIES = 3


def processes():
    """pid -> (parent, state, CPU used) of all there are."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", encoding="ascii", errors="replace") as stat:
                    fields = stat.read().rsplit(")", 1)[1].split()
            except OSError:
                continue  # it ended meanwhile
            found[int(name)] = (int(fields[1]), fields[0], int(fields[11]) + int(fields[12]))
    return found


def family(pid):
    """The process and its descendants: pid -> (state, CPU used)."""
    every = processes()
    found = {pid} & set(every)
    grown = True
    while grown:
        more = {child for child, (parent, _, _) in every.items() if parent in found} - found
        found |= more
        grown = bool(more)
    return {member: every[member][1:] for member in found}


def end(pid):
    for member in family(pid):
        try:
            os.kill(member, signal.SIGKILL)
        except ProcessLookupError:
            pass


def run(command):
    """The exit status; None when it hung."""
    with subprocess.Popen(command) as program:
        seen, since = None, time.monotonic()
        while True:
            try:
                return program.wait(min(1.0, IDLE_S / 4))
            except subprocess.TimeoutExpired:
                pass
            now = family(program.pid)
            if now != seen or any(state != "S" for state, _ in now.values()):
                seen, since = now, time.monotonic()
            elif time.monotonic() - since >= IDLE_S:
                end(program.pid)
                return None


def main():
    for _ in range(TRIES):
        status = run(sys.argv[1:])
        if status is not None:
            return status if status >= 0 else 128 - status
        print(f"{sys.argv[1]} hung: nothing of it ran for {IDLE_S:g} s", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
