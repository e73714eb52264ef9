#!/usr/bin/env python3
"""A flame graph as one SVG file, from what `perf script` prints.

    perf record -F 997 -g -p PID -- sleep 10
    perf script -F comm,tid,time,event,ip,sym,dso | perf/flame.py > flame.svg

Each box is a function; it stands on its caller, and is as wide as its share of the samples. Left
and right mean nothing: neighbours are sorted by name, so that equal callers merge (Gregg, "The
flame graph", CACM 2016). Pointing at a box shows its share, a click widens it, a click on the
lowest box shows everything again. The file needs nothing else, and shows without scripts too.
"""

import argparse
import sys
import zlib
from xml.sax.saxutils import escape

import stacks

WIDTH = 1200
ROW = 17
HEAD = 44
MARGIN = 10
CHARACTER = 6.7  # pixels of a character of the font, at most
SHARE_MIN = 0.0007  # a box narrower than a pixel is left out

# Hue, saturation, lightness: the program's own code, libraries, the kernel.
HUES = {"program": (28, 85, 62), "library": (52, 75, 60), "kernel": (205, 50, 66)}

SCRIPT = """
const boxes = [...document.querySelectorAll('g.b')];
const number = (box, name) => parseFloat(box.dataset[name]);
function zoom(to) {
  const left = number(to, 'x'), share = number(to, 'w'), row = number(to, 'd');
  for (const box of boxes) {
    const x = number(box, 'x'), w = number(box, 'w');
    const around = number(box, 'd') < row && x <= left + 1e-9 && x + w >= left + share - 1e-9;
    const inside = x >= left - 1e-9 && x + w <= left + share + 1e-9;
    box.style.display = around || inside ? '' : 'none';
    const at = around ? 0 : (x - left) / share, wide = (around ? 1 : w / share) * %(inner)d;
    const rect = box.querySelector('rect'), text = box.querySelector('text');
    rect.setAttribute('x', %(margin)d + at * %(inner)d);
    rect.setAttribute('width', Math.max(wide - 0.5, 0.2));
    text.setAttribute('x', %(margin)d + 3 + at * %(inner)d);
    const name = box.dataset.n, room = Math.floor((wide - 6) / %(character)s);
    text.textContent = room >= name.length ? name : room > 3 ? name.slice(0, room - 1) + '…' : '';
  }
}
boxes.forEach(box => box.addEventListener('click', () => zoom(box)));
"""


class Box:
    """A function as called by the boxes below it."""

    def __init__(self, frame):
        self.frame = frame
        self.weight = 0
        self.children = {}

    def add(self, frames, weight):
        box = self
        box.weight += weight
        for frame in frames:
            box = box.children.setdefault(frame, Box(frame))
            box.weight += weight

    def depth(self, least):
        """Rows that boxes of at least this weight take."""
        wide = [child.depth(least) for child in self.children.values() if child.weight >= least]
        return 1 + max(wide, default=0)


def color(frame):
    """Of a kind the same hue, of a name always the same shade."""
    if frame is None:
        return "hsl(0,0%,80%)"
    kind = "program"
    if frame.kernel:
        kind = "kernel"
    elif ".so" in frame.module:
        kind = "library"
    hue, saturation, lightness = HUES[kind]
    shade = zlib.crc32(frame.name.encode()) % 17 - 8
    return f"hsl({hue + shade},{saturation}%,{lightness + shade // 2}%)"


def shorten(name, width):
    room = int((width - 6) / CHARACTER)
    if room >= len(name):
        return name
    return name[: room - 1] + "…" if room > 3 else ""


def draw(box, name, left, row, whole, height, unit):
    """The SVG of a box and of those on it."""
    inner = WIDTH - 2 * MARGIN
    share = box.weight / whole
    x, width = MARGIN + left * inner, share * inner
    y = height - MARGIN - ROW * (row + 1)
    module = f" ({box.frame.module})" if box.frame else ""
    text = escape(name, {'"': "&quot;"})
    yield (
        f'<g class="b" data-n="{text}" data-x="{left:.6f}" data-w="{share:.6f}" data-d="{row}">'
        f"<title>{text}{escape(module)}: {share:.2%}, {box.weight:g} {unit}</title>"
        f'<rect x="{x:.1f}" y="{y}" width="{max(width - 0.5, 0.2):.1f}" height="{ROW - 1}" '
        f'fill="{color(box.frame)}"/>'
        f'<text x="{x + 3:.1f}" y="{y + ROW - 5}">{escape(shorten(name, width))}</text></g>\n'
    )
    for child in sorted(box.children.values(), key=lambda c: (c.frame.name, c.frame.module)):
        if child.weight / whole >= SHARE_MIN:
            yield from draw(child, child.frame.name, left, row + 1, whole, height, unit)
        left += child.weight / whole


def svg(sums, title, unit="samples"):
    """The flame graph of {frames: weight}."""
    root = Box(None)
    for frames, weight in sums.items():
        root.add(frames, weight)
    if root.weight <= 0:
        raise ValueError("there is nothing to draw: no samples")
    height = HEAD + 2 * MARGIN + ROW * root.depth(root.weight * SHARE_MIN)
    script = SCRIPT % {"inner": WIDTH - 2 * MARGIN, "margin": MARGIN, "character": CHARACTER}
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}">\n'
        "<style>text{font:11px monospace;pointer-events:none}"
        "g.b{cursor:pointer}g.b:hover rect{stroke:#000}</style>\n"
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>\n'
        f'<text x="{MARGIN}" y="18" style="font-size:14px">{escape(title)}</text>\n'
        f'<text x="{MARGIN}" y="34">{root.weight:g} {unit}; orange: the program, yellow: '
        "libraries, blue: the kernel; click: widen</text>\n"
    ]
    parts.extend(draw(root, "all", 0.0, 0, root.weight, height, unit))
    parts.append(f"<script><![CDATA[{script}]]></script>\n</svg>\n")
    return "".join(parts)


def main():
    parser = argparse.ArgumentParser(
        prog="perf/flame.py",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("file", nargs="?", help="the output of perf script (standard input)")
    parser.add_argument("--title", default="On CPU", help="above the graph")
    parser.add_argument("--folded", action="store_true", help="a line a stack instead of an SVG")
    options = parser.parse_args()
    try:
        with open(options.file or 0, encoding="utf-8", errors="replace") as lines:
            sums = stacks.fold((sample.frames, 1) for sample in stacks.samples(lines))
        if options.folded:
            sys.stdout.writelines(line + "\n" for line in stacks.folded_lines(sums))
        else:
            sys.stdout.write(svg(sums, options.title))
    except (OSError, ValueError) as error:
        print(f"flame.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
