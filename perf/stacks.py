"""Reads what `perf script` prints: samples with their stacks, and sums of equal stacks.

The layout read here is that of `perf script -F comm,tid,time,event,ip,sym,dso`: a line that says
who and when, a line for each frame with the innermost first, an empty line. `trace` is added for
tracepoints; cpu and pid are passed over.
"""

import collections
import os
import re

FIELDS = "comm,tid,time,event,ip,sym,dso"
TRACE_FIELDS = "comm,tid,time,event,trace,ip,sym,dso"

HEAD = re.compile(
    r"^\s*(?P<comm>\S.*?)\s+(?:-?\d+/)?(?P<tid>-?\d+)\s+(?:\[\d+\]\s+)?"
    r"(?P<time>\d+\.\d+):\s+(?:\d+\s+)?(?P<event>\S+):(?:\s+(?P<trace>.*))?$"
)
FRAME = re.compile(r"^\s+[0-9a-f]+\s+(?P<symbol>.*?)\s+\((?P<module>[^()]*(?:\([^()]*\))?)\)$")
OFFSET = re.compile(r"\+0x[0-9a-f]+$")
KERNEL = ("[kernel", "[guest.kernel", "[vdso]", "[vsyscall]")

Sample = collections.namedtuple("Sample", "comm tid time event trace frames")
# `kernel`: runs in the kernel's mode.
Frame = collections.namedtuple("Frame", "name module kernel")


def frame_of(symbol, module):
    """A frame, or None for an address that lies in nothing: a stack followed through code that
    keeps no frame pointers ends in such."""
    kernel = module.startswith(KERNEL) or module.endswith(".ko")
    short = os.path.basename(module.split(" (")[0])
    name = OFFSET.sub("", symbol)
    if name != "[unknown]":
        return Frame(name, short, kernel)
    return None if short == "[unknown]" or not short else Frame(f"[{short}]", short, kernel)


def samples(lines):
    """The samples of `perf script`'s output. Frames are from the outermost to the innermost."""
    head, frames = None, []
    for line in lines:
        line = line.rstrip("\n")
        if not line.strip():
            if head is not None:
                yield sample_of(head, frames)
            head, frames = None, []
            continue
        found = FRAME.match(line) if head is not None else None
        if found is not None:
            frame = frame_of(found["symbol"], found["module"])
            if frame is not None:
                frames.append(frame)
            continue
        found = HEAD.match(line)
        if found is None:
            raise ValueError(f"not a line of perf script: {line[:100]!r}")
        head = found
    if head is not None:
        yield sample_of(head, frames)


def sample_of(head, frames):
    return Sample(
        head["comm"],
        int(head["tid"]),
        float(head["time"]),
        head["event"],
        head["trace"] or "",
        tuple(reversed(frames)),
    )


def fold(stacks):
    """Sums: {frames: weight} of (frames, weight)."""
    sums = collections.Counter()
    for frames, weight in stacks:
        sums[frames] += weight
    return sums


def folded_lines(sums):
    """One line a stack, `outer;inner weight`: what other tools for flame graphs read. Kernel
    frames end in _[k], as is their custom."""
    for frames, weight in sorted(sums.items()):
        names = [f"{f.name.replace(';', ':')}{'_[k]' if f.kernel else ''}" for f in frames]
        yield f"{';'.join(names) or '[no stack]'} {weight:g}"


def by_symbol(sums):
    """(self, inclusive) weights of each (name, module)."""
    own, inclusive = collections.Counter(), collections.Counter()
    for frames, weight in sums.items():
        if frames:
            own[frames[-1]] += weight
        for frame in set(frames):
            inclusive[frame] += weight
    return own, inclusive
