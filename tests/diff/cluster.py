"""CLUSTER and its friends, against a Redis cluster of one node that owns every slot."""

import re
import time

from harness.resp import Connection

from .compare import same
from .link import Pair
from .runner import spell

KEYS = [
    b"a",
    b"foo",
    b"{a}b",
    b"x{a}y",
    b"{}a",
    b"a{}",
    b"{",
    b"}",
    b"{{a}}",
    b"a{b}{c}",
    b"",
    b"\x00",
]
KEYS += [b"\xff" * 300, b"123456789", b"{user1000}.following", b"foo{{bar}}zap", b"foo{bar}{zap}"]

REQUESTS = [
    *([b"CLUSTER", b"KEYSLOT", key] for key in KEYS),
    [b"CLUSTER"],
    [b"CLUSTER", b"NOSUCH"],
    [b"CLUSTER", b"KEYSLOT"],
    [b"CLUSTER", b"KEYSLOT", b"a", b"b"],
    [b"CLUSTER", b"SLOTS", b"x"],
    [b"CLUSTER", b"SHARDS", b"x"],
    [b"CLUSTER", b"NODES", b"x"],
    [b"CLUSTER", b"INFO", b"x"],
    [b"CLUSTER", b"MYID", b"x"],
    *(
        [b"CLUSTER", b"COUNTKEYSINSLOT", slot]
        for slot in (b"0", b"-1", b"16383", b"16384", b"x", b"")
    ),
    [b"CLUSTER", b"COUNTKEYSINSLOT"],
    *(
        [b"CLUSTER", b"GETKEYSINSLOT", slot, count]
        for slot in (b"0", b"-1", b"16384", b"x")
        for count in (b"10", b"0", b"-1", b"x", b"9223372036854775807")
    ),
    [b"CLUSTER", b"GETKEYSINSLOT", b"0"],
    [b"MSET", b"{t}1", b"a", b"{t}2", b"b", b"{t}3", b"c"],
    [b"CLUSTER", b"KEYSLOT", b"{t}1"],
    [b"CLUSTER", b"COUNTKEYSINSLOT", b"15891"],
    [b"CLUSTER", b"GETKEYSINSLOT", b"15891", b"0"],
    [b"CLUSTER", b"GETKEYSINSLOT", b"15891", b"100"],
    [b"DEL", b"{t}1"],
    [b"CLUSTER", b"COUNTKEYSINSLOT", b"15891"],
    [b"RENAME", b"{t}2", b"{t}4"],
    [b"CLUSTER", b"GETKEYSINSLOT", b"15891", b"100"],
    [b"SET", b"{t}5", b"x", b"PX", b"100000"],
    [b"CLUSTER", b"COUNTKEYSINSLOT", b"15891"],
    [b"FLUSHALL"],
    [b"CLUSTER", b"COUNTKEYSINSLOT", b"15891"],
    [b"READONLY"],
    [b"READWRITE"],
    [b"ASKING"],
    [b"READONLY", b"x"],
    [b"SELECT", b"0"],
    [b"SELECT", b"1"],
    [b"SELECT", b"-1"],
    [b"SELECT", b"x"],
    [b"COPY", b"{t}1", b"{t}2", b"DB", b"0"],
    [b"COPY", b"{t}1", b"{t}2", b"DB", b"1"],
    [b"HELLO"],
    [b"HELLO", b"3"],
    [b"HELLO", b"2"],
]

# Lines of CLUSTER INFO that both have to say alike.
INFO_LINES = [
    "cluster_enabled:1",
    "cluster_state:ok",
    "cluster_slots_assigned:16384",
    "cluster_slots_ok:16384",
    "cluster_slots_pfail:0",
    "cluster_slots_fail:0",
]


def prepare(reference):
    """Gives the Redis all slots."""
    with Connection(reference.port) as client:
        client.cmd("CLUSTER", "ADDSLOTSRANGE", "0", "16383")
        deadline = time.monotonic() + 120
        while b"cluster_state:ok" not in client.cmd("CLUSTER", "INFO"):
            if time.monotonic() > deadline:
                raise RuntimeError("the reference cluster does not come up")
            time.sleep(0.05)


def requests(targets):
    unlike = []
    servers = targets.cluster()
    pair = Pair([server.port for server in servers], 120)
    try:
        pair.ask([b"FLUSHALL"])
        for request in REQUESTS:
            theirs, ours = pair.ask(request)
            sorted_alike = request[1:2] == [b"GETKEYSINSLOT"] and sorted(theirs) == sorted(ours)
            if not sorted_alike and not same(request, theirs, ours):
                unlike += [f"{request}:", f"  redis: {spell(theirs)}", f"  rldb:  {spell(ours)}"]
    finally:
        pair.close()
    if unlike:
        raise AssertionError("\n".join(unlike))


def every_slot(targets):
    """KEYSLOT of keys that between them fall into very many slots."""
    pair = Pair([server.port for server in targets.cluster()], 120)
    try:
        for number in range(2000):
            request = [b"CLUSTER", b"KEYSLOT", b"key:%d" % (number * 7919)]
            theirs, ours = pair.ask(request)
            if theirs != ours:
                raise AssertionError(f"{request}: redis {theirs}, rldb {ours}")
    finally:
        pair.close()


def information(targets):
    for server, who in zip(targets.cluster(), ("redis", "rldb")):
        with Connection(server.port) as client:
            lines = client.cmd("CLUSTER", "INFO").decode().split("\r\n")
            lines += client.cmd("INFO").decode().split("\r\n")
            missing = [line for line in INFO_LINES + ["redis_mode:cluster"] if line not in lines]
            if missing:
                raise AssertionError(f"{who}: no {missing} in CLUSTER INFO and INFO")


def outline(raw):
    """A reply of SLOTS or SHARDS without numbers, lengths, hosts and ids."""
    raw = re.sub(rb"\$\d+\r\n([0-9a-f]{40}|127\.0\.0\.1|)\r\n", rb"$ text\n", raw)
    return re.sub(rb":\d+\r\n", rb":\n", raw)


def outlines(targets):
    """SLOTS and SHARDS, in both protocols: the one node of Redis and each of the cores."""
    pair = Pair([server.port for server in targets.cluster()], 120)
    try:
        for protocol in (b"2", b"3"):
            pair.ask([b"HELLO", protocol])
            for what in (b"SLOTS", b"SHARDS"):
                theirs, ours = (outline(raw) for raw in pair.ask([b"CLUSTER", what]))
                if ours != b"*2\r\n" + 2 * theirs.removeprefix(b"*1\r\n"):
                    raise AssertionError(f"RESP{protocol} {what}: redis {theirs}, rldb {ours}")
    finally:
        pair.close()


def run(report, targets):
    report.run(
        [
            ("cluster: CLUSTER and what depends on it", requests),
            ("cluster: slots of keys", every_slot),
            ("cluster: CLUSTER INFO and INFO", information),
            ("cluster: outlines of SLOTS and SHARDS", outlines),
        ],
        targets,
    )
