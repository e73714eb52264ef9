"""Shows that tests/unit/run.py starts what hangs anew, and hides nothing else."""

import os
import subprocess
import sys
import tempfile

# (what, what bash runs, exit status, times that it hung)
CASES = [
    ("what passes passes", "exit 0", 0, 0),
    ("what fails fails at once", "exit 3", 3, 0),
    ("what dies of a signal fails", "kill -SEGV $$", 139, 0),
    ("what works is left alone", "i=0; while ((i < 300000)); do ((i += 1)); done; exit 0", 0, 0),
    ("what hangs once is started anew", "[ -e was ] || { touch was; sleep 60 & wait; }", 0, 1),
    ("what hangs in another session", "[ -e was ] || { touch was; setsid -w sleep 60; }", 0, 1),
    ("what always hangs fails", "sleep 60", 1, 3),
]


def main():
    passed = failed = 0
    runner = os.path.abspath(sys.argv[1])
    for what, script, status, hangs in CASES:
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(
                [sys.executable, runner, "bash", "-c", script],
                cwd=folder,
                capture_output=True,
                text=True,
                timeout=100,
                check=False,
                env={**os.environ, "RLDB_TEST_IDLE_S": "0.5"},
            )
        got = (done.returncode, done.stderr.count(" hung: "))
        if got == (status, hangs):
            passed += 1
        else:
            failed += 1
            print(f"failed: {what}: {got} and not {(status, hangs)}: {done.stderr}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
