"""Every deliberate difference from Redis 7.0, in one table.

README.md shows this table (`run --table` prints it, and the test fails when the two disagree). Each
row proves itself: its `probes` are sent to both servers, and the row fails when what they answer is
no longer what it says, so that a difference that is gone leaves the table. `covers` tells the random
run which pairs of replies the row explains; rows without it are never met there.
"""

import re

from . import names


class Difference:
    """`probes`: sequences of requests, the last of which is judged. `redis_re` and `rldb_re` match the
    raw reply to it (bytes). `covers(args, theirs, ours)` is asked of replies that are not the same."""

    def __init__(self, name, request, redis, rldb, why, probes, redis_re, rldb_re, covers=None):
        self.name = name
        self.request = request
        self.redis = redis
        self.rldb = rldb
        self.why = why
        self.probes = probes
        self.redis_re = re.compile(redis_re, re.S)
        self.rldb_re = re.compile(rldb_re, re.S)
        self.covers = covers


def table():
    """The rows as README.md shows them."""
    lines = ["| what | request | Redis 7.0 | rldb | why |", "|---|---|---|---|---|"]
    for row in DIFFERENCES:
        cells = (row.name, row.request, row.redis, row.rldb, row.why)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _is(args, *words):
    return bool(args) and tuple(arg.upper() for arg in args[: len(words)]) == words


_TOO_LONG = b"-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n"
_STRING_ENCODINGS = (b"$3\r\nint\r\n", b"$6\r\nembstr\r\n", b"$3\r\nraw\r\n")


def _too_large(args, theirs, ours):
    if args and args[0].upper() in (b"SETRANGE", b"APPEND"):
        return theirs == _TOO_LONG and ours.startswith(b"-TOOLARGE ")
    return False


def _encoding(args, theirs, ours):
    """Redis remembers how a value came about, and shows an encoding that its bytes alone would not
    give: never int where rldb sees none."""
    if not _is(args, b"OBJECT", b"ENCODING") or theirs not in _STRING_ENCODINGS:
        return False
    return theirs != _STRING_ENCODINGS[0] and ours in _STRING_ENCODINGS


DIFFERENCES = [
    Difference(
        "a value past the bound",
        "`SETRANGE k 67108864 x`, `APPEND` beyond",
        "`ERR string exceeds maximum allowed size (proto-max-bulk-len)`",
        "`TOOLARGE the value has 67108865 bytes, storage.value_max allows 67108864`",
        "the bound is rldb's own setting, and the error names it",
        [[["SETRANGE", "k", "67108864", "x"]]],
        rb"-ERR string exceeds maximum allowed size \(proto-max-bulk-len\)\r\n",
        rb"-TOOLARGE the value has 67108865 bytes, storage.value_max allows 67108864\r\n",
        _too_large,
    ),
    Difference(
        "OBJECT ENCODING of a changed value",
        "`APPEND k x`, then `OBJECT ENCODING k`",
        "`raw` for what APPEND and SETRANGE wrote, `embstr` for what INCRBYFLOAT wrote",
        "`int`, `embstr` or `raw` by the bytes alone",
        "rldb keeps bytes, and nothing on how they came about",
        [
            [["APPEND", "k", "x"], ["OBJECT", "ENCODING", "k"]],
            [["SET", "k", "x"], ["SETRANGE", "k", "1", "y"], ["OBJECT", "ENCODING", "k"]],
        ],
        rb"\$3\r\nraw\r\n",
        rb"\$6\r\nembstr\r\n",
        _encoding,
    ),
]
