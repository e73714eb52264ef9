"""Sends generated sessions to both servers, compares, and makes what differs small."""

import time

from harness.resp import Malformed, split

from . import generate
from .compare import CONNECTION, same
from .differences import DIFFERENCES
from .link import LINKS_COUNT, Late, Pair

TIMEOUT_S = 240
MINIMISE_S = 45
ROUNDS = 500


def spell(data, limit=300):
    """Bytes as a person reads them."""
    text = repr(bytes(data[:limit]))[2:-1]
    return text if len(data) <= limit else f"{text}... ({len(data)} bytes)"


def spell_unit(unit):
    """A unit on lines of its own."""
    lines = []
    link = "own connection" if unit.link is None else generate.LINKS[unit.link]
    if unit.kind in (generate.SCAN, generate.RANDOM_KEY):
        words = " ".join(spell(word) for word in (unit.items[0][1] if unit.items else []))
        return [f"{link}: ({unit.kind} {words})"]
    for raw, args in unit.items:
        if args is None or raw != generate.encode(args):
            lines.append(f"{link}: raw {spell(raw)}")
        else:
            lines.append(f"{link}: " + " ".join(f'"{spell(arg, 80)}"' for arg in args))
    return lines


class Finding(Exception):
    """Two replies that are not the same. `unit` indexes the units given to Session.play."""

    def __init__(self, unit, args, theirs, ours, what=""):
        super().__init__(what)
        self.unit = unit
        self.request = args
        self.theirs = theirs
        self.ours = ours
        self.what = what

    def signature(self):
        """Findings of one signature are in all likelihood one bug."""
        words = self.request or [b"?"]
        name = words[0].upper()[:20]
        options = b" ".join(sorted(word.upper() for word in words[2:] if word[:1].isalpha())[:3])
        return (self.what, name, options[:40], self.theirs[:6], self.ours[:6])

    def lines(self):
        out = []
        if self.what:
            out.append(self.what)
        if self.request:
            out.append("request: " + " ".join(f'"{spell(arg, 120)}"' for arg in self.request))
        out.append("redis:   " + spell(self.theirs, 600))
        out.append("rldb:    " + spell(self.ours, 600))
        return out


class Session:
    """Fresh connections to both servers with an empty database. `covered` counts what the table of
    differences explained, by row name."""

    def __init__(self, addresses, timeout=TIMEOUT_S, covered=None):
        self.addresses = addresses
        self.timeout = timeout
        self.covered = covered if covered is not None else {}
        self.marks = 0
        self.slowest_s = 0.0
        self.pairs = []
        try:
            for link in range(LINKS_COUNT):
                self.pairs.append(Pair(self._address(link), timeout))
            self.pairs[0].ask([b"FLUSHALL"])
            self.pairs[1].ask([b"HELLO", b"3"])
        except (OSError, Late) as problem:
            self.close()
            what = f"a fresh session is not served: {problem!r}"
            raise Finding(0, None, b"", b"", what) from None

    def _address(self, link):
        """(reference, rldbd) for a link: a unix socket for the last, else TCP."""
        return [server.unix_path if link == 2 else server.port for server in self.addresses]

    def close(self):
        for pair in self.pairs:
            pair.close()

    def _same(self, args, theirs, ours):
        if same(args, theirs, ours, self.slowest_s):
            return True
        for row in DIFFERENCES:
            if row.covers is not None and row.covers(args, theirs, ours):
                self.covered[row.name] = self.covered.get(row.name, 0) + 1
                return True
        return False

    def _pieces(self, at, answers):
        pieces = []
        for side, answer in enumerate(answers):
            try:
                whole, rest = split(answer)
            except Malformed as problem:
                raise Finding(at, None, answers[0], answers[1], f"side {side}: {problem}") from None
            pieces.append(whole + ([rest] if rest else []))
        return pieces

    def _compare(self, at, units, answers):
        """Replies to units `at`.. one by one, when the bytes are not all the same."""
        theirs, ours = self._pieces(at, answers)
        index = 0
        for offset, unit in enumerate(units):
            counted = unit.kind == generate.PLAIN
            if not counted:
                break
            for _, args in unit.items:
                a = theirs[index] if index < len(theirs) else b""
                b = ours[index] if index < len(ours) else b""
                if not self._same(args, a, b):
                    raise Finding(at + offset, args, a, b)
                index += 1
        else:
            if len(theirs) == len(ours) == index:
                return
            offset = len(units) - 1
        # Behind this point replies cannot be assigned to requests: bytes have to be the same.
        if theirs[index:] == ours[index:]:
            return
        a, b = b"".join(theirs[index:]), b"".join(ours[index:])
        raise Finding(at + offset, None, a, b, f"the {units[offset].kind} unit differs")

    def _play_batch(self, at, units, cuts):
        unit = units[0]
        try:
            if unit.kind == generate.SCAN:
                self._walk(at, unit)
            elif unit.kind == generate.RANDOM_KEY:
                self._random_key(at, unit)
            elif unit.kind == generate.ENDING:
                self._end(at, unit)
            else:
                self._send(at, units, cuts)
        except Late as late:
            sides = [b"(answered)", b"(answered)"]
            sides[late.side] = b"(no answer in time) " + late.received[-200:]
            raise Finding(at + len(units) - 1, None, *sides, "no answer in time") from None

    def _send(self, at, units, cuts):
        self.marks += 1
        mark = b"#end-of-batch-%d#" % self.marks
        end = b"$%d\r\n%b\r\n" % (len(mark), mark)
        raw = b"".join(raw for unit in units for raw, _ in unit.items)
        raw += generate.encode([b"ECHO", mark])
        start = time.monotonic()
        answers, closed = self.pairs[units[0].link].exchange(raw, end, cuts)
        self.slowest_s = max(self.slowest_s, time.monotonic() - start)
        if answers[0] != answers[1]:
            self._compare(at, units, answers)
        if any(closed):
            who = [b"(open)", b"(open)"]
            for side in (0, 1):
                if closed[side]:
                    who[side] = b"(closed)"
            raise Finding(at + len(units) - 1, None, *who, "a connection was closed")

    def _end(self, at, unit):
        pair = Pair(self._address(0), self.timeout)
        try:
            raw = b"".join(raw for raw, _ in unit.items)
            theirs, ours = pair.end(raw)
        finally:
            pair.close()
        if theirs != ours and not self._same([CONNECTION, raw], theirs, ours):
            raise Finding(at, None, theirs, ours, "the ending unit differs")

    def _walk(self, at, unit):
        """A whole walk with SCAN on each side: the same keys."""
        options = unit.items[0][1]
        pair = self.pairs[unit.link]
        found = []
        for side in (0, 1):
            keys = set()
            cursor = b"0"
            for _ in range(100000):
                answers = pair.ask([b"SCAN", cursor] + options)
                cursor, some = parse_scan(answers[side])
                keys.update(some)
                if cursor == b"0":
                    break
            found.append(keys)
        if found[0] != found[1]:
            sides = [b" ".join(sorted(keys)) for keys in found]
            raise Finding(at, [b"SCAN", b"..."] + options, *sides, "a walk finds other keys")

    def _random_key(self, at, unit):
        pair = self.pairs[unit.link]
        drawn = pair.ask([b"RANDOMKEY"])
        every = pair.ask([b"KEYS", b"*"])
        for side in (0, 1):
            if (
                drawn[side][:1] == b"$"
                and drawn[side][1:2] != b"-"
                and drawn[side] not in every[side]
            ):
                raise Finding(at, [b"RANDOMKEY"], *drawn, "RANDOMKEY names no key")
        if drawn[0][1:2] == b"-" or drawn[1][1:2] == b"-":
            if drawn[0] != drawn[1]:
                raise Finding(at, [b"RANDOMKEY"], *drawn, "RANDOMKEY")

    def play(self, batches):
        """Raises the first Finding. Its unit counts over all batches."""
        at = 0
        for batch in batches:
            self._play_batch(at, batch.units, batch.cuts)
            at += len(batch.units)


def parse_scan(raw):
    from harness.resp import parse  # pylint: disable=import-outside-toplevel

    value = parse(raw)
    if not isinstance(value, list) or len(value) != 2:
        return b"0", [raw]
    return value[0], value[1]


def rebatch(units):
    """Neighbours on one link go out together, as they did."""
    batches = []
    for unit in units:
        if (
            batches
            and unit.kind == generate.PLAIN
            and batches[-1].units[-1].kind == generate.PLAIN
            and batches[-1].units[-1].link == unit.link
        ):
            batches[-1].units.append(unit)
        else:
            batches.append(generate.Batch([unit]))
    return batches


def replay(addresses, units, timeout):
    """The finding that these units lead to, or None."""
    session = None
    try:
        session = Session(addresses, timeout)
        session.play(rebatch(units))
    except Finding as finding:
        return finding
    finally:
        if session:
            session.close()
    return None


def minimise(addresses, units, finding, timeout):
    """Few units that still lead to a finding, and that finding. (None, finding) when it does not
    show again."""
    deadline = time.monotonic() + MINIMISE_S
    units = units[: finding.unit + 1]
    # A hang has shown itself: the replays need not wait as long.
    timeout = min(timeout, 5)
    for _ in range(3):
        again = replay(addresses, units, timeout)
        if again is not None:
            break
    else:
        return None, finding
    units = units[: again.unit + 1]
    finding = again
    size = max(1, len(units) // 2)
    for _ in range(ROUNDS):
        if time.monotonic() > deadline:
            break
        changed = False
        start = len(units) - 1
        # From the end: what came last before the finding matters most, and the unit itself stays.
        while start > 0:
            low = max(0, start - size)
            fewer = units[:low] + units[start:]
            again = replay(addresses, fewer, timeout)
            if again is not None:
                units = fewer[: again.unit + 1]
                finding = again
                changed = True
            start = min(low, len(units) - 1)
            if time.monotonic() > deadline:
                break
        if size == 1 and not changed:
            break
        size = max(1, size // 2)
    return units, finding


class Run:
    """Epoch after epoch, each from the seed and its number."""

    def __init__(self, addresses, seed, epoch_commands=2000, timeout=TIMEOUT_S):
        self.addresses = addresses
        self.seed = seed
        self.epoch_commands = epoch_commands
        self.timeout = timeout
        self.covered = {}
        self.commands = 0
        self.requests = 0
        self.seen = set()

    def epoch(self, number):
        """Plays one epoch; returns (units, finding) or None."""
        batches = generate.Generator(f"{self.seed}:{number}").epoch(self.epoch_commands)
        units = [unit for batch in batches for unit in batch.units]
        self.commands += sum(len(unit.items) for unit in units)
        session = None
        try:
            session = Session(self.addresses, self.timeout, self.covered)
            session.play(batches)
        except Finding as finding:
            return units, finding
        finally:
            if session:
                session.close()
        return None

    def describe(self, number, units, finding):
        """The finding as lines, made small."""
        lines = [f"epoch {number} (replay it alone: run --seed {self.seed} --epoch {number})"]
        if not all(server.alive() for server in self.addresses):
            lines.append("a server has ended; lately sent:")
            for unit in units[max(0, finding.unit - 30) : finding.unit + 1]:
                lines.extend("  " + line for line in spell_unit(unit))
            return lines + finding.lines(), finding
        fewer, finding = minimise(self.addresses, units, finding, self.timeout)
        if fewer is None:
            lines.append("not reproduced in three replays; as it was first seen:")
        else:
            lines.append(f"made small: {len(fewer)} of {finding.unit + 1} units are left")
            for unit in fewer[-40:]:
                lines.extend("  " + line for line in spell_unit(unit))
        return lines + finding.lines(), finding
