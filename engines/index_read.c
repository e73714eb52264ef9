// What reads tables without changing them: the rare part of a probe, scans, samples, and the check
// of everything that engines/index.h promises.
#include "engines/index.h"

#include "core/random.h"

enum {
    LAST = INDEX_LINE_SLOTS - 1,
    SAMPLE_TRIES = 64,
    SAMPLE_SLOTS = 5 * INDEX_LINE_SLOTS, // of a bucket: hardly one in a thousand has more entries
};

bool index_probe_advance(const struct index *index, struct index_probe *probe)
{
    uint64_t *const line = probe->line;
    uint64_t link = line[LAST];

    if (probe->lines == 1) {
        // The other line of the pair, which is aligned to its size.
        probe->line = (uint64_t *)(void *)((uintptr_t)line ^ INDEX_LINE_BYTES);
    } else {
        if (probe->lines == 2) {
            link = ((uint64_t *)(void *)((uintptr_t)line | INDEX_LINE_BYTES))[LAST];
        }
        if (!index_is_link(link)) {
            return false;
        }
        probe->line = index_follow(index, link);
    }
    probe->lines++;
    probe->matches = index_match(probe->line, probe->fingerprint);
    return true;
}

size_t index_bucket_each(const struct index *index, const uint64_t *pair, index_entry_fn *each,
                         void *context)
{
    const uint64_t *line = pair;
    size_t count = 0;

    for (uint32_t number = 0; line != NULL; number++) {
        const uint64_t *next = number == 0 ? pair + INDEX_LINE_SLOTS : NULL;

        for (uint32_t slot = 0; slot < INDEX_LINE_SLOTS && line[slot] != 0; slot++) {
            if (index_is_link(line[slot])) {
                next = index_follow(index, line[slot]);
            } else {
                each(context, line[slot]);
                count++;
            }
        }
        line = next;
    }
    return count;
}

// scans -----------------------------------------------------------------------------------------

// The low 48 bits in reverse.
static uint64_t reverse_bits(uint64_t value)
{
    value = (value >> 1 & UINT64_C(0x5555555555555555)) | (value & UINT64_C(0x5555555555555555))
                                                              << 1;
    value = (value >> 2 & UINT64_C(0x3333333333333333)) | (value & UINT64_C(0x3333333333333333))
                                                              << 2;
    value = (value >> 4 & UINT64_C(0x0f0f0f0f0f0f0f0f)) | (value & UINT64_C(0x0f0f0f0f0f0f0f0f))
                                                              << 4;
    return __builtin_bswap64(value) >> (64 - INDEX_POSITION_BITS);
}

static uint64_t entry_position(const struct index *index, uint32_t bucket, uint32_t fingerprint)
{
    const uint64_t low = bucket & ((UINT32_C(1) << index->base_bits) - 1);

    return reverse_bits(low | (uint64_t)fingerprint << index->base_bits);
}

uint64_t index_position(const struct index *index, uint64_t hash)
{
    return entry_position(index, (uint32_t)hash, index_fingerprint(index, hash));
}

uint64_t index_hash_at(const struct index *index, uint64_t position, uint64_t entry)
{
    const uint64_t low = reverse_bits(position) & ((UINT64_C(1) << index->base_bits) - 1);

    return low | entry >> INDEX_PAYLOAD_BITS << index->base_bits;
}

// How many bits of the hash decide that an entry is in `bucket`.
static uint32_t bucket_bits(const struct index_table *table, uint32_t bucket)
{
    const uint32_t level = 31 - (uint32_t)__builtin_clz(table->buckets);
    const uint32_t half = UINT32_C(1) << level;

    return bucket >= half || bucket + half < table->buckets ? level + 1 : level;
}

struct scan {
    const struct index *index;
    uint32_t bucket;
    uint64_t position;
    index_entry_fn *each;
    void *context;
};

static void scan_entry(void *context, uint64_t entry)
{
    const struct scan *const scan = context;
    const uint32_t fingerprint = (uint32_t)(entry >> INDEX_PAYLOAD_BITS);

    // What is before the position was visited when it was in a bucket of its own, before a merge.
    if (entry_position(scan->index, scan->bucket, fingerprint) >= scan->position) {
        scan->each(scan->context, entry);
    }
}

uint64_t index_scan(const struct index *index, const struct index_table *table, uint64_t position,
                    index_entry_fn *each, void *context)
{
    CHECK(position >> INDEX_POSITION_BITS == 0);
    if (table->buckets == 0) {
        return 0;
    }
    const uint32_t bucket = index_bucket(table, reverse_bits(position));
    const uint64_t width = UINT64_C(1) << (INDEX_POSITION_BITS - bucket_bits(table, bucket));
    const uint64_t next = (position | (width - 1)) + 1;
    const uint64_t *const pair = index_pair(index, table, bucket);

    if (next >> INDEX_POSITION_BITS == 0) { // that is where a scan goes on
        const uint64_t *const ahead =
            index_pair(index, table, index_bucket(table, reverse_bits(next)));

        __builtin_prefetch(ahead);
        __builtin_prefetch(ahead + INDEX_LINE_SLOTS);
    }
    if (pair[0] != 0 || pair[INDEX_LINE_SLOTS] != 0) {
        struct scan scan = {
            .index = index,
            .bucket = bucket,
            .position = position,
            .each = each,
            .context = context,
        };

        index_bucket_each(index, pair, scan_entry, &scan);
    }
    return next >> INDEX_POSITION_BITS == 0 ? next : 0;
}

// samples ---------------------------------------------------------------------------------------

// The entry in the slot of that number of a bucket, counting through its overflow lines; 0 when
// there is none.
static uint64_t bucket_slot(const struct index *index, const uint64_t *pair, uint32_t slot)
{
    const uint64_t *line = pair;

    if (slot >= INDEX_LINE_SLOTS) {
        line += INDEX_LINE_SLOTS;
        for (slot -= INDEX_LINE_SLOTS; slot >= INDEX_LINE_SLOTS; slot -= INDEX_LINE_SLOTS) {
            if (!index_is_link(line[LAST])) {
                return 0;
            }
            line = index_follow(index, line[LAST]);
        }
    }
    return index_is_link(line[slot]) ? 0 : line[slot];
}

uint64_t index_sample(const struct index *index, const struct index_table *table, uint64_t random)
{
    if (table->entries == 0) {
        return 0;
    }
    uint32_t bucket = 0;

    // A bucket, then one of the slots that it might have: so buckets with more entries are hit more
    // often.
    for (uint32_t i = 0; i < SAMPLE_TRIES; i++) {
        const uint64_t bits = random_split(&random);
        const uint32_t slot = (uint32_t)(bits & 0xffff) * SAMPLE_SLOTS >> 16;

        bucket = (uint32_t)((bits >> 32) * table->buckets >> 32);

        const uint64_t entry = bucket_slot(index, index_pair(index, table, bucket), slot);

        if (entry != 0) {
            return entry;
        }
    }
    // Nearly empty: the next entry there is, in a table that is at its smallest or about to shrink.
    for (;; bucket = (bucket + 1) % table->buckets) {
        const uint64_t *const pair = index_pair(index, table, bucket);

        if (pair[0] != 0 || pair[INDEX_LINE_SLOTS] != 0) {
            return pair[0] != 0 ? pair[0] : pair[INDEX_LINE_SLOTS];
        }
    }
}

// the check -------------------------------------------------------------------------------------

// The slots in use of a line come first; a link only where `may_link`, in the last slot.
static uint32_t verify_line(const uint64_t *line, bool may_link)
{
    uint32_t used = 0;

    while (used < INDEX_LINE_SLOTS && line[used] != 0) {
        CHECK(!index_is_link(line[used]) || (may_link && used == LAST));
        used++;
    }
    for (uint32_t slot = used; slot < INDEX_LINE_SLOTS; slot++) {
        CHECK(line[slot] == 0);
    }
    return used;
}

// Returns the number of overflow lines.
static uint64_t verify_chain(const struct index *index, uint64_t link)
{
    uint64_t lines = 0;

    while (index_is_link(link)) {
        const uint64_t *const line = index_follow(index, link);

        CHECK(verify_line(line, true) >= 2);
        lines++;
        link = line[LAST];
    }
    return lines;
}

struct verify {
    const struct index *index;
    const struct index_table *table;
    uint32_t bucket;
};

static void verify_entry(void *context, uint64_t entry)
{
    const struct verify *const verify = context;
    const struct index *const index = verify->index;
    const uint64_t low = verify->bucket & ((UINT32_C(1) << index->base_bits) - 1);
    const uint64_t hash = low | entry >> INDEX_PAYLOAD_BITS << index->base_bits;

    CHECK(entry >> INDEX_PAYLOAD_BITS != 0);
    CHECK(index_bucket(verify->table, hash) == verify->bucket);
}

void index_verify(const struct index *index, const struct index_table *table)
{
    struct verify verify = {.index = index, .table = table};
    uint64_t entries = 0;

    for (uint32_t bucket = 0; bucket < table->buckets; bucket++) {
        const uint64_t *const pair = index_pair(index, table, bucket);
        uint32_t used[2] = {
            verify_line(pair, false),
            verify_line(pair + INDEX_LINE_SLOTS, true),
        };

        for (uint32_t line = 0; line < 2; line++) {
            const uint64_t *const slots = pair + (size_t)line * INDEX_LINE_SLOTS;

            for (uint32_t slot = 0; slot < used[line]; slot++) {
                const uint32_t preferred = (uint32_t)(slots[slot] >> 63);

                CHECK(index_is_link(slots[slot]) || preferred == line ||
                      used[preferred] == INDEX_LINE_SLOTS);
            }
        }
        if (verify_chain(index, pair[INDEX_LINE_SLOTS + LAST]) != 0) {
            CHECK(used[0] == INDEX_LINE_SLOTS);
        }
        verify.bucket = bucket;
        entries += index_bucket_each(index, pair, verify_entry, &verify);
    }
    CHECK(entries == table->entries);
    CHECK(table->buckets == 0 || table->buckets <= table->chunks * INDEX_CHUNK_BUCKETS);
}
