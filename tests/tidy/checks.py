"""The checks. Each takes a Tree and yields its violations as (path, line, what, message).

`what` is the thing that breaks the rule (a call, a header, a name), by which exceptions.txt can
name it.
"""

import fnmatch
import os
import re
import shutil
import subprocess

import c_source
import rules

TEXT_SUFFIXES = (
    ".c",
    ".h",
    ".py",
    ".sh",
    ".md",
    ".build",
    ".txt",
    ".yaml",
    ".yml",
    ".json",
    ".acl",
    ".1",
)
CODE_SUFFIXES = (".c", ".h", ".py", ".sh", ".build")
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(?:"([^"]+)"|<([^>]+)>)', re.MULTILINE)


def includes(tree, path):
    """The includes of a file as (line, name, whether it is quoted)."""
    text = tree.text(path)
    for found in INCLUDE.finditer(text):
        yield c_source.line_of(text, found.start()), found[1] or found[2], found[1] is not None


def layering(tree):
    """Includes go one way: core <- engines, ring <- cluster <- cli."""
    for path in tree.c_files():
        folder = path.split("/")[0]
        allowed = rules.LAYERS.get(folder)
        if allowed is None:
            yield path, 1, folder, "C code in a folder that is no layer"
            continue
        for line, name, quoted in includes(tree, path):
            if not quoted:
                continue
            if "/" in name and name.split("/")[0] not in allowed:
                yield path, line, name, f"{folder}/ must not include {name.split('/')[0]}/"
            elif "/" not in name or not tree.exists(name):
                yield path, line, name, f'"{name}" is not a path from the root of the tree'


def headers(tree):
    """Libraries are used where they belong; every header has its guard."""
    for path in tree.c_files():
        for line, name, quoted in includes(tree, path):
            places = rules.HEADERS.get(name)
            if not quoted and places is not None and not path.startswith(places):
                where = ", ".join(place + "*" for place in places) or "nowhere"
                yield path, line, name, f"<{name}> belongs in {where}"
        if path.endswith(".h") and not re.search(r"^#pragma once$", tree.text(path), re.MULTILINE):
            yield path, 1, "guard", "a header needs #pragma once"


def banned_table(groups):
    return {name: reason for reason, names in groups.items() for name in names.split()}


CALL = re.compile(r"(?<![\w.])(?<!->)([A-Za-z_]\w*)\s*\(")
MACRO = re.compile(r"^[ \t]*#[ \t]*define[ \t]+\w+(?:\([^)]*\))?", re.MULTILINE)


def calls(source):
    """The calls in a file, in macros too, as (line, name). A declaration counts as well."""
    directives = re.sub(
        r"^[ \t]*#[ \t]*(?!define)[^\n]*", c_source.blank, source.code, flags=re.MULTILINE
    )
    code = MACRO.sub(c_source.blank, directives)
    for found in CALL.finditer(code):
        yield c_source.line_of(code, found.start()), found[1]


def banned_calls(tree):
    """Outside effects only through core/io.h; no unbounded string function anywhere."""
    everywhere = banned_table(rules.BANNED_EVERYWHERE)
    in_programs = {**everywhere, **banned_table(rules.BANNED_IN_PROGRAMS)}
    in_libraries = {**in_programs, **banned_table(rules.BANNED_IN_LIBRARIES)}
    tables = {"cli": in_programs, **{folder: in_libraries for folder in rules.LIBRARY_FOLDERS}}
    for path in tree.c_files():
        table = tables.get(path.split("/")[0], everywhere)
        if path.startswith(rules.BACKEND):
            table = everywhere
        for line, name in calls(tree.source(path)):
            if name in table:
                yield path, line, name, f"{name}(): {table[name]}"


def lengths(tree):
    """Lines, functions and files stay readable."""
    for path in tree.ending(*CODE_SUFFIXES) + tree.scripts():
        lines = tree.text(path).split("\n")
        for number, line in enumerate(lines, 1):
            if len(line) > rules.LINE_COLUMNS_MAX:
                yield path, number, "line", f"{len(line)} columns, not {rules.LINE_COLUMNS_MAX}"
        head = " ".join(lines[: rules.FILE_HEAD_LINES]).lower()
        if len(lines) - 1 > rules.FILE_LINES_MAX and not re.search(r"one (thing|file)", head):
            yield path, 1, "file", (
                f"{len(lines) - 1} lines: past {rules.FILE_LINES_MAX} the top of a file says "
                "why it is one thing, in these words"
            )
    for path in tree.c_files():
        for first, last, _ in tree.source(path).functions:
            if last - first + 1 > rules.FUNCTION_LINES_MAX:
                yield path, first, "function", (
                    f"a function of {last - first + 1} lines, "
                    f"{rules.FUNCTION_LINES_MAX} are the most"
                )


def whitespace(tree):
    """No tabs, no trailing space, a newline at the end."""
    for path in tree.ending(*TEXT_SUFFIXES) + tree.scripts() + [".gitignore", ".clang-format"]:
        if not tree.exists(path):
            yield path, 1, "file", "is missing"
            continue
        text = tree.text(path)
        for number, line in enumerate(text.split("\n"), 1):
            if "\t" in line:
                yield path, number, "tab", "a tab"
            if line != line.rstrip():
                yield path, number, "space", "space at the end of the line"
        if text and not text.endswith("\n"):
            yield path, text.count("\n") + 1, "newline", "no newline at the end"


def globals_(tree):
    """No mutable globals, so that many nodes can live in one process."""
    for path in tree.c_files(*rules.LIBRARY_FOLDERS):
        for line, statement in c_source.mutable_statics(tree.source(path)):
            yield path, line, re.sub(r"\[.*", "", statement).split()[
                -1
            ], f"a mutable global: {statement}"


def style(tree):
    """Words of the house: no typedef of structs, no marks left for later, names in snake_case."""
    for path in tree.c_files():
        source = tree.source(path)
        for found in re.finditer(r"\btypedef\s+(struct|union|enum)\b", source.code):
            yield path, c_source.line_of(
                source.code, found.start()
            ), "typedef", "structs have no typedef"
        if not re.fullmatch(r"[a-z0-9_]+\.[ch]", os.path.basename(path)):
            yield path, 1, "name", "file names are snake_case"
        for found in re.finditer(r"\b(TODO|FIXME|XXX|HACK)\b", source.text):
            yield path, c_source.line_of(source.text, found.start()), found[1], (
                f"{found[1]}: do it now, or say in the README that it is not there"
            )


IMPORT = re.compile(r"^[ \t]*(?:from|import)[ \t]+(?:[^\n(]*\([^)]*\)|[^\n(]*)", re.MULTILINE)


def dead_files(tree):
    """Every source is built or run by something, every header included."""
    lists = "".join(tree.text(path) for path in tree.ending("meson.build") + tree.scripts())
    imported = {
        word
        for path in tree.ending(".py")
        for statement in IMPORT.findall(tree.text(path))
        for word in re.findall(r"\w+", statement)
    }
    included = {
        name for path in tree.c_files() for _, name, quoted in includes(tree, path) if quoted
    }
    for path in tree.c_files() + tree.ending(".py"):
        name = os.path.basename(path)
        stem = name.rsplit(".", 1)[0]
        if path.endswith(".h"):
            alive = path in included
        elif path.endswith(".c"):
            beside = os.path.join(os.path.dirname(path), "meson.build")
            listed = tree.text(beside) if tree.exists(beside) else ""
            alive = re.search(rf"'{re.escape(name)}'|'{re.escape(stem)}'", listed) is not None
        else:
            listed = re.search(rf"'{re.escape(stem)}'|\b{re.escape(name)}\b", lists)
            alive = listed is not None or stem in imported or stem == "__init__"
        if not alive:
            yield path, 1, "dead", "nothing builds, runs or includes this file"


def mapped(name, words):
    """Whether a README's words name the file: itself, its twin (.c for .h), or a pattern for it."""
    stem, _ = os.path.splitext(name)
    twins = (name, stem + ".h", stem + ".c")
    return any(
        fnmatch.fnmatch(twin, word) for word in words if not word.startswith("*") for twin in twins
    )


def unmapped(tree):
    """The files of the layers that the README of their folder passes over in silence."""
    for folder in rules.MAPPED_FOLDERS:
        page = os.path.join(folder, "README.md")
        words = set(re.findall(r"[\w*.-]+", tree.text(page))) if tree.exists(page) else set()
        for path in tree.c_files(folder):
            if not mapped(os.path.basename(path), words):
                yield path, 1, "map", f"{page} does not say what this file is for"


def readmes(tree):
    """Every folder explains itself and its files, and what its pages point at is there."""
    yield from unmapped(tree)
    folders = {os.path.dirname(path) for path in tree.c_files() + tree.ending(".py", ".yaml")}
    for folder in sorted(folders):
        if not tree.exists(os.path.join(folder, "README.md")):
            yield os.path.join(folder, "README.md"), 1, "README", "every folder has a README.md"
    for path in tree.ending(".md"):
        text = re.sub(r"```.*?```", c_source.blank, tree.text(path), flags=re.DOTALL)
        text = re.sub(r"`[^`\n]*`", c_source.blank, text)
        for found in re.finditer(r"\]\(([^)\s]+)\)", text):
            target = found[1].split("#")[0]
            if re.match(r"[a-z]+:", found[1]) or not target:
                continue
            if not tree.exists(os.path.join(os.path.dirname(path), target)):
                yield path, c_source.line_of(
                    text, found.start()
                ), target, f"points at {target}, not there"


def formatting(tree):
    """clang-format would change nothing."""
    command = shutil.which("clang-format")
    if command is None:
        yield ".clang-format", 1, "clang-format", "clang-format is not installed"
        return
    done = subprocess.run(
        [command, "--dry-run", "-Werror", *tree.c_files()],
        cwd=tree.root,
        capture_output=True,
        text=True,
    )
    seen = set()
    for found in re.finditer(r"^(?:\./)?([^:\n]+):(\d+):\d+: error:", done.stderr, re.MULTILINE):
        if found[1] not in seen:
            seen.add(found[1])
            yield found[1], int(found[2]), "format", "clang-format -i would change this file"
    if done.returncode != 0 and not seen:
        yield ".clang-format", 1, "clang-format", done.stderr.strip()


def scripts(tree):
    """Shell and Python scripts parse."""
    for path in tree.scripts():
        full = os.path.join(tree.root, path)
        done = subprocess.run(["bash", "-n", full], capture_output=True, text=True)
        if done.returncode != 0:
            yield path, 1, "syntax", done.stderr.strip()
        if not os.access(full, os.X_OK):
            yield path, 1, "mode", "a script that cannot be executed"
    for path in tree.ending(".py"):
        try:
            compile(tree.text(path), path, "exec")
        except SyntaxError as error:
            yield path, error.lineno or 1, "syntax", error.msg


def git_ignore(tree):
    """What is built is ignored, and nothing ignored is committed."""
    wanted = {"/build*/", "/data/", "__pycache__/"}
    lines = set(tree.text(".gitignore").split("\n")) if tree.exists(".gitignore") else set()
    for line in sorted(wanted - lines):
        yield ".gitignore", 1, line, f"{line} is missing"
    for path in tree.paths:
        if path.endswith((".o", ".a", ".so", ".orig", ".rej", ".gcda", ".profraw")):
            yield path, 1, "artifact", "this is made, not written"
    if shutil.which("git") and tree.exists(".git"):
        done = subprocess.run(
            ["git", "-c", "safe.directory=*", "ls-files", "-ci", "--exclude-standard"],
            cwd=tree.root,
            capture_output=True,
            text=True,
        )
        for path in done.stdout.split():
            yield path, 1, "ignored", "is committed, and ignored by .gitignore"


ALL = (
    layering,
    headers,
    banned_calls,
    lengths,
    whitespace,
    globals_,
    style,
    dead_files,
    readmes,
    formatting,
    scripts,
    git_ignore,
)
