"""What a key may hold after a crash, known by the one connection that writes to it.

A key's history is what it surely holds, as was acknowledged, and after it what was sent since, in
order. Whatever of that took effect before the crash, it did in this order. None is: not there.

Where acknowledged does not mean durable, a key may go back to what it held before, but not to
before the last start: what a start shows is durable."""

import time

LARGE_BYTES = (2 << 20, 8 << 20)  # the least and the most


class Wrong(Exception):
    pass


class Key:
    def __init__(self):
        self.sure = None
        self.sent = []
        self.before = []  # what it surely held, since the last start, and until when

    def newest(self):
        """What it holds when everything that was sent takes effect."""
        return self.sent[-1] if self.sent else self.sure

    def send(self, value):
        self.sent.append(value)

    def acknowledged(self):
        """The oldest that was sent and not acknowledged is now."""
        self.before.append((self.sure, time.monotonic()))
        self.sure = self.sent.pop(0)

    def found(self, name, value, durable):
        """After a restart. What is there now must stay. Durable: what was acknowledged was.
        Returns whether it is newer than that, and when the oldest write that is lost was
        acknowledged; None: none is."""
        known = value == self.sure or value in self.sent
        # It may have held the same value several times: the last time explains what is there.
        ends = (at for held, at in reversed(self.before) if held == value)
        lost = None if known else next(ends, None)
        if not known and (durable or lost is None):
            raise Wrong(
                f"{name}: holds {show(value)}; acknowledged was {show(self.sure)}, sent after it "
                f"{[show(sent) for sent in self.sent] or 'nothing'}"
            )
        kept = known and value != self.sure
        self.sure = value
        self.sent = []
        self.before = []
        return kept, lost


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
        self.large = [b"%s:l%d" % (name, number) for number in range(3)]
        self.keys.update({name: Key() for name in self.counters + self.large})
        # Those that go by themselves: no reply tells whether they are there.
        self.mortal = {b"%s:e%d" % (name, number): Key() for number in range(8)}
        self.lifetimes = {}  # of their values, in ms, and when they were sent
        self.block = random.randbytes(LARGE_BYTES[1])
        self.version = 0
        self.acknowledged = 0
        self.waiting = []  # of each request under way: the reply, and the keys that it writes

    def value(self):
        self.version += 1
        sizes = (10, 60, 200, 1000, 5000, 60000)
        size = self.random.choices(sizes, (20, 40, 25, 12, 3, 0.1))[0]
        return b"%d." % self.version + self.random.randbytes(self.random.randrange(size))

    def large_value(self):
        self.version += 1
        return b"%d." % self.version + self.block[: self.random.randrange(*LARGE_BYTES)]

    def write(self, request, reply, changes):
        for name, value in changes:
            self.keys[name].send(value)
        self.waiting.append((reply, [self.keys[name] for name, _ in changes]))
        return request

    def pick(self):
        """One of the keys, a few of them far more often than most: so segments are left with some
        records that are live, which compaction has to move."""
        return self.names[int(len(self.names) * self.random.random() ** 4)]

    def pick_some(self):
        return list({self.pick() for _ in range(self.random.randrange(2, 10))})

    def request(self):
        """The next request, whose outcome is decided when it is sent: nobody else writes here."""
        kind = self.random.randrange(100)
        name = self.pick()
        now = self.keys[name].newest()
        if kind < 43:
            value = self.value()
            return self.write((b"SET", name, value), "OK", [(name, value)])
        if kind < 45:
            return self.short_lived()
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
            names = self.pick_some()
            pairs = [(one, self.value()) for one in names]
            return self.write((b"MSET", *sum(pairs, ())), "OK", pairs)
        if kind < 87:
            names = self.pick_some()
            there = sum(self.keys[one].newest() is not None for one in names)
            return self.write((b"DEL", *names), there, [(one, None) for one in names])
        if kind < 91 and now is not None:
            other = self.pick()
            if other != name:
                return self.write((b"RENAME", name, other), "OK", [(name, None), (other, now)])
        if kind < 94 and now is not None:
            return self.write((b"PEXPIRE", name, b"100000000"), 1, [(name, now)])
        if kind < 95 and self.random.randrange(8) == 0:
            return self.large_request()
        return self.write((b"GET", name), now, [])

    def large_request(self):
        name = self.random.choice(self.large)
        now = self.keys[name].newest()
        kind = self.random.randrange(8)
        if now is not None and kind == 0:
            return self.write((b"DEL", name), 1, [(name, None)])
        if now is not None and kind == 1:
            return self.write((b"PEXPIRE", name, b"100000000"), 1, [(name, now)])
        value = self.large_value()
        return self.write((b"SET", name, value), "OK", [(name, value)])

    def short_lived(self):
        name = self.random.choice(list(self.mortal))
        value = self.value()
        ms = self.random.choice((1, 20, 200, 2000, 100000))
        self.lifetimes[value] = (ms, time.time())
        self.mortal[name].send(value)
        self.waiting.append(("OK", [self.mortal[name]]))
        return (b"SET", name, value, b"PX", b"%d" % ms)

    def flush(self, writers):
        """FLUSHALL, while no other has a request under way."""
        keys = [key for one in writers for key in (*one.keys.values(), *one.mortal.values())]
        keys = [key for key in keys if key.newest() is not None]
        for key in keys:
            key.send(None)
        self.waiting.append(("OK", keys))
        return (b"FLUSHALL",)

    def reply(self, reply):
        wanted, keys = self.waiting.pop(0)
        if isinstance(reply, Exception) or reply != wanted:
            names = [name for name, key in self.keys.items() if key in keys]
            raise Wrong(f"replied {reply!r:.200}, wanted {wanted!r:.200} on {names[:10]}")
        for key in keys:
            key.acknowledged()
        self.acknowledged += len(keys)

    def after_crash(self, client, durable):
        """Looks at all keys. How many hold what was not acknowledged, and when what they have lost
        was, of each."""
        self.waiting = []
        kept = 0
        lost = []
        small = [name for name in self.keys if name not in self.large]
        reads = [small[at : at + 50] for at in range(0, len(small), 50)]
        for names in (*reads, *([name] for name in self.large)):
            for name, value in zip(names, client.cmd("MGET", *names), strict=True):
                outcome = self.keys[name].found(name.decode(), value, durable)
                kept += outcome[0]
                lost += [outcome[1]] if outcome[1] is not None else []
        for name, key in self.mortal.items():
            self.after_crash_mortal(client, name, key, durable)
        self.lifetimes = {
            key.sure: self.lifetimes[key.sure] for key in self.mortal.values() if key.sure
        }
        return kept, lost

    def after_crash_mortal(self, client, name, key, durable):
        """One that is not there may have come to its end; one that was not there stays away."""
        value, left = client.cmd("GET", name), client.cmd("PTTL", name)
        if value is None:
            ms, sent = self.lifetimes.get(key.sure, (0, 0))
            if durable and not key.sent and (time.time() - sent) * 1000 < ms / 2:
                raise Wrong(f"{name}: is gone after less than half of {ms} ms")
            key.__init__()
            return
        key.found(name.decode(), value, durable)
        ms, _ = self.lifetimes[value]
        if left != -2 and not 0 <= left <= ms:
            raise Wrong(f"{name}: has {left} ms to live, of {ms}")

    def there(self):
        return sum(key.sure is not None for key in self.keys.values())
