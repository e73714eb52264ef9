"""Frames of every kind, each on a connection of its own: what is answered, and who hangs up.

All connections are opened at once and looked at together, so that waiting to see that nothing comes
costs its time once.
"""

import time

from . import generate, names
from .compare import CONNECTION, same
from .differences import DIFFERENCES
from .link import Side
from .runner import spell

SETTLE_S = 1.0
PATIENCE_S = 120
ECHO = generate.encode([b"ECHO", b"after"])
PING = b"*1\r\n$4\r\nPING\r\n"


def _inline_sizes():
    """Around the largest line, 64 KiB. Those without an end first: with one, it depends on how the
    bytes arrive in Redis."""
    for size in (65535, 65536, 65537, 65600, 200000, 3000000):
        yield f"a line of {size} bytes without an end", b"x" * size
        yield f"a count of {size} digits without an end", b"*" + b"1" * size
        yield f"a length of {size} digits without an end", b"*1\r\n$" + b"1" * size
    for size in (1000, 16384, 60000):
        yield f"a line of {size} bytes", b"x" * size + b"\r\n" + ECHO
        yield f"a line of {size} bytes of arguments", b"ECHO" + b" x" * (size // 2) + b"\r\n" + ECHO


def _lengths():
    for length in names.STRANGE_LENGTHS:
        yield f"count {spell(length)}", b"*" + length + b"\r\n$4\r\nPING\r\n" + ECHO
        yield f"length {spell(length)}", b"*1\r\n$" + length + b"\r\nPING\r\n" + ECHO
        second = b"*2\r\n$4\r\nECHO\r\n$" + length
        yield f"second length {spell(length)}", second + b"\r\nabc\r\n" + ECHO


def _cut_short():
    """Everything up to each byte of a request, and then nothing."""
    whole = generate.encode([b"SET", b"key", b"value"])
    for size in range(len(whole)):
        yield f"cut after {size} bytes", PING + whole[:size]


def _types():
    for byte in range(256):
        if bytes([byte]) not in b"*\n":
            yield f"a request that begins with byte {byte}", bytes([byte]) + b"1\r\n" + ECHO
    for byte in range(256):
        if bytes([byte]) != b"$":
            yield f"an argument that begins with byte {byte}", b"*1\r\n" + bytes(
                [byte]
            ) + b"4\r\nPING\r\n" + ECHO


def _broken():
    for frame in names.BROKEN_FRAMES:
        yield f"frame {spell(frame, 60)}", PING + frame + ECHO


GROUPS = [
    ("frames that are wrong or strange", _broken),
    ("lengths and counts", _lengths),
    ("every first byte", _types),
    ("a request cut at every byte", _cut_short),
    ("lines around 64 KiB", _inline_sizes),
]


def _settle(sides, seconds):
    """Moves bytes until nothing has moved for so long."""
    moved, seen = time.monotonic(), None
    while time.monotonic() < moved + seconds:
        for side in sides:
            side.push()
            side.pull()
        now = [(len(side.out), len(side.received), side.closed) for side in sides]
        if now != seen:
            moved, seen = time.monotonic(), now
        time.sleep(0.01)
    return [(bytes(side.received), side.closed) for side in sides]


def alike(raw, theirs, ours):
    """Whether two (answer, closed) pairs are the same, or told apart by a row of the table."""
    if theirs == ours:
        return True
    request = [CONNECTION, raw]
    return (
        same(request, theirs[0], ours[0])
        and theirs[1] == ours[1]
        or any(row.covers and row.covers(request, theirs[0], ours[0]) for row in DIFFERENCES)
    )


def compare(servers, frames, patience_s=PATIENCE_S):
    """Raises AssertionError that lists every frame on which the two servers differ."""
    frames = list(frames)
    sides = []
    for server in servers:
        for _, raw in frames:
            side = Side(server.port)
            side.out = memoryview(raw)
            sides.append(side)
    try:
        count = len(frames)
        deadline = time.monotonic() + patience_s
        while True:
            seen = _settle(sides, SETTLE_S)
            unlike = [
                at for at in range(count) if not alike(frames[at][1], seen[at], seen[count + at])
            ]
            if not unlike or time.monotonic() > deadline:
                break
    finally:
        for side in sides:
            side.close()
    lines = []
    for at in unlike:
        name, raw = frames[at]
        lines.append(f"{name}: raw {spell(raw, 80)}")
        for who, (answer, closed) in (("redis", seen[at]), ("rldb", seen[count + at])):
            lines.append(f"  {who + ':':6} {spell(answer, 200)} ({'closed' if closed else 'open'})")
    if lines:
        raise AssertionError("\n".join(lines[:60]))
    return count


def run(report, targets):
    for name, frames in GROUPS:
        if report.wants(name):
            with report.case(name):
                report.note(f"{compare(targets.main(), frames())} connections to each")
