// Walking over keys: SCAN, KEYS, RANDOMKEY, DBSIZE, FLUSHDB, FLUSHALL.
//
// SCAN's cursor is a place in the order of partitions, and inside one in the engine's hash order:
//
//     bits 48..63   partition
//     bits 0..47    engine_cursor of its vnode
//
// A core's partitions lie next to each other, so a scan walks core by core. A call that comes to
// the end of a core's with fewer keys than it may tell goes on at the next: a few keys are told in
// one call, as users of Redis expect it. 0 is start and end, as in Redis: a cursor of 0 in
// partition 0 can only be the start.
#include "cluster/commands.h"
#include "cluster/multi.h"
#include "cluster/shard.h"
#include "cluster/walk.h"
#include "core/glob.h"
#include "core/memory.h"
#include "core/number.h"

#include <string.h>

enum {
    SCAN_PARTITION_SHIFT = 48,
    SCAN_COUNT_DEFAULT = 10,
    SCAN_BUCKETS_AT_ONCE = 8,
    SCAN_COUNT_MAX = 1 << 20, // more is asked for in the next call: a bound on one reply
    // Empty buckets that a call passes on a core: what an index begins with, and as Redis 10 for
    // each key asked for.
    SCAN_EMPTY_BUCKETS = 16 * 1024,
    SCAN_EMPTY_BUCKETS_A_KEY = 10,
};

// SCAN ---------------------------------------------------------------------------------------

// What strtoul(3) takes, as in Redis: a sign, digits, nothing behind them but the end or a NUL. A
// cursor that was never given out ends the walk.
static bool scan_parse_cursor(struct exec *x, uint64_t *ret_cursor)
{
    struct slice text = x->argv[1];
    size_t at = 0;
    uint64_t value = 0;
    bool valid = true;
    bool negative = text.size != 0 && text.bytes[0] == '-';
    if (text.size != 0 && (text.bytes[0] == '-' || text.bytes[0] == '+')) {
        at = 1;
        valid = text.size > 1 && text.bytes[1] != '\0';
    }
    for (; at < text.size && text.bytes[at] != '\0' && valid; at++) {
        uint64_t digit = (uint64_t)text.bytes[at] - '0';
        valid = digit <= 9 && value <= (UINT64_MAX - digit) / 10;
        value = value * 10 + digit;
    }
    if (!valid) {
        exec_error(x, "ERR invalid cursor");
        return false;
    }
    *ret_cursor = negative ? 0 - value : value;
    return true;
}

// Where a scan that starts from nothing starts: a shard port's own first partition, or that of all.
static uint32_t scan_first_partition(const struct exec *x, uint32_t shard, bool scoped)
{
    return scoped ? placement_partition(x->shard->node->placement, shard, 0) : 0;
}

static bool keyspace_scan_target(struct exec *x, uint32_t *ret_shard)
{
    uint64_t cursor;
    const struct node *node = x->shard->node;
    if (!scan_parse_cursor(x, &cursor)) {
        return false;
    }
    uint64_t partition = cursor >> SCAN_PARTITION_SHIFT;
    *ret_shard = x->shard->index;
    if (cursor == 0) {
        if (!x->scoped) {
            *ret_shard = placement_core(node->placement, 0);
        }
    } else if (partition < node->placement->partitions) {
        *ret_shard = placement_core(node->placement, (uint32_t)partition);
    }
    return true;
}

static bool scan_options(struct exec *x, struct walk *walk, int64_t *ret_count)
{
    for (uint32_t at = 2; at < x->argc; at += 2) {
        bool last = at + 1 == x->argc;
        if (exec_word(x, at, "count") && !last) {
            if (!exec_integer(x, at + 1, ret_count)) {
                return false;
            }
            if (*ret_count < 1) {
                exec_error_syntax(x);
                return false;
            }
        } else if (exec_word(x, at, "match") && !last) {
            if (!walk_set_pattern(x, walk, x->argv[at + 1])) {
                return false;
            }
        } else if (exec_word(x, at, "type") && !last) {
            walk->nothing = !exec_word(x, at + 1, "string");
        } else {
            exec_error_syntax(x);
            return false;
        }
    }
    return true;
}

// Where the part's walk is: `at` is the cursor, `step` the buckets looked at. In the end `sum` is
// what is left of COUNT. A part that another core's is followed by begins with its `at` and `sum`.
static bool scan_begin(struct exec *x, struct walk *walk, int64_t *ret_count)
{
    uint64_t cursor;
    *ret_count = SCAN_COUNT_DEFAULT;
    if (!scan_parse_cursor(x, &cursor) || !scan_options(x, walk, ret_count)) {
        return false;
    }
    *ret_count = *ret_count < SCAN_COUNT_MAX ? *ret_count : SCAN_COUNT_MAX;
    *ret_count = x->part->sum != 0 ? x->part->sum : *ret_count;
    return true;
}

// Whether the part has looked at enough for one call.
static bool scan_enough(const struct part *part, const struct walk *walk, uint64_t count)
{
    return walk->seen >= count ||
           part->step >= SCAN_EMPTY_BUCKETS + count * SCAN_EMPTY_BUCKETS_A_KEY;
}

static void keyspace_scan(struct exec *x)
{
    struct shard *shard = x->shard;
    struct part *part = x->part;
    const struct placement *placement = shard->node->placement;
    bool first;
    int64_t count;
    struct walk *walk = walk_of_part(x, &first);
    if (walk == NULL || !scan_begin(x, walk, &count)) {
        return;
    }
    uint64_t cursor = 0;
    (void)scan_parse_cursor(x, &cursor); // scan_begin() has found it to be one
    if (first && part->at == 0) {
        part->at = cursor != 0 ? cursor
                               : (uint64_t)scan_first_partition(x, shard->index, x->scoped)
                                     << SCAN_PARTITION_SHIFT;
    }
    bool more = true;
    while (more && !part->waits && !work_over(&shard->work) && !walk->failed) {
        uint64_t partition = part->at >> SCAN_PARTITION_SHIFT;
        bool mine = partition < placement->partitions &&
                    placement_core(placement, (uint32_t)partition) == shard->index;
        if (!walk_is_late(walk) && (!mine || scan_enough(part, walk, (uint64_t)count))) {
            if (partition >= placement->partitions || (x->scoped && !mine)) {
                part->at = 0;
            }
            more = false;
            break;
        }
        engine_cursor at = part->at & ((UINT64_C(1) << SCAN_PARTITION_SHIFT) - 1);
        uint32_t vnode = placement_vnode(placement, (uint32_t)partition);
        if (walk_go(walk, vnode, &at, SCAN_BUCKETS_AT_ONCE)) {
            part->step += SCAN_BUCKETS_AT_ONCE;
            partition += at == 0;
            part->at = partition << SCAN_PARTITION_SHIFT | at;
        }
    }
    bool failed = walk_failed(x, walk);
    part->more = more && !failed;
    if (!part->more) {
        part->sum = scan_enough(part, walk, (uint64_t)count) ? 0 : count - (int64_t)walk->seen;
    }
}

static bool keyspace_scan_onward(struct exec *x, const struct part *done, struct part *next,
                                 uint32_t *ret_shard)
{
    uint64_t partition = done->at >> SCAN_PARTITION_SHIFT;
    if (done->sum == 0 || done->at == 0) {
        return false;
    }
    next->at = done->at;
    next->sum = done->sum;
    *ret_shard = placement_core(x->shard->node->placement, (uint32_t)partition);
    return true;
}

static void keyspace_scan_finish(struct exec *x)
{
    uint64_t matched = 0;
    for (uint32_t p = 0; p < x->part_count; p++) {
        matched += ((const struct walk *)x->parts[p].data)->matched;
    }
    char text[NUMBER_I64_BYTES_MAX];
    uint64_t cursor = x->parts[x->part_count - 1].at;
    size_t size = (size_t)(number_write_u64((uint8_t *)text, cursor) - (uint8_t *)text);
    reply_array(&x->reply, 2);
    reply_bulk(&x->reply, slice_of(text, size));
    reply_array(&x->reply, (uint32_t)matched);
    for (uint32_t p = 0; p < x->part_count; p++) {
        outbuf_splice(x->reply.out, &x->parts[p].out, x->reply.cache);
    }
}

// KEYS ---------------------------------------------------------------------------------------

enum { KEYS_BUCKETS_AT_ONCE = 8 };

static void keyspace_keys(struct exec *x)
{
    struct shard *shard = x->shard;
    struct part *part = x->part;
    bool first;
    struct walk *walk = walk_of_part(x, &first);
    if (walk == NULL) {
        return;
    }
    if (!walk_set_pattern(x, walk, x->argv[1])) {
        return;
    }
    // `step` is the vnode, `at` the place in it.
    while ((part->step < shard->vnode_count || walk_is_late(walk)) && !part->waits &&
           !work_over(&shard->work) && !walk->failed) {
        if (walk_go(walk, part->step, &part->at, KEYS_BUCKETS_AT_ONCE)) {
            part->step += part->at == 0;
        }
    }
    bool failed = walk_failed(x, walk);
    part->more = !failed && (part->step < shard->vnode_count || walk_is_late(walk));
    if (!failed && !part->more) {
        walk_unreadable(x, walk);
    }
}

static void keyspace_keys_finish(struct exec *x)
{
    uint64_t matched = 0;
    for (uint32_t p = 0; p < x->part_count; p++) {
        matched += ((const struct walk *)x->parts[p].data)->matched;
    }
    reply_array(&x->reply, (uint32_t)matched);
    for (uint32_t p = 0; p < x->part_count; p++) {
        outbuf_splice(x->reply.out, &x->parts[p].out, x->reply.cache);
    }
}

static int64_t parts_sum(const struct exec *x)
{
    int64_t sum = 0;
    for (uint32_t p = 0; p < x->part_count; p++) {
        sum += x->parts[p].sum;
    }
    return sum;
}

// RANDOMKEY, DBSIZE, FLUSH -------------------------------------------------------------------

enum { RANDOM_TRIES = 100 };

// RANDOMKEY's, while its part runs.
struct random_pick {
    struct engine_scan scan;
    struct exec *x; // while run() runs
    struct shard *shard;
    struct part *part;
    uint64_t random;
    uint32_t tries; // that are left
    bool found;
};

static bool random_each(void *context, const struct engine_record *record)
{
    struct random_pick *pick = context;
    // Behind the vnodes of keys comes the shard's own (identity.h).
    if (record->vnode < pick->shard->vnode_count && walk_is_live(pick->shard, record)) {
        reply_bulk(&pick->x->reply, record->key);
        pick->found = true;
    }
    return true;
}

static void random_read(struct engine_scan *scan)
{
    struct random_pick *pick = scan->context;
    part_wake(pick->shard, pick->part);
}

static struct random_pick *random_of_part(struct exec *x)
{
    struct part *part = x->part;
    if (part->data != NULL) {
        return part->data;
    }
    struct random_pick *pick = memory_allocate(sizeof *pick);
    if (pick == NULL) {
        exec_error(x, "ERR out of memory");
        return NULL;
    }
    *pick = (struct random_pick){
        .scan = {.each = random_each, .context = pick, .done = random_read},
        .shard = x->shard,
        .part = part,
        .random = random_u64(&x->shard->random),
        .tries = RANDOM_TRIES,
    };
    part->data = pick;
    part->data_size = sizeof *pick;
    return pick;
}

static void keyspace_randomkey(struct exec *x)
{
    struct shard *shard = x->shard;
    struct random_pick *pick = random_of_part(x);
    if (pick == NULL) {
        return;
    }
    int64_t count = (int64_t)shard_key_count(shard);
    pick->x = x;
    while (count != 0 && pick->tries != 0) {
        if (engine_sample(shard->engine, &pick->scan, pick->random) == ENGINE_PENDING) {
            x->part->more = x->part->waits = true;
            return;
        }
        if (pick->found) {
            x->sum = count;
            return;
        }
        pick->random = random_u64(&shard->random);
        pick->tries--;
    }
}

// A core is picked by the keys that it has, so that every key of the node is as likely.
static void keyspace_randomkey_finish(struct exec *x)
{
    int64_t total = parts_sum(x);
    if (total == 0) {
        reply_null(&x->reply);
        return;
    }
    int64_t pick = (int64_t)random_below(&x->shard->random, (uint64_t)total);
    uint32_t p = 0;
    while (pick >= x->parts[p].sum) {
        pick -= x->parts[p++].sum;
    }
    outbuf_splice(x->reply.out, &x->parts[p].out, x->reply.cache);
}

static void keyspace_dbsize(struct exec *x)
{
    x->sum = (int64_t)shard_key_count(x->shard);
}

static void keyspace_dbsize_finish(struct exec *x)
{
    reply_integer(&x->reply, parts_sum(x));
}

static bool flush_valid(const struct exec *x)
{
    return x->argc == 1 || (x->argc == 2 && (exec_word(x, 1, "async") || exec_word(x, 1, "sync")));
}

static void keyspace_flush(struct exec *x)
{
    if (flush_valid(x)) {
        shard_drop_keys(x->shard);
    }
}

static void keyspace_flush_finish(struct exec *x)
{
    if (flush_valid(x)) {
        reply_ok(&x->reply);
    } else {
        exec_error_syntax(x);
    }
}

#define KEYSPACE_ABOUT(name_, run_, arity_, flags_, categories_, since_, complexity_, summary_)    \
    .name = (name_), .run = (run_), .arity = (arity_), .flags = (flags_),                          \
    .categories = ACL_KEYSPACE | (categories_), .since = (since_), .complexity = (complexity_),    \
    .summary = (summary_)

#define KEYSPACE_ALL(finish_, ...)                                                                 \
    KEYSPACE_ABOUT(__VA_ARGS__), .finish = (finish_), .route = ROUTE_ALL

static const struct command keyspace_rows[] = {
    {KEYSPACE_ALL(keyspace_dbsize_finish, "dbsize", keyspace_dbsize, 1,
                  COMMAND_READONLY | COMMAND_FAST | COMMAND_SCOPED | COMMAND_WALK,
                  ACL_READ | ACL_FAST, "1.0.0", "O(1)", "Counts the keys"),
     .tips = "request_policy:all_shards,response_policy:agg_sum", .group = "server"},
    {KEYSPACE_ALL(keyspace_flush_finish, "flushall", keyspace_flush, -1,
                  COMMAND_WRITE | COMMAND_SCOPED | COMMAND_WHOLE,
                  ACL_WRITE | ACL_SLOW | ACL_DANGEROUS, "1.0.0", "O(1), memory is freed later",
                  "Deletes all keys"),
     .tips = "request_policy:all_shards,response_policy:all_succeeded", .group = "server"},
    {KEYSPACE_ALL(keyspace_flush_finish, "flushdb", keyspace_flush, -1,
                  COMMAND_WRITE | COMMAND_SCOPED | COMMAND_WHOLE,
                  ACL_WRITE | ACL_SLOW | ACL_DANGEROUS, "1.0.0", "O(1), memory is freed later",
                  "Deletes all keys"),
     .tips = "request_policy:all_shards,response_policy:all_succeeded", .group = "server"},
    {KEYSPACE_ALL(keyspace_keys_finish, "keys", keyspace_keys, 2,
                  COMMAND_READONLY | COMMAND_SCOPED | COMMAND_WALK,
                  ACL_READ | ACL_SLOW | ACL_DANGEROUS, "1.0.0", "O(N) in the number of keys",
                  "Lists the keys that match a pattern"),
     .tips = "request_policy:all_shards,nondeterministic_output_order", .group = "generic"},
    {KEYSPACE_ALL(keyspace_randomkey_finish, "randomkey", keyspace_randomkey, 1,
                  COMMAND_READONLY | COMMAND_SCOPED | COMMAND_WALK, ACL_READ | ACL_SLOW, "1.0.0",
                  "O(1)", "Tells some key"),
     .tips = "request_policy:all_shards,nondeterministic_output", .group = "generic"},
    {KEYSPACE_ALL(keyspace_scan_finish, "scan", keyspace_scan, -2, COMMAND_READONLY | COMMAND_WALK,
                  ACL_READ | ACL_SLOW, "2.8.0", "O(1) for each call",
                  "Walks over the keys, some at a time"),
     .tips = "nondeterministic_output,request_policy:special", .target = keyspace_scan_target,
     .onward = keyspace_scan_onward, .group = "generic"},
};

const struct command_module commands_keyspace = COMMAND_ROWS(keyspace_rows);
