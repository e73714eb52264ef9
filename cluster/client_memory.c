#include "cluster/client_memory.h"

#include "cluster/client.h"
#include "cluster/settings.h"
#include "cluster/shard.h"
#include "core/check.h"
#include "core/limits.h"
#include "core/memory.h"

#include <stddef.h>

enum { TICK_NS = 1000 * 1000 * 1000, FREED_LEAST_BYTES = 1024 * 1024 };

// Classes ------------------------------------------------------------------------------------

// Number + 1 of the class for so many bytes; 0: none.
static uint8_t class_of(size_t bytes)
{
    if (bytes >> CLIENT_MEMORY_CLASS_MIN_BITS == 0) {
        return 0;
    }
    unsigned bits = 63U - (unsigned)__builtin_clzll(bytes);
    unsigned class = bits - CLIENT_MEMORY_CLASS_MIN_BITS;
    return (uint8_t)(1 + (class < CLIENT_MEMORY_CLASSES ? class : CLIENT_MEMORY_CLASSES - 1));
}

static void class_leave(struct client *client)
{
    struct client_memory *memory = &client->shard->client_memory;
    unsigned class = client->memory_class - 1U;
    if (client->larger_previous != NULL) {
        client->larger_previous->larger_next = client->larger_next;
    } else {
        memory->largest[class] = client->larger_next;
    }
    if (client->larger_next != NULL) {
        client->larger_next->larger_previous = client->larger_previous;
    }
    if (memory->largest[class] == NULL) {
        memory->used &= ~(1U << class);
    }
    client->memory_class = 0;
}

static void class_enter(struct client *client, uint8_t class)
{
    struct client_memory *memory = &client->shard->client_memory;
    struct client **first = &memory->largest[class - 1U];
    client->larger_previous = NULL;
    client->larger_next = *first;
    if (*first != NULL) {
        (*first)->larger_previous = client;
    }
    *first = client;
    memory->used |= 1U << (class - 1U);
    client->memory_class = class;
}

static void class_set(struct client *client, uint8_t class)
{
    if (class == client->memory_class) {
        return;
    }
    if (client->memory_class != 0) {
        class_leave(client);
    }
    if (class != 0) {
        class_enter(client, class);
    }
}

// Counting -----------------------------------------------------------------------------------

static void recent_roll(struct client_memory *memory, uint64_t now_ns)
{
    uint64_t window_ns = LIMIT_CLIENT_RECENT_MS * UINT64_C(1000000);
    if (now_ns < memory->recent_until_ns) {
        return;
    }
    bool long_ago = now_ns >= memory->recent_until_ns + window_ns;
    memory->recent[1] = long_ago ? (struct client_recent){0} : memory->recent[0];
    memory->recent[0] = (struct client_recent){0};
    memory->recent_until_ns = now_ns + window_ns;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static void recent_note(struct client_memory *memory, const struct client *client)
{
    uint64_t input = client->gather == NULL ? 0 : gather_memory(client->gather);
    uint64_t output = client->out.bytes + client->late.bytes;
    struct client_recent *recent = &memory->recent[0];
    recent_roll(memory, client->shard->io->now_ns);
    recent->input_bytes_max = larger(recent->input_bytes_max, input);
    recent->output_bytes_max = larger(recent->output_bytes_max, output);
}

struct client_recent client_memory_recent(struct shard *shard)
{
    struct client_recent *recent = shard->client_memory.recent;
    recent_roll(&shard->client_memory, shard->io->now_ns);
    return (struct client_recent){
        .input_bytes_max = larger(recent[0].input_bytes_max, recent[1].input_bytes_max),
        .output_bytes_max = larger(recent[0].output_bytes_max, recent[1].output_bytes_max),
    };
}

void client_memory_note_slowly(struct client *client)
{
    struct client_memory *memory = &client->shard->client_memory;
    size_t bytes =
        outbuf_memory(&client->out) + outbuf_memory(&client->late) + client->places_bytes;
    if (client->gather != NULL) {
        bytes += gather_memory(client->gather);
    }
    if (bytes == client->counted_bytes) {
        return;
    }
    bool leaving = (client->flags & CLIENT_CLOSING) != 0;
    memory->held_bytes += bytes - client->counted_bytes;
    if (leaving) {
        memory->leaving_bytes += bytes - client->counted_bytes;
    }
    client->counted_bytes = bytes;
    recent_note(memory, client);
    bool spared = leaving || (client->flags & CLIENT_NO_EVICT) != 0;
    class_set(client, spared ? 0 : class_of(bytes));
}

void client_memory_leave(struct client *client)
{
    CHECK((client->flags & CLIENT_CLOSING) != 0);
    class_set(client, 0);
    client->shard->client_memory.leaving_bytes += client->counted_bytes;
}

void client_memory_end(struct client *client)
{
    struct client_memory *memory = &client->shard->client_memory;
    CHECK(client->memory_class == 0 && client->places_bytes == 0);
    memory->held_bytes -= client->counted_bytes;
    memory->leaving_bytes -= client->counted_bytes;
    client->counted_bytes = 0;
}

void client_memory_orphan(struct shard *shard, int64_t bytes)
{
    shard->client_memory.held_bytes += (uint64_t)bytes;
    shard->client_memory.leaving_bytes += (uint64_t)bytes;
}

// The bound ----------------------------------------------------------------------------------

bool client_memory_room(const struct shard *shard, uint64_t bytes)
{
    const struct client_memory *memory = &shard->client_memory;
    return memory->max_bytes == 0 || memory->held_bytes + bytes <= memory->max_bytes;
}

static void memory_bound(struct shard *shard)
{
    struct client_memory *memory = &shard->client_memory;
    uint64_t bound = memory->max_bytes == 0 ? UINT64_MAX : memory->max_bytes;
    while (memory->held_bytes - memory->leaving_bytes > bound && memory->used != 0) {
        struct client *client = memory->largest[31U - (unsigned)__builtin_clz(memory->used)];
        client_log_closed(client, &memory->closed,
                          "closed the client that held the most, since all together held more than "
                          "their bound (clients.memory_max)",
                          "held_bytes", client->counted_bytes);
        shard->stats.clients_evicted++;
        client_close(client);
    }
    memory->tight = memory->held_bytes - memory->leaving_bytes > bound / 4 * 3;
}

// Giving back --------------------------------------------------------------------------------

// A second is over: blocks that nobody needed in it go, and the allocator is asked to look through
// what was freed.
static void memory_tick(struct timer *timer)
{
    struct shard *shard =
        (struct shard *)((uint8_t *)timer - offsetof(struct shard, client_memory.tick));
    struct client_memory *memory = &shard->client_memory;
    (void)block_trim(&shard->blocks);
    (void)block_trim(&shard->outbufs.huge);
    if (memory->freed) {
        memory_give_back();
    }
    memory->freed = false;
    memory->peak_bytes = memory->held_bytes;
}

static void memory_arm(struct shard *shard)
{
    struct client_memory *memory = &shard->client_memory;
    if (memory->held_bytes > memory->peak_bytes) {
        memory->peak_bytes = memory->held_bytes;
    }
    memory->freed = memory->freed || memory->peak_bytes - memory->held_bytes >= FREED_LEAST_BYTES;
    bool blocks = shard->blocks.kept != NULL || shard->outbufs.huge.kept != NULL;
    if ((memory->freed || blocks) && !timer_armed(&memory->tick)) {
        timer_arm(&shard->timers, &memory->tick, shard->io->now_ns + TICK_NS);
    }
}

// Blocks that nobody holds count too when memory is short: they go at once.
static bool memory_release(struct shard *shard)
{
    const struct client_memory *memory = &shard->client_memory;
    struct block_store *huge = &shard->outbufs.huge;
    uint64_t free_bytes = (uint64_t)shard->blocks.kept_count * LIMIT_BLOCK_KEPT_BYTES +
                          (uint64_t)huge->kept_count * OUTBUF_HUGE_BYTES +
                          shard->blocks.leaving_bytes + huge->leaving_bytes;
    uint64_t budget = LIMIT_RELEASE_BYTES;
    if (free_bytes != 0 && memory->max_bytes != 0 &&
        memory->held_bytes + free_bytes > memory->max_bytes / 4 * 3) {
        shard->blocks.surplus = shard->blocks.kept_count;
        huge->surplus = huge->kept_count;
        budget *= LIMIT_RELEASE_TIMES;
    }
    bool more = block_release(&shard->blocks, budget);
    return block_release(huge, budget) || more;
}

bool client_memory_step(struct shard *shard)
{
    memory_bound(shard);
    memory_arm(shard);
    return memory_release(shard);
}

void client_memory_configure(struct shard *shard)
{
    shard->client_memory.max_bytes = settings_clients_memory_share_bytes(shard);
    shard->client_memory.tick.fire = memory_tick;
}
