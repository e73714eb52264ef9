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


DIFFERENCES = []
