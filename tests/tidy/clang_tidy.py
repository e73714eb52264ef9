"""Runs clang-tidy with the settings of .clang-tidy over the sources of the programs.

    clang_tidy.py [--short] BUILD_FOLDER [PART-OF-A-PATH]

--short leaves out the analyzer, which follows paths through functions and takes nearly all of the
time. Takes what to compile, and how, from the build folder's compile_commands.json. Prints what
clang-tidy says; the last line counts files. Exits 77, a skip, where clang-tidy is not installed.
"""

import argparse
import concurrent.futures
import json
import os
import shutil
import subprocess
import sys

FOLDERS = ("core", "engines", "ring", "cluster", "cli")


def sources(build, part):
    """The sources to check, as absolute paths."""
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as file:
        commands = json.load(file)
    paths = {
        os.path.realpath(os.path.join(entry["directory"], entry["file"])) for entry in commands
    }
    root = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
    folders = tuple(os.path.join(root, folder) + os.sep for folder in FOLDERS)
    return sorted(path for path in paths if path.startswith(folders) and part in path)


def check(command, path):
    """What clang-tidy says of one file; nothing if it is content."""
    done = subprocess.run([*command, path], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr if done.returncode != 0 else ""


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("build")
    parser.add_argument("part", nargs="?", default="")
    options = parser.parse_args()
    program = shutil.which("clang-tidy")
    if program is None:
        print("clang-tidy is not installed")
        return 77
    command = [program, "--quiet", "-p", options.build]
    if options.short:
        command.append("--checks=-clang-analyzer-*")
    paths = sources(options.build, options.part)
    said = set()
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for output in pool.map(lambda path: check(command, path), paths):
            failed += output != ""
            if output not in said:
                said.add(output)
                print(output, end="")
    print(f"{len(paths) - failed} passed, {failed} failed")
    return 1 if failed or not paths else 0


if __name__ == "__main__":
    sys.exit(main())
