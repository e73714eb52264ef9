"""rldb: every verb but bench against a live node, as people and as programs use it."""

import base64
import fcntl
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import termios
import time

sys.path[0] = str(pathlib.Path(__file__).resolve().parent.parent)

# pylint: disable=wrong-import-position
from harness.cases import main
from harness.ports import PORTS
from harness.rldb import DONE, FAILED, NOT_FOUND, SHORT_S, USAGE, Terminal, environment, error_of
from harness.rldb import folder, fresh, on, rldb_path, run, told
from harness.report import Skip, expect, expect_true
from harness.servers import ROOT, Rldbd

VERBS = (
    "get put del exists ttl scan import export key cluster info top bench shell check repair "
    "snapshot"
).split()


# Words before anything is connected.


def help_and_version():
    code, out, err = run(["--version"])
    expect((code, err), (DONE, ""), "--version")
    expect_true(out.startswith(b"rldb "), out)
    code, out, _ = run(["--help"])
    expect(code, DONE, "--help")
    for verb in VERBS:
        expect_true(f"\n  {verb}".encode() in out, f"--help does not name {verb}")
        for words in ([verb, "--help"], ["--help", verb]):
            code, text, err = run(words)
            expect((code, err), (DONE, ""), words)
            expect_true(text.startswith(b"usage: rldb " + verb.encode()), text)
        expect(run(["help", verb]), run([verb, "--help"]), f"help {verb}")
    expect(run(["help"]), run(["--help"]), "help")
    expect(run(["help", "nosuch"])[0], USAGE, "help nosuch")
    for word, meant in (("gte", "get"), ("scna", "scan"), ("clster", "cluster"), ("topp", "top")):
        code, _, err = run([word, "x"])
        expect((code, f"did you mean {meant}?" in err), (USAGE, True), err)
    expect_true("did you mean" not in run(["set", "a", "b"])[2], "set is no get")
    expect(run(["--words"])[1].split()[: len(VERBS)], [verb.encode() for verb in VERBS], "--words")


def wrong_usage():
    for words in (
        [],
        ["nosuch"],
        ["--nosuch"],
        ["get"],
        ["get", "a", "b"],
        ["put", "a"],
        ["get", "--nosuch", "a"],
        ["put", "a", "b", "--ttl"],
        ["put", "a", "b", "--ttl", "soon"],
        ["put", "a", "b", "--ttl", "0"],
        ["-p", "0", "get", "a"],
        ["-p", "65536", "get", "a"],
        ["--timeout", "x", "get", "a"],
        ["scan", "--count", "0"],
        ["cluster"],
        ["cluster", "nosuch"],
        ["cluster", "join"],
        ["cluster", "replace", "a"],
        ["import"],
        ["top", "--interval", "0"],
        ["bench", "-w", "z"],
        ["bench", "--value-size", "2-1"],
        ["bench", "-c", "1", "-t", "2"],
        ["shell", "a"],
    ):
        code, out, err = run(words)
        expect((code, out), (USAGE, b""), f"{words}: {err}")
        expect_true(err.startswith("rldb: "), f"{words}: {err!r}")


def nobody_there():
    port = PORTS.take()
    code, _, err = run(["-p", str(port), "get", "a"])
    expect(code, FAILED, err)
    expect_true(f"127.0.0.1:{port}" in err and "refused" in err, err)
    code, _, err = run(["-s", "/nosuch/socket", "get", "a"])
    expect(code, FAILED, err)
    expect_true("/nosuch/socket" in err, err)
    # Someone who takes the connection and says nothing.
    with socket.socket() as silent:
        silent.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        silent.bind(("127.0.0.1", port))
        silent.listen(8)
        code, _, err = run(["-p", str(port), "--timeout", "300ms", "get", "a"])
        expect(code, FAILED, err)
        expect_true("0.3 s" in err, err)


def check_says_the_truth():
    with folder() as path:
        code, out, err = run(["check", str(path)])
        expect((code, out), (FAILED, b""), err)
        expect_true("nothing was checked" in err, err)
        expect(run(["check", str(path / "nosuch")])[0], FAILED, "a folder that is not there")
    with Rldbd({"storage": {"engine": "log", "segment": "4MiB"}}) as node:
        data = pathlib.Path(node.config["node"]["data_dir"])
        with node.connect() as client:
            for number in range(200):
                client.cmd("SET", f"key-{number}", f"value-{number}-" + "x" * 100)
            client.cmd("SET", "large", "y" * (3 << 20))
        code, _, err = run(["check", str(data)])
        expect((code, "a node runs on it" in err), (FAILED, True), err)
        node.kill()
        node.process.wait(SHORT_S)
        expect_check(data, DONE, 0)
        files = [segment for segment in data.glob("generation-1/shard-*/segment-*")
                 if b"value-77-" in segment.read_bytes()]
        expect(len(files), 1, files)
        content = files[0].read_bytes()
        at = content.index(b"value-77-")
        files[0].write_bytes(content[:at] + b"V" + content[at + 1 :])
        large = list(data.rglob("large-*"))
        expect(len(large), 1, large)
        with open(large[0], "r+b") as file:
            file.seek(2 << 20)
            file.write(b"Y")
        before = {each: each.read_bytes() for each in data.rglob("*") if each.is_file()}
        expect(sorted(expect_check(data, FAILED, 2)), ["key-77", "large"], "the damaged keys")
        expect_true(b'key "key-77"' in run(["check", str(data)])[1], "in words")
        for each, bytes_before in before.items():
            expect_true(each.read_bytes() == bytes_before, f"check changed {each}")
        expect(run(["repair", str(data)])[0], DONE, "repair")
        expect(len(list(data.rglob("aside-*-segment-*"))), 1, "the damaged segment is kept")
        expect(len(list(data.rglob("aside-large-*"))), 1, "and the large value")
        expect_check(data, DONE, 0)
        # A manifest that is lost is damage, and nothing else is lost with it.
        manifests = list(data.glob("generation-*/shard-*/MANIFEST"))
        manifests[0].unlink()
        for manifest in manifests[1:]:
            manifest.write_bytes(manifest.read_bytes()[:-1])
        code, out, err = run(["--json", "check", str(data)])
        expect((code, json.loads(out)["records"] >= 200), (FAILED, True), err)
        expect(run(["repair", str(data)])[0], DONE, "repair makes manifests")
        expect_check(data, DONE, 0)


def expect_check(data, code_wanted, unreadable):
    """What check says of a directory, held against what it should; the keys it names."""
    code, out, err = run(["--json", "check", str(data)])
    expect(code, code_wanted, err)
    document = json.loads(out)
    expect((document["unreadable"], document["whole"]), (unreadable, unreadable == 0), out)
    return [key for shard in document["shards"] for key in shard["keys"]]


def completion():
    script = f"""
        PATH={os.path.dirname(rldb_path())}:$PATH
        source {ROOT}/cli/rldb.bash
        try() {{
            COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
            _rldb rldb "${{COMP_WORDS[COMP_CWORD]}}" "${{COMP_WORDS[COMP_CWORD-1]}}"
            echo "${{COMPREPLY[*]}}"
        }}
        try rldb ""; try rldb cl; try rldb -p 1 cluster re; try rldb put --c
        try rldb import {ROOT}/LICEN; try rldb help sh
    """
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, timeout=SHORT_S, check=False, env=environment()
    )
    expect(
        done.stdout.decode().splitlines(),
        [
            " ".join([*VERBS, "help"]),
            "cluster",
            "remove replace repair",
            "--context",
            f"{ROOT}/LICENSE",
            "shell",
        ],
        done.stderr.decode(),
    )


def man_pages():
    if shutil.which("groff") is None:
        raise Skip("there is no groff")
    built = pathlib.Path(rldb_path()).parent
    for page in (built / "rldb.1", built / "rldbd.yaml.5", ROOT / "cli" / "rldbd.8"):
        done = subprocess.run(
            ["groff", "-k", "-mandoc", "-ww", "-Tutf8", "-P-cbou", str(page)],
            capture_output=True,
            timeout=SHORT_S,
            check=False,
            env=environment(),
        )
        expect((done.returncode, done.stderr.decode()), (0, ""), str(page))
        text = done.stdout.decode()
        if page.name == "rldb.1":
            for verb in VERBS:
                expect_true(f"\n     {verb} " in text, f"rldb(1) does not tell about {verb}")
        if page.name == "rldbd.yaml.5":
            expect_true("storage.memory_max: auto" in text, "rldbd.yaml(5) has no keys")


# One key.


def values_of_all_kinds(node):
    fresh(node)
    for value in (
        b"plain",
        b"",
        b"-5",
        b"gr\xc3\xbc\xc3\x9f",
        b"two\nlines\n",
        bytes(range(256)),
        b"x" * 3_000_000,
    ):
        on(node, "put", "k", "-", data=value)
        expect(on(node, "get", "k"), value, "what get prints")
        with node.connect() as client:
            expect(client.cmd("GET", "k"), value, "what is stored")
    on(node, "put", "k", "-5")
    expect(on(node, "get", "k"), b"-5", "a value that looks like an option")
    on(node, "put", "--", "-k", "--json")
    expect(on(node, "get", "--", "-k"), b"--json", "after --")


def presence(node):
    fresh(node)
    expect(on(node, "get", "k", code=NOT_FOUND), b"", "get of nothing")
    expect(told(node, "get", "k", code=NOT_FOUND), None, "--json get of nothing")
    expect(on(node, "exists", "k", code=NOT_FOUND), b"no\n", "exists")
    expect(on(node, "ttl", "k", code=NOT_FOUND), b"no such key\n", "ttl")
    expect(on(node, "del", "k", code=NOT_FOUND), b"no such key\n", "del")
    on(node, "put", "k", "v")
    expect(on(node, "exists", "k"), b"yes\n", "exists")
    expect(told(node, "exists", "k"), {"key": "k", "exists": True}, "--json exists")
    expect(on(node, "ttl", "k"), b"-1\n", "ttl")
    expect(told(node, "ttl", "k"), {"key": "k", "ttl_ms": None}, "--json ttl")
    expect(told(node, "del", "k"), {"key": "k", "deleted": True}, "--json del")
    expect(told(node, "del", "k", code=NOT_FOUND), {"key": "k", "deleted": False}, "--json del")


def expiry(node):
    fresh(node)
    began = time.monotonic()
    on(node, "put", "k", "v", "--ttl", "100")
    left = int(on(node, "ttl", "k"))
    expect_true(99 - (time.monotonic() - began) <= left <= 100, f"ttl: {left}")
    on(node, "put", "k", "v", "--ttl=2h")
    expect_true(6000000 < told(node, "ttl", "k")["ttl_ms"] <= 7200000, "--json ttl")
    on(node, "put", "k", "v", "--ttl", "50ms")
    time.sleep(0.1)
    on(node, "get", "k", code=NOT_FOUND)
    on(node, "put", "k", "v")
    expect(on(node, "ttl", "k"), b"-1\n", "a plain put takes the expiry away")


def contexts(node):
    fresh(node)
    on(node, "put", "cart", "apples")
    first = told(node, "get", "cart")
    expect([value["value"] for value in first["values"]], ["apples"], "values")
    expect(
        on(node, "get", "cart", "--context"),
        f"apples\ncontext: {first['context']}\n".encode(),
        "--context",
    )
    second = told(node, "put", "cart", "apples, pears", "--context", first["context"])
    expect(told(node, "get", "cart")["context"], second["context"], "the context that put prints")
    # Someone else read the same, and does not know of the pears.
    on(node, "put", "cart", "apples, plums", "--context", first["context"])
    both = told(node, "get", "cart")
    expect(
        sorted(value["value"] for value in both["values"]),
        ["apples, pears", "apples, plums"],
        "siblings",
    )
    code, out, err = run(["-p", str(node.port), "get", "cart"])
    expect((code, out), (DONE, b"apples, plums"), "the newest sibling")
    expect_true("2 siblings" in err, err)
    on(node, "put", "cart", "all three", "--context", both["context"])
    expect(
        [value["value"] for value in told(node, "get", "cart")["values"]], ["all three"], "merged"
    )
    expect_true(
        "CONTEXT" in error_of(node, "put", "cart", "x", "--context", "forged"), "a forged context"
    )
    expect(
        on(node, "del", "cart", "--context", told(node, "get", "cart")["context"]),
        b"deleted\n",
        "del --context",
    )
    on(node, "get", "cart", code=NOT_FOUND)


def bytes_in_json(node):
    fresh(node)
    on(node, "put", "k", "-", data=b"\xff\x00")
    expect(
        told(node, "get", "k")["values"][0]["value"], {"base64": "/wA="}, "bytes that are no text"
    )


# Many keys.


def scans(node):
    fresh(node)
    keys = {f"user:{number}" for number in range(2500)} | {"other"}
    with node.connect() as client:
        client.pipeline([("SET", key, "v") for key in keys])
        client.cmd("SET", b"\xff\n", "v")
    out = on(node, "scan", "--match", "[uo]*").decode().splitlines()
    expect(len(out), len(keys), "how many keys")
    expect(set(out), keys, "keys")
    expect(
        sorted(on(node, "scan", "--match", "user:12?", "--count", "10").split()),
        [b"user:12%d" % number for number in range(10)],
        "--match",
    )
    expect(len(on(node, "scan", "--limit", "7", "--match", "user*").splitlines()), 7, "--limit")
    expect(told(node, "scan", "--match", "[^uo]*"), [{"base64": "/wo="}], "--json")
    expect(told(node, "scan", "--match", "nothing*"), [], "--json of nothing")


def records():
    later_ms = int(time.time() * 1000) + 3_600_000
    yield {"key": "text", "value": 'gr\u00fc\u00df "quoted"\n'}
    yield {"key": "", "value": ""}
    yield {"key": "expires", "value": "v", "expire_ms": later_ms}
    every_byte = base64.b64encode(bytes(range(256))).decode()
    yield {"key_base64": base64.b64encode(b"\xff\x00").decode(), "value_base64": every_byte}
    for number in range(5000):
        yield {"key": f"n:{number}", "value": "x" * (number % 300)}


def import_and_export(node):
    fresh(node)
    wanted = list(records())
    with folder() as path:
        lines = "".join(json.dumps(record) + "\n" for record in wanted)
        (path / "in").write_text(lines, encoding="utf-8")
        report = told(node, "import", str(path / "in"))
        expect((report["records"], report["complete"]), (len(wanted), True), "import")
        with node.connect() as client:
            expect(client.cmd("DBSIZE"), len(wanted), "DBSIZE")
            expect(client.cmd("GET", b"\xff\x00"), bytes(range(256)), "a value that is no text")
            expect(client.cmd("PEXPIRETIME", "expires"), wanted[2]["expire_ms"], "expire_ms")
        report = told(node, "export", str(path / "out"))
        expect(report["records"], len(wanted), "export")
        out = (path / "out").read_text(encoding="utf-8").splitlines()

        def order(records_):
            return sorted(json.dumps(record, sort_keys=True) for record in records_)

        expect(order(map(json.loads, out)), order(wanted), "what was exported")
        expect(sorted(os.listdir(path)), ["in", "out"], "no partial file stays")
        # Through pipes, into an empty node.
        exported = on(node, "export", "-")
        fresh(node)
        on(node, "import", "-", data=exported + b"\r\n  \n")
        expect(
            order(map(json.loads, on(node, "export", "-").splitlines())),
            order(wanted),
            "through pipes",
        )
        expect(len(on(node, "export", "-", "--match", "n:1??").splitlines()), 100, "--match")


def imports_that_fail(node):
    fresh(node)
    with folder() as path:
        good = b'{"key":"a","value":"1"}\n\n{"key":"b","value":"2"}\n'
        wrong = (
            b'{"key":"c"}',
            b"{",
            b'{"key":"c","value":"v","expires":1}',
            b'{"key":1,"value":"v"}',
        )
        for number, line in enumerate(wrong):
            file = path / f"bad{number}"
            file.write_bytes(good + line + b"\n" + b'{"key":"d","value":"4"}\n')
            err = error_of(node, "import", str(file))
            expect_true(f"{file}:4: " in err, err)
            expect_true(f"rldb import --from 4 {file}" in err, err)
            with node.connect() as client:
                expect(
                    client.cmd("MGET", "a", "b", "d"), [b"1", b"2", None], "what was stored before"
                )
                client.cmd("FLUSHALL")
        file = path / "bad0"
        file.write_bytes(good + b'{"key":"c","value":"3"}\n{"key":"d","value":"4"}\n')
        expect(told(node, "import", "--from", "4", str(file))["records"], 2, "--from")
        with node.connect() as client:
            expect(client.cmd("MGET", "a", "b", "c", "d"), [None, None, b"3", b"4"], "--from")
        # What only the server refuses is named by its line too.
        file.write_bytes(
            good + json.dumps({"key": "big", "value": "x" * (65 << 20)}).encode() + b"\n"
        )
        expect_true(
            f"{file}:4: " in error_of(node, "import", str(file)), "a value that is too large"
        )
        expect(
            run(["-p", str(node.port), "import", str(path / "nosuch")])[0], FAILED, "no such file"
        )
        expect(
            run(["-p", str(node.port), "export", str(path / "no" / "such")])[0],
            FAILED,
            "no such folder",
        )


def a_closed_pipe(node):
    fresh(node)
    with node.connect() as client:
        # Their names alone are more than a pipe takes.
        names = [f"k:{number}:" + "n" * 200 for number in range(5000)]
        client.pipeline([("SET", name, "x" * 1000) for name in names])
    for words in (["scan"], ["export", "-"]):
        with subprocess.Popen(
            [rldb_path(), "-p", str(node.port), *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(),
        ) as process:
            process.stdout.read(10)
            process.stdout.close()
            err = process.stderr.read().decode()
            expect(process.wait(SHORT_S), FAILED, f"{words}: {err}")
            expect(err.count("\n"), 1, f"one word about it: {err}")


# The node.


def where_is_my_key(node):
    fresh(node)
    on(node, "put", "foo", "bar")
    document = told(node, "key", "foo")
    expect((document["slot"], document["preference_list"]), (12182, ["n1"]), "key")
    expect(document["replicas"][0]["holds"], "value", "key")
    text = on(node, "key", "foo").decode()
    expect_true("slot " in text and " 12182\n" in text and "replicas\n" in text, text)
    expect(told(node, "key", "nothing")["replicas"][0]["holds"], "nothing", "key of nothing")


def cluster_of_one(node):
    status = told(node, "cluster", "status")
    expect((status["node"], status["state"], len(status["members"])), ("n1", "ok", 1), "status")
    ring = told(node, "cluster", "ring")
    expect(
        sum(part["last_slot"] - part["first_slot"] + 1 for part in ring["ranges"]), 16384, "ring"
    )
    expect_true("members\n" in on(node, "cluster", "status").decode(), "status for people")
    expect(told(node, "cluster", "transfers"), [], "transfers")
    expect(told(node, "cluster", "plan")["changes"], [], "plan")
    for words in (
        ["join", "127.0.0.1:1"],
        ["leave"],
        ["remove", "n2"],
        ["replace", "n1", "n2"],
        ["commit"],
    ):
        expect_true("TOPOLOGY" in error_of(node, "cluster", *words), f"{words}")


def info_in_three_forms(node):
    expect_true(on(node, "info", "cpu").startswith(b"# CPU\r\nused_cpu_sys:"), "as it is")
    document = told(node, "info")
    expect_true(document["server"]["process_id"] == node.pid, "numbers are numbers")
    expect_true(document["shards"]["shard0"]["turns"] >= 0, "parts of a line")
    expect_true("nosuch" in error_of(node, "info", "nosuch", code=NOT_FOUND), "no such section")


def top_once(node):
    document = told(node, "top", "--once", "--interval", "100ms")
    expect(
        (len(document["shards"]), document["shards"][1]["shard"]), (2, 1), "a row for each shard"
    )
    expect_true(document["memory_bytes"] > 0, "memory")
    text = on(node, "top", "-n", "2", "-i", "50ms").decode()
    expect(text.count("operations/s"), 2, "two intervals")
    expect_true("\x1b" not in text, "no colours in a pipe")


def top_on_a_terminal(node):
    terminal = Terminal(["-p", str(node.port), "top", "-i", "100ms"])
    terminal.read("longest-turn")
    terminal.read("longest-turn")
    # In a small window what fits is shown, and nothing scrolls away.
    fcntl.ioctl(terminal.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 8, 40, 0, 0))
    begin, frames = len(terminal.text), []
    deadline = time.monotonic() + SHORT_S
    while sum(frame.count("\n") == 7 for frame in frames) < 2:
        expect_true(time.monotonic() < deadline, f"8 rows: {frames[-1:]!r}")
        terminal.read("\x1b[J")
        frames = re.findall(r"\x1b\[H((?:(?!\x1b\[H).)*?)\x1b\[J", terminal.text[begin:], re.S)
    # Those from before the change may still have been on their way, and none behind it.
    small = [frame.count("\n") == 7 for frame in frames]
    expect_true(all(small[small.index(True) :]), f"8 rows: {frames!r}")
    expect_true("operations/s" in frames[-1], frames[-1])
    os.write(terminal.fd, b"q")
    expect(terminal.end(), DONE, "q ends it")
    terminal = Terminal(["-p", str(node.port), "top", "-i", "10s"])
    terminal.read("\x1b[?25l")
    time.sleep(0.2)
    os.kill(terminal.pid, signal.SIGINT)
    expect(terminal.end(), DONE, "Ctrl-C ends it")


def colours(node):
    words = ["-p", str(node.port), "cluster", "status"]
    terminal = Terminal(words)
    expect(terminal.end(), DONE, "cluster status")
    expect_true("\x1b[1mname\x1b[0m" in terminal.text, "coloured on a terminal")
    terminal = Terminal(words, environment(NO_COLOR="1"))
    expect(terminal.end(), DONE, "cluster status")
    expect_true("\x1b" not in terminal.text and "members" in terminal.text, "NO_COLOR")
    with node.connect() as client:
        client.cmd("SET", "\x1b[2J", "v\x1b[2J\nw\t\x07")
    terminal = Terminal(["-p", str(node.port), "scan", "--match", "\x1b*"])
    expect(terminal.end(), DONE, "scan")
    expect(terminal.text, "\\x1b[2J\r\n", "a key cannot clear the screen")
    terminal = Terminal(["-p", str(node.port), "get", "\x1b[2J"])
    expect(terminal.end(), DONE, "get")
    shown = terminal.text.expandtabs(8).replace("\r\n", "|")
    expect(shown, "v\\x1b[2J|w       \\x07|", "nor can a value")
    expect(on(node, "get", "\x1b[2J"), b"v\x1b[2J\nw\t\x07", "into a pipe it goes as it is")


# The shell.


def shell_script(node):
    fresh(node)
    script = b'SET a "x\\x00y"\nget a\n\nINCR n\nmget a nosuch\n:ttl a\nnosuch\n'
    script += b'info cpu\nhelp get\nget "\n:nosuch\nquit\nset z 1\n'
    code, out, err = run(["-p", str(node.port), "shell"], script)
    expect(code, FAILED, "the exit status of the first line that failed")
    text = out.decode()
    begin = 'OK\n"x\\x00y"\n(integer) 1\n1) "x\\x00y"\n2) (nil)\n-1\n(error) ERR unknown command'
    expect_true(text.startswith(begin), text)
    expect_true("used_cpu_sys:" in text and "summary" in text, text)
    expect_true("quotes are not balanced" in err and ":nosuch" in err, err)
    expect(on(node, "exists", "z", code=NOT_FOUND), b"no\n", "nothing runs after quit")
    expect(
        json.loads(on(node, "--json", "shell", data=b"mget a nosuch\n")), ["x\x00y", None], "--json"
    )
    expect(on(node, "shell", data=b"set a 1\n:get a\n"), b"OK\n1", "verbs")
    expect(on(node, "shell", data=b"ping"), b"PONG\n", "a last line without an end")


def shell_by_hand(node):
    fresh(node)
    with folder() as path:
        env = environment(XDG_STATE_HOME=str(path), HOME=str(path))
        terminal = Terminal(["-p", str(node.port), "shell"], env)
        prompt = f"127.0.0.1:{node.port}> "
        terminal.read(prompt)
        terminal.type("SETE\t", "X ")
        terminal.type("k 100 hello\n", "OK")
        listed = terminal.type("SE\t", "setrange")
        expect_true("setex" in listed, listed)
        # A prompt is there a little before libedit waits for keys; what is pressed in between it
        # may lose, as nobody's fingers would.
        time.sleep(0.3)
        terminal.type_until("\x03", prompt)
        time.sleep(0.3)
        terminal.type_until("\x15cluster slo\t", "ts ")
        terminal.type("\n", prompt)
        terminal.type(":clus\t", "ter ")
        terminal.type("stat\t\n", "members")
        # Ctrl-C ends what is running, and not the shell.
        os.write(terminal.fd, b"debug sleep 20\n")
        with node.connect() as client:
            deadline = time.monotonic() + SHORT_S
            while b" cmd=debug" not in client.cmd("CLIENT", "LIST"):
                expect_true(time.monotonic() < deadline, "the server was never told to sleep")
                time.sleep(0.01)
        terminal.type_until("\x03", "interrupted")
        terminal.type("auth secret\n", prompt)
        terminal.type("get k\n", "hello")
        terminal.type("nosuch\n", "unknown command")
        # Without the prompt Ctrl-D would be the terminal's, not the shell's.
        terminal.type("top\n", "type :top)\r\n" + prompt)
        time.sleep(0.3)
        os.write(terminal.fd, b"\x04")
        expect(terminal.end(), DONE, "Ctrl-D ends it")
        history = (path / "rldb" / "history").read_text(encoding="utf-8")
        expect_true("get\\040k" in history and "secret" not in history, history)
        # The history is there the next time.
        terminal = Terminal(["-p", str(node.port), "shell"], env)
        terminal.read(prompt)
        terminal.type("\x10\x10\x10", "get k")
        terminal.type("\n", "hello")
        terminal.type("quit\n", "quit")
        expect(terminal.end(), DONE, "quit ends it")


# Passwords.


def passwords():
    with folder() as path:
        users = path / "users.acl"
        users.write_text("user default off\nuser alice on >sesame ~* +@all\n", encoding="utf-8")
        with Rldbd({"auth": {"users_file": str(users)}}) as node:
            expect_true("RLDB_PASSWORD" in error_of(node, "get", "k"), "what to do about NOAUTH")
            alice = environment(RLDB_PASSWORD="sesame")
            on(node, "--user", "alice", "put", "k", "v", env=alice)
            expect(on(node, "get", "k", "--user", "alice", env=alice), b"v", "after the verb too")
            wrong = environment(RLDB_PASSWORD="wrong")
            expect_true(
                "not let in" in error_of(node, "--user", "alice", "get", "k", env=wrong),
                "a wrong password",
            )
            report = told(node, "bench", "--user", "alice", "-n", "100", "-c", "2", env=alice)
            expect(report["run"]["count"], 100, "bench")
            # Asked for, and not shown.
            terminal = Terminal(["-p", str(node.port), "--user", "alice", "get", "k"])
            terminal.read("Password: ")
            time.sleep(0.1)
            expect_true("sesame" not in terminal.type("sesame\n", "v\r\n"), terminal.text)
            expect(terminal.end(), DONE, "the prompt")


def refused_while_sending():
    """A server that refuses a request hangs up before it has all of it; what it said is told, and
    not that the pipe broke."""
    small = {
        "storage": {"value_max": "1MiB"},
        "clients": {"request_max": "2MiB", "output_max": "4MiB"},
    }
    with Rldbd(small) as node, folder() as path:
        file = path / "records"
        big = json.dumps({"key": "big", "value": "x" * (40 << 20)})
        file.write_text(f'{{"key":"a","value":"1"}}\n{big}\n', encoding="utf-8")
        err = error_of(node, "import", str(file))
        expect_true(f"{file}:2: the server refused it: TOOLARGE " in err, err)
        expect_true("stored 1 records" in err and "--from 2 " in err, err)
        expect(on(node, "get", "a"), b"1", "what came before it")
        err = error_of(node, "put", "k", "-", data=b"x" * (40 << 20))
        expect_true(err.startswith("rldb: TOOLARGE "), err)


ALONE = [
    ("help, version, words", help_and_version),
    ("wrong usage", wrong_usage),
    ("nobody there", nobody_there),
    ("check says the truth", check_says_the_truth),
    ("completion for bash", completion),
    ("man pages", man_pages),
    ("passwords", passwords),
    ("refused while it sends", refused_while_sending),
]

CASES = [
    ("values of all kinds", values_of_all_kinds),
    ("get, del, exists, ttl of what is there and what is not", presence),
    ("expiry", expiry),
    ("contexts and siblings", contexts),
    ("bytes in JSON", bytes_in_json),
    ("scan", scans),
    ("import and export", import_and_export),
    ("imports that fail", imports_that_fail),
    ("a closed pipe", a_closed_pipe),
    ("where is my key", where_is_my_key),
    ("cluster of one", cluster_of_one),
    ("info", info_in_three_forms),
    ("top", top_once),
    ("top on a terminal", top_on_a_terminal),
    ("colours", colours),
    ("shell: a script", shell_script),
    ("shell: by hand", shell_by_hand),
]

if __name__ == "__main__":
    main("cli", [(None, ALONE), (Rldbd, CASES)])
