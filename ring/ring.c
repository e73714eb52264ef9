#include "ring/ring.h"

#include "core/memory.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

// Members are followed by preference lists in one block.
static_assert(sizeof(struct ring) % _Alignof(struct ring_member) == 0, "members follow the ring");
static_assert(sizeof(struct ring_member) % _Alignof(uint16_t) == 0, "lists follow the members");
static_assert(LIMIT_RING_MEMBERS <= UINT16_MAX, "preference lists hold 16-bit indexes");

static bool ring_dimensions_valid(uint32_t partitions, uint32_t replicas, uint32_t member_count)
{
    return partition_count_valid(partitions) && replicas >= 1 && replicas <= LIMIT_RING_REPLICAS &&
           member_count >= 1 && member_count <= LIMIT_RING_MEMBERS;
}

static uint32_t ring_width(uint32_t member_count)
{
    return member_count < LIMIT_RING_PREFERENCE ? member_count : LIMIT_RING_PREFERENCE;
}

int ring_create(uint32_t partitions, uint32_t replicas, uint32_t member_count,
                struct ring **ret_ring)
{
    if (!ring_dimensions_valid(partitions, replicas, member_count)) {
        return -EINVAL;
    }
    const uint32_t width = ring_width(member_count);
    const size_t members_size = (size_t)member_count * sizeof(struct ring_member);
    const size_t preferences_size = (size_t)partitions * width * sizeof(uint16_t);
    struct ring *const ring =
        memory_allocate_zeroed(sizeof(struct ring) + members_size + preferences_size);

    if (ring == NULL) {
        return -ENOMEM;
    }
    ring->generation = 1;
    ring->epoch = 1;
    ring->partitions = partitions;
    ring->replicas = replicas;
    ring->member_count = member_count;
    ring->width = width;
    ring->members = (struct ring_member *)(void *)(ring + 1);
    ring->preferences = (uint16_t *)(void *)(ring->members + member_count);
    *ret_ring = ring;
    return 0;
}

void ring_destroy(struct ring *ring)
{
    memory_free(ring);
}

int ring_single(const struct ring_member *self, uint32_t partitions, struct ring **ret_ring)
{
    struct ring *ring = NULL;
    const int error = ring_create(partitions, 1, 1, &ring);

    if (error != 0) {
        return error;
    }
    // All preference lists are {0}: as ring_create() leaves them.
    ring->members[0] = *self;
    CHECK_SLOW(ring_validate(ring, (char[RING_ERROR_TEXT_MAX]){0}) == 0);
    *ret_ring = ring;
    return 0;
}

__attribute__((format(printf, 2, 3))) static int ring_fault(char *ret_error, const char *format,
                                                            ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(ret_error, RING_ERROR_TEXT_MAX, format, arguments);
    va_end(arguments);
    return -EINVAL;
}

static bool text_is_terminated(const char *text, size_t size)
{
    return memchr(text, '\0', size) != NULL;
}

static int ring_validate_member(const struct ring *ring, uint32_t index, char *ret_error)
{
    const struct ring_member *const member = &ring->members[index];

    if (!text_is_terminated(member->name, sizeof member->name) ||
        !text_is_terminated(member->zone, sizeof member->zone) ||
        !text_is_terminated(member->address.host, sizeof member->address.host)) {
        return ring_fault(ret_error, "member %u: a text that is not terminated", index);
    }
    if (member->name[0] == '\0') {
        return ring_fault(ret_error, "member %u: no name", index);
    }
    if (member->weight < 1 || member->weight > LIMIT_RING_WEIGHT) {
        return ring_fault(ret_error, "member %u (%s): weight %u, expected 1..%d", index,
                          member->name, member->weight, LIMIT_RING_WEIGHT);
    }
    if (member->cores > LIMIT_SHARDS) {
        return ring_fault(ret_error, "member %u (%s): %u cores, expected 0..%d", index,
                          member->name, member->cores, LIMIT_SHARDS);
    }
    for (uint32_t other = 0; other < index; other++) {
        if (memcmp(&ring->members[other].id, &member->id, sizeof member->id) == 0) {
            return ring_fault(ret_error, "members %u and %u: the same id", other, index);
        }
        if (strcmp(ring->members[other].name, member->name) == 0) {
            return ring_fault(ret_error, "members %u and %u: the same name %s", other, index,
                              member->name);
        }
    }
    return 0;
}

static int ring_validate_preference(const struct ring *ring, uint32_t partition, char *ret_error)
{
    const struct ring_preference list = ring_preference(ring, partition);

    for (uint32_t i = 0; i < list.count; i++) {
        if (list.members[i] >= ring->member_count) {
            return ring_fault(ret_error, "partition %u: no member %u", partition, list.members[i]);
        }
        for (uint32_t before = 0; before < i; before++) {
            if (list.members[before] == list.members[i]) {
                return ring_fault(ret_error, "partition %u: member %u twice", partition,
                                  list.members[i]);
            }
        }
    }
    return 0;
}

int ring_validate(const struct ring *ring, char *ret_error)
{
    if (!ring_dimensions_valid(ring->partitions, ring->replicas, ring->member_count) ||
        ring->width != ring_width(ring->member_count)) {
        return ring_fault(ret_error, "%u partitions, %u replicas, %u members, lists of %u",
                          ring->partitions, ring->replicas, ring->member_count, ring->width);
    }
    if (ring->generation == 0 || ring->epoch == 0) {
        return ring_fault(ret_error, "generations and epochs count from 1");
    }
    for (uint32_t member = 0; member < ring->member_count; member++) {
        const int error = ring_validate_member(ring, member, ret_error);

        if (error != 0) {
            return error;
        }
    }
    for (uint32_t partition = 0; partition < ring->partitions; partition++) {
        const int error = ring_validate_preference(ring, partition, ret_error);

        if (error != 0) {
            return error;
        }
    }
    return 0;
}

bool ring_is_primary(const struct ring *ring, uint32_t partition, uint32_t member)
{
    const struct ring_preference list = ring_preference(ring, partition);

    for (uint32_t i = 0; i < list.primaries; i++) {
        if (list.members[i] == member) {
            return true;
        }
    }
    return false;
}

bool ring_find(const struct ring *ring, const struct node_id *id, uint32_t *ret_member)
{
    for (uint32_t member = 0; member < ring->member_count; member++) {
        if (memcmp(&ring->members[member].id, id, sizeof *id) == 0) {
            *ret_member = member;
            return true;
        }
    }
    return false;
}

void node_id_format(const struct node_id *id, char *text)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < NODE_ID_BYTES; i++) {
        text[2 * i] = digits[id->bytes[i] >> 4];
        text[2 * i + 1] = digits[id->bytes[i] & 0xf];
    }
    text[NODE_ID_TEXT_BYTES - 1] = '\0';
}

static int digit_of(uint8_t character)
{
    if (character >= '0' && character <= '9') {
        return character - '0';
    }
    return character >= 'a' && character <= 'f' ? character - 'a' + 10 : -1;
}

int node_id_parse(struct slice text, struct node_id *ret_id)
{
    struct node_id id;

    if (text.size != NODE_ID_TEXT_BYTES - 1) {
        return -EINVAL;
    }
    for (size_t i = 0; i < NODE_ID_BYTES; i++) {
        const int high = digit_of(text.bytes[2 * i]);
        const int low = digit_of(text.bytes[2 * i + 1]);

        if (high < 0 || low < 0) {
            return -EINVAL;
        }
        id.bytes[i] = (uint8_t)(high << 4 | low);
    }
    *ret_id = id;
    return 0;
}
