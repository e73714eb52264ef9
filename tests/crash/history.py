"""What a key may hold after a crash, known by the one connection that writes to it.

A key's history is what it surely holds, as was acknowledged, and after it what was sent since, in
order. Whatever of that took effect before the crash, it did in this order. None is: not there.

Where acknowledged does not mean durable, a key may go back to what it held before, but not to
before the last start: what a start shows is durable."""


class Wrong(Exception):
    pass


class Key:
    def __init__(self):
        self.sure = None
        self.sent = []
        self.before = []  # what it surely held, since the last start

    def newest(self):
        """What it holds when everything that was sent takes effect."""
        return self.sent[-1] if self.sent else self.sure

    def send(self, value):
        self.sent.append(value)

    def acknowledged(self):
        """The oldest that was sent and not acknowledged is now."""
        self.before.append(self.sure)
        self.sure = self.sent.pop(0)

    def found(self, name, value, durable):
        """After a restart. What is there now must stay. Durable: what was acknowledged was."""
        known = value == self.sure or value in self.sent
        if not known and (durable or value not in self.before):
            raise Wrong(
                f"{name}: holds {show(value)}; acknowledged was {show(self.sure)}, sent after it "
                f"{[show(sent) for sent in self.sent] or 'nothing'}"
            )
        kept = known and value != self.sure
        self.sure = value
        self.sent = []
        self.before = []
        return kept, not known


def show(value):
    if value is None:
        return "nothing"
    return repr(value if len(value) <= 24 else value[:24] + b"...") + f" ({len(value)} bytes)"


class Writer:
    """Requests on keys of its own, the reply that each has to get, and what it does to keys."""

    def __init__(self, random, name, keys):
        self.random = random
        self.keys = {b"%s:%d" % (name, number): Key() for number in range(keys)}
        self.names = list(self.keys)
        self.counters = [b"%s:n%d" % (name, number) for number in range(8)]
        self.keys.update({name: Key() for name in self.counters})
        self.version = 0
        self.acknowledged = 0
        self.waiting = []  # of each request under way: the reply, and the keys that it writes

    def value(self):
        self.version += 1
        sizes = (10, 60, 200, 1000, 5000, 60000)
        size = self.random.choices(sizes, (20, 40, 25, 12, 3, 0.1))[0]
        return b"%d." % self.version + self.random.randbytes(self.random.randrange(size))

    def write(self, request, reply, changes):
        for name, value in changes:
            self.keys[name].send(value)
        self.waiting.append((reply, [name for name, _ in changes]))
        return request

    def request(self):
        """The next request, whose outcome is decided when it is sent: nobody else writes here."""
        kind = self.random.randrange(100)
        name = self.random.choice(self.names)
        now = self.keys[name].newest()
        if kind < 45:
            value = self.value()
            return self.write((b"SET", name, value), "OK", [(name, value)])
        if kind < 60:
            return self.write((b"DEL", name), 0 if now is None else 1, [(name, None)])
        if kind < 68:
            counter = self.random.choice(self.counters)
            total = int(self.keys[counter].newest() or 0) + 1
            return self.write((b"INCR", counter), total, [(counter, b"%d" % total)])
        if kind < 74:
            more = self.value()[:40]
            value = (now or b"") + more
            if len(value) > 200000:
                return self.write((b"DEL", name), 1, [(name, None)])
            return self.write((b"APPEND", name, more), len(value), [(name, value)])
        if kind < 82:
            names = self.random.sample(self.names, self.random.randrange(2, 10))
            pairs = [(one, self.value()) for one in names]
            return self.write((b"MSET", *sum(pairs, ())), "OK", pairs)
        if kind < 87:
            names = self.random.sample(self.names, self.random.randrange(2, 10))
            there = sum(self.keys[one].newest() is not None for one in names)
            return self.write((b"DEL", *names), there, [(one, None) for one in names])
        if kind < 91 and now is not None:
            other = self.random.choice(self.names)
            if other != name:
                return self.write((b"RENAME", name, other), "OK", [(name, None), (other, now)])
        if kind < 94 and now is not None:
            return self.write((b"PEXPIRE", name, b"100000000"), 1, [(name, now)])
        return self.write((b"GET", name), now, [])

    def reply(self, reply):
        wanted, names = self.waiting.pop(0)
        if isinstance(reply, Exception) or reply != wanted:
            raise Wrong(f"replied {reply!r}, wanted {wanted!r} on {names}")
        for name in names:
            self.keys[name].acknowledged()
        self.acknowledged += len(names)

    def after_crash(self, read, durable):
        """Looks at all keys with read(names) -> values. How many hold what was not acknowledged,
        and how many have lost what was."""
        self.waiting = []
        kept = lost = 0
        for at in range(0, len(self.keys), 50):
            names = list(self.keys)[at : at + 50]
            for name, value in zip(names, read(names), strict=True):
                outcome = self.keys[name].found(name.decode(), value, durable)
                kept += outcome[0]
                lost += outcome[1]
        return kept, lost
