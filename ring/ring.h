// A ring: which members a cluster has, and which of them hold each partition, at one epoch.
//
// A ring is made whole, checked by ring_validate(), and then never changes: a membership change
// makes another ring with a higher epoch. So every core of a node may read the one copy, and it is
// freed when the last of them has moved on. Nothing here does I/O.
//
//     partition   preference list (indexes into members)
//        0        2 0 1 | 3 4          primaries are the first N of the list (N: replicas, or as
//        many 1        0 1 2 | 3 4          members as there are), fallbacks come after them: who
//        takes a
//       ...                            write, with a hint, while a primary is away
//
// Terms and their source: DeCandia et al., "Dynamo: Amazon's highly available key-value store",
// 2007, sections 4.2 to 4.6.
#pragma once

#include "core/limits.h"
#include "ring/partition.h"

#include <stddef.h>
#include <stdint.h>

enum {
    NODE_ID_BYTES = 20,      // printed as 40 hex digits, as Redis Cluster's node ids are
    NODE_ID_TEXT_BYTES = 41, // with the terminator
    RING_ERROR_TEXT_MAX = 160,
};

struct node_id {
    uint8_t bytes[NODE_ID_BYTES];
};

// Where a member is reached. The host is what the node advertises: a number or a name.
struct ring_address {
    char host[LIMIT_RING_HOST_BYTES]; // terminated
    uint16_t peer_port;
    uint16_t client_port;     // serves any key
    uint16_t shard_port_base; // core c listens on base + c; 0: no shard ports
};

struct ring_member {
    struct node_id id;
    char name[LIMIT_RING_NAME_BYTES]; // terminated, unique in the ring, not empty
    char zone[LIMIT_RING_NAME_BYTES]; // terminated; "" where nobody said
    uint32_t weight;                  // its share of the partitions relative to others'; >= 1
    uint32_t cores;                   // shards it runs; 0: not known
    struct ring_address address;
};

// The preference list of one partition: indexes into ring.members.
struct ring_preference {
    const uint16_t *members;
    uint32_t primaries; // the first so many are primaries, the rest fallbacks
    uint32_t count;
};

struct ring {
    uint64_t generation; // raised only by an operator's force
    uint64_t epoch;      // one more with every change in a generation, from 1 on
    uint32_t partitions; // Q, a power of two
    uint32_t replicas;   // N as configured; see ring_primaries()
    uint32_t member_count;
    uint32_t width; // length of every preference list: min(LIMIT_RING_PREFERENCE, member_count)
    struct ring_member *members;
    uint16_t *preferences; // partitions * width
};

// Memory for a ring with these dimensions in one block: epoch and generation 1, members and
// preference lists zero, for the caller to fill before anyone else sees it. -EINVAL when a
// dimension is out of bounds, -ENOMEM. Ends with ring_destroy().
int ring_create(uint32_t partitions, uint32_t replicas, uint32_t member_count,
                struct ring **ret_ring);

// NULL is allowed.
void ring_destroy(struct ring *ring);

// The ring of a cluster of one: `self` holds every partition, with replicas 1.
int ring_single(const struct ring_member *self, uint32_t partitions, struct ring **ret_ring);

// Whether the ring keeps what this header says: dimensions in bounds, members' ids and names unique
// and terminated, weights in bounds, preference lists without a member twice. 0, or -EINVAL and one
// line about the first fault in ret_error[RING_ERROR_TEXT_MAX].
int ring_validate(const struct ring *ring, char *ret_error);

// N as it is now: min(replicas, members).
static inline uint32_t ring_primaries(const struct ring *ring)
{
    return ring->replicas < ring->member_count ? ring->replicas : ring->member_count;
}

// Points into the ring.
static inline struct ring_preference ring_preference(const struct ring *ring, uint32_t partition)
{
    CHECK(partition < ring->partitions);
    return (struct ring_preference){
        .members = ring->preferences + (size_t)partition * ring->width,
        .primaries = ring_primaries(ring),
        .count = ring->width,
    };
}

// Whether the member is a primary of the partition.
bool ring_is_primary(const struct ring *ring, uint32_t partition, uint32_t member);

// The index of the member with this id; false when there is none.
bool ring_find(const struct ring *ring, const struct node_id *id, uint32_t *ret_member);

// Writes 40 hex digits and a terminator into text[NODE_ID_TEXT_BYTES].
void node_id_format(const struct node_id *id, char *text);

// Reads 40 hex digits (lower case). 0 or -EINVAL.
int node_id_parse(struct slice text, struct node_id *ret_id);
