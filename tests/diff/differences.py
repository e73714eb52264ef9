"""Every deliberate difference from Redis 7.0, in one table.

The README at the top shows this table (`run --table` prints it, and the test fails when the two
disagree). Each row proves itself: its `probes` are sent to both servers, and the row fails when
what they answer is no longer what it says, so that a difference that is gone leaves the table.
`covers` tells the random run which pairs of replies the row explains; rows without it are never met
there. """

import re

from . import names


class Difference:
    """`probes`: sequences of requests, the last of which is judged; or one that is bytes, sent over
    a connection of its own; none where only a race between clients shows the difference. `redis_re`
    and `rldb_re` match the raw reply to it (bytes). `covers(args, theirs, ours)` is asked of
    replies that are not the same. `engine`: the only one on which it is a difference. `undo`: what
    both are asked after each probe."""

    def __init__(
        self,
        name,
        request,
        redis,
        rldb,
        why,
        probes,
        redis_re=b"",
        rldb_re=b"",
        covers=None,
        engine=None,
        undo=None,
    ):
        self.name = name
        self.request = request
        self.redis = redis
        self.rldb = rldb
        self.why = why
        self.probes = probes
        self.redis_re = re.compile(redis_re, re.S)
        self.rldb_re = re.compile(rldb_re, re.S)
        self.covers = covers
        self.engine = engine
        self.undo = undo


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
    if _is(args, b"OBJECT", b"REFCOUNT"):
        return theirs == b":1\r\n" and ours == b":2147483647\r\n"
    if not _is(args, b"OBJECT", b"ENCODING") or theirs not in _STRING_ENCODINGS:
        return False
    return theirs != _STRING_ENCODINGS[0] and ours in _STRING_ENCODINGS


_COUNT = re.compile(rb"\*(\d{7,10})\r")  # whatever follows: both pass over one byte
_LENGTH = re.compile(rb"\$(\d{8,9})\r")
_PAST_REQUEST = b"-TOOLARGE the request is larger than clients.request_max\r\n"
_VALUE_MAX = 64 << 20
_ARGUMENTS_MAX = 1 << 20


def _many_arguments(args, theirs, ours):
    """The last thing on a connection: a count that Redis goes on behind, to meet what is no
    bulk."""
    if not _is(args, b"(CONNECTION)"):
        return False
    if not any(_ARGUMENTS_MAX < int(count) < 1 << 31 for count in _COUNT.findall(args[1])):
        return False
    end = b"-ERR Protocol error: invalid multibulk length\r\n"
    if not ours.endswith(end):
        return False
    before = ours[: -len(end)]
    return theirs.startswith(before) and theirs[len(before) :][:20] in (
        b"",
        b"-ERR Protocol error:",
    )


def _long_bulk(args, theirs, ours):
    """A bulk past value_max: Redis hangs up, rldb reads on to refuse it by its name, or hangs up
    too where that would be past request_max."""
    if not _is(args, b"(CONNECTION)"):
        return False
    if not any(int(length) > _VALUE_MAX for length in _LENGTH.findall(args[1])):
        return False
    end = b"-ERR Protocol error: invalid bulk length\r\n"
    if ours.endswith(_PAST_REQUEST):
        ours = ours[: -len(_PAST_REQUEST)]
    return theirs.endswith(end) and theirs[: -len(end)] == ours


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
        "OBJECT ENCODING and REFCOUNT of a changed value",
        "`APPEND k y`, then `OBJECT ENCODING k`",
        "`raw` for what APPEND and SETRANGE wrote, `embstr` for what INCRBYFLOAT wrote",
        "`int`, `embstr` or `raw` by the bytes alone",
        "rldb keeps bytes, and nothing on how they came about",
        [
            [["SET", "k", "x"], ["APPEND", "k", "y"], ["OBJECT", "ENCODING", "k"]],
            [["SET", "k", "x"], ["SETRANGE", "k", "1", "y"], ["OBJECT", "ENCODING", "k"]],
        ],
        rb"\$3\r\nraw\r\n",
        rb"\$6\r\nembstr\r\n",
        _encoding,
    ),
    Difference(
        "more than 1,048,576 arguments",
        "`*1048577`",
        "takes up to 2,147,483,647",
        "`ERR Protocol error: invalid multibulk length`, and hangs up",
        "everything has a bound; before a login it is 10 in both",
        [[b"*1048577\r\n$4\r\nPING\r\n*1\r\n"]],
        rb"-ERR Protocol error: expected '\$', got '\*'\r\n",
        rb"-ERR Protocol error: invalid multibulk length\r\n",
        _many_arguments,
    ),
    Difference(
        "a bulk longer than a value may be",
        "`$67108865`, with storage.value_max (Redis: proto-max-bulk-len) at 64 MiB",
        "`ERR Protocol error: invalid bulk length`, and hangs up",
        "reads it, answers `TOOLARGE ...` and goes on; past clients.request_max it hangs up",
        "what is too large is refused with the connection kept, where the protocol allows it",
        [[b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$67108865\r\n" + b"x" * 67108865 + b"\r\nPING\r\n"]],
        rb"-ERR Protocol error: invalid bulk length\r\n",
        rb"-TOOLARGE [^\r\n]*\r\n\+PONG\r\n",
        _long_bulk,
    ),
    Difference(
        "SAVE and BGSAVE on the memory engine",
        "`SAVE`, `BGSAVE`",
        "writes dump.rdb",
        "`ERR storage.engine is memory: it keeps nothing on disk, so there is nothing to save`",
        "an OK would say that data is safe that is not",
        [[["SAVE"]], [["BGSAVE"]]],
        rb"\+(OK|Background saving [a-z]*)\r\n",
        rb"-ERR storage\.engine is memory[^\r]*\r\n",
        lambda args, theirs, ours: args[0].upper() in (b"SAVE", b"BGSAVE")
        and ours.startswith(b"-ERR storage.engine is memory"),
        engine="memory",
    ),
    Difference(
        "a bound on memory that leaves room for nothing",
        "`CONFIG SET maxmemory 1` on the memory engine",
        "takes it, and refuses every write",
        "`ERR CONFIG SET failed (possibly related to argument 'maxmemory') - 1 bytes are too few "
        "for 2 shards to keep anything, expected 4MiB or more`",
        "a core's index and segments take 2 MiB; rldbd --check refuses the same",
        [[["CONFIG", "SET", "maxmemory", "1"]]],
        rb"\+OK\r\n",
        rb"-ERR CONFIG SET failed [^\r]* - 1 bytes are too few for 2 shards [^\r]*\r\n",
        engine="memory",
        undo=["CONFIG", "SET", "maxmemory", "0"],
    ),
    Difference(
        "maxmemory and maxmemory-policy on the log engine",
        "`CONFIG SET maxmemory 1`, then `SET k v`",
        "`OOM command not allowed when used memory > 'maxmemory'.`",
        "`OK`: they are kept and told, and bound nothing",
        "the data is on disk: its free space is the bound (storage.disk_reserve), and nothing is "
        "evicted; RAM is storage.cache and the index",
        [[["CONFIG", "SET", "maxmemory", "1"], ["SET", "k", "v"]]],
        rb"-OOM [^\r]*\r\n",
        rb"\+OK\r\n",
        engine="log",
        undo=["CONFIG", "SET", "maxmemory", "0"],
    ),
    Difference(
        "settings",
        "`CONFIG SET hz 20`, `CONFIG SET requirepass x`; `CONFIG GET hash-max-listpack-entries`",
        "has some 200, most of which may be set",
        "has those that clients ask for and its own (`CONFIG GET *`); what is fixed here, or set "
        "in the file alone, is refused: `... can't set immutable config`",
        "an OK would say that something changed",
        [[["CONFIG", "SET", "hz", "20"]]],
        rb"\+OK\r\n",
        rb"-ERR CONFIG SET failed [^\r]* - can't set immutable config\r\n",
        undo=["CONFIG", "SET", "hz", "10"],
    ),
    Difference(
        "names of eviction policies",
        "`CONFIG SET maxmemory-policy bogus`",
        "names eight policies",
        "names those that rldb has: noeviction, allkeys-lru, allkeys-random, volatile-ttl",
        "the others, LFU among them, are not offered, and refused; allkeys-random takes a key at "
        "random and what was written beside it, 256 KiB in all",
        [[["CONFIG", "SET", "maxmemory-policy", "bogus"]]],
        rb"-ERR CONFIG SET failed [^\r]*following: volatile-lru, volatile-lfu, [^\r]*\r\n",
        rb"-ERR CONFIG SET failed [^\r]*following: noeviction, [^\r]*, volatile-ttl\r\n",
        lambda args, theirs, ours: _is(args, b"CONFIG", b"SET")
        and b"following: volatile-lru" in theirs
        and b"following: noeviction" in ours,
    ),
    Difference(
        "OBJECT IDLETIME",
        "`OBJECT IDLETIME k`, 2 s after `SET k v`, right after `GET k`",
        "0: the seconds since the key was last read or written",
        "2: the seconds since it was last written",
        "a read leaves two bits in the record for eviction, and no time",
        [[["SET", "k", "v"], 2.1, ["GET", "k"], ["OBJECT", "IDLETIME", "k"]]],
        rb":[01]\r\n",
        rb":[23]\r\n",
        lambda args, theirs, ours: _is(args, b"OBJECT", b"IDLETIME")
        and theirs[:1] == ours[:1] == b":",
    ),
    Difference(
        "how many keys there are, on the log engine",
        "`DBSIZE`, `INFO keyspace` or `CLUSTER COUNTKEYSINSLOT` after `SET k v PX 50` and 2 s",
        "0: an expired key is soon removed, and counted in expired_keys",
        "1 until compaction meets its record, which is when its segment is worth it; nobody reads "
        "it",
        "expiry takes no RAM beyond the record, and to look for what has expired would read the "
        "disk",
        [[["SET", "k", "v", "PX", "50"], 2.0, ["DBSIZE"]]],
        rb":0\r\n",
        rb":[1-9]\d*\r\n",
        engine="log",
    ),
    Difference(
        "databases",
        "`SELECT 1`, `COPY a b DB 1`",
        "has 16, 0 to 15; as a cluster 1",
        "has one, 0: `ERR DB index is out of range`; with listen.shard_ports on, which is the "
        "default, `ERR SELECT is not allowed in cluster mode`",
        "Redis Cluster has one as well. The reference is given one, so the words are compared",
        [],
    ),
    Difference(
        "a key past the bound",
        "`SET k v` with a key of 65,536 bytes",
        "takes keys up to 512 MiB",
        "`TOOLARGE a key may have up to 65535 bytes, this one has 65536`",
        "records have 16 bits for a key's length",
        [[["SET", "k" * 65536, "v"]], [["MSET", "a", "1", "k" * 65536, "v"]]],
        rb"\+OK\r\n",
        rb"-TOOLARGE a key may have up to 65535 bytes, this one has 65536\r\n",
    ),
    Difference(
        "a pattern past the bound",
        "`KEYS` or `SCAN 0 MATCH` with a pattern of 65,536 bytes; `CONFIG GET` with one of 257",
        "takes patterns up to 512 MiB",
        "`TOOLARGE a pattern may have up to 65535 bytes, this one has 65536`",
        "no key is longer, and matching one takes time",
        [[["KEYS", "x" * 65536]]],
        rb"\*0\r\n",
        rb"-TOOLARGE a pattern may have up to 65535 bytes, this one has 65536\r\n",
    ),
    Difference(
        "a long argument of a command without keys",
        "`AUTH`, `CONFIG SET`, `COMMAND GETKEYS` with one of 65,537 bytes; `CLIENT SETNAME` with "
        "one of 1,025",
        "takes arguments up to 512 MiB",
        "`TOOLARGE an argument of 'config|set' may have up to 65536 bytes, this one has 65537`",
        "they are looked at in one go, and names stay as long as the client",
        [[["CONFIG", "SET", "x" * 65537, "1"]]],
        rb"-ERR Unknown option or number of arguments for CONFIG SET - 'x+'\r\n",
        rb"-TOOLARGE an argument of 'config\|set' may have up to 65536 bytes, this one has "
        rb"65537\r\n",
    ),
    Difference(
        "commands that are not offered",
        "`LPUSH`, `MULTI`, `EVAL`, `SUBSCRIBE`, `ACL` and what else is in names.py",
        "runs them",
        "`ERR unknown command ...`, in Redis's words",
        "keys hold strings. The reference has them renamed to nothing: the words are compared",
        [[["COMMAND", "COUNT"]]],
        rb":69\r\n",
        rb":(?!69\r)\d+\r\n",
    ),
    Difference(
        "subcommands that are not offered",
        "`CLIENT TRACKING`, `CACHING`, `GETREDIR`, `TRACKINGINFO`, `UNBLOCK`; `MEMORY DOCTOR`, "
        "`PURGE`, `MALLOC-STATS`; `LATENCY GRAPH`; of CLUSTER what changes it, `LINKS` and "
        "`REPLICAS`",
        "runs them",
        "`ERR unknown subcommand ...`",
        "there is no client-side caching, nothing that blocks, no allocator to talk to; a cluster "
        "is changed by RLDB.CLUSTER",
        [
            [["CLIENT", "TRACKING", "off"]],
            [["CLIENT", "GETREDIR"]],
            [["CLIENT", "UNBLOCK", "999"]],
            [["MEMORY", "DOCTOR"]],
            [["MEMORY", "PURGE"]],
            [["LATENCY", "GRAPH", "x"]],
        ],
        rb"(?!-ERR unknown).*",
        rb"-ERR unknown subcommand '[A-Z]+'\. Try [A-Z]+ HELP\.\r\n",
    ),
    Difference(
        "subcommands of later versions",
        "`CLIENT SETINFO lib-name x`, `CLIENT NO-TOUCH on`",
        "`ERR unknown subcommand ...` (they came with 7.2)",
        "`OK`",
        "client libraries of today send them",
        [[["CLIENT", "SETINFO", "lib-name", "x"]], [["CLIENT", "NO-TOUCH", "on"]]],
        rb"-ERR unknown subcommand '[A-Z-]+'\. Try CLIENT HELP\.\r\n",
        rb"\+OK\r\n",
    ),
    Difference(
        "CONFIG REWRITE",
        "`CONFIG REWRITE`",
        "writes the file",
        "`ERR rldb does not write its configuration file; edit it and restart the node`",
        "the file has comments and an order of its owner's",
        [[["CONFIG", "REWRITE"]]],
        rb"\+OK\r\n",
        rb"-ERR rldb does not write its configuration file[^\r]*\r\n",
    ),
    Difference(
        "the length of the slow log",
        "`CONFIG SET slowlog-max-len 1025`",
        "takes any length",
        "`ERR CONFIG SET failed (possibly related to argument 'slowlog-max-len') - argument must "
        "be between 0 and 1024 inclusive`",
        "everything has a bound",
        [[["CONFIG", "SET", "slowlog-max-len", "1025"]]],
        rb"\+OK\r\n",
        rb"-ERR CONFIG SET failed [^\r]* between 0 and 1024 inclusive\r\n",
    ),
    Difference(
        "what HELP and COMMAND DOCS say",
        "`CLIENT HELP`, `COMMAND DOCS get`",
        "its own prose",
        "its own prose",
        "no sentence of Redis's is in rldb",
        [[["COMMAND", "DOCS", "get"]]],
        rb".*Get the value of a key.*",
        rb"(?!.*Get the value of a key).*summary.*",
    ),
    Difference(
        "COMMAND INFO",
        "`COMMAND INFO set`",
        "has notes on the flags of SET's and GETEX's keys, and all subcommands of containers",
        "has no notes, and the subcommands that are offered",
        "as above; everything else of COMMAND INFO is the same",
        [[["COMMAND", "INFO", "set"]], [["COMMAND", "INFO", "getex"]]],
        rb".*\$5\r\nnotes\r\n.*",
        rb"(?!.*notes)\*1\r\n\*10\r\n.*",
        lambda args, theirs, ours: _is(args, b"COMMAND", b"INFO")
        and args[2].lower() in (b"set", b"getex")
        and b"notes" in theirs
        and theirs[:40] == ours[:40],
    ),
    Difference(
        "fields of INFO and MEMORY STATS",
        "`INFO`, `MEMORY STATS`",
        "what is known of Redis's insides",
        "Redis's names where rldb has the fact, and sections of its own: shards, engine, cluster",
        "no figure is made up (avg_ttl is 0, as none is kept); redis_version says what to expect, "
        "rldb_version what it is",
        [[["INFO", "server"]]],
        rb"\$(?!.*rldb_version).*redis_version:7\.0\..*",
        rb"\$.*redis_version:7\.0\..*rldb_version:.*",
    ),
    Difference(
        "the order of a pipeline's writes, for others",
        "`SET a 1`, `SET b 2` in one pipeline, keys of two cores; another client reads both",
        "never sees b without a",
        "may see b without a for a moment",
        "cores work side by side; a command over several keys is all-or-nothing, a pipeline is not",
        [],
    ),
    Difference(
        "many arguments of a command without keys",
        "`COMMAND INFO` with 1,023 names and more",
        "answers",
        "`ERR too many arguments for 'command|info' command: up to 1024 are taken`",
        "only commands on several keys work in slices: no other may hold a core up with its list",
        [[["COMMAND", "INFO"] + ["nosuch"] * 1023]],
        rb"\*1023\r\n.*",
        rb"-ERR too many arguments for 'command\|info' command: up to 1024 are taken\r\n",
    ),
]
