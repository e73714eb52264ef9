"""When two replies count as the same.

Byte for byte, unless the command is in RULES below. A rule is for what cannot be equal between two
processes: the clock, the order of an unordered set, an address, an amount of memory. A rule never
excuses a decision of rldb's; those are in differences.py.
"""

import re

from harness.resp import Error, Malformed, parse

# Stands for the name of a command where all bytes of a connection are compared at once, and what
# was sent for its argument.
CONNECTION = b"(connection)"

# Times may differ by so much, and by as long as the slowest batch of the session took: both servers
# get the same batch at once, but on a loaded machine one may be scheduled later.
CLOCK_TOLERANCE_S = 2


def _is_int(raw):
    return raw[:1] == b":"


def _number_within(unit_s):
    def rule(_args, ours, theirs, slack_s):
        if not (_is_int(ours) and _is_int(theirs)):
            return False
        a, b = parse(ours), parse(theirs)
        # -1 and -2 have a meaning of their own and are not near to anything.
        return a > 0 and b > 0 and abs(a - b) * unit_s <= CLOCK_TOLERANCE_S + slack_s

    return rule


def _idle(_args, ours, theirs, slack_s):
    """Seconds since a key was used. An epoch is short, so both are small."""
    if not (_is_int(ours) and _is_int(theirs)):
        return False
    return abs(parse(ours) - parse(theirs)) <= CLOCK_TOLERANCE_S + slack_s


def _positive_int(_args, ours, theirs, _slack_s):
    return _is_int(ours) and _is_int(theirs) and parse(ours) >= 0 and parse(theirs) >= 0


def _elements(raw):
    """The elements of an array or set as raw pieces, sorted; None when it is another type."""
    if raw[:1] not in b"*~" or raw[:3] == b"*-1":
        return None
    value = parse(raw)
    return sorted(repr(item) for item in value)


def _same_set(_args, ours, theirs, _slack_s):
    mine = _elements(ours)
    return ours[:1] == theirs[:1] and mine is not None and mine == _elements(theirs)


def _same_kind(_args, ours, theirs, _slack_s):
    """The same RESP type, an error being one, and both null or both not."""
    if ours[:1] == b"-" or theirs[:1] == b"-":
        return False
    return ours[:1] == theirs[:1] and (ours[1:2] == b"-") == (theirs[1:2] == b"-")


def _bulk(_args, ours, theirs, _slack_s):
    return ours[:1] == theirs[:1] == b"$" and ours[1:2] != b"-" and theirs[1:2] != b"-"


def _scan(_args, ours, theirs, _slack_s):
    """One step of a walk: the pieces differ in size and order. The SCAN units compare whole
    walks."""
    for raw in (ours, theirs):
        if raw[:3] != b"*2\r":
            return False
        cursor, found = parse(raw)
        if not isinstance(cursor, bytes) or not cursor.isdigit() or not isinstance(found, list):
            return False
        if not all(isinstance(key, bytes) for key in found):
            return False
    return True


def _time(_args, ours, theirs, slack_s):
    a, b = parse(ours), parse(theirs)
    for pair in (a, b):
        if not (isinstance(pair, list) and len(pair) == 2 and pair[1].isdigit()):
            return False
        if int(pair[1]) >= 1000000:
            return False
    return abs(int(a[0]) - int(b[0])) <= CLOCK_TOLERANCE_S + slack_s


def pairs(value):
    """A map reply, or RESP2's flat form of it, as a dict."""
    if isinstance(value, dict):
        return value
    return dict(zip(value[::2], value[1::2]))


def _same_pairs(_args, ours, theirs, _slack_s):
    """The same fields with the same values, in any order."""
    return (
        ours[:4] == theirs[:4] and ours[:1] in b"*%" and pairs(parse(ours)) == pairs(parse(theirs))
    )


def _hello(_args, ours, theirs, _slack_s):
    """The same fields in the same order with the same values, but for who is speaking."""
    if ours[:4] != theirs[:4] or ours[:1] not in b"*%":
        return False
    a, b = pairs(parse(ours)), pairs(parse(theirs))
    if list(a) != list(b):
        return False
    for field in a:
        if field == b"id":
            if not (isinstance(a[field], int) and isinstance(b[field], int)):
                return False
        elif field == b"version":
            if not (isinstance(b[field], bytes) and b[field].count(b".") == 2):
                return False
        elif a[field] != b[field]:
            return False
    return True


# Fields of a line of CLIENT LIST whose values say the same of both servers' clients.
_CLIENT_EXACT = ("name", "db", "sub", "psub", "ssub", "multi", "user", "redir", "resp", "cmd")


def client_fields(line):
    return dict(field.split("=", 1) for field in line.split(" "))


def _client_lines(args, ours, theirs, _slack_s):
    """CLIENT INFO, CLIENT LIST: the same fields in the same order, the same values where they do
    not depend on the process. LIST is compared by one line each: the order of clients is
    nobody's."""
    if ours[:1] != theirs[:1] or ours[:1] not in b"$=":
        return False
    a, b = (parse(raw).decode("latin-1").splitlines() for raw in (ours, theirs))
    if not a or not b:
        return a == b
    fields = [client_fields(line) for line in (a[0], b[0])]
    if list(fields[0]) != list(fields[1]):
        return False
    if args[1].upper() == b"LIST":
        return len(a) == len(b)
    return all(fields[0][name] == fields[1][name] for name in _CLIENT_EXACT)


def _client(args, ours, theirs, slack_s):
    sub = args[1].upper() if len(args) > 1 else b""
    if sub == b"ID":
        return _positive_int(args, ours, theirs, slack_s)
    if sub in (b"INFO", b"LIST"):
        return _client_lines(args, ours, theirs, slack_s)
    if sub == b"HELP":
        return _help(args, ours, theirs, slack_s)
    return False


def _help(_args, ours, theirs, _slack_s):
    """HELP is prose: both a list of lines, the first of which names the command."""
    return ours[:1] == theirs[:1] == b"*"


def _command_info(args, ours, theirs, slack_s):
    """COMMAND INFO of all is as long as there are commands; of named ones it is compared."""
    return len(args) == 2 and _same_kind(args, ours, theirs, slack_s)


def _by_subcommand(rules):
    def rule(args, ours, theirs, slack_s):
        sub = args[1].upper() if len(args) > 1 else b""
        chosen = rules.get(sub)
        return chosen is not None and chosen(args, ours, theirs, slack_s)

    return rule


RULES = {
    b"TTL": _number_within(1),
    b"PTTL": _number_within(0.001),
    b"EXPIRETIME": _number_within(1),
    b"PEXPIRETIME": _number_within(0.001),
    b"KEYS": _same_set,
    b"RANDOMKEY": _bulk,
    b"SCAN": _scan,
    b"TIME": _time,
    b"LASTSAVE": _positive_int,
    b"HELLO": _hello,
    b"CLIENT": _client,
    b"OBJECT": _by_subcommand({b"IDLETIME": _idle, b"HELP": _help}),
    b"INFO": _same_kind,
    b"MEMORY": _by_subcommand({b"USAGE": _positive_int, b"HELP": _help, b"STATS": _same_kind}),
    b"SLOWLOG": _by_subcommand({b"GET": _same_kind, b"LEN": _positive_int, b"HELP": _help}),
    b"LATENCY": _by_subcommand({b"LATEST": _same_kind, b"HELP": _help}),
    b"CONFIG": _by_subcommand({b"GET": _same_pairs, b"HELP": _help}),
    b"COMMAND": _by_subcommand(
        {
            b"": _same_kind,
            b"COUNT": _positive_int,
            b"DOCS": _same_kind,
            b"HELP": _help,
            b"INFO": _command_info,
            b"LIST": _same_kind,
        }
    ),
}


# A browser that was sent here: both hang up at once, and with what of their replies to earlier
# requests is still with them.
BROWSER = re.compile(rb"post|host:", re.I)


def _hung_up(raw, theirs, ours):
    return BROWSER.search(raw) is not None and (ours.startswith(theirs) or theirs.startswith(ours))


def same(args, theirs, ours, slack_s=0):
    """Whether two replies to a request are the same. `args` is None where only bytes count;
    `slack_s` is what times may differ by because the servers were slow."""
    if theirs == ours:
        return True
    if not args:
        return False
    if args[0] == CONNECTION:
        return _hung_up(args[1], theirs, ours)
    rule = RULES.get(args[0].upper())
    if rule is None:
        return False
    try:
        return rule(args, ours, theirs, slack_s)
    except (Malformed, ValueError, IndexError, KeyError, TypeError):
        return False


def is_error(raw):
    return isinstance(parse(raw), Error)
