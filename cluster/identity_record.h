// The records in which a shard keeps who stamps its writes, as bytes.
//
// The log's checksums say that they are what was written. So one that names a later version is of a
// later program, which alone knows what it says: a node does not begin without it.
//
// They lie in a vnode of their own, behind those that hold data (its number is the shard's count of
// vnodes):
//
//     "actors"   version 4 (1), vnodes 4; for each vnode: count 4, then of each actor vnode id 8,
//                incarnation 4
//     "lease"    version 4 (1), zero 4, hlc 8: every stamp that was given out is below it
//     "life"     version 4 (1), zero 4, number 8: of the snapshot that the present actors' lives
//                began with (data_dir.h); where there is no such record, 0
#pragma once

#include "cluster/actor.h"
#include "core/random.h"
#include "core/slice.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    IDENTITY_VERSION = 1,
    IDENTITY_LEASE_BYTES = 16,
    IDENTITY_LIFE_BYTES = 16,
    IDENTITY_LIVES_SKIPPED = 16, // incarnations left out when the last record of actors may be lost
};

// The version that a record names, where that is later than this program's; else 0.
uint32_t identity_record_newer(struct slice bytes);

extern const char IDENTITY_KEY_ACTORS[];
extern const char IDENTITY_KEY_LEASE[];
extern const char IDENTITY_KEY_LIFE[];

// The record of the actors of so many vnodes, each of which has a table.
size_t identity_actors_bytes(const struct actor_table *tables, uint32_t vnodes);
void identity_actors_write(uint8_t *bytes, size_t size, const struct actor_table *tables,
                           uint32_t vnodes);

// Enters what the record says into empty tables. False where it is no such record, or of another
// number of vnodes: the tables may have something in them then.
bool identity_actors_read(struct slice bytes, struct actor_table *tables, uint32_t vnodes);

void identity_lease_write(uint8_t ret_bytes[IDENTITY_LEASE_BYTES], uint64_t lease);
bool identity_lease_read(struct slice bytes, uint64_t *ret_lease);

void identity_life_write(uint8_t ret_bytes[IDENTITY_LIFE_BYTES], uint64_t snapshot);
bool identity_life_read(struct slice bytes, uint64_t *ret_snapshot);

// A life of a vnode whose earlier ones go on elsewhere too, as in the node that a snapshot was made
// of: it shares no id with them. 0, or what actor_table_enter() says.
int identity_enter_apart(struct actor_table *table, struct random *random);

// A vnode's next life after the actor that is the last of its table; of a new one the first. 0, or
// what actor_table_enter() says.
int identity_enter_next(struct actor_table *table, struct random *random);
