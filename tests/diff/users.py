"""Users: the same file on both servers, and what its users may and may not do."""

import hashlib

from . import frames, generate
from .compare import same
from .link import Pair
from .runner import spell

_HEX = {word: hashlib.sha256(word.encode()).hexdigest() for word in ("secret", "read", "hidden")}

# In what both servers take: plain and hashed passwords, key patterns, categories, subcommands.
FILE = f"""\
user default on #{_HEX["hidden"]} ~* +@all
user alice on #{_HEX["secret"]} >second ~* +@all
user reader on >read #{_HEX["read"]} ~r:* ~[xy]? +get +mget +exists +ping +hello +client|id
user writer on >w %R~in:* %W~out:* %RW~both:* +@all
user cat on >cat ~c:* +@read +@connection -ttl -client|setname
user most on >most ~* +@all -@dangerous -set
user off off >off ~* +@all
user nokeys on >nokeys +@all
user nocommands on >nocommands ~*
user open on nopass ~* +@all
user later on >later resetpass >now ~* resetkeys ~l:* nocommands +get
"""

LOGINS = [
    ("AUTH", "hidden"),
    ("AUTH", "default", "hidden"),
    ("AUTH", "wrong"),
    ("AUTH", ""),
    ("AUTH", "alice", "secret"),
    ("AUTH", "alice", "second"),
    ("AUTH", "alice", _HEX["secret"]),
    ("AUTH", "alice", "Secret"),
    ("AUTH", "alice", ""),
    ("AUTH", "Alice", "secret"),
    ("AUTH", "", ""),
    ("AUTH", "a\x00b", "c\r\nd"),
    ("AUTH", "off", "off"),
    ("AUTH", "open", "anything"),
    ("AUTH", "later", "later"),
    ("AUTH", "later", "now"),
    ("AUTH", "reader", "read"),
    ("AUTH", "writer", "w"),
    ("AUTH", "cat", "cat"),
    ("AUTH", "most", "most"),
    ("AUTH", "nokeys", "nokeys"),
    ("AUTH", "nocommands", "nocommands"),
    ("AUTH", "a", "b", "c"),
    ("AUTH",),
    ("HELLO",),
    ("HELLO", "3"),
    ("HELLO", "3", "AUTH", "alice", "secret"),
    ("HELLO", "3", "AUTH", "alice", "wrong"),
    ("HELLO", "2", "AUTH", "alice", "secret", "SETNAME", "me"),
    ("HELLO", "3", "AUTH", "nocommands", "nocommands"),
    ("HELLO", "4", "AUTH", "alice", "secret"),
    ("RESET",),
    ("PING",),
]

# Each is asked after each login.
REQUESTS = [
    ("PING",),
    ("GET", "r:1"),
    ("GET", "x1"),
    ("GET", "other"),
    ("SET", "r:1", "v"),
    ("SET", "c:1", "v"),
    ("SET", "l:1", "v"),
    ("MGET", "r:1", "other"),
    ("MGET", "r:1", "x1", "ya", "r:2"),
    ("EXISTS", "r:1", "zz"),
    ("TTL", "c:1"),
    ("STRLEN", "c:1"),
    ("GET", "in:1"),
    ("GET", "out:1"),
    ("SET", "in:1", "v"),
    ("SET", "out:1", "v"),
    ("SET", "out:1", "v", "GET"),
    ("SET", "both:1", "v", "GET"),
    ("COPY", "in:1", "out:1"),
    ("COPY", "out:1", "in:1"),
    ("RENAME", "in:1", "out:1"),
    ("INCR", "out:2"),
    ("GETSET", "both:1", "v"),
    ("APPEND", "out:1", "v"),
    ("GETDEL", "both:1"),
    ("GETEX", "in:1", "PERSIST"),
    ("EXPIRE", "out:1", "1000"),
    ("DEL", "out:1", "in:1"),
    ("KEYS", "r:*"),
    ("SCAN", "0", "MATCH", "nothing"),
    ("RANDOMKEY", "x"),
    ("DBSIZE", "x"),
    ("FLUSHALL", "x"),
    ("OBJECT", "ENCODING", "c:1"),
    ("OBJECT", "ENCODING", "other"),
    ("MEMORY", "USAGE", "other"),
    ("CLIENT", "GETNAME"),
    ("CLIENT", "SETNAME", "n"),
    ("CLIENT", "ID", "x"),
    ("CLIENT", "NOSUCH"),
    ("CONFIG", "GET", "databases"),
    ("CONFIG", "NOSUCH"),
    ("COMMAND", "COUNT", "x"),
    ("INFO", "nosuch"),
    ("NOSUCH", "a"),
    ("GET",),
    ("GET", "a", "b"),
    ("MSET", "c:1"),
    ("SELECT", "0"),
    ("ECHO", "x"),
    ("HELLO", "2"),
    ("AUTH", "nosuch", "x"),
    ("PING", "still"),
    ("RESET",),
    ("GET", "r:1"),
    ("QUIT",),
]

_PING = b"*1\r\n$4\r\nPING\r\n"
# What is refused before a login already while it is read: more than 10 arguments, more than 16 KiB.
UNTRUSTED = [
    ("10 arguments", b"*10\r\n" + b"$4\r\nPING\r\n" * 10 + _PING),
    ("11 arguments", b"*11\r\n" + b"$4\r\nPING\r\n" * 11 + _PING),
    ("1000 arguments", b"*1000\r\n" + _PING),
    ("16384 bytes", b"*2\r\n$4\r\nECHO\r\n$16384\r\n" + b"x" * 16384 + b"\r\n" + _PING),
    ("16385 bytes", b"*2\r\n$4\r\nECHO\r\n$16385\r\n" + b"x" * 16385 + b"\r\n" + _PING),
    ("a length of 64 MiB", b"*1\r\n$67108864\r\n"),
    ("a wrong count", b"*x\r\n" + _PING),
    ("inline", b"GET a\r\nPING\r\nECHO x\r\n"),
    ("many arguments inline", b"GET" + b" a" * 100 + b"\r\nPING\r\n"),
]


def _words(request):
    return [word.encode("latin-1") for word in request]


def _after_login(servers, login):
    """Asks everything on a connection that logs in so; lists what differs."""
    unlike = []
    requests = [login] + REQUESTS
    pair = Pair([server.port for server in servers], 120)
    try:
        for request in requests:
            args = _words(request)
            theirs, ours = pair.ask_one(args)
            if not same(args, theirs, ours):
                unlike.append(f"{' '.join(login)!r}, then {' '.join(request)!r}:")
                unlike.append(f"  redis: {spell(theirs)}")
                unlike.append(f"  rldb:  {spell(ours)}")
    finally:
        pair.close()
    return unlike


def permissions(targets):
    unlike = []
    for login in LOGINS:
        unlike += _after_login(targets.users(), login)
    if unlike:
        raise AssertionError("\n".join(unlike[:60]))


def untrusted(targets):
    frames.compare(targets.users(), UNTRUSTED)
    frames.compare(targets.users(), ((name, raw) for name, raw in frames.GROUPS[0][1]()))


def run(report, targets):
    report.run(
        [
            ("users: every login, then every request", permissions),
            ("users: what is read before a login", untrusted),
        ],
        targets,
    )
