"""Where a stopped node's files keep each key's newest record, read off the bytes alone.

Formats: engines/log_format.h, engines/log_manifest.h. What is read is an undamaged directory, so a
frame counts when its checksum holds."""

import ctypes
import struct

BLOCK = 4096
FRAME_HEADER = 96
VALUE, TOMBSTONE, REMOVAL, DROP = 1, 2, 3, 4
EXPIRES, STAMPED, LARGE = 8, 16, 32


def xxh3():
    sums = ctypes.CDLL("libxxhash.so.0").XXH3_64bits_withSeed
    sums.restype = ctypes.c_uint64
    sums.argtypes = (ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint64)
    return lambda data, seed: sums(data, len(data), seed % (1 << 64))


class Place:
    """A record: [offset, end) of a segment's file; `sequence` is its frame's, and `large` the name
    of the file with its value."""

    __slots__ = ("path", "offset", "end", "sequence", "stamp", "kind", "large")

    def newer_than(self, other):
        return (self.stamp, self.sequence) >= (other.stamp, other.sequence)


class Shard:
    """Of one shard's directory: its newest record of each key, and what is known to be durable."""

    def __init__(self, folder):
        self.folder = folder
        self.keys = {}
        self.durable = 0
        self.used = {}  # bytes of each segment that frames are in
        self.sum = xxh3()
        (self.log_id,) = struct.unpack_from("<Q", (folder / "MANIFEST").read_bytes(), 16)
        for path in sorted(folder.glob("segment-*")):
            self._segment(path)

    def _segment(self, path):
        data = path.read_bytes()
        at = 0
        while at + FRAME_HEADER <= len(data):
            size = self._frame(path, data, at)
            at += -(-size // BLOCK) * BLOCK if size else BLOCK
            if size:
                self.used[path] = at

    def _frame(self, path, data, at):
        """Its bytes, 0 where there is none of this place."""
        if data[at : at + 4] != b"rlFR":
            return 0
        checksum, sequence, _, number, block, size, count = struct.unpack_from(
            "<QQQIIII", data, at + 8
        )
        durable, stamp, log_id = struct.unpack_from("<QQQ", data, at + 64)
        whole = at + size <= len(data) and log_id == self.log_id and block * BLOCK == at
        if not whole or number != int(path.name[-5:]):
            return 0
        if self.sum(data[at + 16 : at + size], self.log_id) != checksum:
            return 0
        self.durable = max(self.durable, durable)
        record = at + FRAME_HEADER
        for _ in range(count):
            record, stamp = self._record(path, data, record, sequence, stamp)
        return size

    def _record(self, path, data, at, sequence, stamp):
        flags = data[at + 4]
        key_bytes, object_bytes = struct.unpack_from("<HI", data, at + 12)
        key = at + 18 + (8 if flags & EXPIRES else 0)
        place = Place()
        place.path, place.offset, place.sequence = path, at, sequence
        place.kind, place.large = flags & 7, None
        if flags & STAMPED:
            (place.stamp,) = struct.unpack_from("<Q", data, key)
            key += 8
        else:
            place.stamp = stamp
            stamp += 1
        place.end = key + key_bytes + object_bytes
        if flags & LARGE:
            (number,) = struct.unpack_from("<Q", data, key + key_bytes)
            place.large = self.folder / f"large-{number:016x}"
        if place.kind != DROP:
            name = data[key : key + key_bytes]
            known = self.keys.get(name)
            if known is None or place.newer_than(known):
                self.keys[name] = place
        return at + -(-(place.end - at) // 16) * 16, stamp
