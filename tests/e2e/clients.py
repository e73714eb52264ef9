"""The clients that people have: redis-cli, redis-benchmark, redis-py, hiredis."""

import fcntl
import itertools
import os
import pathlib
import re
import select
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time

sys.path[0] = str(pathlib.Path(__file__).resolve().parent.parent)

# pylint: disable=wrong-import-position
try:
    import redis
    import redis.cluster
except ImportError:
    # The first python3 of PATH may be another than Debian's, which has the package python3-redis.
    DEBIAN = "/usr/bin/python3"
    if sys.executable == DEBIAN:
        raise
    os.execv(DEBIAN, [DEBIAN, *sys.argv])

from harness.cases import main
from harness.report import Skip, expect, expect_true
from harness.resp import encode
from harness.rldb import fork_on_terminal
from harness.servers import ROOT, against_redis, start_node

TIMEOUT_S = 600


def run(*words, data=None, code=0):
    """A program's output. Its exit status has to be `code`."""
    done = subprocess.run(
        [str(word) for word in words],
        input=data,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=TIMEOUT_S,
        check=False,
    )
    text = done.stdout.decode("utf-8", "replace")
    if done.returncode != code:
        raise AssertionError(f"{words} ended with {done.returncode}:\n{text[-2000:]}")
    return text


def cli(node, *words, data=None):
    return run("redis-cli", "-p", node.port, *words, data=data)


def empty(node):
    expect(cli(node, "FLUSHALL"), "OK\n")


# redis-cli


def cli_words(node):
    empty(node)
    expect(cli(node, "SET", "k", "v"), "OK\n")
    expect(cli(node, "GET", "k"), "v\n")
    expect(cli(node, "--no-raw", "GET", "k"), '"v"\n')
    expect(cli(node, "--no-raw", "INCR", "n"), "(integer) 1\n")
    expect(cli(node, "--no-raw", "GET", "missing"), "(nil)\n")
    expect(cli(node, "--no-raw", "MGET", "k", "missing"), '1) "v"\n2) (nil)\n')
    expect(cli(node, "-r", "3", "INCR", "n"), "2\n3\n4\n")
    expect_true("(error) ERR wrong number" in cli(node, "--no-raw", "GET"), "an error of GET")
    expect(cli(node, "--csv", "MGET", "k", "n"), '"v","4"\n')
    expect(cli(node, "--json", "MGET", "k", "missing"), '["v",null]\n')


def cli_resp3(node):
    empty(node)
    expect(cli(node, "-3", "SET", "k", "v"), "OK\n")
    expect(
        cli(node, "-3", "--no-raw", "CONFIG", "GET", "databases"),
        '1# "databases" => "1"\n' if not against_redis() else '1# "databases" => "16"\n',
    )
    expect_true('"proto" => (integer) 3' in cli(node, "-3", "--no-raw", "HELLO"), "HELLO in RESP3")


def cli_standard_input(node):
    empty(node)
    lines = "".join(f"SET key:{number} {number}\nGET key:{number}\n" for number in range(500))
    wanted = "".join(f"OK\n{number}\n" for number in range(500))
    expect(cli(node, data=lines.encode()), wanted)
    binary = bytes(range(256)) * 10
    expect(cli(node, "-x", "SET", "binary", data=binary), "OK\n")
    expect(cli(node, "STRLEN", "binary"), f"{len(binary)}\n")


def cli_terminal(node):
    """Typed into a terminal, where redis-cli asks for COMMAND DOCS to help with."""
    empty(node)
    child, terminal = fork_on_terminal()
    if child == 0:
        os.environ["TERM"] = "xterm"
        os.environ["HOME"] = node.folder
        os.execvp("redis-cli", ["redis-cli", "-p", str(node.port)])
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 25, 80, 0, 0))
    seen = b""

    def until(words):
        nonlocal seen
        deadline = time.monotonic() + 120
        while not re.search(words, seen, re.S):
            ready, _, _ = select.select([terminal], [], [], max(0, deadline - time.monotonic()))
            expect_true(ready, f"the terminal does not show {words!r}: {seen[-500:]!r}")
            seen += os.read(terminal, 65536)

    try:
        # What is typed while it is not at its prompt is thrown away.
        prompt = rb"127\.0\.0\.1:\d+> "
        until(prompt)
        os.write(terminal, b"SET typed value\r")
        until(rb"OK\r\n.*" + prompt)
        os.write(terminal, b"GET typed\r")
        until(rb'"value"\r\n.*' + prompt)
        os.write(terminal, b"HELP SET\r")
        until(rb"summary:.*" + prompt)
        os.write(terminal, b"exit\r")
    finally:
        os.close(terminal)
        os.waitpid(child, 0)


def cli_pipe(node):
    empty(node)
    data = b"".join(
        encode("SET", f"piped:{number}", "x" * (number % 200)) for number in range(20000)
    )
    text = cli(node, "--pipe", data=data)
    expect_true("errors: 0, replies: 20000" in text, text)
    expect(cli(node, "DBSIZE"), "20000\n")
    data = encode("SET", "a", "b") + encode("INCR", "a") + encode("PING")
    expect_true("errors: 1, replies: 3" in run_failing_pipe(node, data), "an error in a pipe")


def run_failing_pipe(node, data):
    return run("redis-cli", "-p", node.port, "--pipe", data=data, code=1)


def cli_scan(node):
    empty(node)
    wanted = {f"scan:{number}" for number in range(3000)}
    data = b"".join(encode("SET", key, "v") for key in wanted) + encode("SET", "other", "v")
    cli(node, "--pipe", data=data)
    found = cli(node, "--scan", "--pattern", "scan:*").split()
    expect(len(found), len(set(found)), "keys that came twice")
    expect(set(found), wanted)
    found = cli(node, "--scan").split()
    expect(set(found), wanted | {"other"})


def cli_biggest(node):
    empty(node)
    cli(node, "SET", "small", "x")
    cli(node, "SET", "the-biggest", "x" * 5000)
    text = cli(node, "--bigkeys")
    expect_true(re.search(r"Biggest string found '\"?the-biggest\"?' has 5000 bytes", text), text)
    expect_true("Sampled 2 keys" in text, text)
    text = cli(node, "--memkeys")
    expect_true(re.search(r"Biggest string found '\"?the-biggest\"?' has \d+ bytes", text), text)


def cli_unix(node):
    empty(node)
    expect(run("redis-cli", "-s", node.unix_path, "SET", "k", "by unix"), "OK\n")
    expect(cli(node, "GET", "k"), "by unix\n")


def cli_cluster(node):
    if against_redis():
        raise Skip("the reference is no cluster")
    empty(node)
    for port in [node.port, *node.shard_ports]:
        for number in range(20):
            expect(run("redis-cli", "-c", "-p", port, "SET", f"c:{number}", str(port)), "OK\n")
    address = f"127.0.0.1:{node.shard_ports[0]}"
    text = run("redis-cli", "--cluster", "check", address)
    expect_true("[OK] All 16384 slots covered." in text, text)
    text = run("redis-cli", "--cluster", "call", address, "PING")
    expect(text.count("PONG"), len(node.shard_ports))


# redis-benchmark


def benchmark(node, *words, tests="ping,set,get,incr,mset", rows=6, where=None):
    """Every test of it has to come back with a rate, and nothing with an error. Its clock counts
    whole milliseconds: a test that took less than one has the rate inf."""
    where = where or ["-p", node.port]
    text = run("redis-benchmark", *where, "-t", tests, "--csv", *words)
    expect_true("rror" not in text, text)
    rates = re.findall(r'^"(\w[^"]*)","([\d.]+|inf)"', text, re.M)
    expect(len(rates), rows, text)
    expect_true(all(float(rate) > 0 for _, rate in rates), text)


def benchmark_plain(node):
    benchmark(node, "-n", 5000, "-c", 20)
    benchmark(node, "-n", 2000, "-c", 20, "-r", 10000, "-d", 1000)
    benchmark(node, "-n", 300, "-c", 10, "-k", 0)


def benchmark_pipelined(node):
    benchmark(node, "-n", 50000, "-P", 16, "-r", 100000)
    benchmark(node, "-n", 50000, "-P", 64, "-c", 5)


def benchmark_threads(node):
    benchmark(node, "-n", 20000, "--threads", 2, "-P", 16)


def benchmark_resp3(node):
    benchmark(node, "-n", 5000, "-3")
    benchmark(node, "-n", 20000, "-3", "-P", 16)


STRING_TESTS = {
    "ping_inline": "ping",
    "ping_mbulk": "ping",
    "set": "set",
    "get": "get",
    "incr": "incr",
    "mset": "mset",
}


def benchmark_all(node):
    """Each test of strings that it has, in each way to send: the server ran as many as were asked
    for, and not one failed."""
    requests = 1000
    with node.connect() as client:
        for words in itertools.product((1, 16), (None, 2), (False, True)):
            pipeline, threads, resp3 = words
            options = ["-n", requests, "-P", pipeline, "-c", 20, "-r", 1000]
            options += ["--threads", threads] if threads else []
            options += ["-3"] if resp3 else []
            client.cmd("FLUSHALL")
            client.cmd("CONFIG", "RESETSTAT")
            benchmark(node, *options, tests=",".join(STRING_TESTS))
            ran = client.cmd("INFO", "commandstats").decode()
            for command in set(STRING_TESTS.values()):
                calls, failed = re.search(
                    rf"cmdstat_{command}:calls=(\d+),.*failed_calls=(\d+)", ran
                ).groups()
                wanted = requests * list(STRING_TESTS.values()).count(command)
                expect(int(failed), 0, f"{words} {command}")
                # Its last pipelines may be longer than what is left to be asked for.
                most = wanted + 2 * 20 * pipeline
                expect_true(wanted <= int(calls) <= most, f"{words} {command}: {calls} calls")
            errors = client.cmd("INFO", "errorstats").decode()
            expect_true("errorstat_" not in errors, f"{words}: {errors}")
            counters = client.cmd("KEYS", "counter:*")
            total = sum(int(value) for value in client.cmd("MGET", *counters))
            expect_true(requests <= total <= requests + 20 * pipeline, f"{words}: {total}")


def benchmark_unix(node):
    benchmark(node, "-n", 5000, where=["-s", node.unix_path])


def benchmark_cluster(node):
    if against_redis():
        raise Skip("the reference is no cluster")
    for port in (node.port, node.shard_ports[0]):
        where = ["-p", port, "--cluster"]
        benchmark(node, "-n", 20000, "-P", 16, "-r", 1000, where=where)
        benchmark(
            node, "-n", 20000, "--threads", 2, "-r", 1000, where=where, tests="set,get", rows=2
        )


def benchmark_words(node):
    text = run("redis-benchmark", "-p", node.port, "-n", 2000, "-q", "SETRANGE", "k", "100", "x")
    expect_true("requests per second" in text and "rror" not in text, text)


# redis-py


def py(node, **options):
    return redis.Redis(host="127.0.0.1", port=node.port, **options)


def py_commands(node):
    client = py(node)
    client.flushall()
    began = time.monotonic()
    expect(client.set("k", "v", ex=100), True)
    expect(client.get("k"), b"v")
    left = client.ttl("k")
    expect_true(99 - (time.monotonic() - began) <= left <= 100, f"TTL: {left}")
    expect(client.set("k", "w", nx=True), None)
    expect(client.set("k", "w", keepttl=True, get=True), b"v")
    expect(client.getex("k", persist=True), b"w")
    expect(client.ttl("k"), -1)
    expect(client.mset({"a": 1, "b": 2.5, "c": b"\x00\xff"}), True)
    expect(client.mget("a", "b", "c", "d"), [b"1", b"2.5", b"\x00\xff", None])
    expect(client.msetnx({"a": 1, "z": 1}), False)
    expect(client.incrby("a", 41), 42)
    expect(client.incrbyfloat("b", 0.25), 2.75)
    expect(client.append("k", "xyz"), 4)
    expect(client.getrange("k", 1, 2), b"xy")
    expect(client.setrange("k", 6, "!"), 7)
    expect(client.strlen("k"), 7)
    expect(client.rename("k", "l"), True)
    expect(client.renamenx("l", "a"), False)
    expect(client.copy("l", "m"), True)
    expect(client.exists("a", "b", "nothing"), 2)
    expect(client.expire("a", 1000, gt=True), False)
    expect(client.expire("a", 1000, nx=True), True)
    expect(client.persist("a"), True)
    expect(client.type("a"), b"string")
    expect(client.object("encoding", "a"), b"int")
    expect(client.dbsize(), 5)
    expect(sorted(client.keys("?")), [b"a", b"b", b"c", b"l", b"m"])
    expect_true(client.randomkey() in client.keys(), "RANDOMKEY")
    expect(client.unlink("l", "m"), 2)
    expect(client.getdel("c"), b"\x00\xff")
    try:
        client.incr("b")
        raise AssertionError("INCR of 2.75 was taken")
    except redis.ResponseError as error:
        expect_true("not an integer" in str(error), str(error))
    expect(client.delete("a", "b"), 2)


def py_server(node):
    client = py(node)
    info = client.info()
    for field in (
        "redis_version",
        "uptime_in_seconds",
        "connected_clients",
        "used_memory",
        "total_commands_processed",
        "tcp_port",
        "process_id",
    ):
        expect_true(field in info, f"no {field} in INFO")
    expect(info["tcp_port"], node.port)
    expect(info["process_id"], node.pid)
    expect(client.info("keyspace").get("db0", {}).get("keys", 0), client.dbsize())
    expect(client.config_get("save"), {"save": ""})
    expect_true(client.config_get("maxmemory*"), "CONFIG GET by a pattern")
    expect(client.client_setname("pythonic"), True)
    expect(client.client_getname(), "pythonic")
    names = [entry["name"] for entry in client.client_list()]
    expect_true("pythonic" in names, f"CLIENT LIST: {names}")
    began = time.time()
    told = client.time()[0]
    expect_true(began - 2 <= told <= time.time() + 2, f"TIME: {told}")
    expect(client.ping(), True)
    expect(client.echo("x"), b"x")
    expect_true(client.command_count() > 50, "COMMAND COUNT")
    expect(client.command_getkeys("MSET", "a", "1", "b", "2"), ["a", "b"])
    expect_true("get" in client.command(), "COMMAND")
    expect(client.slowlog_len() >= 0, True)
    expect_true(client.memory_usage("nothing") is None, "MEMORY USAGE")


def py_pipelines(node):
    client = py(node)
    client.flushall()
    pipe = client.pipeline(transaction=False)
    for number in range(5000):
        pipe.set(f"p:{number}", number).get(f"p:{number}").incr(f"p:{number}")
    wanted = []
    for number in range(5000):
        wanted += [True, b"%d" % number, number + 1]
    expect(pipe.execute(), wanted)
    expect(len(list(client.scan_iter("p:*", count=100))), 5000)
    pipe = client.pipeline(transaction=False)
    pipe.set("text", "x").incr("text").get("text")
    replies = pipe.execute(raise_on_error=False)
    expect_true(isinstance(replies[1], redis.ResponseError), f"{replies}")
    expect(replies[2], b"x")


def py_transactions(node):
    """MULTI is not offered: the client is told so, and goes on."""
    if against_redis():
        raise Skip("Redis has MULTI")
    client = py(node)
    try:
        client.pipeline(transaction=True).set("a", 1).execute()
        raise AssertionError("MULTI was taken")
    except redis.ResponseError as error:
        expect_true("unknown command" in str(error).lower(), str(error))
    expect(client.ping(), True)


def py_threads(node):
    pool = redis.BlockingConnectionPool(
        host="127.0.0.1", port=node.port, max_connections=8, timeout=TIMEOUT_S
    )
    client = redis.Redis(connection_pool=pool)
    client.delete("threads")
    workers = [
        threading.Thread(target=lambda: [client.incr("threads") for _ in range(300)])
        for _ in range(12)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    expect(client.get("threads"), b"3600")


def py_unix(node):
    client = redis.Redis(unix_socket_path=node.unix_path, decode_responses=True)
    client.set("u", "grün")
    expect(client.get("u"), "grün")


def py_cluster(node):
    if against_redis():
        raise Skip("the reference is no cluster")
    for port in (node.port, *node.shard_ports):
        client = redis.cluster.RedisCluster(host="127.0.0.1", port=port)
        client.flushall(target_nodes=redis.cluster.RedisCluster.ALL_NODES)
        ports = {at.port for at in client.get_primaries()}
        expect_true(set(node.shard_ports) <= ports, f"primaries of {port}: {ports}")
        for number in range(300):
            expect(client.set(f"rc:{number}", number), True)
        for number in range(300):
            expect(client.get(f"rc:{number}"), b"%d" % number)
        pairs = {f"rcm:{number}": str(number) for number in range(100)}
        client.mset_nonatomic(pairs)
        expect(client.mget_nonatomic(*pairs), [value.encode() for value in pairs.values()])
        pipe = client.pipeline()
        for number in range(200):
            pipe.incr(f"rc:{number}")
        expect(pipe.execute(), [number + 1 for number in range(200)])
        keys = list(client.scan_iter(count=50))
        expect(len(set(keys)), 400, "keys of a walk over the cluster")
        expect(client.cluster_keyslot("foo"), 12182)
        expect(client.exists("rc:1", "rc:2", "rc:3"), 3)
        expect(client.delete(*(f"rc:{number}" for number in range(50))), 50)
        client.close()
    with node.connect() as plain:
        expect(plain.cmd("DBSIZE"), 350)


def hiredis(node):
    program = os.environ.get("HIREDIS_CLIENT")
    folder = None
    if program is None:
        folder = tempfile.mkdtemp(prefix="rldb-test-")
        program = os.path.join(folder, "hiredis_client")
        source = ROOT / "tests" / "e2e" / "hiredis_client.c"
        run("gcc", "-O1", "-o", program, source, "-lhiredis")
    try:
        for where in (["127.0.0.1", node.port], [node.unix_path]):
            text = run(program, *where)
            expect(text.count("ok  "), 6, text)
    finally:
        if folder:
            shutil.rmtree(folder)


CASES = [
    ("redis-cli: words on the command line", cli_words),
    ("redis-cli -3", cli_resp3),
    ("redis-cli: lines and bytes on standard input", cli_standard_input),
    ("redis-cli: in a terminal", cli_terminal),
    ("redis-cli --pipe", cli_pipe),
    ("redis-cli --scan", cli_scan),
    ("redis-cli --bigkeys and --memkeys", cli_biggest),
    ("redis-cli -s", cli_unix),
    ("redis-cli -c and --cluster", cli_cluster),
    ("redis-benchmark", benchmark_plain),
    ("redis-benchmark -P", benchmark_pipelined),
    ("redis-benchmark --threads", benchmark_threads),
    ("redis-benchmark -3", benchmark_resp3),
    ("redis-benchmark: all string tests, each way to send", benchmark_all),
    ("redis-benchmark -s", benchmark_unix),
    ("redis-benchmark --cluster", benchmark_cluster),
    ("redis-benchmark with a command", benchmark_words),
    ("redis-py: commands", py_commands),
    ("redis-py: the server's side", py_server),
    ("redis-py: pipelines", py_pipelines),
    ("redis-py: transactions are refused", py_transactions),
    ("redis-py: threads on a pool", py_threads),
    ("redis-py: unix socket", py_unix),
    ("redis-py: RedisCluster", py_cluster),
    ("hiredis", hiredis),
]

if __name__ == "__main__":
    main("clients", [(start_node, CASES)])
