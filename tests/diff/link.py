"""Two sockets at once: what is sent to one server is sent to the other, and both answers are
read."""

import select
import socket
import time

from harness.resp import Incomplete, reply_end

from . import generate

PIECE = 1 << 18
PAUSE_S = 0.0003
LINKS_COUNT = len(generate.LINKS)


def connect(address):
    if isinstance(address, int):
        sock = socket.socket(socket.AF_INET)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.connect(("127.0.0.1", address))
    else:
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(address)
    sock.setblocking(False)
    return sock


class Side:
    """One socket with what it has still to send and what it has received."""

    def __init__(self, address):
        self.socket = connect(address)
        self.out = memoryview(b"")
        self.received = bytearray()
        self.closed = False

    def close(self):
        self.socket.close()

    def push(self):
        """Sends what the kernel takes."""
        while self.out:
            try:
                sent = self.socket.send(self.out[:PIECE])
            except BlockingIOError:
                return
            except (BrokenPipeError, ConnectionResetError):
                self.out = memoryview(b"")
                return
            self.out = self.out[sent:]

    def pull(self):
        """Receives what is there."""
        while not self.closed:
            try:
                piece = self.socket.recv(PIECE)
            except BlockingIOError:
                return
            except ConnectionResetError:
                piece = b""
            if not piece:
                self.closed = True
            self.received += piece
            if len(piece) < PIECE:
                return


def is_whole(received):
    try:
        return reply_end(received) == len(received)
    except Incomplete:
        return False


class Late(Exception):
    """A server did not answer in time; `side` is its index."""

    def __init__(self, side, received):
        super().__init__(f"no answer in time after {len(received)} bytes")
        self.side = side
        self.received = received


class Pair:
    """A connection to the reference (index 0) and one to rldbd (index 1), kept in step."""

    def __init__(self, addresses, timeout):
        self.sides = [Side(address) for address in addresses]
        self.timeout = timeout

    def close(self):
        for side in self.sides:
            side.close()

    def _run(self, done):
        """Moves bytes until done(side) holds for both."""
        deadline = time.monotonic() + self.timeout
        while True:
            poll = select.poll()
            waiting = False
            by_fd = {}
            for side in self.sides:
                side.push()
                if done(side):
                    continue
                waiting = True
                by_fd[side.socket.fileno()] = side
                poll.register(side.socket, select.POLLIN | (select.POLLOUT if side.out else 0))
            if not waiting:
                return
            left = deadline - time.monotonic()
            ready = poll.poll(max(0, left * 1000)) if left > 0 else []
            if not ready:
                for index, side in enumerate(self.sides):
                    if not done(side):
                        raise Late(index, bytes(side.received))
            for fd, _ in ready:
                by_fd[fd].pull()

    def exchange(self, raw, end, cuts=()):
        """Sends raw to both and reads until each answer ends with `end` or the server closes.
        Returns the two answers without `end`, and whether each was closed."""
        at = 0
        for cut in (*cuts, len(raw)):
            for side in self.sides:
                side.push()
                side.out = memoryview(bytes(side.out) + raw[at:cut])
                side.push()
            at = cut
            if cut != len(raw):
                time.sleep(PAUSE_S)
        size = len(end)
        self._run(lambda side: side.closed or (not side.out and side.received[-size:] == end))
        answers = []
        for side in self.sides:
            answer = bytes(side.received)
            side.received.clear()
            answers.append(answer[:-size] if answer.endswith(end) else answer)
        return answers, [side.closed for side in self.sides]

    def end(self, raw):
        """Sends raw, says that no more comes, and reads until both close."""
        for side in self.sides:
            side.out = memoryview(raw)
        self._run(lambda side: side.closed or not side.out)
        for side in self.sides:
            try:
                side.socket.shutdown(socket.SHUT_WR)
            except OSError:
                pass
        self._run(lambda side: side.closed)
        return [bytes(side.received) for side in self.sides]

    def ask_one(self, args):
        """One request and one reply of each server, where no ECHO can follow."""
        for side in self.sides:
            side.out = memoryview(generate.encode(args))
        self._run(lambda side: side.closed or (not side.out and is_whole(side.received)))
        answers = [bytes(side.received) for side in self.sides]
        for side in self.sides:
            side.received.clear()
        return answers

    def ask(self, args):
        """One request, answered whole by both."""
        marker = b"#ask#"
        end = b"$%d\r\n%b\r\n" % (len(marker), marker)
        raw = generate.encode(args) + generate.encode([b"ECHO", marker])
        return self.exchange(raw, end)[0]
