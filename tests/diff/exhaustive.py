"""Sets of requests that leave nothing out: every combination of options, every pair of edges.

cases() yields (name, requests); each is played in RESP2 and RESP3 on an empty database.
"""

import itertools

from . import generate, names

TTL_MS = [b"PTTL", b"k"]
# Not DEL, which is a command over several keys: each of those waits for all before it, which makes
# ten thousands of them slow on a busy machine.
CLEAR = [b"GETDEL", b"k"]

# Every command that rldb offers and Redis has, for arity: all get 0 to 6 arguments. Left out are
# those that would stop or slow the server, or end the connection with no arguments.
OFFERED = """
PING ECHO HELLO AUTH SELECT READONLY READWRITE ASKING DEL UNLINK EXISTS TYPE TOUCH TTL
PTTL EXPIRETIME PEXPIRETIME EXPIRE PEXPIRE EXPIREAT PEXPIREAT PERSIST SCAN KEYS RANDOMKEY DBSIZE
RENAME RENAMENX COPY FLUSHDB FLUSHALL GET SET SETEX PSETEX SETNX GETSET GETDEL GETEX MGET MSET
MSETNX STRLEN APPEND GETRANGE SUBSTR SETRANGE INCR DECR INCRBY DECRBY INCRBYFLOAT TIME LASTSAVE
CLIENT OBJECT COMMAND CONFIG MEMORY SLOWLOG LATENCY CLUSTER INFO RESET """.split()

SET_OPTIONS = [
    [b"NX"],
    [b"XX"],
    [b"GET"],
    [b"KEEPTTL"],
    [b"EX", b"100"],
    [b"PX", b"100000"],
    [b"EXAT", b"4000000000"],
    [b"PXAT", b"4000000000000"],
    [b"EX", b"0"],
    [b"PX", b"-1"],
    [b"EX", b"9223372036854775807"],
    [b"EX", b"x"],
    [b"EX"],
    [b"bogus"],
]

GETEX_OPTIONS = SET_OPTIONS[3:] + [[b"PERSIST"], [b"EXAT", b"1"], [b"PXAT", b"-5"], [b"NX"]]

STATES = [
    [],
    [[b"SET", b"k", b"old"]],
    [[b"SET", b"k", b"7", b"EX", b"5000"]],
]


def _unique(pool):
    return sorted(set(pool))


def _set_combinations():
    for state in STATES:
        for count in (0, 1, 2, 3):
            for chosen in itertools.permutations(SET_OPTIONS, count):
                yield CLEAR
                yield from state
                yield [b"SET", b"k", b"new"] + sum(chosen, [])
                yield [b"GET", b"k"]
                yield TTL_MS


def _getex_combinations():
    for state in STATES:
        for count in (0, 1, 2):
            for chosen in itertools.permutations(GETEX_OPTIONS, count):
                yield CLEAR
                yield from state
                yield [b"GETEX", b"k"] + sum(chosen, [])
                yield [b"TYPE", b"k"]
                yield TTL_MS


def _expire_combinations():
    flags = [b"NX", b"XX", b"GT", b"LT", b"bogus"]
    times = {
        # Beside and beyond the 5,000 s of the third state, and all kinds of past.
        b"EXPIRE": [b"4000", b"6000", b"0", b"-1", b"-9223372036854775808"],
        b"PEXPIRE": [b"4000000", b"6000000", b"0", b"-1", b"-9223372036854775808"],
        b"EXPIREAT": [b"4000000000", b"1", b"0", b"-1", b"-9223372036854775808"],
        b"PEXPIREAT": [b"4000000000000", b"1", b"0", b"-1", b"-9223372036854775808"],
    }
    wrong = [b"9223372036854775807", b"9223372036854775808", b"x", b"", b"1.0", b" 5000"]
    for state in STATES:
        for name, points in times.items():
            for point in points + wrong:
                for count in (0, 1, 2, 3):
                    for chosen in itertools.product(flags, repeat=count):
                        yield CLEAR
                        yield from state
                        yield [name, b"k", point] + list(chosen)
                        yield [b"TYPE", b"k"]
                        yield TTL_MS


def _setex_edges():
    for name, pool in ((b"SETEX", generate.SECONDS), (b"PSETEX", generate.MILLISECONDS)):
        for time in _unique(pool):
            yield [name, b"k", time, b"v"]
            yield TTL_MS
            yield CLEAR


def _integer_pairs():
    for start in _unique(generate.INTS):
        for name in (b"INCR", b"DECR"):
            yield [b"SET", b"k", start]
            yield [name, b"k"]
            yield [b"GET", b"k"]
        for step in _unique(generate.INTS):
            for name in (b"INCRBY", b"DECRBY"):
                yield [b"SET", b"k", start]
                yield [name, b"k", step]
                yield [b"GET", b"k"]


def _float_pairs():
    for start in _unique(generate.FLOATS + generate.INTS):
        for step in _unique(generate.FLOATS):
            yield [b"SET", b"k", start]
            yield [b"INCRBYFLOAT", b"k", step]
            yield [b"GET", b"k"]


def _range_pairs():
    for value in (b"", b"a", b"hello world", b"x" * 100, b"-12345", b"\x00\r\n\xff"):
        yield [b"SET", b"k", value]
        for start in _unique(generate.OFFSETS):
            for end in _unique(generate.OFFSETS):
                yield [b"GETRANGE", b"k", start, end]
                yield [b"SUBSTR", b"k", start, end]
    yield [b"GETRANGE", b"missing", b"0", b"-1"]


def _set_ranges():
    for state in STATES + [[[b"SET", b"k", b"12345"]], [[b"SET", b"k", b""]]]:
        for offset in _unique(generate.SET_OFFSETS):
            for value in (b"", b"z", b"long value", b"\x00"):
                yield CLEAR
                yield from state
                yield [b"SETRANGE", b"k", offset, value]
                yield [b"GET", b"k"]
                yield [b"OBJECT", b"ENCODING", b"k"]
                yield TTL_MS


def _encodings():
    values = _unique(generate.VALUES + generate.INTS) + [b"e" * 44, b"e" * 45, b"1" * 19, b"1" * 20]
    for value in values:
        yield [b"SET", b"k", value]
        yield [b"OBJECT", b"ENCODING", b"k"]
        yield [b"OBJECT", b"REFCOUNT", b"k"]
        yield [b"APPEND", b"k", b""]
        yield [b"OBJECT", b"ENCODING", b"k"]
        yield [b"APPEND", b"k", b"1"]
        yield [b"OBJECT", b"ENCODING", b"k"]
        yield [b"GET", b"k"]
        yield [b"STRLEN", b"k"]
        yield [b"COPY", b"k", b"l", b"REPLACE"]
        yield [b"OBJECT", b"ENCODING", b"l"]
        yield [b"GETSET", b"k", value]
        yield [b"OBJECT", b"ENCODING", b"k"]
        yield [b"INCRBYFLOAT", b"k", b"1"]
        yield [b"OBJECT", b"ENCODING", b"k"]
        yield [b"SET", b"k", value]
        yield [b"INCR", b"k"]
        yield [b"OBJECT", b"ENCODING", b"k"]


def _arity():
    for name in OFFERED:
        for count in range(7):
            yield [name.encode()] + [b"a"] * count
            # A number that as a time to live outlasts the test.
            yield [name.lower().encode()] + [b"1000000"] * count
            # What the last one may have left: the protocol and the database as they were.
            yield [b"DEL", b"a", b"1000000"]


def _unknown_names():
    for name in names.UNKNOWN + names.NOT_OFFERED:
        for count in range(4):
            yield [name] + [b"arg"] * count
    for size in (0, 1, 100, 126, 127, 128, 129, 130, 1000):
        yield [b"nosuch", b"x" * size]
        yield [b"nosuch", b"x" * size, b"y" * size]
        yield [b"nosuch"] + [b"x" * 10] * size
        yield [b"nosuch", b"\r\n" * size]
        yield [b"n" * size]
    yield [b"nosuch", b"a\x00b", b"c"]
    yield [b"nosuch", b"'", b'"', b"\\"]


def _subcommands():
    for name in names.CONTAINERS + [b"CLUSTER", b"DEBUG"]:
        for sub in names.STRANGE_SUBCOMMANDS:
            for count in range(3):
                yield [name, sub] + [b"arg"] * count
        if name != b"DEBUG":
            yield [name, b"HELP", b"x"]


# Whose subcommands are not all offered: their COMMAND INFO is as long as the list is.
CONTAINERS = "CLIENT CLUSTER COMMAND CONFIG LATENCY MEMORY OBJECT SLOWLOG".split()
SUBCOMMANDS = """client|getname client|id client|info client|kill client|list client|no-evict
client|pause client|reply client|setname client|unpause cluster|countkeysinslot
cluster|getkeysinslot cluster|info cluster|keyslot cluster|myid cluster|nodes cluster|shards
cluster|slots command|count command|docs command|getkeys command|info command|list config|get
config|resetstat config|set latency|history latency|latest latency|reset memory|stats memory|usage
object|encoding object|freq object|idletime object|refcount slowlog|get slowlog|len slowlog|reset
""".split()


def _command_infos():
    for name in [*OFFERED, *SUBCOMMANDS, "INFO", "SAVE", "BGSAVE", "SHUTDOWN"]:
        if name not in CONTAINERS:
            yield [b"COMMAND", b"INFO", name.encode()]
    yield [b"COMMAND", b"INFO", b"get", b"nosuch", b"del", b"client|nosuch", b"nosuch|get", b""]


KEY_CALLS = """
GET k|SET k v|SET k v GET|SET k v EX 10|SET k v NX get|SET GET GET|SET GET get k|MGET a b c
MSET a 1 b 2|MSET a 1 b|MSETNX a 1|DEL a b|UNLINK a|EXISTS a b|TOUCH a|TTL a|EXPIRE a 1 NX
PERSIST a|RENAME a b|RENAMENX a b|COPY a b|COPY a b REPLACE|SETEX a 1 v|SETNX a v|GETSET a v
GETDEL a|GETEX a EX 1|STRLEN a|APPEND a v|GETRANGE a 0 1|SETRANGE a 0 v|INCR a
INCRBYFLOAT a 1|OBJECT ENCODING a|OBJECT HELP|MEMORY USAGE a|DBSIZE|GET|SET k|NOSUCH a
CLIENT LIST|CLIENT NOSUCH a|TYPE a|PEXPIREAT a 1""".replace(
    "\n", "|"
).strip("|").split("|")


def _keys_of_calls():
    for call in KEY_CALLS:
        for sub in (b"GETKEYS", b"GETKEYSANDFLAGS"):
            yield [b"COMMAND", sub, *call.encode().split()]


def _calls():
    for call in names.CLIENT_CALLS:
        yield [b"CLIENT"] + call
    for call in names.HELLO_CALLS:
        yield [b"HELLO"] + call
        yield [b"SET", b"k1", b"v"]
    for call in names.SERVER_CALLS:
        yield list(call)
    for name in (b"FLUSHALL", b"FLUSHDB"):
        for call in names.FLUSH_CALLS:
            yield [b"SET", b"k1", b"v"]
            yield [name] + call
            yield [b"DBSIZE"]


def _globs():
    keys = [b"", b"k", b"k1", b"k2", b"kk", b"a-", b"]", b"[", b"k[1]", b"*", b"?", b"\\", b"k\\1"]
    keys += [b"^", b"-", b"\xff", b"\x00", b"\r\n", b"z", b"K1", b"k" * 50, b"{a}k", b"k{a}"]
    yield [b"MSET"] + sum(([key, b"v"] for key in keys), [])
    for glob in _unique(generate.GLOBS):
        yield [b"KEYS", glob]
    for pattern in itertools.product(
        [b"k", b"*", b"?", b"[", b"]", b"\\", b"-", b"^", b"1"], repeat=3
    ):
        yield [b"KEYS", b"".join(pattern)]
    for pattern in itertools.product([b"[", b"k", b"-", b"]", b"^"], repeat=4):
        yield [b"KEYS", b"".join(pattern)]


def _key_pairs():
    for name in ([b"RENAME"], [b"RENAMENX"], [b"COPY"]):
        for first, second in itertools.product([b"a", b"b", b"ttl", b"none", b""], repeat=2):
            for tail in ([], [b"REPLACE"], [b"DB", b"0"], [b"DB", b"0", b"REPLACE", b"REPLACE"]):
                if tail and name != [b"COPY"]:
                    continue
                yield [b"FLUSHALL"]
                yield [b"MSET", b"a", b"1", b"b", b"2"]
                yield [b"SET", b"ttl", b"3", b"EX", b"5000"]
                yield name + [first, second] + tail
                yield [b"MGET", b"a", b"b", b"ttl", b"none", b""]
                yield [b"KEYS", b"*"]
                for key in (first, second):
                    yield [b"PTTL", key]


def _multi_keys():
    """Several keys at once, named twice, missing, empty; over all cores."""
    spread = [b"key:%d" % number for number in range(64)]
    yield [b"MSET"] + sum(([key, key] for key in spread), [])
    yield [b"MGET"] + spread + spread[::-1] + [b"missing", b""]
    yield [b"EXISTS"] + spread + spread + [b"missing"]
    yield [b"TOUCH"] + spread + [b"missing", spread[0]]
    yield [b"MSETNX", b"new:1", b"1", spread[5], b"2"]
    yield [b"MGET", b"new:1", spread[5]]
    yield [b"MSETNX", b"new:1", b"1", b"new:2", b"2", b"new:1", b"3"]
    yield [b"MGET", b"new:1", b"new:2"]
    yield [b"MSET", b"new:1", b"1", b"new:1", b"2", b"new:1", b"3"]
    yield [b"GET", b"new:1"]
    yield [b"MSET", b"a", b"1", b"b"]
    yield [b"MGET", b"a", b"b"]
    yield [b"DEL"] + spread[:32] + spread[:32]
    yield [b"UNLINK"] + spread
    yield [b"DBSIZE"]
    yield [b"FLUSHALL"]
    yield [b"DBSIZE"]


def _large():
    """Values of megabytes, and what is said past the largest one."""
    block = bytes(range(256)) * 4096
    yield [b"SET", b"big", block]
    yield [b"APPEND", b"big", block * 3]
    yield [b"STRLEN", b"big"]
    yield [b"GET", b"big"]
    yield [b"GETRANGE", b"big", b"1048570", b"1048590"]
    yield [b"SETRANGE", b"big", b"4194300", block]
    yield [b"STRLEN", b"big"]
    yield [b"SETRANGE", b"edge", b"67108864", b""]
    yield [b"EXISTS", b"edge"]
    yield [b"SETRANGE", b"edge", b"67108864", b"x"]
    yield [b"SETRANGE", b"edge", b"67108863", b"xx"]
    yield [b"SETRANGE", b"edge", b"67108863", b"x"]
    yield [b"STRLEN", b"edge"]
    yield [b"APPEND", b"edge", b"x"]
    yield [b"STRLEN", b"edge"]
    yield [b"GETRANGE", b"edge", b"67108860", b"-1"]
    yield [b"DEL", b"edge"]
    yield [b"ECHO", block]
    yield [b"PING", block]
    yield [b"MGET", b"big", b"big", b"big"]
    yield [b"DEL", b"big"]


def cases():
    yield "SET: all permutations of up to 3 options", _set_combinations()
    yield "GETEX: all permutations of up to 2 options", _getex_combinations()
    yield "EXPIRE family: times and up to 3 flags", _expire_combinations()
    yield "SETEX, PSETEX: times", _setex_edges()
    yield "INCR, DECR, INCRBY, DECRBY: pairs of edges", _integer_pairs()
    yield "INCRBYFLOAT: pairs of edges", _float_pairs()
    yield "GETRANGE, SUBSTR: pairs of offsets", _range_pairs()
    yield "SETRANGE: offsets", _set_ranges()
    yield "OBJECT ENCODING and REFCOUNT", _encodings()
    yield "0 to 6 arguments for every command", _arity()
    yield "unknown and not offered commands", _unknown_names()
    yield "unknown subcommands", _subcommands()
    yield "CLIENT, HELLO, server calls", _calls()
    yield "COMMAND INFO", _command_infos()
    yield "COMMAND GETKEYS", _keys_of_calls()
    yield "KEYS: patterns", _globs()
    yield "RENAME, RENAMENX, COPY: pairs of keys", _key_pairs()
    yield "several keys over all cores", _multi_keys()
    yield "large values", _large()
