"""At the bounds: a node whose memory is full, replies and requests that are too large, what it
counts meanwhile. Everything runs against two shards, so that commands cross cores."""

import pathlib
import re
import sys
import threading
import time

sys.path[0] = str(pathlib.Path(__file__).resolve().parent.parent)

# pylint: disable=wrong-import-position
from harness.cases import main
from harness.report import expect, expect_true
from harness.resp import Connection, Error, encode
from harness.servers import start_node

OOM = Error("OOM command not allowed when used memory > 'maxmemory'.")
MIB = 1 << 20
VALUE = b"v" * 1000


def start_full():
    return start_node({"storage": {"engine": "memory", "memory_max": "32MiB"}})


def start_evicting():
    storage = {"engine": "memory", "memory_max": "32MiB", "eviction": "lru"}
    return start_node({"storage": storage})


def start_small_output():
    return start_node({"clients": {"output_max": "80MiB"}})


def key(number):
    return f"full:{number:06d}"


def key_of_first_core(node):
    """A key that the first shard port serves without a hop."""
    with node.connect() as client:
        names = (f"local:{number}" for number in range(100))
        return next(name for name in names if client.cmd("CLUSTER", "KEYSLOT", name) < 8192)


def fill(client):
    """Writes until every core refuses; returns the keys that are there."""
    expect(client.cmd("FLUSHALL"), "OK")
    there = []
    for begin in range(0, 60000, 500):
        numbers = range(begin, begin + 500)
        replies = client.pipeline([("SET", key(number), VALUE) for number in numbers])
        there += [number for number, reply in zip(numbers, replies) if reply == "OK"]
        if replies.count(OOM) == len(replies):
            return there
        expect_true(all(reply in ("OK", OOM) for reply in replies), "OK or -OOM")
    raise AssertionError("memory_max was never reached")


def refused(node):
    """What Redis refuses when memory is full is refused in its words, and changes nothing."""
    with node.connect() as client:
        there = fill(client)
        absent = [f"absent:{number}" for number in range(20)]
        for name in absent:
            for request in (
                ("SET", name, VALUE),
                ("SETNX", name, VALUE),
                ("APPEND", name, VALUE),
                ("SETRANGE", name, 0, VALUE),
                ("COPY", key(there[0]), name),
                ("RLDB.PUT", name, VALUE),
            ):
                expect(client.cmd(*request), OOM, " ".join(map(str, request[:2])))
            expect(client.cmd("EXISTS", name), 0, name)
        pairs = [word for name in absent for word in (name, VALUE * 10)]
        expect(client.cmd("MSET", *pairs), OOM, "MSET")
        expect(client.cmd("EXISTS", *absent), 0, "an MSET that was refused")
        expect(client.cmd("MSETNX", *pairs), OOM, "MSETNX")
        expect(client.cmd("EXISTS", *absent), 0, "an MSETNX that was refused")


def allowed(node):
    """What Redis goes on doing when memory is full is done, with one reply for each request."""
    with node.connect() as client:
        there = fill(client)
        some = there[:: max(1, len(there) // 800)]
        for request, reply in (
            (("EXPIRE", 1000), 1),
            (("PERSIST",), 1),
            (("GETEX", "EX", 1000), VALUE),
            (("GETEX", "PERSIST"), VALUE),
        ):
            replies = client.pipeline([(request[0], key(n), *request[1:]) for n in some])
            expect(set(replies), {reply}, request[0])
        renames = [("RENAME", key(number), f"{key(number)}:renamed") for number in some]
        expect(set(client.pipeline(renames)), {"OK"}, "RENAME")
        back = [("RENAMENX", f"{key(number)}:renamed", key(number)) for number in some]
        expect(set(client.pipeline(back)), {1}, "RENAMENX")
        expect(client.cmd("EXISTS", *map(key, there)), len(there), "keys are lost")
        expect(client.cmd("DEL", *map(key, there)), len(there), "DEL")
        expect(client.cmd("SET", "after", VALUE), "OK", "there is room again")


def one_reply(node):
    """A RENAME that is refused halfway replies once and leaves its source, and a refused GETEX
    replies once: large values, for which there is no spared room."""
    with node.connect() as client:
        expect(client.cmd("FLUSHALL"), "OK")
        large = b"l" * (MIB // 2)
        there = [n for n in range(200) if client.cmd("SET", f"large:{n}", large) == "OK"]
        refusals = 0
        for number in there:
            for request in (
                ("RENAME", f"large:{number}", f"renamed:{number}"),
                ("GETEX", f"large:{number}", "EX", 1000),
            ):
                client.send(encode(*request) + encode("ECHO", "behind"))
                reply = client.read()
                words = f"{request[:2]} replied {str(reply)[:60]}, and more"
                expect(client.read(), b"behind", words)
                if reply == OOM:
                    refusals += 1
                    expect(client.cmd("EXISTS", f"large:{number}"), 1, "the source of a refusal")
                    expect(client.cmd("TTL", f"large:{number}"), -1, "a refused expiry")
        expect_true(refusals > 0, "memory was never short")


def evicting(node):
    """With eviction nothing is refused, of whatever size; what is read stays, unless the client
    that reads it is on CLIENT NO-TOUCH, whose TOUCH counts all the same."""
    quiet, loud = node.connect(), node.connect()
    expect(quiet.cmd("CLIENT", "NO-TOUCH", "on"), "OK")
    groups = {
        name: [f"{name}:{number}" for number in range(100)]
        for name in ("read", "read many", "quiet", "quiet many", "touched")
    }
    for names in groups.values():
        expect(set(loud.pipeline([("SET", name, VALUE) for name in names])), {"OK"})
    for begin in range(80):
        sizes = [(begin * 131 + i * 7919) % 2000 for i in range(1000)]
        sizes += [200000, 1500000] if begin % 8 == 0 else [70000, 20000]
        writes = [("SET", f"{begin}:{i}", b"w" * size) for i, size in enumerate(sizes)]
        expect(set(loud.pipeline(writes)), {"OK"}, "writes that evict")
        loud.pipeline([("GET", name) for name in groups["read"]])
        loud.cmd("MGET", *groups["read many"])
        quiet.pipeline([("GET", name) for name in groups["quiet"]])
        quiet.cmd("MGET", *groups["quiet many"])
        quiet.cmd("TOUCH", *groups["touched"])
    there = {name: loud.cmd("EXISTS", *names) for name, names in groups.items()}
    for name, count in there.items():
        expect_true(count == 0 if "quiet" in name else count == 100, f"{there}")
    quiet.close()
    loud.close()


def too_large_in_pairs(node):
    """An MSET with one value that is too large sets none."""
    with node.connect() as client:
        names = [f"pair:{number}" for number in range(16)]
        words = [word for name in names for word in (name, "small")]
        words[-1] = b"x" * (64 * MIB + 1)
        for command in ("MSET", "MSETNX"):
            reply = client.cmd(command, *words)
            expect_true(str(reply).startswith("TOOLARGE "), f"{command}: {str(reply)[:60]}")
            expect(client.cmd("EXISTS", *names), 0, command)


def many_gates(node):
    """An MSET of all the keys that a request may name."""
    with node.connect(timeout=240) as client:
        count = (1024 * 1024 - 1) // 2
        words = [word for number in range(count) for word in (b"m%d" % number, b"v")]
        expect(client.cmd("MSET", *words), "OK", f"MSET of {count} keys")
        expect(client.cmd("DBSIZE"), count)
        expect(client.cmd("FLUSHALL"), "OK")


def large_reply(node):
    """A reply that no client may have waiting is not built."""
    with node.connect() as client:
        expect(client.cmd("SET", "large", b"l" * (8 * MIB)), "OK")
        before = node.memory_kib()
        for address in (node.port, node.unix_path):
            with Connection(address) as greedy:
                greedy.send(encode("MGET", *["large"] * 1000, "other"))
                # An error, or on the core of the key the end that every such reply meets.
                reply = greedy.socket.recv(4096)
                expect_true(reply == b"" or reply.startswith(b"-ERR the reply"), f"{reply[:60]}")
        grown_mib = (node.status_kib("VmHWM") - before) // 1024
        expect_true(grown_mib < 600, f"grown by {grown_mib} MiB for a reply of at most 80")
        expect(client.cmd("PING"), "PONG")


def counted(node):
    """A request counts once in INFO and in the slow log, whichever cores it ran on."""
    with node.connect() as client:
        names = [f"counted:{number}" for number in range(64)]
        pairs = [word for name in names for word in (name, "v")]
        expect(client.cmd("CONFIG", "SET", "slowlog-log-slower-than", "0"), "OK")
        expect(client.cmd("CONFIG", "RESETSTAT"), "OK")
        expect(client.cmd("SLOWLOG", "RESET"), "OK")
        client.pipeline([("GET", name) for name in names])
        client.cmd("MSET", *pairs)
        client.cmd("MGET", *names)
        client.cmd("RENAME", names[0], names[1])
        client.cmd("KEYS", "counted:*")
        log = client.cmd("SLOWLOG", "GET", "-1")
        stats = client.cmd("INFO", "commandstats").decode()
        total = client.cmd("INFO", "stats").decode()
        client.cmd("CONFIG", "SET", "slowlog-log-slower-than", "10000")
        for name, calls in (("get", 64), ("mset", 1), ("mget", 1), ("rename", 1), ("keys", 1)):
            expect_true(f"cmdstat_{name}:calls={calls}," in stats, f"{name} in\n{stats}")
            logged = [entry for entry in log if entry[3][0].decode().lower() == name]
            expect(len(logged), calls, f"{name} in the slow log")
            for entry in logged:
                expect_true(entry[4].startswith(b"127.0.0.1:"), f"whose it was: {entry}")
        # The 68 of above, SLOWLOG's two and INFO's; CONFIG RESETSTAT as it ends.
        processed = int(total.split("total_commands_processed:")[1].split("\r\n")[0])
        expect(processed, 72, "total_commands_processed")


def large_behind_a_wait(node):
    """A value much larger than what is read ahead, behind commands that wait: for a timer,
    for a command over all cores, for hops."""
    value = b"v" * (6 * MIB)
    waits = [
        encode("DEBUG", "SLEEP", "0.3"),
        encode("MSET", *[word for n in range(200) for word in (f"behind:{n}", "x" * 5000)]) * 20,
        b"".join(encode("STRLEN", f"behind:{n}") for n in range(200)) * 100,
    ]
    for wait in waits:
        with node.connect(timeout=240) as client:
            client.send(wait + encode("SET", "behind", value))
            client.send(encode("STRLEN", "behind") + encode("DEL", "behind"))
            client.finish()
            expect_true(
                client.read_to_end().endswith(b"+OK\r\n:%d\r\n:1\r\n" % len(value)),
                f"behind {wait[:40]!r}: the replies do not end as they should",
            )


def whole_pipeline_first(node):
    """16 MiB of requests sent before the first of 50 MiB of replies is read, as many clients do:
    what fits in output_max is answered, though the client takes nothing for long."""
    count = 175000
    with node.connect(timeout=240) as client:
        expect(client.cmd("SET", "whole", "x" * 300), "OK")
        client.send((encode("GET", "whole") + encode("SET", "another-name", "y" * 30)) * count)
        client.finish()
        received = client.read_to_end()
        wanted = (b"$300\r\n" + b"x" * 300 + b"\r\n+OK\r\n") * count
        expect_true(received == wanted, f"{len(received)} bytes of replies, not {len(wanted)}")


def flood(node):
    """Requests that come faster than they are run wait in the socket, not in memory."""
    batch = encode("INCR", key_of_first_core(node)) * 20000
    before = node.status_kib("VmHWM")

    def send(client):
        client.send(encode("CLIENT", "REPLY", "OFF"))
        for _ in range(40):
            client.send(batch)
        client.send(encode("CLIENT", "REPLY", "ON") + encode("GET", key_of_first_core(node)))

    clients = [Connection(node.port + 1, timeout=240) for _ in range(4)]
    threads = [threading.Thread(target=send, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    last = [(client.read(), client.read()) for client in clients]
    expect(max(int(counter) for _, counter in last), 4 * 40 * 20000, "increments")
    grown = node.status_kib("VmHWM") - before
    expect_true(grown < 48 * 1024, f"{grown} KiB more while 85 MiB of requests came")


def largest_client(node):
    """INFO tells the largest input and output of one client, not of all."""
    begun = b"*3\r\n$3\r\nSET\r\n$4\r\nhalf\r\n$4000000\r\n" + b"x" * 2000000
    others = [node.connect() for _ in range(5)]

    def wait_for(client, least, most):
        deadline = time.monotonic() + 60
        while True:
            info = client.cmd("INFO", "clients").decode()
            largest = int(re.search(r"client_recent_max_input_buffer:(\d+)", info).group(1))
            if least <= largest <= most:
                break
            expect_true(time.monotonic() < deadline, f"INFO says {largest}")
            time.sleep(0.05)

    try:
        with node.connect() as client:
            wait_for(client, 0, 1999999)  # what others had before is forgotten in some seconds
            for other in others:
                other.send(begun)
            wait_for(client, 2000000, 4000100)
            expect(client.cmd("SET", "word", "x"), "OK")
            words = client.cmd("DEBUG", "OBJECT", "word").split()
            expect_true("encoding:embstr" in words, f"its encoding in {words}")
            expect({word.count(":") for word in words[1:]}, {1}, "redis-py's debug_object() reads")
    finally:
        for other in others:
            other.close()


if __name__ == "__main__":
    main(
        "full",
        [
            (
                start_full,
                [
                    ("writes to a full node", refused),
                    ("what a full node still does", allowed),
                    ("one reply for what is refused halfway", one_reply),
                ],
            ),
            (start_evicting, [("writes that evict, reads that count", evicting)]),
            (
                start_small_output,
                [
                    ("one of many values is too large", too_large_in_pairs),
                    ("an MSET of half a million keys", many_gates),
                    ("a reply larger than may wait", large_reply),
                    ("a request counts once", counted),
                    ("a large value behind commands that wait", large_behind_a_wait),
                    ("the largest client", largest_client),
                    ("requests faster than they are run", flood),
                    ("a whole pipeline before the first read", whole_pipeline_first),
                ],
            ),
        ],
    )
