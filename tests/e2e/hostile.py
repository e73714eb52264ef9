"""Clients that mean harm, or know no better. Under each of them another client is answered as
usual, memory stays within what the bounds of the configuration add up to, and the server lives on.

No time is asserted: "answered" means within 60 s. How long the slowest answer took is printed.
"""

import contextlib
import os
import pathlib
import random
import resource
import select
import shutil
import socket
import struct
import sys
import time

sys.path[0] = str(pathlib.Path(__file__).resolve().parent.parent)

# pylint: disable=wrong-import-position
from diff import names
from diff.generate import Generator
from harness.bystander import Bystander
from harness.cases import main
from harness.report import expect, expect_true
from harness.resp import Connection, Error, encode, split
from harness.servers import against_redis, scratch, start_node

MIB = 1 << 20
OUTPUT_MAX_MIB = 16
VALUE_MAX_MIB = 8
REQUEST_MAX_MIB = 32
# What a case may leave the process larger by, beyond the bound it works against: buffers that were
# touched for the first time (16 MiB of receive buffers a core), an allocator's own pages.
SLACK_KIB = 96 * 1024
# LIMIT_LOG_LARGE_BYTES: of long values that a core of the log engine reads or writes.
LOG_LARGE_MIB = 0 if os.environ.get("RLDB_TEST_ENGINE", "log") == "memory" else 256

PATIENCE_S = 60

PING = encode("PING")


def start():
    return start_node(
        {
            "clients": {
                "max": 3000,
                "output_max": f"{OUTPUT_MAX_MIB}MiB",
                "request_max": f"{REQUEST_MAX_MIB}MiB",
            },
            "storage": {"memory_max": "1GiB", "value_max": f"{VALUE_MAX_MIB}MiB"},
        },
        nofile=6000,
    )


@contextlib.contextmanager
def watched(node, bound_mib=0):
    """A bystander while the block runs, and the memory and life of the server afterwards."""
    before = node.memory_kib()
    bystander = Bystander(node.port)
    with bystander:
        yield
        # The bystander also has to be answered after the harm is done.
        bystander.wait_for(bystander.answers + 3)
    expect_true(node.alive(), f"the server ended:\n{node.log()[-3000:]}")
    grown = node.growth_kib(before, SLACK_KIB + bound_mib * 1024)
    print(f"       {bystander.words()}; {grown:+d} KiB")
    with node.connect() as client:
        expect(client.cmd("PING"), "PONG")
        expect(client.cmd("FLUSHALL"), "OK")


def many(node, count, **options):
    return [node.connect(**options) for _ in range(count)]


def close_all(connections):
    for connection in connections:
        connection.close()


def deliver(connection, raw, seconds=PATIENCE_S):
    """Sends what the server takes, reading what it says meanwhile, until all is sent, it hangs up,
    or the time is over. Returns (bytes sent, bytes received, closed)."""
    sock = connection.socket
    sock.setblocking(False)
    view = memoryview(raw)
    received = bytearray()
    closed = False
    deadline = time.monotonic() + seconds
    while view and not closed and time.monotonic() < deadline:
        readable, writable, _ = select.select([sock], [sock], [], 1)
        try:
            if writable:
                view = view[sock.send(view[:65536]) :]
            if readable:
                piece = sock.recv(65536)
                closed = not piece
                received += piece
        except BlockingIOError:
            pass
        except (ConnectionResetError, BrokenPipeError):
            closed = True
            # What it said before it hung up may still be there.
            with contextlib.suppress(OSError):
                received += sock.recv(65536)
    sock.setblocking(True)
    sock.settimeout(connection.timeout)
    return len(raw) - len(view), bytes(received), closed


# Framing.


def framing_errors(node):
    """Every wrong frame of the differential test, and 3,000 mangled requests."""
    generator = Generator("hostile")
    frames = list(names.BROKEN_FRAMES)
    for _ in range(3000):
        frames.append(
            generator._mangle(encode("SET", "key", "value" * 3))
        )  # pylint: disable=protected-access
    with watched(node):
        for start_at in range(0, len(frames), 200):
            connections = []
            for frame in frames[start_at : start_at + 200]:
                connection = node.connect()
                deliver(connection, frame)
                connection.finish()
                connections.append(connection)
            for connection, frame in zip(connections, frames[start_at : start_at + 200]):
                pieces, rest = split(connection.read_to_end())
                expect(rest, b"", f"half a reply to {frame!r}")
                expect_true(len(pieces) < 1000, f"{len(pieces)} replies to {frame!r}")
                connection.close()


def strange_lengths(node):
    """Negative, huge, overflowing, with signs, blanks, zeros and NUL: in each place of a
    request."""
    with watched(node):
        for length in names.STRANGE_LENGTHS:
            for raw in (
                b"*" + length + b"\r\n" + PING[4:],
                b"*1\r\n$" + length + b"\r\nPING\r\n",
                b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$" + length + b"\r\nvalue\r\n",
                b"*" + length + b"\r\n" + b"$1\r\na\r\n" * 100,
            ):
                connection = node.connect()
                deliver(connection, raw)
                connection.finish()
                split(connection.read_to_end())
                connection.close()


def random_bytes(node):
    draw = random.Random(7)
    with watched(node):
        for _ in range(300):
            connection = node.connect()
            deliver(connection, draw.randbytes(draw.randrange(1, 5000)))
            connection.finish()
            connection.read_to_end()
            connection.close()


def endless_lines(node):
    """Lines of megabytes, of each kind: refused long before they are held."""
    with watched(node):
        for begin in (b"", b"*", b"*1\r\n$", b"PING ", b'"', b"'", b"$", b" "):
            for filler in (b"1", b"x", b" ", b"\x00", b"-"):
                connection = node.connect()
                sent, received, closed = deliver(connection, begin + filler * (8 * MIB))
                if not closed:
                    connection.finish()
                    received += connection.read_to_end()
                expect_true(
                    received.startswith(b"-"), f"{begin!r} and {filler!r}...: {received[:100]!r}"
                )
                expect_true(sent < 8 * MIB or closed or received, f"{sent} bytes were taken")
                connection.close()


def nested_types(node):
    with watched(node):
        for raw in (
            b"*1\r\n" * 200000,
            b"*2\r\n$4\r\nPING\r\n*1\r\n" * 1000,
            b"%1\r\n" * 1000,
            b"$1\r\n" * 1000,
        ):
            connection = node.connect()
            _, received, closed = deliver(connection, raw)
            if not closed:
                connection.finish()
                received += connection.read_to_end()
            expect_true(b"-ERR" in received, f"{raw[:20]!r}: {received[:100]!r}")
            connection.close()


def inline_quotes(node):
    draw = random.Random(3)
    with watched(node):
        for _ in range(300):
            line = bytes(
                draw.choice(b"\"'\\x4 an\t\x00\xff") for _ in range(draw.randrange(1, 200))
            )
            connection = node.connect()
            deliver(connection, b"ECHO " + line + b"\r\nPING\r\n")
            connection.finish()
            split(connection.read_to_end())
            connection.close()
        long_line = b'ECHO "' + b"\\x41" * 10000 + b'"\r\n'
        with node.connect() as connection:
            connection.send(long_line)
            expect(connection.read(), b"A" * 10000)


# Announced and never sent.


def announced_counts(node):
    """500 connections that announce arguments by the million, and send none."""
    with watched(node):
        held = many(node, 500)
        for number, connection in enumerate(held):
            connection.send(
                [b"*1000000\r\n", b"*2147483647\r\n", b"*1048576\r\n$3\r\nDEL\r\n"][number % 3]
            )
        time.sleep(0.5)
        close_all(held)


def announced_lengths(node):
    """500 connections that announce the largest value, send a little of it, and wait."""
    with watched(node):
        held = many(node, 500)
        for connection in held:
            connection.send(
                b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$%d\r\n" % (VALUE_MAX_MIB * MIB) + b"x" * 100
            )
        time.sleep(0.5)
        close_all(held)


def million_arguments(node):
    """A request of a million small arguments: answered or refused, and nothing of it stays."""
    with watched(node, bound_mib=6 * REQUEST_MAX_MIB):
        for name in (b"DEL", b"EXISTS", b"MGET", b"NOSUCH"):
            raw = b"*1000001\r\n$%d\r\n%b\r\n" % (len(name), name) + b"$1\r\na\r\n" * 1000000
            with node.connect() as connection:
                deliver(connection, raw)
                connection.finish()
                # What deliver() read is gone; the rest has to end, with whole replies or with a
                # refusal.
                connection.read_to_end()


def too_large(node):
    """A value and a request past their bounds: an error, not a silence; other clients go on."""
    if against_redis():
        return
    with watched(node, bound_mib=2 * REQUEST_MAX_MIB):
        for raw in (
            b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\n" % (VALUE_MAX_MIB * MIB + 1)
            + b"x" * (VALUE_MAX_MIB * MIB + 1)
            + b"\r\n",
            b"*11\r\n$4\r\nMSET\r\n"
            + (b"$1\r\na\r\n$%d\r\n" % (7 * MIB) + b"x" * (7 * MIB) + b"\r\n") * 5,
            b"*2\r\n$3\r\nGET\r\n$65536\r\n" + b"k" * 65536 + b"\r\n",
        ):
            with node.connect() as connection:
                _, received, closed = deliver(connection, raw)
                if not closed:
                    connection.finish()
                    received += connection.read_to_end()
                expect_true(received.startswith(b"-"), f"{raw[:40]!r}: {received[:100]!r}")


# Readers.


def slow_reader(node):
    """One that asks for 2,000 times a MiB and reads nothing: held back or hung up on, at
    output_max."""
    with watched(node, bound_mib=5 * OUTPUT_MAX_MIB):
        with node.connect() as client:
            expect(client.cmd("SET", "large", "x" * MIB), "OK")
        slow = many(node, 5, rcvbuf=4096)
        peak = 0
        for connection in slow:
            deliver(connection, b"", 0)
            connection.socket.settimeout(2)
            with contextlib.suppress(TimeoutError, BrokenPipeError, ConnectionResetError):
                connection.send(encode("GET", "large") * 2000)
        for _ in range(20):
            peak = max(peak, node.memory_kib())
            time.sleep(0.1)
        bound_mib = 5 * 2 * OUTPUT_MAX_MIB + LOG_LARGE_MIB
        bound = node_memory_before(node) + bound_mib * 1024 + SLACK_KIB
        expect_true(peak < bound, f"{peak} KiB while nobody read")
        close_all(slow)
        time.sleep(0.5)


def node_memory_before(node):
    """What the process had before any case: noted when first asked."""
    if not hasattr(node, "baseline_kib"):
        node.baseline_kib = node.memory_kib()
    return node.baseline_kib


def slow_reader_catches_up(node):
    """One that reads late, within its bound, gets everything."""
    with watched(node, bound_mib=OUTPUT_MAX_MIB):
        with node.connect(rcvbuf=4096) as client:
            client.cmd("SET", "value", "x" * 10000)
            client.send(encode("GET", "value") * 1000)
            time.sleep(0.5)
            wanted = b"x" * 10000
            for _ in range(1000):
                expect(client.read(), wanted)


def pipeline_unread(node):
    """100,000 commands, all sent before the first reply is read."""
    with watched(node, bound_mib=OUTPUT_MAX_MIB):
        with node.connect(timeout=240) as client:
            client.send(encode("INCR", "pipelined") * 100000)
            for number in range(100000):
                reply = client.read()
                if reply != number + 1:
                    raise AssertionError(f"reply {number + 1} is {reply!r}")


def pipeline_mixed(node):
    """100,000 commands over all cores, malformed ones among them, read while they are sent."""
    draw = random.Random(1)
    requests, wanted = [], []
    for number in range(100000):
        key = f"mixed:{draw.randrange(1000)}"
        request, reply = [
            (encode("SET", key, "v"), b"+OK\r\n"),
            (encode("ECHO", str(number)), b"$%d\r\n%d\r\n" % (len(str(number)), number)),
            (encode("GET"), b"-ERR wrong number of arguments for 'get' command\r\n"),
            (b"PING\r\n", b"+PONG\r\n"),
            (encode("SET", key, "v", "bogus"), b"-ERR syntax error\r\n"),
        ][number % 5]
        requests.append(request)
        wanted.append(reply)
    with watched(node, bound_mib=OUTPUT_MAX_MIB):
        with node.connect() as client:
            _, received, closed = deliver(client, b"".join(requests), 240)
            expect(closed, False)
            client.finish()
            received += client.read_to_end()
            expect_true(received == b"".join(wanted), "the replies are not what they should be")


# Slow senders.


def cut_at_every_byte(node):
    """A pipeline cut into two at each of its bytes, the second part sent later."""
    raw = (
        encode("SET", "cut", "a\r\nb")
        + encode("GET", "cut")
        + b"ECHO 'in line'\r\n"
        + encode("STRLEN", "cut")
    )
    wanted = b"+OK\r\n$4\r\na\r\nb\r\n$7\r\nin line\r\n:4\r\n"
    with watched(node):
        connections = many(node, len(raw) - 1)
        for at, connection in enumerate(connections, 1):
            connection.send(raw[:at])
        time.sleep(0.2)
        for at, connection in enumerate(connections, 1):
            connection.send(raw[at:])
        for at, connection in enumerate(connections, 1):
            connection.finish()
            expect(connection.read_to_end(), wanted, f"cut at byte {at}")
            connection.close()


def byte_by_byte(node):
    """100 connections that send a byte every 20 ms or so."""
    raw = encode("SET", "slow", "value") + b"GET slow\r\n"
    with watched(node):
        connections = many(node, 100)
        for at in range(len(raw)):
            for connection in connections:
                connection.send(raw[at : at + 1])
            time.sleep(0.01)
        for connection in connections:
            connection.finish()
            expect(connection.read_to_end(), b"+OK\r\n$5\r\nvalue\r\n")
            connection.close()


# Other protocols.


def http_requests(node):
    """A browser sent here does nothing: the rest of its request is no list of commands."""
    body = b"SET hacked 1\r\n" + encode("SET", "hacked", "1")
    with watched(node):
        for raw in (
            b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n" + body,
            b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" + body,
            b"PUT / HTTP/1.1\r\nHost: localhost\r\n\r\n" + body,
            b"OPTIONS * HTTP/1.1\r\nHost: localhost:1\r\nOrigin: null\r\n\r\n" + body,
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        ):
            connection = node.connect()
            deliver(connection, raw)
            connection.finish()
            connection.read_to_end()
            connection.close()
        with node.connect() as client:
            expect(client.cmd("EXISTS", "hacked"), 0, "a command inside an HTTP request was run")


def tls_hellos(node):
    hello = bytes.fromhex("16030100a5010000a10303") + b"\x42" * 32 + b"\x00" * 122
    with watched(node):
        for raw in (
            hello,
            hello * 100,
            hello[:1],
            b"\x16\x03\x01\xff\xff",
            b"\x80\x2e\x01\x00\x02",
            b"SSH-2.0-x\r\n",
        ):
            connection = node.connect()
            deliver(connection, raw)
            connection.finish()
            connection.read_to_end()
            connection.close()


# Commands that cost more than they look.


def integer_edges(node):
    """Offsets, counts and times at the ends of their ranges: an answer each, and no memory."""
    edges = [
        "9223372036854775807",
        "-9223372036854775808",
        "4294967296",
        "2147483648",
        "-1",
        "536870911",
        "16777215",
        "16777216",
        "18446744073709551615",
    ]
    with watched(node, bound_mib=64):
        with node.connect() as client:
            client.cmd("SET", "k", "value")
            for first in edges:
                requests = [
                    ("SETRANGE", "r", first, ""),
                    ("SETRANGE", "r", first, "x"),
                    ("DEL", "r"),
                    ("EXPIRE", "missing", first),
                    ("PEXPIREAT", "missing", first),
                    ("SET", "e", "v", "EX", first),
                    ("SET", "e", "v", "PXAT", first),
                    ("GETEX", "e", "PX", first),
                    ("INCRBY", "n", first),
                    ("DECRBY", "n", first),
                    ("DEL", "n"),
                    ("SCAN", "0", "COUNT", first),
                    ("SCAN", first),
                    ("SCAN", first, "COUNT", first),
                    ("SLOWLOG", "GET", first),
                    ("MEMORY", "USAGE", "k", "SAMPLES", first),
                    ("CLUSTER", "GETKEYSINSLOT", "0", first),
                    ("CLUSTER", "COUNTKEYSINSLOT", first),
                    ("CLIENT", "KILL", "ID", first),
                    ("SELECT", first),
                    ("HELLO", first),
                ]
                for second in edges:
                    requests.append(("GETRANGE", "k", first, second))
                client.pipeline(requests)


def exponential_patterns(node):
    """Patterns that take a naive matcher longer than the universe has, on keys made for them."""
    keys = [letter * size for letter in "ab" for size in (50, 1000, 20000)]
    patterns = [
        "a*" * 20 + "b",
        "*a" * 50 + "*b",
        "a*a*a*a*a*b",
        "?*" * 40 + "c",
        "[a]*" * 30 + "b",
        "*" * 5000 + "c",
        "a*" * 10000 + "b",
        "[^b]*" * 25 + "[b-z]",
        "\\a*" * 30 + "b",
    ]
    with watched(node):
        with node.connect() as client:
            client.cmd("MSET", *sum(([key, "v"] for key in keys), []))
            for pattern in patterns:
                if against_redis() and len(pattern) > 12:
                    continue
                expect(client.cmd("KEYS", pattern), [], f"KEYS {pattern[:40]}")
                cursor = b"0"
                while True:
                    cursor, found = client.cmd("SCAN", cursor, "MATCH", pattern)
                    expect(found, [])
                    if cursor == b"0":
                        break
                client.cmd("CONFIG", "GET", pattern)
                client.cmd("COMMAND", "LIST", "FILTERBY", "PATTERN", pattern)


def keys_of_many(node):
    """KEYS * and whole walks over 200,000 keys, while others go on."""
    with watched(node, bound_mib=200):
        with node.connect(timeout=600) as client:
            for start_at in range(0, 200000, 10000):
                client.pipeline(
                    [("SET", f"many:{start_at + number}", "v") for number in range(10000)]
                )
            for _ in range(3):
                expect_true(len(client.cmd("KEYS", "many:*")) == 200000, "KEYS")
            expect_true(len(client.cmd("KEYS", "*99999")) == 2, "KEYS *99999")


def names_with_line_ends(node):
    """CRLF in what an error echoes makes no second reply."""
    evil = b"a\r\n+OK\r\n$5\r\nfaked\r\n"
    calls = [
        (evil,),
        (b"GET" + evil, b"x"),
        ("NOSUCH", evil, evil),
        ("CLIENT", evil),
        ("CONFIG", evil),
        ("OBJECT", evil, "k"),
        ("COMMAND", evil),
        ("CONFIG", "SET", evil, evil),
        ("CLUSTER", evil),
        ("HELLO", evil),
        ("HELLO", "3", "SETNAME", evil),
        ("CLIENT", "SETNAME", evil),
        ("AUTH", evil, evil),
        ("DEBUG", evil),
        ("MEMORY", evil),
        ("SLOWLOG", evil),
        ("LATENCY", evil),
        ("COMMAND", "GETKEYS", evil),
        ("CLIENT", "KILL", evil),
        ("CLIENT", "LIST", "TYPE", evil),
        ("RLDB.CLUSTER", evil),
        ("SET", "k", "v", evil),
    ]
    with watched(node):
        for call in calls:
            with node.connect() as client:
                client.send(encode(*call) + encode("ECHO", "after"))
                reply = client.read()
                expect_true(isinstance(reply, Error), f"{call}: {reply!r}")
                expect(client.read(), b"after", f"what follows the error for {call}")


# Floods.


def flood_without_login():
    """200 clients that are nobody: they get small requests refused, large ones not even read."""
    folder = scratch()
    path = folder + "/users.acl"
    with open(path, "w", encoding="ascii") as file:
        file.write("user default off\nuser good on >word ~* +@all\n")
    config = {
        "auth": {"users_file": path},
        "storage": {"value_max": f"{VALUE_MAX_MIB}MiB"},
        "clients": {"max": 3000, "output_max": f"{OUTPUT_MAX_MIB}MiB"},
    }
    try:
        with start_node(config, nofile=6000) as node:
            before = node.memory_kib()
            with Bystander(node.port, login=("good", "word")) as bystander:
                held = many(node, 200)
                for connection in held:
                    _, received, _ = deliver(connection, encode("GET", "key") * 2000)
                    kinds = {raw for raw in split(received)[0]}
                    expect_true(
                        kinds <= {b"-NOAUTH Authentication required.\r\n"},
                        f"a stranger was told {kinds}",
                    )
                for connection in held[:50]:
                    deliver(connection, encode("AUTH", "good", "wrong") * 500)
                close_all(held)
                for raw in (
                    encode("SET", "k", "x" * 20000),
                    b"*100\r\n" + b"$1\r\na\r\n" * 100,
                    b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$16000000\r\n" + b"x" * 16000000,
                ):
                    for _ in range(50):
                        connection = node.connect()
                        _, received, _ = deliver(connection, raw)
                        expect_true(
                            received.startswith(b"-") or not received, f"{received[:100]!r}"
                        )
                        connection.close()
            grown = node.growth_kib(before, SLACK_KIB)
            print(f"       {bystander.words()}; {grown:+d} KiB")
            expect(node.stop(), 0)
    finally:
        shutil.rmtree(folder)


def connections_in_a_rush(node):
    """5,000 connections that come and go, most of them rudely."""
    reset = struct.pack("ii", 1, 0)
    with watched(node):
        for number in range(5000):
            connection = node.connect()
            if number % 3:
                connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
            if number % 2:
                connection.send(
                    encode("GET", "k") * (number % 7) + b"*2\r\n$3\r\nGE"[: number % 11]
                )
            connection.close()
        deadline = time.monotonic() + PATIENCE_S
        while True:
            with node.connect() as client:
                lines = client.cmd("CLIENT", "LIST").splitlines()
            open_files = node.descriptors()
            if (len(lines) < 20 and open_files < 300) or time.monotonic() > deadline:
                break
            time.sleep(0.1)
        expect_true(len(lines) < 20, f"{len(lines)} clients are listed after all have left")
        expect_true(open_files < 300, f"{open_files} descriptors are open after all have left")


def too_many_clients():
    """Past clients.max: told so, and served again when others leave."""
    with start_node({"clients": {"max": 50}}) as node:
        with Bystander(node.port) as bystander:
            held, refused = [], 0
            for _ in range(100):
                connection = node.connect()
                try:
                    connection.send(PING)
                    reply = connection.read()
                except (EOFError, BrokenPipeError, ConnectionResetError):
                    reply = "closed"
                if reply == "PONG":
                    held.append(connection)
                    continue
                expect_true(
                    reply in ("closed", Error("ERR max number of clients reached")), f"{reply!r}"
                )
                refused += 1
                connection.close()
            expect_true(
                30 <= len(held) <= 50 and refused, f"{len(held)} were served, {refused} refused"
            )
            close_all(held)
            deadline = time.monotonic() + PATIENCE_S
            while True:
                try:
                    with node.connect() as connection:
                        if connection.cmd("PING") == "PONG":
                            break
                except (EOFError, BrokenPipeError, ConnectionResetError):
                    pass
                expect_true(
                    time.monotonic() < deadline, "nobody is served after the others have left"
                )
                time.sleep(0.05)
        print(f"       {bystander.words()}")
        expect(node.stop(), 0)


def no_descriptors_left():
    """More connections than the process may have files: those that are in go on, and later ones are
    served when files are free again. It does not burn a core meanwhile."""
    with start_node() as node:
        # Enough for what it has, too little for what comes.
        resource.prlimit(node.pid, resource.RLIMIT_NOFILE, (200, 200))
        with Bystander(node.port) as bystander:
            held = []
            for _ in range(400):
                sock = socket.socket()
                sock.settimeout(PATIENCE_S)
                sock.connect(("127.0.0.1", node.port))
                held.append(sock)
            time.sleep(0.5)
            cpu = node.cpu_s()
            time.sleep(1)
            used = node.cpu_s() - cpu
            seen = bystander.answers
            bystander.wait_for(seen + 3)
            expect_true(bystander.answers > seen, "the bystander waits")
            for sock in held:
                sock.close()
            deadline = time.monotonic() + PATIENCE_S
            while True:
                try:
                    with node.connect(timeout=20) as connection:
                        if connection.cmd("PING") == "PONG":
                            break
                except (EOFError, OSError):
                    pass
                expect_true(
                    time.monotonic() < deadline, "nobody is served after the others have left"
                )
                time.sleep(0.05)
        print(f"       {bystander.words()}; {used:.2f} s of CPU in 1 s without descriptors")
        expect_true(node.alive(), "it ended")
        expect(node.stop(), 0)


def idle_clients_are_dropped():
    """Who speaks is not dropped, unless it was kept from speaking for as long itself."""
    with start_node({"clients": {"idle_timeout": "1s"}}) as node:
        idle = many(node, 50)
        busy, spoke, asked, pauses = node.connect(), time.monotonic(), 0, 0
        deadline = time.monotonic() + PATIENCE_S
        while (idle or asked < 100) and time.monotonic() < deadline:
            before, spoke = spoke, time.monotonic()
            try:
                expect(busy.cmd("PING"), "PONG")
                asked += 1
            except (EOFError, BrokenPipeError):
                silent = time.monotonic() - before
                expect_true(silent >= 1, f"dropped after {silent:.2f} s of silence")
                busy.close()
                busy, spoke, pauses = node.connect(), time.monotonic(), pauses + 1
            ended = select.select([connection.socket for connection in idle], [], [], 0.002)[0]
            for connection in [each for each in idle if each.socket in ended]:
                expect(connection.read_to_end(), b"", "what an idle client is told")
                connection.close()
                idle.remove(connection)
        expect(len(idle), 0, "idle clients that stay")
        expect_true(asked >= 100, f"only {asked} requests, and dropped {pauses} times")
        busy.close()
        expect(node.stop(), 0)


SHARED = [
    ("framing errors of every kind", framing_errors),
    ("strange lengths in every place", strange_lengths),
    ("random bytes", random_bytes),
    ("lines of megabytes", endless_lines),
    ("nested types", nested_types),
    ("inline quotes", inline_quotes),
    ("counts announced and never sent", announced_counts),
    ("values announced and never sent", announced_lengths),
    ("a million arguments", million_arguments),
    ("values and requests past their bounds", too_large),
    ("readers that do not read", slow_reader),
    ("a reader that reads late", slow_reader_catches_up),
    ("100,000 commands before the first read", pipeline_unread),
    ("100,000 commands, right and wrong, read as they are answered", pipeline_mixed),
    ("a request cut at every byte", cut_at_every_byte),
    ("a byte at a time", byte_by_byte),
    ("HTTP on the port", http_requests),
    ("TLS on the port", tls_hellos),
    ("integer edges", integer_edges),
    ("exponential patterns", exponential_patterns),
    ("KEYS over many", keys_of_many),
    ("line ends inside names", names_with_line_ends),
    ("connections that come and go", connections_in_a_rush),
]

OWN = [
    ("floods without a login", flood_without_login),
    ("more clients than clients.max", too_many_clients),
    ("no descriptors left", no_descriptors_left),
    ("idle clients past idle_timeout", idle_clients_are_dropped),
]


def raise_own_limit():
    """This process opens many connections itself."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 6000)), hard))


if __name__ == "__main__":
    raise_own_limit()
    main("hostile", [(start, SHARED), (None, OWN)])
