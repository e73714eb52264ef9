"""Shows that tidy sees: plants one violation of each kind in a copy of the tree, and looks for it.

    self_test.py ROOT

Each plant is a file to write (or text to add to one), the check that must object, and a word of
what it must say. A second list holds what must pass: code that looks like a violation and is none.
The last line counts.
"""

import os
import shutil
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import checks
import rules
from tree import Tree

LONG_BODY = "    (void)0;\n" * rules.FUNCTION_LINES_MAX
LONG_FILE = "int planted;\n" * (rules.FILE_LINES_MAX + 1)
REAL = "core/check.h"  # a header that is surely there

# check, path, text, what the violation says
BAD = [
    ("layering", "core/specimen.c", '#include "cluster/specimen.h"\n', "must not include cluster/"),
    ("layering", "engines/specimen.c", '#include "ring/specimen.h"\n', "must not include ring/"),
    ("layering", "ring/specimen.c", '#include "engines/specimen.h"\n', "must not include engines/"),
    ("layering", "cluster/specimen.c", '#include "cli/specimen.h"\n', "must not include cli/"),
    ("layering", "cli/specimen.c", '#include "tests/specimen.h"\n', "must not include tests/"),
    ("layering", "core/specimen.c", '#include "check.h"\n', "not a path from the root"),
    ("layering", "elsewhere/specimen.c", "int planted;\n", "no layer"),
    ("headers", "engines/specimen.c", "#include <liburing.h>\n", "belongs in"),
    ("headers", "cluster/specimen.c", "#include <jansson.h>\n", "belongs in"),
    ("headers", "core/specimen.c", "#include <stdatomic.h>\n", "belongs in"),
    ("headers", "core/specimen.h", "int planted(void);\n", "#pragma once"),
    ("banned_calls", "cluster/specimen.c", "void f(void)\n{\n    time(0);\n}\n", "time()"),
    ("banned_calls", "engines/specimen.c", "void f(void)\n{\n    read (1, 0, 0);\n}\n", "read()"),
    ("banned_calls", "core/specimen.c", "void f(void)\n{\n    free(malloc(1));\n}\n", "malloc()"),
    ("banned_calls", "ring/specimen.c", "void f(void)\n{\n    x = rand() % 2;\n}\n", "rand()"),
    (
        "banned_calls",
        "core/specimen.h",
        "#define NOW() \\\n    clock_gettime(0, 0)\n",
        "clock_gettime()",
    ),
    ("banned_calls", "cluster/specimen.c", 'void f(void)\n{\n    printf("x");\n}\n', "printf()"),
    ("banned_calls", "cluster/specimen.c", "void f(void)\n{\n    assert(1);\n}\n", "assert()"),
    (
        "banned_calls",
        "cluster/specimen.c",
        "void f(void)\n{\n    pthread_mutex_lock(l);\n}\n",
        "lock()",
    ),
    ("banned_calls", "cli/specimen.c", "void f(void)\n{\n    strcpy(a, b);\n}\n", "strcpy()"),
    ("banned_calls", "cli/specimen.c", "void f(void)\n{\n    atoi(a);\n}\n", "atoi()"),
    ("banned_calls", "tests/unit/specimen.c", "void f(void)\n{\n    sprintf(a);\n}\n", "sprintf()"),
    ("lengths", "core/specimen.c", "// " + "x" * 98 + "\n", "101 columns"),
    ("lengths", "tests/specimen.py", "# " + "x" * 99 + "\n", "101 columns"),
    (
        "lengths",
        "core/specimen.c",
        "void f(void)\n{\n" + LONG_BODY + "}\n",
        "a function of 73 lines",
    ),
    ("lengths", "core/specimen.c", LONG_FILE, "801 lines"),
    ("whitespace", "core/specimen.c", "int\tplanted;\n", "a tab"),
    ("whitespace", "core/specimen.c", "int planted; \n", "space at the end"),
    ("whitespace", "conf/specimen.yaml", "a: b", "no newline"),
    ("globals", "core/specimen.c", "static int planted;\n", "static int planted"),
    ("globals", "engines/specimen.c", "int planted = 3;\n", "int planted"),
    ("globals", "ring/specimen.c", "static struct slice planted[4];\n", "struct slice planted"),
    ("globals", "ring/specimen.c", "static struct {\n    int x;\n} planted;\n", "planted"),
    ("globals", "cluster/specimen.c", "static const char *planted;\n", "const char *planted"),
    ("globals", "cluster/specimen.c", "static _Thread_local int planted;\n", "planted"),
    ("globals", "cluster/specimen.c", "static void (*planted)(void);\n", "planted"),
    ("globals", "core/specimen.c", "void f(void)\n{\n    static int planted = 0;\n}\n", "planted"),
    ("style", "core/specimen.h", "typedef struct planted planted;\n", "typedef"),
    ("style", "core/Planted.c", "int planted(void);\n", "snake_case"),
    ("style", "core/specimen.c", "// TODO: planted\n", "TODO"),
    ("dead_files", "core/specimen.c", "int planted(void);\n", "nothing builds"),
    ("dead_files", "core/specimen.h", "int planted(void);\n", "nothing builds"),
    ("dead_files", "tests/unit/specimen.c", "int planted(void);\n", "nothing builds"),
    ("dead_files", "tests/e2e/specimen.py", "import os\n", "nothing builds"),
    ("readmes", "planted/specimen.c", "int planted(void);\n", "every folder has a README"),
    ("readmes", "core/specimen.c", "int planted;\n", "does not say what this file is for"),
    ("readmes", "core/PLANTED.md", "See [there](nowhere.md#x).\n", "points at nowhere.md"),
    ("formatting", "core/specimen.c", "int  planted( void );\n", "clang-format -i"),
    ("scripts", "tests/specimen.sh", "if true; then\n", "syntax"),
    ("scripts", "tests/specimen.py", "def planted(:\n", ""),
    ("git_ignore", "core/planted.o", "x\n", "made, not written"),
]

# check, path, text: the check has nothing to say of the path
GOOD = [
    ("dead_files", "tests/planted/__init__.py", "from . import (\n    __init__,\n)\n"),
    ("dead_files", "tests/tidy/tree.py", "import os\n"),
    ("layering", "cluster/specimen.c", f'#include "{REAL}"\n#include <stdint.h>\n'),
    ("layering", "tests/unit/specimen.c", f'#include "{REAL}"\n'),
    ("layering", "core/specimen.c", '// as in #include "cluster/specimen.h"\n'),
    ("headers", "core/io_uring.c", "#include <liburing.h>\n"),
    (
        "banned_calls",
        "cluster/specimen.c",
        '// time(0)\n/* rand() */\nconst char *const s = "malloc(1)";\n',
    ),
    (
        "banned_calls",
        "cluster/specimen.c",
        "void f(void)\n{\n    engine->read(e);\n    io.send(x);\n}\n",
    ),
    (
        "banned_calls",
        "cluster/specimen.c",
        "void f(void)\n{\n    pool_free(p);\n    timer_sleep(t);\n}\n",
    ),
    (
        "banned_calls",
        "cluster/specimen.c",
        "void f(void)\n{\n    const char c = '\"';\n    time = 3;\n}\n",
    ),
    ("banned_calls", "core/io_uring_disk.c", "void f(void)\n{\n    close(3);\n}\n"),
    ("banned_calls", "cli/specimen.c", 'void f(void)\n{\n    printf("x");\n}\n'),
    ("lengths", "core/specimen.c", "// " + "x" * 97 + "\n"),
    ("lengths", "core/specimen.c", "void f(void)\n{\n" + LONG_BODY[13 * 3 :] + "}\n"),
    ("lengths", "core/specimen.c", "// One thing because of its table.\n" + LONG_FILE),
    ("globals", "core/specimen.c", "static const int planted[] = {1, 2};\n"),
    ("globals", "core/specimen.c", 'static const char *const planted[] = {"a", "b"};\n'),
    ("globals", "core/specimen.c", "static const struct {\n    int x;\n} planted[] = {{1}};\n"),
    ("globals", "core/specimen.c", "static int (*const planted[])(int) = {f, g};\n"),
    (
        "globals",
        "core/specimen.c",
        "struct planted {\n    int x;\n    const char *y;\n};\nstruct other;\n",
    ),
    (
        "globals",
        "core/specimen.c",
        "enum { A, B = 3 };\nenum planted { C };\nunion u {\n    int x;\n};\n",
    ),
    (
        "globals",
        "core/specimen.c",
        "static int planted(int x, const char *y);\nextern const int z;\n",
    ),
    ("globals", "core/specimen.c", 'typedef int planted_fn(int x);\nstatic_assert(1 == 1, "");\n'),
    (
        "globals",
        "core/specimen.c",
        "static int f(int x)\n{\n    static const int y[] = {1};\n    return y[x];\n}\n",
    ),
    (
        "globals",
        "core/specimen.c",
        "struct a *f(struct b *b)\n{\n    struct a x = {.b = b};\n    return x.b;\n}\n",
    ),
    ("style", "core/specimen.h", "typedef void planted_fn(struct planted *planted);\n"),
    (
        "readmes",
        "core/README.md",
        "See [there](check.h), [home](https://example.org), [up](../README.md#x).\n",
    ),
    ("formatting", "core/specimen.c", "int planted(void);\n"),
    ("scripts", "tests/specimen.py", "import os\n"),
]


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, 0o755)


def violations(root, check, path, text):
    """What `check` says of `path`, or of its folder's README, in the tree at `root` once the file
    holds `text`. The file is put back."""
    full = os.path.join(root, path)
    folder = os.path.dirname(full)
    made = not os.path.isdir(folder)
    before = None
    if os.path.exists(full):
        with open(full, encoding="utf-8") as file:
            before = file.read()
    os.makedirs(folder, exist_ok=True)
    write(full, text)
    places = (path, os.path.join(os.path.dirname(path), "README.md"))
    try:
        return [message for found, _, _, message in check(Tree(root)) if found in places]
    finally:
        if before is None:
            os.remove(full)
        else:
            write(full, before)
        if made:
            os.rmdir(folder)


def main():
    passed = failed = 0
    by_name = {check.__name__.rstrip("_"): check for check in checks.ALL}
    with tempfile.TemporaryDirectory() as folder:
        root = os.path.join(folder, "tree")
        shutil.copytree(
            sys.argv[1],
            root,
            ignore=shutil.ignore_patterns(".git", "build*", "corpus", "results", "data"),
        )
        for name, path, text, says in BAD:
            found = violations(root, by_name[name], path, text)
            if any(says in message for message in found):
                passed += 1
            else:
                failed += 1
                print(f"failed: {name} did not see {text!r} in {path} (said {found})")
        for name, path, text in GOOD:
            found = violations(root, by_name[name], path, text)
            if found:
                failed += 1
                print(f"failed: {name} objected to {text!r} in {path}: {found}")
            else:
                passed += 1
        unseen = set(by_name) - {name for name, *_ in BAD}
        for name in sorted(unseen):
            failed += 1
            print(f"failed: no violation is planted for {name}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
