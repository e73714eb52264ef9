"""RESP2 and RESP3 as the tests need it: requests out, replies cut into raw pieces and parsed."""

import socket
import time


def encode(*args):
    """A request as an array of bulk strings. Arguments are bytes, str or int."""
    out = [b"*%d\r\n" % len(args)]
    for arg in args:
        if isinstance(arg, str):
            arg = arg.encode()
        elif isinstance(arg, int):
            arg = b"%d" % arg
        out.append(b"$%d\r\n%b\r\n" % (len(arg), arg))
    return b"".join(out)


class Error(Exception):
    """An error reply, as a value: parse() returns it, it is raised by nobody here."""

    def __eq__(self, other):
        return isinstance(other, Error) and self.args == other.args

    def __hash__(self):
        return hash(self.args)


class Status(str):
    """A simple string reply, told apart from a bulk."""


class Malformed(Exception):
    """The server sent what is no RESP."""


class Incomplete(Exception):
    """More bytes are needed."""


class Scan:
    """Finds where a reply ends, going on where it stopped when more bytes are there."""

    __slots__ = ("at", "pending")

    def __init__(self, at=0):
        self.at = at
        self.pending = 1

    def end(self, buf):
        """Where the reply ends. Raises Incomplete (call again with more of the same) or
        Malformed."""
        at = self.at
        pending = self.pending
        size = len(buf)
        while pending:
            end = buf.find(b"\r\n", at)
            if end < 0:
                break
            kind = buf[at]
            line = buf[at + 1 : end]
            after = end + 2
            more = 0
            if kind in b"+-:,#_(":
                pass
            elif kind in b"$=!*~>%|":
                try:
                    count = int(line)
                except ValueError:
                    raise Malformed(
                        f"a length that is none: {bytes(buf[at:after][:60])!r}"
                    ) from None
                if kind in b"$=!":
                    if count >= 0:
                        after += count + 2
                        if after > size:
                            break
                        if buf[after - 2 : after] != b"\r\n":
                            raise Malformed(
                                f"a bulk without its end: {bytes(buf[at:after][:60])!r}"
                            )
                elif kind in b"*~>":
                    more = max(count, 0)
                else:
                    more = 2 * count + (kind == 0x7C)  # the pairs; behind | the reply itself
            else:
                raise Malformed(f"an unknown type: {bytes(buf[at:after][:60])!r}")
            at = after
            pending += more - 1
        self.at = at
        self.pending = pending
        if pending:
            raise Incomplete
        return at


def reply_end(buf, at=0):
    """Where the reply that begins at `at` ends. Raises Incomplete or Malformed."""
    return Scan(at).end(buf)


def split(buf):
    """The complete replies in buf as raw pieces, and what is left behind them."""
    pieces = []
    at = 0
    while at < len(buf):
        try:
            end = reply_end(buf, at)
        except Incomplete:
            break
        pieces.append(buf[at:end])
        at = end
    return pieces, buf[at:]


def _parse(buf, at):
    end = buf.index(b"\r\n", at)
    kind = buf[at : at + 1]
    line = buf[at + 1 : end]
    at = end + 2
    if kind == b"+":
        return Status(line.decode("latin-1")), at
    if kind == b"-":
        return Error(line.decode("latin-1")), at
    if kind in (b":", b"("):
        return int(line), at
    if kind == b",":
        return float(line), at
    if kind == b"#":
        return line == b"t", at
    if kind == b"_":
        return None, at
    count = int(line)
    if kind in (b"$", b"=", b"!"):
        if count < 0:
            return None, at
        body = bytes(buf[at : at + count])
        at += count + 2
        if kind == b"=":
            body = body[4:]
        return (Error(body.decode("latin-1")) if kind == b"!" else body), at
    if kind == b"%":
        pairs = {}
        for _ in range(count):
            key, at = _parse(buf, at)
            value, at = _parse(buf, at)
            pairs[key] = value
        return pairs, at
    if kind == b"|":
        for _ in range(2 * count):
            _, at = _parse(buf, at)
        return _parse(buf, at)
    if count < 0:
        return None, at
    items = []
    for _ in range(count):
        item, at = _parse(buf, at)
        items.append(item)
    return items, at


def parse(raw):
    """A raw reply as Python: bulk bytes, Status, Error, int, float, bool, None, list, dict."""
    return _parse(raw, 0)[0]


class Connection:
    """A client that sees everything. `address` is a port of loopback or the path of a socket."""

    def __init__(self, address, timeout=120.0, rcvbuf=None):
        if isinstance(address, int):
            self.socket = socket.socket(socket.AF_INET)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            address = ("127.0.0.1", address)
        else:
            self.socket = socket.socket(socket.AF_UNIX)
        if rcvbuf is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        self.socket.settimeout(timeout)
        self.timeout = timeout
        self.socket.connect(address)
        self.buffer = bytearray()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, raw):
        self.socket.sendall(raw)

    def finish(self):
        """Say that nothing more will be sent. The server may have hung up already."""
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def read_raw(self):
        """The next reply as raw bytes. EOFError when the server closed, TimeoutError when late."""
        deadline = time.monotonic() + self.timeout
        scan = Scan()
        while True:
            try:
                end = scan.end(self.buffer)
                raw = bytes(self.buffer[:end])
                del self.buffer[:end]
                return raw
            except Incomplete:
                pass
            self.socket.settimeout(max(0.001, deadline - time.monotonic()))
            try:
                piece = self.socket.recv(262144)
            except ConnectionResetError:
                piece = b""
            if not piece:
                raise EOFError("the server closed the connection")
            self.buffer += piece

    def read(self):
        return parse(self.read_raw())

    def cmd(self, *args):
        self.send(encode(*args))
        return self.read()

    def pipeline(self, requests):
        """Sends every request (a tuple of arguments), then reads every reply."""
        self.send(b"".join(encode(*request) for request in requests))
        return [self.read() for _ in requests]

    def read_to_end(self, timeout=None):
        """All that comes until the server closes. TimeoutError when it does not."""
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        while True:
            self.socket.settimeout(max(0.001, deadline - time.monotonic()))
            try:
                piece = self.socket.recv(262144)
            except ConnectionResetError:
                piece = b""
            if not piece:
                raw = bytes(self.buffer)
                self.buffer.clear()
                return raw
            self.buffer += piece

    def is_closed(self, timeout=60.0):
        """Whether the server closes within the time, whatever it sends before."""
        try:
            self.read_to_end(timeout)
        except TimeoutError:
            return False
        return True
