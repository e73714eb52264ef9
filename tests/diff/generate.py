"""Random client sessions from a seed: what is sent, cut into units that can be left out one by one.

A unit is the least thing that minimising keeps or drops: one request, a run of requests whose
replies cannot be told apart by counting (CLIENT REPLY), a connection of its own that ends badly, or
a walk with SCAN. Everything is drawn from one generator per epoch, seeded with the text
"SEED:EPOCH", so that one epoch can be replayed alone.

What is random here has to be answered the same by two correct servers. So no key expires while an
epoch runs: times to live are in the past or at least 100 s away, and a time that is compared with
another one (GT, LT) never comes within seconds of it.
"""

import random
import re

from . import names

PLAIN = "plain"
QUIET = "quiet"
ENDING = "ending"
SCAN = "scan"
RANDOM_KEY = "randomkey"

LINKS = ("resp2", "resp3", "unix")


def encode(args):
    out = [b"*%d\r\n" % len(args)]
    for arg in args:
        out.append(b"$%d\r\n%b\r\n" % (len(arg), arg))
    return b"".join(out)


class Unit:
    """`items` are (raw, args) pairs. `link` indexes LINKS; an ENDING unit has a link of its own."""

    __slots__ = ("kind", "link", "items")

    def __init__(self, kind, link, items):
        self.kind = kind
        self.link = link
        self.items = items


class Batch:
    """Units sent at once over one link, cut at `cuts` (offsets) with pauses between the pieces."""

    __slots__ = ("units", "cuts")

    def __init__(self, units, cuts=()):
        self.units = units
        self.cuts = cuts


def _pool(*groups):
    """A list to draw from: (weight, values) groups, each value `weight` times."""
    out = []
    for weight, values in groups:
        out.extend(value for value in values for _ in range(weight))
    return out


_LL_MAX = b"9223372036854775807"
_LL_MIN = b"-9223372036854775808"

KEYS = _pool(
    (6, [b"k%d" % i for i in range(8)]),
    (6, [b"n%d" % i for i in range(5)]),
    (3, [b"{a}1", b"{a}2", b"x{b}y", b"{}z", b"a{b", b"user:{1000}.x", b"user:{1000}.y"]),
    (1, [b"", b"\x00", b"\x00\x01", b"a\r\nb", b"\xff\xfe\x80", b"a b", b"k[1]*?\\", b"L" * 300]),
    (1, [b"'q'", b'"', b"9223372036854775807", b"{}{a}", b"}{", b"M" * 4000]),
)
# Keys that are meant to hold numbers, so that arithmetic meets integers often.
NUMBER_KEYS = [b"n%d" % i for i in range(5)] * 4 + KEYS
INTS = _pool(
    (6, [b"0", b"1", b"-1", b"2", b"10", b"100", b"-100", b"12345"]),
    (3, [_LL_MAX, _LL_MIN, b"9223372036854775806", b"-9223372036854775807"]),
    (2, [b"9223372036854775808", b"-9223372036854775809", b"4611686018427387904", b"2147483648"]),
    (1, [b"18446744073709551615", b"18446744073709551616", b"99999999999999999999999"]),
    (1, [b"", b" 1", b"1 ", b"+1", b"-0", b"01", b"0x10", b"1e3", b"1.0", b"abc", b"-", b"1\x00"]),
    (1, [b"2147483647", b"-2147483648", b"-2147483649", b"4294967295", b"4294967296"]),
)
FLOATS = _pool(
    (5, [b"1.5", b"-1.5", b"0.1", b"0.2", b"3", b"10.50", b"1e2", b"-0.0", b"5.0e3", b"100"]),
    (1, [b"inf", b"-inf", b"+inf", b"infinity", b"nan", b"-nan", b"NaN", b"INF"]),
    (1, [b"1e308", b"1e400", b"1e4932", b"1e5000", b"-1e5000", b"1e-320", b"1e-5000", b"4e-4950"]),
    (1, [b"0x1p3", b"0x10", b" 1", b"1 ", b"+1", b"1e", b"1e+2", b".", b"-", b"", b".5", b"5."]),
    (1, [b"3.00000000000000000001", b"99999999999999999999", b"1e17", b"123456789.123456789"]),
    (1, [b"1.7976931348623157e308", b"0.000000000000000001", b"1_0", b"1,5", b"abc", b"1\x00"]),
    (1, [_LL_MAX, _LL_MIN, b"1" * 40, b"0." + b"1" * 40, b"1" * 300, b"2.2250738585072011e-308"]),
)
VALUES = (
    _pool(
        (5, [b"v", b"howdy", b"", b"value-1", b"x" * 44, b"x" * 45, b"y" * 64]),
        (2, [b"\x00", b"\r\n", b"a\r\nb\r\n", b"\xff" * 10, b"*1\r\n$4\r\nPING\r\n", b"z" * 1000]),
        (1, [b"w" * 4096, b" ", b"+OK", b"$-1\r\n"]),
    )
    + INTS
    + FLOATS[:60]
)
OFFSETS = _pool(
    (6, [b"0", b"1", b"2", b"5", b"10", b"44", b"-1", b"-2", b"-5", b"-10"]),
    (2, [b"100", b"1000", b"5000", b"-100", b"70000"]),
    (1, [_LL_MAX, _LL_MIN, b"9223372036854775806", b"536870911", b"536870912", b"67108864"]),
    (1, [b"2147483647", b"2147483648", b"-2147483648", b"-9223372036854775809", b"4294967296"]),
    (1, [b"", b"abc", b"1.5", b" 1", b"+1", b"01"]),
)
SET_OFFSETS = _pool(
    (6, [b"0", b"1", b"2", b"5", b"10", b"44", b"100"]),
    (1, [b"1000", b"5000", b"70000", b"-1", _LL_MIN, b"-2"]),
    # Far enough beyond the largest value that the size of what is set does not matter.
    (1, [_LL_MAX, b"536870912", b"9223372036854775800", b"2147483648", b"68000000", b"4294967296"]),
    (1, [b"", b"abc", b"1.5", b"9223372036854775808"]),
)
# Seconds or milliseconds from now, by unit. Never between 0 and 100 s.
_BAD_TIMES = [b"", b"abc", b"1.5", b"1e3", b" 100", b"+100", b"9223372036854775808", b"0x10"]
SECONDS = _pool(
    (6, [b"100", b"1000", b"100000"]),
    (2, [b"0", b"-1", b"-100", b"9223370000000000", b"100000000000"]),
    (1, [_LL_MAX, _LL_MIN, b"9223372036854775806", b"9223372036854776", b"-9223372036854776"]),
    (1, _BAD_TIMES),
)
MILLISECONDS = _pool(
    (6, [b"100000", b"1000500", b"100000499"]),
    (2, [b"0", b"-1", b"-100", b"9223370000000000000", b"100000000000000"]),
    (1, [_LL_MAX, _LL_MIN, b"9223372036854775806"]),
    (1, _BAD_TIMES),
)
# Points in time: long past or far ahead.
AT_SECONDS = _pool(
    (5, [b"3000000000", b"4000000000", b"9999999999"]),
    (2, [b"0", b"1", b"-1", b"1000000000", b"9223372036854775"]),
    (1, [_LL_MAX, _LL_MIN, b"9223372036854776", b"-9223372036854776"]),
    (1, _BAD_TIMES),
)
AT_MILLISECONDS = _pool(
    (5, [b"3000000000000", b"4000000000001", b"9999999999999"]),
    (2, [b"0", b"1", b"-1", b"1000000000000", b"9223372036854775000"]),
    (1, [_LL_MAX, _LL_MIN]),
    (1, _BAD_TIMES),
)
TIMES = {
    b"EX": SECONDS,
    b"PX": MILLISECONDS,
    b"EXAT": AT_SECONDS,
    b"PXAT": AT_MILLISECONDS,
}
GLOBS = _pool(
    (4, [b"*", b"k*", b"n?", b"[kn]1", b"k[0-3]", b"*1*", b"{a}*", b"x{b}y", b"k1"]),
    (
        1,
        [
            b"",
            b"?",
            b"k[^1]",
            b"k[9-0]",
            b"k[",
            b"k[1",
            b"k[\\]]",
            b"\\*",
            b"\\",
            b"k\\1",
            b"[]",
            b"[^]",
        ],
    ),
    (1, [b"**", b"*?*?*", b"[a-", b"[a-]", b"[]-a]*", b"k**1", b"?*", b"*\\", b"\x00*", b"*\xff*"]),
)
NOISE = [b"", b"\x00", b"\r\n", b"\xff\xfe", b"NX", b"XX", b"GET", b"-1", b"0", b"1", b"foo", b"EX"]


def _quoted(rnd, arg):
    """One argument of an inline request, in one of the spellings that Redis reads."""
    if arg and rnd() < 0.6 and re.fullmatch(rb"[!#-&(-~]+", arg):
        return arg
    if rnd() < 0.2 and b"\x00" not in arg and b"\n" not in arg and b"\\" not in arg:
        return b"'" + arg.replace(b"'", b"\\'") + b"'"
    out = bytearray(b'"')
    for byte in arg:
        if byte in b'"\\':
            out += b"\\" + bytes([byte])
        elif byte == 10:
            out += b"\\n"
        elif byte == 13:
            out += b"\\r"
        elif 32 <= byte < 127 and rnd() < 0.95:
            out.append(byte)
        else:
            out += b"\\x%02x" % byte
    out += b'"'
    return bytes(out)


class Generator:
    """All draws of one epoch."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.rnd = self.random.random
        self._commands = _pool(*((weight, [maker]) for weight, maker in self._table()))

    # Small draws.

    def pick(self, pool):
        return pool[int(self.rnd() * len(pool))]

    def chance(self, probability):
        return self.rnd() < probability

    def key(self):
        return self.pick(KEYS)

    def keys(self, least=1, most=6):
        return [self.key() for _ in range(least + int(self.rnd() * (most - least + 1)))]

    def value(self):
        if self.rnd() < 0.002:
            return bytes([int(self.rnd() * 256)]) * int(self.rnd() ** 3 * 200000)
        return self.pick(VALUES)

    def unlike(self, low, high):
        """A number that in all likelihood no other draw comes near."""
        return b"%d" % (low + int(self.rnd() * (high - low)))

    # One maker per command or family: each returns the arguments.

    def _set(self):
        args = [b"SET", self.pick(NUMBER_KEYS), self.value()]
        if self.rnd() < 0.55:
            return args
        for _ in range(1 + int(self.rnd() * 3)):
            option = self.pick([b"EX", b"PX", b"EXAT", b"PXAT", b"KEEPTTL", b"NX", b"XX", b"GET"])
            args.append(option)
            if option in TIMES:
                args.append(self.pick(TIMES[option]))
        return args

    def _getex(self):
        args = [b"GETEX", self.key()]
        for _ in range(self.pick([0, 1, 1, 1, 2])):
            option = self.pick([b"EX", b"PX", b"EXAT", b"PXAT", b"PERSIST"])
            args.append(option)
            if option in TIMES:
                args.append(self.pick(TIMES[option]))
        return args

    def _setex(self):
        if self.chance(0.5):
            return [b"SETEX", self.key(), self.pick(SECONDS), self.value()]
        return [b"PSETEX", self.key(), self.pick(MILLISECONDS), self.value()]

    def _expire(self):
        name, pool, low, high = self.pick(
            [
                (b"EXPIRE", SECONDS, 2000, 10**8),
                (b"PEXPIRE", MILLISECONDS, 2 * 10**6, 10**11),
                (b"EXPIREAT", AT_SECONDS, 2 * 10**9, 10**10),
                (b"PEXPIREAT", AT_MILLISECONDS, 2 * 10**12, 10**13),
            ]
        )
        args = [name, self.key(), self.pick(pool)]
        flags = [self.pick([b"NX", b"XX", b"GT", b"LT"]) for _ in range(self.pick([0, 0, 1, 1, 2]))]
        if b"GT" in flags or b"LT" in flags:
            args[2] = self.unlike(low, high)
        return args + flags

    def _ttl(self):
        return [self.pick([b"TTL", b"PTTL", b"EXPIRETIME", b"PEXPIRETIME"]), self.key()]

    def _mset(self):
        args = [b"MSETNX" if self.chance(0.3) else b"MSET"]
        for _ in range(1 + int(self.rnd() * 5)):
            args += [self.key(), self.value()]
        return args

    def _arithmetic(self):
        if self.chance(0.5):
            return [self.pick([b"INCR", b"DECR"]), self.pick(NUMBER_KEYS)]
        return [self.pick([b"INCRBY", b"DECRBY"]), self.pick(NUMBER_KEYS), self.pick(INTS)]

    def _copy(self):
        args = [b"COPY", self.key(), self.key()]
        if self.chance(0.4):
            args.append(b"REPLACE")
        if self.chance(0.15):
            args += [b"DB", self.pick([b"0", b"0", b"0", b"1", b"-1", b"abc", _LL_MAX, b""])]
        return args

    def _scan(self):
        cursors = [b"0", b"0", b"0", b"1", b"-1", b"abc", b"", b" 0", b"99999999999999999999"]
        args = [b"SCAN", self.pick(cursors + [b"18446744073709551615", b"+0", b"0x0", b"1.0"])]
        for _ in range(self.pick([0, 1, 1, 2, 3])):
            option = self.pick([b"MATCH", b"COUNT", b"TYPE", b"COUNT"])
            args.append(option)
            if option == b"MATCH":
                args.append(self.pick(GLOBS))
            elif option == b"COUNT":
                args.append(self.pick([b"10", b"1000", b"1", b"0", b"-1", b"abc", _LL_MAX, b""]))
            else:
                args.append(self.pick([b"string", b"STRING", b"list", b"hash", b"nosuch", b""]))
        return args

    def _object(self):
        sub = self.pick([b"ENCODING"] * 5 + [b"REFCOUNT", b"IDLETIME", b"FREQ", b"HELP", b"NOSUCH"])
        return [b"OBJECT", sub] if sub == b"HELP" else [b"OBJECT", sub, self.key()]

    def _client(self):
        return [b"CLIENT"] + self.pick(names.CLIENT_CALLS)

    def _hello(self):
        return [b"HELLO"] + self.pick(names.HELLO_CALLS)

    def _server(self):
        return list(self.pick(names.SERVER_CALLS))

    def _unknown(self):
        if self.chance(0.5):
            name = self.pick(names.NOT_OFFERED)
        else:
            name = self.pick(names.UNKNOWN)
        args = [name]
        for _ in range(int(self.rnd() * 5)):
            args.append(
                self.pick(NOISE + [self.key(), self.value()[:300], b"Q" * 130, b"\x00" * 5])
            )
        return args

    def _strange_subcommand(self):
        name = self.pick(names.CONTAINERS)
        return [name, self.pick(names.STRANGE_SUBCOMMANDS)] + self.keys(0, 3)

    def _table(self):
        """(weight, maker): weights add up to about 300."""
        one_key = lambda name, most=1: lambda: [name] + self.keys(1, most)
        return [
            (40, self._set),
            (28, lambda: [b"GET", self.key()]),
            (10, lambda: [b"GETSET", self.key(), self.value()]),
            (8, lambda: [b"SETNX", self.key(), self.value()]),
            (8, self._setex),
            (6, one_key(b"GETDEL")),
            (12, self._getex),
            (8, lambda: [b"MGET"] + self.keys(1, 8)),
            (14, self._mset),
            (8, lambda: [b"STRLEN", self.key()]),
            (9, lambda: [b"APPEND", self.key(), self.value()]),
            (9, lambda: [b"GETRANGE", self.key(), self.pick(OFFSETS), self.pick(OFFSETS)]),
            (3, lambda: [b"SUBSTR", self.key(), self.pick(OFFSETS), self.pick(OFFSETS)]),
            (9, lambda: [b"SETRANGE", self.key(), self.pick(SET_OFFSETS), self.value()]),
            (22, self._arithmetic),
            (12, lambda: [b"INCRBYFLOAT", self.pick(NUMBER_KEYS), self.pick(FLOATS)]),
            (7, one_key(b"DEL", 5)),
            (3, one_key(b"UNLINK", 5)),
            (5, one_key(b"EXISTS", 5)),
            (2, one_key(b"TOUCH", 5)),
            (4, one_key(b"TYPE")),
            (12, self._ttl),
            (18, self._expire),
            (5, one_key(b"PERSIST")),
            (5, self._scan),
            (3, lambda: [b"KEYS", self.pick(GLOBS)]),
            (3, lambda: [b"DBSIZE"]),
            (1, lambda: [b"RANDOMKEY"]),
            (7, lambda: [self.pick([b"RENAME", b"RENAMENX"]), self.key(), self.key()]),
            (6, self._copy),
            (7, self._object),
            (3, lambda: [b"PING"] if self.chance(0.5) else [b"PING", self.value()]),
            (2, lambda: [b"ECHO", self.value()]),
            (5, self._client),
            (2, self._hello),
            (8, self._server),
            (8, self._unknown),
            (2, self._strange_subcommand),
            (1, lambda: [self.pick([b"FLUSHDB", b"FLUSHALL"])] + self.pick(names.FLUSH_CALLS)),
        ]

    # Spoiling.

    def _spoil(self, args):
        """A request that is wrong somewhere, or right in an unusual way."""
        way = int(self.rnd() * 8)
        if way == 0 and len(args) > 1:
            args.pop()
        elif way == 1 and len(args) > 1:
            args.pop(1 + int(self.rnd() * (len(args) - 1)))
        elif way == 2:
            args.append(self.pick(NOISE))
        elif way == 3:
            args.insert(1 + int(self.rnd() * len(args)), self.pick(NOISE))
        elif way == 4 and len(args) > 2:
            at = 1 + int(self.rnd() * (len(args) - 1))
            args[at] = self.pick(NOISE + [self.key(), self.pick(INTS)])
        elif way == 5 and len(args) > 2:
            at = 1 + int(self.rnd() * (len(args) - 1))
            to = 1 + int(self.rnd() * (len(args) - 1))
            args[at], args[to] = args[to], args[at]
        elif way == 6:
            args.append(args[-1])
        else:
            del args[1:]
        return args

    def command(self):
        """The arguments of one request that two right servers answer alike."""
        args = self.pick(self._commands)()
        if self.rnd() < 0.05:
            args = self._spoil(args)
            if not is_safe(args):
                return [b"PING"]
        if self.rnd() < 0.3:
            args[0] = args[0].lower() if self.rnd() < 0.5 else args[0].swapcase().title()
            if self.rnd() < 0.5:
                args[3:] = [arg.lower() if len(arg) < 8 else arg for arg in args[3:]]
        return args

    def item(self):
        """One request as (raw, args), in one of the spellings of the protocol."""
        args = self.command()
        draw = self.rnd()
        if draw < 0.03 and sum(map(len, args)) < 2000 and args[0][:1] not in (b"", b"*"):
            raw = b" ".join(_quoted(self.rnd, arg) for arg in args)
            raw = self.pick([b"", b"", b" ", b"\t"]) + raw + self.pick([b"", b" ", b"\t "])
            return raw + self.pick([b"\r\n", b"\n"]), args
        raw = encode(args)
        if draw > 0.995:
            raw = self.pick([b"\r\n", b"\n", b"*0\r\n", b"*-1\r\n", b"  \r\n", b"*-5\r\n"]) + raw
        return raw, args

    # Units and batches.

    def plain(self, link):
        """One request, and the look at the key that makes a SET into the past definite: Redis
        keeps such a key until it is met."""
        raw, args = self.item()
        items = [(raw, args)]
        if args[0].upper() == b"SET" and len(args) > 3:
            look = [b"EXISTS", args[1]]
            items.append((encode(look), look))
        return Unit(PLAIN, link, items)

    def _quiet(self, link):
        """Requests around CLIENT REPLY. Only such whose replies do not depend on time."""
        items = []
        for _ in range(2 + int(self.rnd() * 12)):
            if self.chance(0.35):
                args = [b"CLIENT", b"REPLY", self.pick([b"ON", b"OFF", b"SKIP", b"SKIP", b"bogus"])]
            else:
                args = self._steady()
            items.append((encode(args), args))
        last = [b"CLIENT", b"REPLY", b"ON"]
        return Unit(QUIET, link, items + [(encode(last), last)] * 2)

    def _steady(self):
        """A request whose reply both servers give byte for byte, and that changes no connection."""
        makers = [
            lambda: [b"SET", self.key(), self.value()],
            lambda: [b"GET", self.key()],
            lambda: [b"INCR", self.pick(NUMBER_KEYS)],
            lambda: [b"MGET"] + self.keys(1, 4),
            self._mset,
            lambda: [b"DEL"] + self.keys(1, 4),
            lambda: [b"PING"],
            lambda: [b"ECHO", self.value()],
            lambda: [b"APPEND", self.key(), self.value()],
            lambda: [b"NOSUCH", self.value()],
        ]
        return self.pick(makers)()

    def _ending(self):
        """A connection of its own: some requests, then bytes that may be no RESP, then the end."""
        items = []
        for _ in range(int(self.rnd() * 4)):
            args = self._steady()
            items.append((encode(args), args))
        draw = self.rnd()
        if draw < 0.1:
            quit_raw = self.pick(
                [b"QUIT\r\n", b"*1\r\n$4\r\nquit\r\n", b"*2\r\n$4\r\nQUIT\r\n$1\r\nx\r\n"]
            )
            items.append((quit_raw, None))
        elif draw < 0.3:
            items.append((self.pick(names.BROKEN_FRAMES), None))
        else:
            items.append((self._mangle(encode(self._steady())), None))
        for _ in range(int(self.rnd() * 3)):
            args = self._steady()
            items.append((encode(args), args))
        return Unit(ENDING, None, items)

    def _mangle(self, raw):
        """A request with one to three wounds in its framing."""
        raw = bytearray(raw[:2000])
        for _ in range(self.pick([1, 1, 1, 2, 3])):
            way = int(self.rnd() * 6)
            at = int(self.rnd() * len(raw)) if raw else 0
            if way == 0:
                numbers = list(re.finditer(rb"[*$](\d+)\r\n", raw))
                if numbers:
                    match = self.pick(numbers)
                    raw[match.start(1) : match.end(1)] = self.pick(names.STRANGE_LENGTHS)
            elif way == 1:
                del raw[at : at + 1 + int(self.rnd() * 3)]
            elif way == 2:
                raw[at:at] = self.pick(
                    [b"\r", b"\n", b"\r\n", b"\x00", b"*", b"$", b" ", b'"', b"5"]
                )
            elif way == 3 and raw:
                raw[at] = int(self.rnd() * 256)
            elif way == 4:
                del raw[at:]
            else:
                raw = raw.replace(b"$", self.pick([b"*", b":", b"+", b"%", b"$"]), 1)
        return bytes(raw)

    def _cuts(self, size):
        if size < 2 or self.rnd() < 0.7:
            return ()
        count = 1 + int(self.rnd() * 4)
        return tuple(sorted({1 + int(self.rnd() * (size - 1)) for _ in range(count)}))

    def epoch(self, commands):
        """Batches of about so many requests."""
        batches = []
        count = 0
        while count < commands:
            link = self.pick([0, 0, 0, 1, 1, 1, 2])
            units = [self.plain(link) for _ in range(1 + int(self.rnd() ** 2 * 250))]
            if self.rnd() < 0.15:
                units.append(self._quiet(link))
            for unit in units:
                count += len(unit.items)
            size = sum(len(raw) for unit in units for raw, _ in unit.items)
            batches.append(Batch(units, self._cuts(size)))
            draw = self.rnd()
            if draw < 0.6:
                unit = self._ending()
                count += len(unit.items)
                batches.append(Batch([unit]))
            elif draw < 0.65:
                batches.append(Batch([Unit(RANDOM_KEY, link, [])]))
            elif draw < 0.75:
                options = self.pick([[], [b"COUNT", b"3"], [b"MATCH", self.pick(GLOBS)]])
                batches.append(Batch([Unit(SCAN, link, [(None, options)])]))
        return batches


# What a spoiled request must not become: it would stop or slow the server, change what later
# requests are answered, make keys that expire while the epoch runs, or make replies go missing.
KEY_MAX = 65535
_GUARDED = {b"SHUTDOWN", b"DEBUG", b"CONFIG", b"QUIT", b"SAVE", b"BGSAVE"}
_TIMED = {b"EXPIRE", b"PEXPIRE", b"EXPIREAT", b"PEXPIREAT", b"SETEX", b"PSETEX", b"GETEX", b"SET"}
_SOON = re.compile(rb"[1-9]\d{0,4}")


def is_safe(args):
    name = args[0].upper()
    if max(map(len, args)) > KEY_MAX:
        return False  # it may have become a key, which Redis takes
    if name in _GUARDED or (
        name == b"CLIENT" and len(args) > 1 and args[1].upper() in names.CLIENT_GUARDED
    ):
        return False
    if name in _TIMED:
        # Small numbers may have become times, and equal times may meet GT or LT.
        if any(_SOON.fullmatch(arg) for arg in args[2:]):
            return False
        if any(arg.upper() in (b"GT", b"LT") for arg in args[3:]):
            return False
    return True
