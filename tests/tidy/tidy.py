"""Checks that the tree keeps the rules of STYLE.md that a program can check.

    tidy.py ROOT [CHECK ...]

Prints one line for each violation, `path:line: check: message`, and for each check whether it
passed. The last line counts the checks. exceptions.txt names what may break a rule, and why.
"""

import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import checks
from tree import Tree


def read_exceptions(path):
    """The lines of exceptions.txt as {(check, path, what): line number}."""
    exceptions = {}
    with open(path, encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            words = line.split(maxsplit=3)
            if not words or line.startswith("#"):
                continue
            if len(words) < 4:
                sys.exit(f"{path}:{number}: expected: check, path, what, reason")
            exceptions[tuple(words[:3])] = number
    return exceptions


def run(check, tree, exceptions, used):
    """The violations of one check that no exception names; those that were needed go to `used`."""
    name = check.__name__.rstrip("_")
    found = []
    for path, line, what, message in check(tree):
        key = (name, path, what)
        if key in exceptions:
            used.add(key)
        else:
            found.append(f"{path}:{line}: {name}: {message}")
    return found


def main():
    root, *wanted = sys.argv[1:]
    tree = Tree(root)
    exceptions_path = os.path.join(tree.root, "tests/tidy/exceptions.txt")
    exceptions = read_exceptions(exceptions_path)
    used = set()
    passed = failed = 0
    for check in checks.ALL:
        name = check.__name__.rstrip("_")
        if wanted and name not in wanted:
            continue
        found = run(check, tree, exceptions, used)
        for key in sorted(exceptions):
            if key[0] == name and key not in used:
                found.append(
                    f"tests/tidy/exceptions.txt:{exceptions[key]}: {name}: nothing needs this line"
                )
        print("\n".join(found + [f"{'failed' if found else 'passed'}: {name}: {check.__doc__}"]))
        passed, failed = passed + (not found), failed + bool(found)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
