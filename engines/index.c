#include "engines/index.h"

#include "core/memory.h"

#include <string.h>

enum {
    LAST = INDEX_LINE_SLOTS - 1,
    BLOCK_LINES = INDEX_CHUNK_BYTES / INDEX_LINE_BYTES, // overflow lines, the first is a header
    DIRECTORY_CAPACITY_MIN = 8,
};

void index_open(struct index *index, struct arena *arena, uint32_t tables, uint32_t buckets_log)
{
    CHECK(tables > 0 && buckets_log <= INDEX_BUCKETS_MIN_LOG);
    *index = (struct index){
        .base = arena->base,
        .base_bits = buckets_log == 0 ? INDEX_BUCKETS_MIN_LOG : buckets_log,
        .bytes_max = UINT64_MAX,
    };
    arena_pool_open(&index->pool, arena, INDEX_CHUNK_BYTES);
    while (index->base_bits > 0 && tables > 1) {
        index->base_bits--;
        tables -= tables / 2;
    }
}

void index_table_close(struct index *index, struct index_table *table)
{
    index->directory_bytes -= table->directory_capacity * sizeof table->directory[0];
    memory_free(table->directory);
    *table = (struct index_table){0};
}

uint64_t index_bytes(const struct index *index)
{
    return index->pool.taken * INDEX_CHUNK_BYTES + index->directory_bytes;
}

uint64_t index_table_bytes_min(const struct index *index)
{
    const uint64_t buckets_bytes = (uint64_t)INDEX_BUCKET_BYTES << index->base_bits;
    const uint64_t chunks = (buckets_bytes + INDEX_CHUNK_BYTES - 1) / INDEX_CHUNK_BYTES;

    return chunks * INDEX_CHUNK_BYTES + (2 * chunks + DIRECTORY_CAPACITY_MIN) * sizeof(uint32_t);
}

// A place of INDEX_CHUNK_BYTES; ARENA_NONE when there is no memory, or no more is allowed.
static uint64_t block_take(struct index *index)
{
    return index_bytes(index) + INDEX_CHUNK_BYTES <= index->bytes_max
               ? arena_block_take(&index->pool)
               : ARENA_NONE;
}

// overflow lines --------------------------------------------------------------------------------

// The first line of a block of overflow lines. Blocks with free lines are linked by number + 1.
struct line_block {
    uint64_t free_lines[2]; // bitmap
    uint32_t next;
    uint32_t previous;
    uint32_t used;
};

static struct line_block *block_at(const struct index *index, uint64_t block)
{
    return (struct line_block *)(void *)(index->base + block * INDEX_CHUNK_BYTES);
}

static void block_link(struct index *index, uint32_t block)
{
    struct line_block *const it = block_at(index, block);

    it->next = index->lines_partial;
    it->previous = 0;
    if (it->next != 0) {
        block_at(index, it->next - 1)->previous = block + 1;
    }
    index->lines_partial = block + 1;
}

static void block_unlink(struct index *index, uint32_t block)
{
    const struct line_block *const it = block_at(index, block);

    if (it->previous != 0) {
        block_at(index, it->previous - 1)->next = it->next;
    } else {
        index->lines_partial = it->next;
    }
    if (it->next != 0) {
        block_at(index, it->next - 1)->previous = it->previous;
    }
}

static bool lines_grow(struct index *index)
{
    const uint64_t place = block_take(index);

    if (place == ARENA_NONE) {
        return false;
    }
    const uint32_t block = (uint32_t)(place / INDEX_CHUNK_BYTES);
    struct line_block *const it = block_at(index, block);

    it->free_lines[0] = UINT64_MAX - 1; // all but the header
    it->free_lines[1] = UINT64_MAX;
    it->used = 0;
    block_link(index, block);
    return true;
}

// A line's number, the line zeroed; 0 when there is no memory.
static uint64_t line_take(struct index *index)
{
    if (index->lines_partial == 0 && !lines_grow(index)) {
        return 0;
    }
    const uint32_t block = index->lines_partial - 1;
    struct line_block *const it = block_at(index, block);
    const uint32_t word = it->free_lines[0] != 0 ? 0 : 1;
    const uint32_t line = word * 64 + (uint32_t)__builtin_ctzll(it->free_lines[word]);
    const uint64_t number = (uint64_t)block * BLOCK_LINES + line;

    it->free_lines[word] &= it->free_lines[word] - 1;
    it->used++;
    if (it->used == BLOCK_LINES - 1) {
        block_unlink(index, block);
    }
    index->overflow_lines++;
    memset(index->base + number * INDEX_LINE_BYTES, 0, INDEX_LINE_BYTES);
    return number;
}

static void line_free(struct index *index, uint64_t number)
{
    const uint32_t block = (uint32_t)(number / BLOCK_LINES);
    const uint32_t line = (uint32_t)(number % BLOCK_LINES);
    struct line_block *const it = block_at(index, block);
    const uint64_t bit = UINT64_C(1) << line % 64;

    CHECK(line != 0 && (it->free_lines[line / 64] & bit) == 0);
    it->free_lines[line / 64] |= bit;
    if (it->used == BLOCK_LINES - 1) {
        block_link(index, block);
    }
    it->used--;
    index->overflow_lines--;
    // One block stays, so that a split, which frees a line before it takes one, cannot fail.
    if (it->used == 0 && (it->next != 0 || it->previous != 0)) {
        block_unlink(index, block);
        arena_block_free(&index->pool, (uint64_t)block * INDEX_CHUNK_BYTES);
    }
}

// Whether `count` lines can be taken now.
static bool lines_available(struct index *index, size_t count)
{
    size_t free_lines = 0;
    uint32_t next = index->lines_partial;

    while (next != 0 && free_lines < count) {
        const struct line_block *const it = block_at(index, next - 1);

        free_lines += BLOCK_LINES - 1 - it->used;
        next = it->next;
    }
    return free_lines >= count || (lines_grow(index) && free_lines + BLOCK_LINES - 1 >= count);
}

// buckets ---------------------------------------------------------------------------------------

static uint32_t entry_line(uint64_t entry)
{
    return (uint32_t)(entry >> 63);
}

static uint32_t line_used(const uint64_t *line)
{
    if (line[LAST] != 0) {
        return INDEX_LINE_SLOTS;
    }
    return (uint32_t)__builtin_ctz(index_match(line, 0));
}

// The last line of a bucket's chain, NULL when there is none; ret_link is the slot that holds the
// link to it.
static uint64_t *chain_last(const struct index *index, uint64_t *pair, uint64_t **ret_link)
{
    uint64_t *link = &pair[INDEX_LINE_SLOTS + LAST];
    uint64_t *line = NULL;

    while (index_is_link(*link)) {
        *ret_link = link;
        line = index_follow(index, *link);
        link = &line[LAST];
    }
    return line;
}

static bool chain_insert(struct index *index, uint64_t *pair, uint64_t entry)
{
    uint64_t *link = NULL;
    uint64_t *line = chain_last(index, pair, &link);

    if (line == NULL) {
        line = pair + INDEX_LINE_SLOTS;
    }
    if (line[LAST] != 0) {
        // The entry in the last slot moves on, and the link takes its place.
        const uint64_t number = line_take(index);

        if (number == 0) {
            return false;
        }
        uint64_t *const next = (uint64_t *)(void *)(index->base + number * INDEX_LINE_BYTES);

        next[0] = line[LAST];
        next[1] = entry;
        line[LAST] = number;
        return true;
    }
    line[line_used(line)] = entry;
    return true;
}

static bool bucket_insert(struct index *index, uint64_t *pair, uint64_t entry)
{
    uint64_t *line = pair + (size_t)entry_line(entry) * INDEX_LINE_SLOTS;

    if (line[LAST] != 0) {
        line = pair + (size_t)(1 - entry_line(entry)) * INDEX_LINE_SLOTS;
        if (line[LAST] != 0) {
            return chain_insert(index, pair, entry);
        }
    }
    line[line_used(line)] = entry;
    return true;
}

// Takes the last entry off the chain.
static uint64_t chain_pop(struct index *index, uint64_t *line, uint64_t *link)
{
    const uint32_t used = line_used(line);
    const uint64_t entry = line[used - 1];

    CHECK(used >= 2);
    line[used - 1] = 0;
    if (used == 2) {
        const uint64_t number = index_payload(*link);

        *link = line[0];
        line_free(index, number);
    }
    return entry;
}

// Brings entries home that could not be in `line`, now that one of its slots is free.
static void bucket_settle(uint64_t *pair, uint32_t line)
{
    for (;;) {
        uint64_t *const to = pair + (size_t)line * INDEX_LINE_SLOTS;
        uint64_t *const from = pair + (size_t)(1 - line) * INDEX_LINE_SLOTS;
        const uint32_t from_used = line_used(from);
        uint32_t slot = 0;

        while (slot < from_used && entry_line(from[slot]) != line) {
            slot++;
        }
        if (slot == from_used) {
            return;
        }
        to[line_used(to)] = from[slot];
        from[slot] = from[from_used - 1];
        from[from_used - 1] = 0;
        if (from_used < INDEX_LINE_SLOTS) {
            return;
        }
        line = 1 - line;
    }
}

static void bucket_remove(struct index *index, uint64_t *pair, uint64_t *slot)
{
    uint64_t *link = NULL;
    uint64_t *const last = chain_last(index, pair, &link);

    if (last != NULL) {
        // The popped entry may be the one to remove, or have moved to the link's place.
        const uint64_t removed = *slot;
        const uint64_t popped = chain_pop(index, last, link);

        if (popped != removed) {
            if (slot >= last && slot < last + INDEX_LINE_SLOTS && !index_is_link(*link)) {
                slot = link;
            }
            CHECK(*slot == removed);
            *slot = popped;
        }
        return;
    }
    const uint32_t line = slot >= pair + INDEX_LINE_SLOTS ? 1 : 0;
    uint64_t *const first = pair + (size_t)line * INDEX_LINE_SLOTS;
    const uint32_t used = line_used(first);

    CHECK(slot >= first && slot < first + used);
    *slot = first[used - 1];
    first[used - 1] = 0;
    if (used == INDEX_LINE_SLOTS) {
        bucket_settle(pair, line);
    }
}

// growth ----------------------------------------------------------------------------------------

// Makes room for one more chunk number.
static bool directory_grow(struct index *index, struct index_table *table)
{
    if (table->chunks < table->directory_capacity) {
        return true;
    }
    const uint32_t capacity =
        table->directory_capacity != 0 ? table->directory_capacity * 2 : DIRECTORY_CAPACITY_MIN;
    const uint64_t more_bytes = (capacity - table->directory_capacity) * sizeof table->directory[0];

    if (index_bytes(index) + more_bytes > index->bytes_max) {
        return false;
    }
    uint32_t *const directory =
        memory_resize(table->directory, capacity * sizeof table->directory[0]);

    if (directory == NULL) {
        return false;
    }
    index->directory_bytes += more_bytes;
    table->directory = directory;
    table->directory_capacity = capacity;
    return true;
}

static bool chunk_add(struct index *index, struct index_table *table)
{
    if (!directory_grow(index, table)) {
        return false;
    }
    const uint64_t place = block_take(index);

    if (place == ARENA_NONE) {
        return false;
    }
    memset(index->base + place, 0, INDEX_CHUNK_BYTES);
    table->directory[table->chunks++] = (uint32_t)(place / INDEX_CHUNK_BYTES);
    return true;
}

static void chunk_drop(struct index *index, struct index_table *table)
{
    CHECK(table->chunks > 0);
    table->chunks--;
    arena_block_free(&index->pool, (uint64_t)table->directory[table->chunks] * INDEX_CHUNK_BYTES);
}

static bool table_begin(struct index *index, struct index_table *table)
{
    const uint32_t buckets = UINT32_C(1) << index->base_bits;

    do {
        if (!chunk_add(index, table)) {
            while (table->chunks > 0) {
                chunk_drop(index, table);
            }
            return false;
        }
    } while (table->chunks * INDEX_CHUNK_BUCKETS < buckets);
    table->buckets = buckets;
    table->mask = buckets * 2 - 1;
    return true;
}

static bool entry_bit(const struct index *index, uint64_t entry, uint32_t level)
{
    return (entry >> (INDEX_PAYLOAD_BITS + level - index->base_bits) & 1) != 0;
}

static uint32_t table_level(const struct index_table *table)
{
    return 31 - (uint32_t)__builtin_clz(table->buckets);
}

// Where the entries of a bucket go that is being split or merged.
struct divide {
    struct index *index;
    uint64_t *pairs[2];
    uint32_t level; // of the bit that decides; both pairs are the same in a merge
};

static void divide_line(struct divide *divide, const uint64_t *slots, uint32_t count)
{
    for (uint32_t slot = 0; slot < count && slots[slot] != 0; slot++) {
        if (!index_is_link(slots[slot])) {
            const uint32_t side = entry_bit(divide->index, slots[slot], divide->level) ? 1 : 0;

            CHECK(bucket_insert(divide->index, divide->pairs[side], slots[slot]));
        }
    }
}

// Empties the bucket at `pair`, and inserts what was in it anew. A line of its chain is freed
// before its entries are inserted, so there are always lines enough.
static void divide_bucket(struct divide *divide, uint64_t *pair)
{
    uint64_t slots[INDEX_BUCKET_BYTES / sizeof(uint64_t)];
    uint64_t link = pair[INDEX_LINE_SLOTS + LAST];

    memcpy(slots, pair, INDEX_BUCKET_BYTES);
    memset(pair, 0, INDEX_BUCKET_BYTES);
    divide_line(divide, slots, INDEX_LINE_SLOTS);
    divide_line(divide, slots + INDEX_LINE_SLOTS, INDEX_LINE_SLOTS);
    while (index_is_link(link)) {
        memcpy(slots, index_follow(divide->index, link), INDEX_LINE_BYTES);
        line_free(divide->index, index_payload(link));
        link = slots[LAST];
        divide_line(divide, slots, INDEX_LINE_SLOTS);
    }
}

// The bucket that is split when a table has so many.
static uint32_t split_bucket(uint32_t buckets)
{
    return buckets - (UINT32_C(1) << (31 - (uint32_t)__builtin_clz(buckets)));
}

// Splits follow each other in a dozen insertions. Asks for the pair of the one after the next, and
// for what hangs on the next one's pair, which was asked for when a bucket was split before.
static void prefetch_splits(const struct index *index, const struct index_table *table)
{
    const uint64_t *const after = index_pair(index, table, split_bucket(table->buckets + 1));
    const uint64_t link =
        index_pair(index, table, split_bucket(table->buckets))[INDEX_LINE_SLOTS + LAST];

    __builtin_prefetch(after);
    __builtin_prefetch(after + INDEX_LINE_SLOTS);
    if (index_is_link(link)) {
        __builtin_prefetch(index_follow(index, link));
        __builtin_prefetch(block_at(index, index_payload(link) / BLOCK_LINES));
    }
    if (table->buckets / INDEX_CHUNK_BUCKETS < table->chunks) {
        const uint64_t *const target = index_pair(index, table, table->buckets);

        __builtin_prefetch(target, 1);
        __builtin_prefetch(target + INDEX_LINE_SLOTS, 1);
    }
}

static void table_split(struct index *index, struct index_table *table)
{
    const uint32_t level = table_level(table);
    const uint32_t new_bucket = table->buckets;
    const uint32_t old_bucket = split_bucket(new_bucket);

    if (level - index->base_bits >= INDEX_FINGERPRINT_BITS - 2) {
        return; // every bit is used; overflow lines take the rest
    }
    if (new_bucket % INDEX_CHUNK_BUCKETS == 0 && !chunk_add(index, table)) {
        return; // the chains grow meanwhile; the next insertion tries again
    }
    table->buckets++;
    table->mask = (UINT32_C(2) << table_level(table)) - 1;

    uint64_t *const pair = index_pair(index, table, old_bucket);
    struct divide divide = {
        .index = index,
        .pairs = {pair, index_pair(index, table, new_bucket)},
        .level = level,
    };

    divide_bucket(&divide, pair);
    prefetch_splits(index, table);
}

static void count_entry(void *context, uint64_t entry)
{
    (void)context;
    (void)entry;
}

static void table_merge(struct index *index, struct index_table *table)
{
    const uint32_t last = table->buckets - 1;
    const uint32_t level = 31 - (uint32_t)__builtin_clz(last);
    uint64_t *const from = index_pair(index, table, last);
    uint64_t *const to = index_pair(index, table, last - (UINT32_C(1) << level));
    const size_t entries = index_bucket_each(index, from, count_entry, NULL) +
                           index_bucket_each(index, to, count_entry, NULL);

    if (!lines_available(index, entries / (INDEX_LINE_SLOTS - 1))) {
        return;
    }
    struct divide divide = {.index = index, .pairs = {to, to}, .level = level};

    divide_bucket(&divide, from);
    table->buckets--;
    table->mask = (UINT32_C(2) << table_level(table)) - 1;
    if (table->buckets % INDEX_CHUNK_BUCKETS == 0) {
        chunk_drop(index, table);
    }
}

bool index_insert(struct index *index, struct index_table *table, uint64_t hash, uint64_t payload)
{
    CHECK(payload <= INDEX_PAYLOAD_MASK);
    if (table->buckets == 0 && !table_begin(index, table)) {
        return false;
    }
    const uint64_t entry = index_entry(index_fingerprint(index, hash), payload);

    if (!bucket_insert(index, index_pair(index, table, index_bucket(table, hash)), entry)) {
        return false;
    }
    table->entries++;
    if (table->entries * 8 > (uint64_t)table->buckets * INDEX_GROW_EIGHTHS) {
        table_split(index, table);
    }
    return true;
}

void index_remove(struct index *index, struct index_table *table, uint64_t hash, uint64_t *slot)
{
    CHECK(table->entries > 0);
    bucket_remove(index, index_pair(index, table, index_bucket(table, hash)), slot);
    table->entries--;
    if (table->entries * 8 < (uint64_t)table->buckets * INDEX_SHRINK_EIGHTHS &&
        table->buckets > UINT32_C(1) << index->base_bits) {
        table_merge(index, table);
    }
}

size_t index_shed(struct index *index, struct index_table *table, index_entry_fn *each,
                  void *context)
{
    if (table->buckets == 0) {
        return 0;
    }
    uint64_t *const pair = index_pair(index, table, table->buckets - 1);
    const size_t count = index_bucket_each(index, pair, each, context);
    uint64_t *link = NULL;
    uint64_t *last = NULL;

    while ((last = chain_last(index, pair, &link)) != NULL) {
        (void)chain_pop(index, last, link);
    }
    memset(pair, 0, INDEX_BUCKET_BYTES);
    CHECK(table->entries >= count);
    table->entries -= count;
    table->buckets--;
    if (table->buckets % INDEX_CHUNK_BUCKETS == 0) {
        chunk_drop(index, table);
    }
    if (table->buckets == 0) {
        while (table->chunks > 0) {
            chunk_drop(index, table);
        }
        index_table_close(index, table);
    } else {
        // Smaller than a table can be by merging, but addressed alike.
        table->mask = (UINT32_C(2) << table_level(table)) - 1;
    }
    return count;
}
