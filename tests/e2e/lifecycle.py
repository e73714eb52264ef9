"""From the first word on the command line to the last reply: starting, refusing to, ending."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

sys.path[0] = str(pathlib.Path(__file__).resolve().parent.parent)

# pylint: disable=wrong-import-position
from harness.cases import main
from harness.ports import PORTS
from harness.report import expect, expect_true
from harness.resp import Connection, Malformed, encode, split
from harness.servers import ROOT, Rldbd, config_text, rldbd_path, scratch, storage

SHORT_S = 240  # no more than what hangs takes so long


def rldbd(*words):
    """Exit status, standard output and standard error of a run that is to end by itself."""
    done = subprocess.run(
        [rldbd_path(), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        timeout=SHORT_S,
        check=False,
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


class Folder:
    """A folder for the length of a `with`."""

    def __enter__(self):
        self.path = scratch()
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)

    def write(self, text, name="rldbd.yaml"):
        path = os.path.join(self.path, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path


# The command line.


def version_and_help():
    code, out, err = rldbd("--version")
    expect((code, err), (0, ""), "--version")
    expect_true(re.match(r"rldbd \d+\.\d+\.\d+", out), f"--version says {out!r}")
    code, out, err = rldbd("--help")
    expect((code, err), (0, ""), "--help")
    for word in ("--config", "--check", "--version", "--help"):
        expect_true(word in out, f"--help does not name {word}")
    for word in ("--version", "--help"):
        # Where nothing can be written to; not every root has a /dev/full.
        done = subprocess.run(
            ["sh", "-c", 'exec "$0" "$1" >&-', rldbd_path(), word],
            stderr=subprocess.PIPE,
            timeout=SHORT_S,
            check=False,
        )
        expect_true(done.returncode != 0, f"{word} without an output: exit status 0")
        expect_true(b"standard output" in done.stderr, f"{word} without one: {done.stderr}")


def wrong_command_lines():
    twice = ["--config", "/dev/null", "--config=/dev/null"]
    for words in (
        ["--nosuch"],
        ["--config"],
        ["stray"],
        ["--check"],
        ["--config", "/nosuch/file"],
        twice,
    ):
        code, out, err = rldbd(*words)
        expect_true(code != 0, f"{words}: exit status 0")
        expect(out, "", f"{words}: standard output")
        expect_true(err.strip(), f"{words}: no word on what is wrong")
    expect_true("/nosuch/file" in rldbd("--config", "/nosuch/file")[2], "the file is not named")
    expect_true("needs a FILE" in rldbd("--config")[2], "what --config lacks is not said")
    expect_true("given twice" in rldbd(*twice)[2], "that it is given twice is not said")


def check_of_good_files():
    for name in sorted((ROOT / "conf").glob("*.yaml")):
        code, _, err = rldbd("--check", "--config", str(name))
        expect(code, 0, f"{name}: {err}")
    with Folder() as folder:
        code, _, err = rldbd("--check", "--config", folder.write(""))
        expect(code, 0, f"an empty file: {err}")


def every_line_wrong():
    """Each line of the full configuration, once with its key and once with its value spoilt:
    refused with file and line, by --check and by a start."""
    lines = (ROOT / "conf" / "full.yaml").read_text(encoding="utf-8").splitlines()
    spoilt = 0
    with Folder() as folder:
        for at, line in enumerate(lines):
            match = re.match(r"(\s*)([a-z_]+):(.*)$", line)
            if not match:
                continue
            indent, key, value = match.groups()
            for wrong in (
                f"{indent}no{key}:{value}",
                f"{indent}{key}: [[wrong]]",
                f"{indent}\t{key}:{value}",
            ):
                text = "\n".join(lines[:at] + [wrong] + lines[at + 1 :]) + "\n"
                path = folder.write(text)
                words = ["--config", path] if at % 8 == 0 else ["--check", "--config", path]
                code, out, err = rldbd(*words)
                expect_true(code != 0, f"{words}: line {at + 1} as {wrong!r} was taken")
                expect(out, "", "standard output")
                expect_true(
                    re.search(rf"{re.escape(path)}:\d+:\d+: ", err),
                    f"{wrong!r}: no place in {err!r}",
                )
                spoilt += 1
    expect_true(spoilt > 60, f"only {spoilt} lines were spoilt")


WRONG_FILES = [
    ("a key twice", "node: { name: a, name: b }\n", 1),
    ("a section twice", "node: { name: a }\nnode: { name: b }\n", 2),
    ("an unknown section", "nodes: { name: a }\n", 1),
    ("an unknown key, the nearest named", "storage: { engin: memory }\n", 1),
    ("a list where a word belongs", "node: { name: [a] }\n", 1),
    ("a word where a section belongs", "node: a\n", 1),
    ("no mapping at all", "- a\n", 1),
    ("half a mapping", "node: { name: a\n", None),
    ("a size without sense", "storage: { value_max: 64QiB }\n", 1),
    ("a size that overflows", "storage: { value_max: 99999999999999999999GiB }\n", 1),
    ("a negative size", "storage: { value_max: -1 }\n", 1),
    ("a time without a unit", "clients: { timeout: 5 }\n", 1),
    ("a number that is none", "clients: { max: many }\n", 1),
    ("no clients at all", "clients: { max: 0 }\n", 1),
    ("partitions that are no power of two", "cluster: { partitions: 100 }\n", 1),
    ("an engine there is not", "storage: { engine: tape }\n", 1),
    ("no shards", "node: { shards: 0 }\n", 1),
    ("a port out of range", "listen: { client: '127.0.0.1:65536' }\n", 1),
    ("an address without a port", "listen: { client: 127.0.0.1 }\n", 1),
    ("no address", "listen: { client: nonsense }\n", 1),
    ("an empty name", "node: { name: '' }\n", 1),
    ("a name too long", "node: { name: " + "n" * 5000 + " }\n", 1),
    ("an anchor", "node: &a { name: b }\n", 1),
    ("an alias", "node: { name: &x a }\ncluster: { name: *x }\n", None),
    ("a tag", "node: { name: !!str a }\n", 1),
    ("two documents", "node: { name: a }\n---\nnode: { name: b }\n", None),
    ("bytes that are no text", "node: { name: \x01 }\n", None),
]


def wrong_files():
    with Folder() as folder:
        for what, text, line in WRONG_FILES:
            path = folder.write(text)
            code, _, err = rldbd("--check", "--config", path)
            expect_true(code != 0, f"{what} was taken")
            place = rf"{re.escape(path)}:{line or '[0-9]+'}:\d+: "
            expect_true(re.search(place, err), f"{what}: no place in {err!r}")
        path = folder.write("storage: { engin: memory }\n")
        expect_true(
            "engine" in rldbd("--check", "--config", path)[2], "the nearest key is not named"
        )
        path = os.path.join(folder.path, "large.yaml")
        with open(path, "w", encoding="ascii") as file:
            file.write("# " + "x" * (1 << 20) + "\n")
        expect_true(rldbd("--check", "--config", path)[0] != 0, "a file of 1 MiB was taken")
        expect_true(rldbd("--check", "--config", folder.path)[0] != 0, "a folder was taken")


def ports_that_overlap():
    with Folder() as folder:
        for what, listen in (
            ("client and peer", {"client": "127.0.0.1:7400", "peer": "127.0.0.1:7400"}),
            ("client and http", {"client": "127.0.0.1:7400", "http": "127.0.0.1:7400"}),
            ("shard ports and peer", {"client": "127.0.0.1:7400", "peer": "127.0.0.1:7402"}),
            ("shard ports and client", {"client": "127.0.0.1:7400", "shard_port_base": 7399}),
        ):
            config = {"node": {"shards": 2}, "listen": listen}
            code, _, err = rldbd("--check", "--config", folder.write(config_text(config)))
            expect_true(code != 0, f"{what} overlap and were taken")
            expect_true("74" in err, f"{what}: no port in {err!r}")
            expect_true(re.search(r"\.yaml:\d+:\d+: ", err), f"{what}: no line in {err!r}")


def beyond_loopback():
    """Without users it does not listen for the world, unless told so by name."""
    with Folder() as folder:
        open_listen = {"client": "0.0.0.0:7400", "advertise": "127.0.0.1"}
        path = folder.write(config_text({"listen": open_listen}))
        code, _, err = rldbd("--check", "--config", path)
        expect_true(code != 0, "a wildcard address without users was taken")
        expect_true("insecure" in err, f"what to do is not said: {err!r}")
        path = folder.write(config_text({"listen": open_listen, "auth": {"insecure": True}}))
        expect(rldbd("--check", "--config", path)[0], 0, "told so by name")


def wrong_users_files():
    with Folder() as folder:
        for text in (
            "user\n",
            "nonsense\n",
            "user a on >p ~* +@nosuch\n",
            "user a on >p ~* +nosuchcommand\n",
            "user a on #12 ~* +@all\n",
            "user a on what\n",
            "user a on >p ~* +@all\nuser a on >q ~* +@all\n",
        ):
            users = folder.write(text, "users.acl")
            path = folder.write(config_text({"auth": {"users_file": users}}))
            code, _, err = rldbd("--check", "--config", path)
            expect_true(code != 0, f"{text!r} was taken")
            expect_true(
                re.search(rf"{re.escape(users)}:\d+: ", err), f"{text!r}: no place in {err!r}"
            )
        path = folder.write(config_text({"auth": {"users_file": "/nosuch/users"}}))
        code, _, err = rldbd("--check", "--config", path)
        expect_true(
            code != 0 and "/nosuch/users" in err, f"a users file that is not there: {err!r}"
        )


# Starting.


def ready_line():
    with Rldbd() as node:
        line = node.wait_ready()
        client = f"127.0.0.1:{node.port},unix:{node.unix_path}"
        expect(line, f"ready: client {client} peer off shards 2 engine {storage()['engine']}")
        with node.connect() as client:
            expect(client.cmd("PING"), "PONG")
        expect(len(node.output), 1, f"lines on standard output: {node.output}")


def told_to_a_supervisor():
    """READY=1 when it serves, STOPPING=1 when it ends: sd_notify(3)."""
    with Folder() as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        path = os.path.join(folder.path, "notify")
        supervisor.bind(path)
        supervisor.settimeout(SHORT_S)
        with Rldbd(env={**os.environ, "NOTIFY_SOCKET": path}) as node:
            expect(supervisor.recv(100), b"READY=1")
            expect(node.stop(), 0)
            expect(supervisor.recv(100), b"STOPPING=1")


def a_log_that_moves():
    """log.file, each line an object; moved away, and opened anew on SIGHUP."""
    with Folder() as folder:
        path = os.path.join(folder.path, "rldb.log")
        with Rldbd({"log": {"file": path, "format": "json"}}) as node:
            os.rename(path, path + ".1")
            node.signal(signal.SIGHUP)
            deadline = time.monotonic() + SHORT_S
            while not os.path.exists(path):
                expect_true(time.monotonic() < deadline, "no new log after SIGHUP")
                time.sleep(0.01)
            expect(node.stop(), 0)
        for name, word in ((path + ".1", "client 127"), (path, "stopping on SIGTERM")):
            text = pathlib.Path(name).read_text(encoding="utf-8")
            lines = [json.loads(line) for line in text.splitlines()]
            expect_true(lines and word in str(lines), f"{name}: {text!r}")


def numbers_of_shards():
    for shards in (1, 3):
        with Rldbd(shards=shards) as node:
            with node.connect() as client:
                pairs = sum(([f"k{number}", str(number)] for number in range(100)), [])
                expect(client.cmd("MSET", *pairs), "OK")
                expect(client.cmd("MGET", *pairs[::2]), [b"%d" % number for number in range(100)])
                expect(client.cmd("DBSIZE"), 100)
            expect(node.stop(), 0)


def ports_in_use():
    """A second node on a port of the first: refused with the port named, and the first goes on."""
    with Rldbd() as node:
        taken = {
            "client": {"client": [f"127.0.0.1:{node.port}"]},
            "peer": {"peer": f"127.0.0.1:{node.peer_port}"},
            "http": {"http": f"127.0.0.1:{node.port}"},
            "a shard's": {"shard_port_base": node.shard_ports[0]},
            "the unix socket": {"client": [f"unix:{node.unix_path}"]},
        }
        if " peer off " in node.wait_ready():
            del taken["peer"]  # a node alone listens for no peers
        for what, listen in taken.items():
            with Rldbd({"listen": listen}, ready=False) as second:
                try:
                    code = second.wait(SHORT_S)
                except subprocess.TimeoutExpired:
                    raise AssertionError(f"{what} port is in use, and it goes on") from None
                expect_true(code != 0, f"{what} port in use: exit status 0")
                log = second.log()
                named = [node.unix_path] if "unix" in what else [str(node.port)]
                if what == "a shard's":
                    named = [str(port) for port in node.shard_ports]
                expect_true(
                    any(name in log for name in named),
                    f"{what} port in use: not named in {log[-500:]!r}",
                )
                expect_true("in use" in log, f"{what} port in use: no reason in {log[-500:]!r}")
            with node.connect() as client:
                expect(client.cmd("PING"), "PONG")
        with Connection(node.unix_path) as client:
            expect(client.cmd("PING"), "PONG", "the first node's unix socket")


def stranger_on_the_port():
    """What listens there may be any program."""
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen(1)
        port = stranger.getsockname()[1]
        with Rldbd({"listen": {"client": [f"127.0.0.1:{port}"]}}, ready=False) as node:
            expect_true(node.wait(SHORT_S) != 0, "exit status 0")
            expect_true(str(port) in node.log(), node.log()[-500:])


def addresses_that_cannot_be_had():
    """Each is named, with the key to look at. 192.0.2.1 is for documentation: nobody has it."""
    insecure = {"auth": {"insecure": True}}
    for key, listen in (
        ("listen.client", {"client": "192.0.2.1:7400"}),
        ("listen.client", {"client": "unix:/nosuch/folder/socket"}),
        ("listen.http", {"http": "192.0.2.1:7409"}),
    ):
        with Rldbd({"listen": listen, **insecure}, ready=False) as node:
            expect(node.wait(SHORT_S), 3, f"{listen}: exit status")
            last = node.log().strip().splitlines()[-1]
            expect_true("192.0.2.1" in last or "/nosuch" in last, f"no address in {last!r}")
            expect_true(f"check {key} " in last, f"{listen}: {last!r}")
            expect_true("in use" not in last and "using it" not in last, last)


def unix_sockets():
    """A socket file that nobody listens on any more is replaced, and the file goes with the
    node."""
    with Folder() as folder:
        path = os.path.join(folder.path, "s.sock")
        left = socket.socket(socket.AF_UNIX)
        left.bind(path)
        left.close()
        with Rldbd({"listen": {"client": [f"127.0.0.1:{PORTS.take()}", f"unix:{path}"]}}) as node:
            expect_true(stat.S_ISSOCK(os.stat(path).st_mode), "no socket")
            clients = [Connection(path) for _ in range(20)]
            for number, client in enumerate(clients):
                expect(client.cmd("SET", f"u{number}", "v"), "OK")
            for number, client in enumerate(clients):
                expect(client.cmd("GET", f"u{19 - number}"), b"v")
                client.close()
            expect(node.stop(), 0)
        expect_true(not os.path.exists(path), "the socket's file is left behind")
        plain = folder.write("not a socket", "file")
        with Rldbd({"listen": {"client": [f"unix:{plain}"]}}, ready=False) as node:
            expect_true(node.wait(SHORT_S) != 0, "a file that is no socket was taken")
            refused = f"unix:{plain}: a file that is no socket is there"
            expect_true(refused in node.log(), node.log())
        expect(pathlib.Path(plain).read_text(encoding="utf-8"), "not a socket")


def killed_and_started_again():
    """The kernel frees the sockets of a process that was killed a moment after it is gone; whoever
    starts it again need not wait for that."""
    port = PORTS.take(5)
    with Folder() as folder:
        path = os.path.join(folder.path, "s.sock")
        config = {
            "client": [f"127.0.0.1:{port}", f"unix:{path}"],
            "peer": f"127.0.0.1:{port + 4}",
            "shard_port_base": port + 1,
            "http": f"127.0.0.1:{port + 3}",
        }
        for _ in range(8):
            with Rldbd({"listen": config}) as node:
                clients = [Connection(at) for at in [port, port + 1, port + 2, path] * 5]
                for client in clients:
                    expect(client.cmd("PING"), "PONG")
                node.kill()
                expect(node.wait(SHORT_S), -signal.SIGKILL)


# Ending.


def ends_when_asked():
    for number in (signal.SIGTERM, signal.SIGINT):
        with Rldbd() as node:
            with node.connect() as client:
                expect(client.cmd("SET", "k", "v"), "OK")
                node.signal(number)
                expect(node.wait(SHORT_S), 0, f"exit status after {number!r}")
                expect_true(client.is_closed(), "an idle client's connection")


def shutdown_command():
    with Rldbd() as node:
        with node.connect() as client:
            client.send(encode("SHUTDOWN"))
            expect(client.read_to_end(), b"", "SHUTDOWN answers by closing")
        expect(node.wait(SHORT_S), 0)
    with Rldbd() as node:
        with node.connect() as client:
            client.send(encode("SHUTDOWN", "NOSAVE"))
            client.read_to_end()
        expect(node.wait(SHORT_S), 0)


def ends_under_load():
    """Clients in full swing when SIGTERM comes: each gets whole replies, in order, without a gap up
    to a point, then the end of the connection; and the process ends."""
    with Rldbd() as node:
        results = []
        started = threading.Barrier(9)
        answered = [False] * 8

        def work(name, address):
            with Connection(address, timeout=SHORT_S) as client:
                sent = 0
                received = b""
                started.wait(SHORT_S)
                try:
                    while True:
                        client.send(encode("INCR", f"load:{name}") * 100)
                        sent += 100
                        while received.count(b"\r\n") < sent - 300:
                            piece = client.socket.recv(65536)
                            if not piece:
                                raise EOFError
                            received += piece
                        answered[name] = True
                except (EOFError, BrokenPipeError, ConnectionResetError):
                    pass
                try:
                    received += client.read_to_end(SHORT_S)
                except TimeoutError:
                    received += b"(never closed)"
                results.append((name, sent, received))

        doors = [node.port] * 4 + node.shard_ports + [node.unix_path] * 2
        threads = [
            threading.Thread(target=work, args=(name, door), daemon=True)
            for name, door in enumerate(doors)
        ]
        for thread in threads:
            thread.start()
        started.wait(SHORT_S)
        deadline = time.monotonic() + SHORT_S
        while not all(answered) and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.5)
        start = time.monotonic()
        node.signal(signal.SIGTERM)
        expect(node.wait(SHORT_S), 0, "exit status")
        took = time.monotonic() - start
        for thread in threads:
            thread.join(SHORT_S)
        expect(len(results), len(doors), "clients that came to an end")
        for name, sent, received in results:
            try:
                pieces, rest = split(received)
            except Malformed as problem:
                raise AssertionError(f"client {name}: {problem}") from None
            expect(rest, b"", f"client {name}: half a reply at the end")
            expect_true(
                0 < len(pieces) <= sent, f"client {name}: {len(pieces)} replies to {sent} requests"
            )
            wanted = [b":%d\r\n" % (number + 1) for number in range(len(pieces))]
            expect(pieces, wanted, f"client {name}: replies")
        expect_true(took < SHORT_S, f"it took {took:.1f} s")


def answers_what_it_took():
    """Requests that had arrived before SIGTERM are answered, though nobody reads until later."""
    with Rldbd() as node:
        clients = [node.connect(timeout=SHORT_S) for _ in range(20)]
        for client in clients:
            client.cmd("PING")
        for number, client in enumerate(clients):
            client.send(encode("SET", f"k{number}", "v") + encode("INCR", f"n{number}") * 999)
        # Taken: another client sees the last write of each.
        with node.connect() as look:
            deadline = time.monotonic() + SHORT_S
            wanted = [b"999"] * len(clients)
            while look.cmd("MGET", *(f"n{number}" for number in range(len(clients)))) != wanted:
                expect_true(time.monotonic() < deadline, "the writes do not show")
        node.signal(signal.SIGTERM)
        for client in clients:
            received = client.read_to_end(SHORT_S)
            expect(received[:5], b"+OK\r\n")
            expect(received.count(b":"), 999, "replies to what was taken")
            client.close()
        expect(node.wait(SHORT_S), 0)


def ends_with_odd_clients():
    """A reader that does not read and a request that is never finished do not keep it alive."""
    with Rldbd() as node:
        with node.connect(rcvbuf=4096) as slow, node.connect() as half, node.connect() as paused:
            slow.cmd("SET", "large", "x" * 1000000)
            slow.send(encode("GET", "large") * 50)
            half.send(b"*2\r\n$3\r\nGET\r\n$100\r\nx")
            paused.cmd("CLIENT", "PAUSE", "1000000", "WRITE")
            time.sleep(0.3)
            node.signal(signal.SIGTERM)
            expect(node.wait(SHORT_S), 0)


# HTTP.


def http(port, path, method="GET"):
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", method=method)
    try:
        with urllib.request.urlopen(request, timeout=SHORT_S) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as answer:
        return answer.code, answer.headers, answer.read().decode()


SAMPLE = re.compile(
    r'[a-zA-Z_:][a-zA-Z0-9_:]*(\{([a-zA-Z_]\w*="([^"\\\n]|\\.)*",?)*\})? '
    r"(-?[0-9.]+(e[+-]?\d+)?|NaN|[+-]Inf)( \d+)?"
)


def metrics_of(text):
    """The samples of a page of metrics by name and labels, each line checked."""
    samples = {}
    typed = set()
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            expect_true(kind in ("counter", "gauge", "histogram", "summary", "untyped"), line)
            expect_true(name not in typed, f"two TYPE lines for {name}")
            typed.add(name)
        elif line.startswith("# HELP ") or not line:
            continue
        else:
            expect_true(SAMPLE.fullmatch(line), f"no sample: {line!r}")
            name, value = line.rsplit(" ", 1)
            expect_true(name not in samples, f"twice: {name}")
            samples[name] = float(value)
    return samples


def expect_same_figures(info, samples):
    """INFO's engine section and the page have the same names, and figures that are sums."""
    lines = [line.split(":") for line in info.split("\r\n") if line.startswith("engine_")]
    expect_true(len(lines) >= 10, f"INFO engine: {info!r}")
    for name, value in lines:
        is_time = name.endswith("_us")
        there = name.removesuffix("_us") + "_seconds" if is_time else name
        found = [
            figure
            for sample, figure in samples.items()
            if sample.split("{")[0] in (f"rldb_{there}", f"rldb_{there}_total")
        ]
        expect_true(len(found) == 2, f"{name} of INFO is not on the page of two shards: {found}")
        if is_time:
            found = [figure * 1e6 for figure in found]
            expect_true(abs(sum(found) - float(value)) < 2, f"{name}: {value}, not {found}")
        else:
            expect(sum(found), float(value), f"{name} of INFO and of /metrics ({found})")


def until_same_figures(node, port):
    """The engine works on behind its clients, so the two looks are repeated until one finds it at
    rest; a figure that is another on the page never agrees."""
    deadline = time.monotonic() + SHORT_S
    while True:
        with node.connect() as client:
            info = client.cmd("INFO", "engine").decode()
        try:
            expect_same_figures(info, metrics_of(http(port, "/metrics")[2]))
            return
        except AssertionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def metrics_and_health():
    port = PORTS.take()
    with Rldbd({"listen": {"http": f"127.0.0.1:{port}"}}) as node:
        for path in ("/healthz", "/readyz"):
            expect(http(port, path)[0], 200, path)
        status, headers, text = http(port, "/metrics")
        expect(status, 200)
        expect_true(headers["Content-Type"].startswith("text/plain"), f"{headers['Content-Type']}")
        before = metrics_of(text)
        expect_true(len(before) > 20, f"only {len(before)} samples")
        with node.connect() as client:
            client.pipeline([("SET", f"k{number}", "v") for number in range(500)])
        after = metrics_of(http(port, "/metrics")[2])
        until_same_figures(node, port)
        moved = [name for name in after if after[name] - before.get(name, 0) >= 500]
        expect_true(moved, "no counter saw 500 commands")
        gone = [name for name in before if name not in after]
        expect(gone, [], "samples that went away")
        expect(http(port, "/nosuch")[0], 404)
        expect(http(port, "/metrics", "HEAD")[2], "")
        expect_true(http(port, "/metrics", "POST")[0] in (405, 501), "POST")
        with Connection(port) as raw:
            raw.send(b"\x00\xff nonsense\r\n\r\n")
            expect_true(raw.is_closed(), "nonsense leaves the connection open")
        with Connection(port) as raw:
            raw.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 3)
            # It may answer the first and say that it closes; it may not answer anything else.
            raw.finish()
            answers = raw.read_to_end().count(b"HTTP/1.1 200")
            expect_true(1 <= answers <= 3, f"{answers} answers to three requests")
        with Connection(port) as raw:
            # It may hang up before it was sent all of it.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                raw.send(b"GET /" + b"x" * 100000)
            expect_true(raw.is_closed(), "an endless request line")
        idle = [Connection(port) for _ in range(100)]
        for connection in idle:
            connection.close()
        deadline = time.monotonic() + SHORT_S
        while True:  # more connections than it keeps were open: it takes time until they are gone
            try:
                expect(http(port, "/healthz")[0], 200)
                break
            except OSError:
                expect_true(time.monotonic() < deadline, "it serves nobody any more")
                time.sleep(0.05)
        expect(node.stop(), 0)


def stages_told():
    """/metrics tells how long each stage took: every hop, wait and command in steps is in one. In
    memory, so that what waits does so at a gate and not for the disk."""
    port = PORTS.take()
    config = {"listen": {"http": f"127.0.0.1:{port}"}, "storage": {"engine": "memory"}}
    with Rldbd(config) as node:

        def total(name):
            samples = metrics_of(http(port, "/metrics")[2])
            return sum(value for key, value in samples.items() if key.startswith(name))

        def count(stage):
            return total(f'rldb_stage_latency_seconds_count{{stage="{stage}"')

        names = [f"k{number}" for number in range(3000)]
        # A long command, and what has to wait for it: some of it on the core of whoever asks.
        gets = b"".join(encode("GET", name) for name in names[:50])
        others = [Connection(port) for port in node.shard_ports]
        with node.connect() as client:
            client.pipeline([("SET", name, "v") for name in names])
            sent = 0
            deadline = time.monotonic() + SHORT_S
            # 50 of them, and as many more as it takes until one came between on its own core.
            while sent < 50 or count("wait") == 0:
                expect_true(time.monotonic() < deadline, f"nothing waited in {sent} rounds")
                client.send(encode("MSET", *(word for name in names for word in (name, "w"))))
                for other in others:
                    other.send(gets)
                for other in others:
                    for _ in names[:50]:
                        expect_true(other.read() in (b"v", b"w"), "a value")
                client.read()
                sent += 1
        for other in others:
            other.close()
        expect_true(count("batch") == total("rldb_batches_total") > 0, "batches")
        expect_true(count("hop") == total("rldb_hops_sent_total") > 1000, "hops")
        expect_true(count("multi") == total("rldb_multis_total") >= sent, "commands in steps")
        waited, hopped = count("wait"), total("rldb_gate_waits_total")
        print(f"{waited:.0f} waited on their own core, {hopped:.0f} in all")
        expect_true(0 < waited <= hopped, "waits")
        with node.connect() as client:
            expect(client.cmd("CONFIG", "RESETSTAT"), "OK")
        expect(count("hop") + count("wait"), 0, "after CONFIG RESETSTAT")


def too_little_memory():
    """However little there is, of address space too: what is lacking is said, or it serves."""
    if b"__asan_init" in pathlib.Path(rldbd_path()).read_bytes():
        print("not with AddressSanitizer, which takes terabytes of addresses")
        return
    with Folder() as folder:
        for mib in (50, 100, 200, 800, 3200, 12800, 51200):
            port = PORTS.take()
            data_dir = os.path.join(folder.path, f"data-{mib}")
            sections = {
                "listen": {"client": [f"127.0.0.1:{port}"]},
                "node": {"data_dir": data_dir},
                "storage": storage(),
                "auth": {"insecure": True},
            }
            log = pathlib.Path(folder.path, f"log-{mib}")
            with open(log, "wb") as output, subprocess.Popen(
                ["/bin/sh", "-c", f"ulimit -v {mib * 1024} && exec \"$@\"", "sh", rldbd_path(),
                 "--config", folder.write(config_text(sections), f"{mib}.yaml")],
                stdout=output, stderr=output,
            ) as process:
                while process.poll() is None and b"ready:" not in log.read_bytes():
                    time.sleep(0.01)
                served = process.poll() is None
                if served:
                    process.send_signal(signal.SIGTERM)
                status = process.wait(SHORT_S)
            last = log.read_text(encoding="utf-8").strip().splitlines()[-1]
            print(f"{mib} MiB: {status}, {last}")
            expect(status, 0 if served else 3, f"{mib} MiB: {last}")
            expect_true(served or last.startswith("rldbd: "), f"{mib} MiB: {last}")


def fewer_descriptors_than_clients():
    """clients.max is then what there is room for: the log and CONFIG say so, and who comes too late
    is told so."""
    with Rldbd({"clients": {"max": 10000}}, nofile=100) as node:
        with node.connect() as client:
            clients_max = int(client.cmd("CONFIG", "GET", "clients.max")[1])
            expect_true(30 < clients_max < 100, f"clients.max is {clients_max}")
            log = node.log()
            expect_true(f"clients.max is {clients_max}, not 10000" in log, f"the log: {log}")
            others = [node.connect() for _ in range(clients_max + 20)]
            replies = []
            for other in others:
                try:
                    replies.append(other.cmd("PING"))
                except (EOFError, OSError):
                    replies.append(None)
            expect(replies.count("PONG"), clients_max - 1)
            expect_true(None not in replies, "one was hung up on without a word")
            for other in others:
                other.close()
            expect(client.cmd("PING"), "PONG")
        expect(node.stop(), 0)


CASES = [
    ("--version and --help", version_and_help),
    ("wrong command lines", wrong_command_lines),
    ("--check: the files of conf/", check_of_good_files),
    ("--check: every line of conf/full.yaml spoilt", every_line_wrong),
    ("--check: wrong files", wrong_files),
    ("--check: ports that overlap", ports_that_overlap),
    ("--check: beyond the loopback", beyond_loopback),
    ("--check: wrong users files", wrong_users_files),
    ("the ready line", ready_line),
    ("what a supervisor is told", told_to_a_supervisor),
    ("a log that is moved away", a_log_that_moves),
    ("one shard, three shards", numbers_of_shards),
    ("a port in use by another node", ports_in_use),
    ("killed, and started again at once", killed_and_started_again),
    ("a port in use by a stranger", stranger_on_the_port),
    ("addresses that cannot be had", addresses_that_cannot_be_had),
    ("unix sockets", unix_sockets),
    ("fewer descriptors than clients.max", fewer_descriptors_than_clients),
    ("too little memory to start", too_little_memory),
    ("SIGTERM and SIGINT", ends_when_asked),
    ("SHUTDOWN", shutdown_command),
    ("SIGTERM under load", ends_under_load),
    ("SIGTERM answers what was taken", answers_what_it_took),
    ("SIGTERM with odd clients", ends_with_odd_clients),
    ("HTTP: metrics, health, readiness", metrics_and_health),
    ("HTTP: how long each stage took", stages_told),
]

if __name__ == "__main__":
    main("lifecycle", [(None, CASES)])
