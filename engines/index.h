// The index of an engine: from the hash of a key to where its record is, 8 bytes an entry.
//
// It never holds a key. An entry has 22 bits of the hash, the fingerprint, and 42 bits of payload
// that mean something to the engine alone (a location and a length class):
//
//     bits 63..42 fingerprint     bits 41..0 payload
//
// A matching fingerprint is not a matching key: the engine compares the key at the location, and
// goes on with the next match when it is another one. Different keys with equal fingerprints
// coexist.
//
// There is a table per vnode. Each is a linear hash table (Litwin, "Linear hashing: a new tool for
// file and table addressing", 1980): it grows and shrinks by one bucket at a time, so no operation
// ever waits for a rehash. With N buckets, 2^level <= N < 2^(level + 1), a hash belongs to the
// bucket of its low level + 1 bits, or of its low level bits where that bucket is not there yet.
// Growth splits bucket N - 2^level, by a bit that the fingerprint holds: no key is needed for it.
//
// A bucket is a pair of adjacent cache lines of 8 slots:
//
//     line 0  | entry | entry | entry | ... | slot 7 |      an entry prefers the line that the top
//     line 1  | entry | entry | entry | ... | slot 7 |      bit of its fingerprint names
//                                               |
//                                               +--> overflow line | ... | slot 7 | --> ...
//
//  - The slots in use of a line come first. So slot 7 is zero exactly when the line has a free
//    slot.
//  - A free slot in a line: no entry that prefers it is anywhere else. So most look-ups, found or
//    not, read one line.
//  - A free slot in either line: the bucket has no overflow line.
//  - Overflow lines hang on slot 7 of line 1, then each on slot 7 of the one before. Such a link is
//    an entry with fingerprint 0 (real fingerprints are never 0) and the line's number. All but the
//    last are full, and the last holds at least two entries.
//
// Bits of the hash: with base_bits = b, a table has at least 2^b buckets, and the fingerprint is
// bits b .. b + 21. A table of 2^level buckets has used level - b fingerprint bits for splitting; b
// is chosen from the number of tables such that at 100 million keys an index at least 12 are left,
// at the price of 1 MiB when every table has begun. A fingerprint of 0 becomes the value of its bit
// 20, which no table that fits into memory splits by.
//
// Memory comes from the engine's arena. An empty table takes none.
//
// What an engine on disk can rely on, as one in memory does:
//
//  - 42 bits of payload are a location of 37 bits in units of 16 bytes (2 TiB a core) and a length
//    class of 5, or 36 and one that says which kind of location it is. A payload of all zeroes is
//    as good as any other, since it is the fingerprint that says that a slot is free.
//  - A key is told from the next by 22 bits of fingerprint less those that its table has used up
//    for splitting: 22 in the smallest table, 12 at 100 million keys. So a look-up of a key that is
//    not there meets an entry that is another's, and reads its record in vain, once in some 300
//    thousand in a small table, and once in 300 at 100 million keys.
//  - Compare-and-swap of a location: probe for the hash, compare the payload in each slot returned,
//    and write the slot, whose fingerprint stays. It moves nothing, and so can be done for the
//    entries of a whole batch or frame after all were probed, between insertions and removals.
//  - Every operation takes a bounded time: an insertion at most splits one bucket and zeroes a
//  chunk
//    of 8 KiB (the first of a table: 1 MiB / tables), a removal merges one bucket. The one longer
//    thing is a directory that doubles: 4 bytes for each 8 KiB of the table are copied.
//  - index_scan() shows entries, in an order that survives growth: a checkpoint can be written
//    bucket by bucket while writers go on, as far as it can live with entries newer than its begin.
#pragma once

#include "core/arena.h"
#include "core/check.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum {
    INDEX_FINGERPRINT_BITS = 22,
    INDEX_PAYLOAD_BITS = 42,
    INDEX_LINE_SLOTS = 8,
    INDEX_LINE_BYTES = 64,
    INDEX_BUCKET_BYTES = 128,
    INDEX_CHUNK_BYTES = 8 << 10, // a table grows by this much memory
    INDEX_CHUNK_BUCKETS = INDEX_CHUNK_BYTES / INDEX_BUCKET_BYTES,
    INDEX_BUCKETS_MIN_LOG = 13, // of all tables together: 1 MiB
    INDEX_POSITION_BITS = 48,

    // Entries a bucket, in eighths, above which a table splits one and below which it merges one.
    // 12.5 of 16 slots cost 11.5 to 12 bytes a key, and one look-up in six reads a second line.
    INDEX_GROW_EIGHTHS = 100,
    INDEX_SHRINK_EIGHTHS = 72,
};

#define INDEX_PAYLOAD_MASK ((UINT64_C(1) << INDEX_PAYLOAD_BITS) - 1)

struct index_table {
    uint32_t *directory; // chunk numbers: places in the arena / INDEX_CHUNK_BYTES
    uint32_t buckets;    // 0 before the first entry
    uint32_t mask;       // 2^(level + 1) - 1
    uint64_t entries;
    uint32_t chunks;
    uint32_t directory_capacity;
};

struct index {
    uint8_t *base; // the arena's
    uint32_t base_bits;
    uint32_t lines_partial; // list of blocks with free overflow lines: block number + 1
    struct arena_pool pool; // chunks, and blocks of overflow lines
    uint64_t overflow_lines;
    uint64_t directory_bytes;
    uint64_t bytes_max; // of index_bytes(): it does not grow beyond. The engine's to set
};

// `tables` is how many tables there will be, and 2^buckets_log how many buckets all of them
// together have at least (0: INDEX_BUCKETS_MIN_LOG). It says how much of a hash the index knows:
// what index_hash_at() told is of use to an index with the same numbers only.
void index_open(struct index *index, struct arena *arena, uint32_t tables, uint32_t buckets_log);

// A zeroed table is an empty one. Gives back a table's directory, not its chunks, which go with the
// arena.
void index_table_close(struct index *index, struct index_table *table);

// Memory of all tables: chunks, overflow lines, directories.
uint64_t index_bytes(const struct index *index);

// What a table takes with its first entry: with that much allowed no insertion fails.
uint64_t index_table_bytes_min(const struct index *index);

// Adds an entry; the caller has made sure that the key has none. False when there is no memory.
// Moves other entries of the table: pointers to slots are void.
bool index_insert(struct index *index, struct index_table *table, uint64_t hash, uint64_t payload);

// Removes the entry in `slot`, which a probe for `hash` has found. Pointers to slots are void.
void index_remove(struct index *index, struct index_table *table, uint64_t hash, uint64_t *slot);

typedef void index_entry_fn(void *context, uint64_t entry);

// Calls `each` for the entries of the last bucket, and gives the bucket up. For tables that are
// being dropped: what is left is a smaller table in which probes for the other entries still work.
// The last bucket of all takes the table's memory with it. Returns how many entries there were.
size_t index_shed(struct index *index, struct index_table *table, index_entry_fn *each,
                  void *context);

// Calls `each` for the entries of the bucket at `pair`, and returns how many there are.
size_t index_bucket_each(const struct index *index, const uint64_t *pair, index_entry_fn *each,
                         void *context);

// Scans go by position: the bits of a hash that the index knows, in reverse, so that each bucket is
// a range of positions at any size of the table (as Redis' SCAN does it, by Pieter Noordhuis).
// Calls `each` for the entries from `position` on of the bucket that `position` falls in, and
// returns where the next begins: 0 at the end.
uint64_t index_scan(const struct index *index, const struct index_table *table, uint64_t position,
                    index_entry_fn *each, void *context);

uint64_t index_position(const struct index *index, uint64_t hash);

// What the index knows of the hash of an entry that index_scan() showed from `position` on. Enough
// to insert it anew.
uint64_t index_hash_at(const struct index *index, uint64_t position, uint64_t entry);

// An entry picked about evenly by `random`; 0 when the table is empty.
uint64_t index_sample(const struct index *index, const struct index_table *table, uint64_t random);

// Walks the whole table and CHECKs all that is said above. For tests.
void index_verify(const struct index *index, const struct index_table *table);

static inline uint32_t index_fingerprint(const struct index *index, uint64_t hash)
{
    const uint32_t bits = (uint32_t)(hash >> index->base_bits) & ((1U << 22) - 1);

    return bits != 0 ? bits : 1U << 20;
}

static inline uint64_t index_entry(uint32_t fingerprint, uint64_t payload)
{
    return (uint64_t)fingerprint << INDEX_PAYLOAD_BITS | payload;
}

static inline uint64_t index_payload(uint64_t entry)
{
    return entry & INDEX_PAYLOAD_MASK;
}

static inline uint32_t index_bucket(const struct index_table *table, uint64_t hash)
{
    const uint32_t bucket = (uint32_t)hash & table->mask;

    return bucket < table->buckets ? bucket : bucket & table->mask >> 1;
}

// Line 0 of a bucket.
static inline uint64_t *index_pair(const struct index *index, const struct index_table *table,
                                   uint32_t bucket)
{
    const uint64_t chunk = table->directory[bucket / INDEX_CHUNK_BUCKETS];

    return (uint64_t *)(void *)(index->base + chunk * INDEX_CHUNK_BYTES +
                                (size_t)(bucket % INDEX_CHUNK_BUCKETS) * INDEX_BUCKET_BYTES);
}

// The line that a hash prefers, to be prefetched; NULL when the table is empty.
static inline uint64_t *index_line(const struct index *index, const struct index_table *table,
                                   uint64_t hash)
{
    if (table->buckets == 0) {
        return NULL;
    }
    const uint32_t line = index_fingerprint(index, hash) >> (INDEX_FINGERPRINT_BITS - 1);

    return index_pair(index, table, index_bucket(table, hash)) + (size_t)line * INDEX_LINE_SLOTS;
}

// Asks for both lines of a hash's bucket: a sixth of the look-ups reads the other one too, and
// would wait for it and then for the record.
static inline void index_prefetch(const struct index *index, const struct index_table *table,
                                  uint64_t hash)
{
    const uint64_t *const line = index_line(index, table, hash);

    __builtin_prefetch(line);
    __builtin_prefetch((const void *)((uintptr_t)line ^ INDEX_LINE_BYTES));
}

// Asks for the first overflow line of a hash's bucket, or the second one, whose predecessors were
// asked for a while ago: who looks for what may not be there reads all of a bucket.
static inline void index_prefetch_overflow(const struct index *index,
                                           const struct index_table *table, uint64_t hash,
                                           uint32_t number)
{
    const uint64_t *line = index_line(index, table, hash);

    if (line == NULL) {
        return;
    }
    line = (const uint64_t *)((uintptr_t)line | INDEX_LINE_BYTES);
    while (number != 0) {
        const uint64_t last = line[INDEX_LINE_SLOTS - 1];

        if (last == 0 || last >> INDEX_PAYLOAD_BITS != 0) {
            return;
        }
        line = (const uint64_t *)(const void *)(index->base +
                                                (last & INDEX_PAYLOAD_MASK) * INDEX_LINE_BYTES);
        number--;
    }
    __builtin_prefetch(line);
}

// The slots of a line that hold `fingerprint`, as bits. Of fingerprint 0: the free ones and a link.
static inline uint32_t index_match(const uint64_t *line, uint32_t fingerprint)
{
#ifdef __SSE2__
    const __m128 *const halves = (const __m128 *)(const void *)line;
    const __m128i wanted = _mm_set1_epi32((int)fingerprint);
    // The upper halves of four entries each; a fingerprint is the top 22 of their 32 bits.
    const __m128 low = _mm_shuffle_ps(halves[0], halves[1], _MM_SHUFFLE(3, 1, 3, 1));
    const __m128 high = _mm_shuffle_ps(halves[2], halves[3], _MM_SHUFFLE(3, 1, 3, 1));
    const __m128i low_equal = _mm_cmpeq_epi32(_mm_srli_epi32(_mm_castps_si128(low), 10), wanted);
    const __m128i high_equal = _mm_cmpeq_epi32(_mm_srli_epi32(_mm_castps_si128(high), 10), wanted);
    const __m128i equal = _mm_packs_epi32(low_equal, high_equal);

    return (uint32_t)_mm_movemask_epi8(_mm_packs_epi16(equal, _mm_setzero_si128()));
#else
    uint32_t matches = 0;

    for (uint32_t slot = 0; slot < INDEX_LINE_SLOTS; slot++) {
        matches |= (uint32_t)(line[slot] >> INDEX_PAYLOAD_BITS == fingerprint) << slot;
    }
    return matches;
#endif
}

static inline bool index_is_link(uint64_t slot)
{
    return slot != 0 && slot >> INDEX_PAYLOAD_BITS == 0;
}

static inline uint64_t *index_follow(const struct index *index, uint64_t link)
{
    return (uint64_t *)(void *)(index->base + index_payload(link) * INDEX_LINE_BYTES);
}

// A look-up under way.
struct index_probe {
    uint64_t *line;
    uint32_t matches; // of the line, not yet returned
    uint32_t fingerprint;
    uint32_t lines; // read so far
};

static inline void index_probe_begin(const struct index *index, const struct index_table *table,
                                     uint64_t hash, struct index_probe *ret_probe)
{
    ret_probe->line = index_line(index, table, hash);
    ret_probe->fingerprint = index_fingerprint(index, hash);
    ret_probe->matches =
        ret_probe->line != NULL ? index_match(ret_probe->line, ret_probe->fingerprint) : 0;
    ret_probe->lines = 1;
}

// Goes on to the next line; false when there is none.
bool index_probe_advance(const struct index *index, struct index_probe *probe);

// Whether there may be more in another line: not if a slot of this one is free, since then nothing
// that prefers it is elsewhere.
static inline bool index_probe_more(const struct index_probe *probe)
{
    return probe->line != NULL && probe->line[INDEX_LINE_SLOTS - 1] != 0;
}

// The next slot with the fingerprint, NULL when there are no more.
static inline uint64_t *index_probe_next(const struct index *index, struct index_probe *probe)
{
    while (probe->matches == 0) {
        if (!index_probe_more(probe) || !index_probe_advance(index, probe)) {
            return NULL;
        }
    }
    const uint32_t slot = (uint32_t)__builtin_ctz(probe->matches);

    probe->matches &= probe->matches - 1;
    return &probe->line[slot];
}
