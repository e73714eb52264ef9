"""Does the test see? The reference is compared with itself through a proxy that tells one lie.

Each planted lie has to be found by the part of the test that it belongs to, and the honest proxy
has to pass: else a run that finds nothing says nothing. """

import os
import select
import socket
import threading

from harness.resp import Malformed, split
from harness.ports import PORTS

from . import frames, named
from .runner import Run
from .targets import Targets

EPOCHS_MAX = 25
TIMEOUT_S = 2


class Lie:
    """`where` names the part that has to find it. `request(bytes)` rewrites what clients send;
    `replies(list of raw replies, state)` rewrites what they get."""

    def __init__(self, name, where="random", request=None, replies=None, stays_open=False):
        self.name = name
        self.where = where
        self.request = request
        self.replies = replies
        self.stays_open = stays_open


def _swap_words(old, new):
    """A request word taken for another, in any of the usual cases."""

    def rewrite(data):
        for one, other in ((old, new), (old.lower(), new.lower())):
            data = data.replace(
                b"$%d\r\n%b\r\n" % (len(one), one), b"$%d\r\n%b\r\n" % (len(other), other)
            )
        return data

    return rewrite


def _each(change):
    """A lie about single replies: change(raw) gives another raw reply, or the same."""
    return lambda pieces, state: [change(raw) for raw in pieces]


def _once(test, change, every=1):
    """A lie about one in so many of the replies for which test(raw) holds."""

    def rewrite(pieces, state):
        out = []
        for raw in pieces:
            if test(raw):
                state["met"] = state.get("met", 0) + 1
                if state["met"] % every == 0:
                    out.extend(change(raw))
                    continue
            out.append(raw)
        return out

    return rewrite


def _swapped(pieces, state):
    """Neighbours in the wrong order, once in a while."""
    for at in range(len(pieces) - 1):
        state["met"] = state.get("met", 0) + 1
        if state["met"] % 300 == 0:
            pieces[at], pieces[at + 1] = pieces[at + 1], pieces[at]
    return pieces


def _replace(old, new):
    return _each(lambda raw: raw.replace(old, new))


def _less_of_array(raw):
    """A flat array without its last element."""
    count = int(raw[1 : raw.index(b"\r\n")])
    elements, rest = split(raw[raw.index(b"\r\n") + 2 :])
    if count < 2 or rest or len(elements) != count or any(one[:1] != b"$" for one in elements):
        return [raw]
    return [b"*%d\r\n" % (count - 1) + b"".join(elements[:-1])]


def _less_of_scan(raw):
    at = raw.index(b"*", 1)
    inner = _less_of_array(raw[at:])[0]
    return [raw[:at] + inner]


def _bulk_without(word):
    def change(raw):
        if raw[:1] not in b"$=" or word not in raw:
            return raw
        head = raw.index(b"\r\n")
        body = raw[head + 2 : -2].replace(word, b"")
        return raw[:1] + b"%d\r\n" % len(body) + body + b"\r\n"

    return _each(change)


def _is(prefix):
    return lambda raw: raw.startswith(prefix)


LIES = [
    Lie(
        "OK in small letters, once in 500", replies=_once(_is(b"+OK"), lambda _: [b"+ok\r\n"], 500)
    ),
    Lie("an empty string for null", replies=_replace(b"$-1\r\n", b"$0\r\n\r\n")),
    Lie("RESP2's null in RESP3", replies=_replace(b"_\r\n", b"$-1\r\n")),
    Lie(
        "an error without its last letter",
        replies=_once(_is(b"-ERR"), lambda raw: [raw[:-3] + b"\r\n"], 100),
    ),
    Lie(
        "an error of another class",
        replies=_replace(b"-ERR value is not an int", b"-NUM value is not an int"),
    ),
    Lie(
        "a count one too high, once in 200",
        replies=_once(_is(b":2\r\n"), lambda _: [b":3\r\n"], 200),
    ),
    Lie("an array without its last element", replies=_once(_is(b"*"), _less_of_array, 30)),
    Lie("SCAN passes over a key", replies=_once(_is(b"*2\r\n$1\r\n0\r\n*"), _less_of_scan, 3)),
    Lie("neighbouring replies swapped, once in 300", replies=_swapped),
    Lie("a reply twice, once in 1000", replies=_once(_is(b"+"), lambda raw: [raw, raw], 1000)),
    Lie("a reply lost, once in 1000", replies=_once(_is(b"+"), lambda raw: [], 1000)),
    Lie(
        "one byte of a large value changed",
        replies=_once(
            lambda raw: raw[:1] == b"$" and len(raw) > 20000,
            lambda raw: [raw[:15000] + b"?" + raw[15001:]],
        ),
    ),
    Lie("127 bytes of an unknown command's argument", replies=_replace(b"Q" * 128, b"Q" * 127)),
    Lie("line ends in error texts", replies=_replace(b"a  b", b"a \tb")),
    Lie("CLIENT INFO without a field", replies=_bulk_without(b" multi=-1")),
    Lie("HELLO says cluster", replies=_replace(b"$10\r\nstandalone", b"$7\r\ncluster")),
    Lie("NX taken for XX", request=_swap_words(b"NX", b"XX")),
    Lie("GT taken for LT", request=_swap_words(b"GT", b"LT")),
    Lie("MSETNX taken for MSET", request=_swap_words(b"MSETNX", b"MSET")),
    Lie("RENAMENX taken for RENAME", request=_swap_words(b"RENAMENX", b"RENAME")),
    Lie("EX in milliseconds", request=_swap_words(b"EX", b"PX")),
    Lie("TTL in milliseconds", request=_swap_words(b"TTL", b"PTTL")),
    Lie("CLIENT REPLY SKIP taken for ON", request=_swap_words(b"SKIP", b"ON")),
    Lie("DECR taken for INCR", request=_swap_words(b"DECR", b"INCR")),
    Lie(
        "keys end at a zero byte",
        request=lambda data: data.replace(b"$2\r\n\x00\x01\r\n", b"$1\r\n\x00\r\n"),
    ),
    Lie(
        "blanks at the end of a line count",
        where="random",
        request=lambda data: data.replace(b"\t \r\n", b' ""\r\n'),
    ),
    Lie("the connection stays open after a wrong frame", where="frames", stays_open=True),
    Lie(
        "another text for a wrong length",
        where="frames",
        replies=_replace(b"invalid bulk length", b"invalid length"),
    ),
    Lie(
        "keys live longer",
        where="expiry",
        request=lambda data: data.replace(b"PX\r\n$2\r\n60\r\n", b"PX\r\n$7\r\n6000000\r\n"),
    ),
]


class Proxy:
    """Stands before a server as another one, with a TCP port and a unix socket of its own."""

    def __init__(self, server, lie):
        self.server = server
        self.lie = lie
        self.state = {}
        self.port = PORTS.take()
        self.unix_path = server.unix_path + ".proxy"
        if os.path.exists(self.unix_path):
            os.unlink(self.unix_path)
        tcp = socket.socket()
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        tcp.bind(("127.0.0.1", self.port))
        unix = socket.socket(socket.AF_UNIX)
        unix.bind(self.unix_path)
        self.listeners = [tcp, unix]
        self.ended = False
        for listener in self.listeners:
            listener.listen(2000)
            threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def close(self):
        self.ended = True
        for listener in self.listeners:
            # Closing alone does not wake an accept().
            try:
                listener.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            listener.close()

    def alive(self):
        return True

    def _accept(self, listener):
        while not self.ended:
            try:
                client = listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        upstream = socket.create_connection(("127.0.0.1", self.server.port))
        upstream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self._pump(client, upstream)
        except OSError:
            pass
        finally:
            client.close()
            upstream.close()

    def _pump(self, client, upstream):
        rest = b""
        poll = select.poll()
        poll.register(client, select.POLLIN)
        poll.register(upstream, select.POLLIN)
        client_open = True
        while not self.ended:
            for fd, _ in poll.poll(500):
                if fd == client.fileno():
                    data = client.recv(1 << 18)
                    if not data:
                        poll.unregister(client)
                        client_open = False
                        upstream.shutdown(socket.SHUT_WR)
                        continue
                    if self.lie.request:
                        data = self.lie.request(data)
                    upstream.sendall(data)
                else:
                    data = upstream.recv(1 << 18)
                    if not data:
                        if self.lie.stays_open and client_open:
                            poll.unregister(upstream)
                            continue
                        client.sendall(rest)
                        return
                    rest = self._answer(client, rest + data)

    def _answer(self, client, data):
        if self.lie.replies is None:
            client.sendall(data)
            return b""
        try:
            pieces, rest = split(data)
        except Malformed:
            client.sendall(data)
            return b""
        client.sendall(b"".join(self.lie.replies(pieces, self.state)))
        return rest


def _finds(lie, servers, targets):
    """What finds the lie, or None."""
    if lie.where == "frames":
        try:
            frames.compare(servers, frames.GROUPS[1][1](), patience_s=0)
        except AssertionError as problem:
            return str(problem).splitlines()[0]
        return None
    if lie.where == "expiry":
        try:
            named.expired_keys(targets)
        except AssertionError as problem:
            return str(problem).splitlines()[0]
        return None
    run = Run(servers, "self-test", timeout=TIMEOUT_S)
    for epoch in range(EPOCHS_MAX):
        result = run.epoch(epoch)
        if result is not None:
            return f"{run.commands} requests"
    return None


class _Through:
    """Targets whose second server is the proxy."""

    def __init__(self, servers):
        self.servers = servers

    def main(self):
        return self.servers


def run(report):
    """Every lie is found; the truth passes."""
    name = "self-test: "
    lies = [lie for lie in LIES if report.wants(name + lie.name)]
    honest = Lie("an honest proxy passes", replies=lambda pieces, state: pieces)
    with Targets("redis") as targets:
        reference, other = targets.main()
        for lie in [honest] + lies:
            if not report.wants(name + lie.name):
                continue
            with report.case(name + lie.name):
                proxy = Proxy(other, lie)
                try:
                    servers = (reference, proxy)
                    if lie is honest:
                        _check_honest(servers)
                        continue
                    found = _finds(lie, servers, _Through(servers))
                    if found is None:
                        raise AssertionError("the planted lie was not found")
                    report.note(f"found: {found}")
                finally:
                    proxy.close()


def _check_honest(servers):
    run_ = Run(servers, "self-test", timeout=30)
    for epoch in range(4):
        result = run_.epoch(epoch)
        if result is not None:
            raise AssertionError("\n".join(result[1].lines()))
    frames.compare(servers, frames.GROUPS[1][1]())
