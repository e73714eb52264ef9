// Loads: records that are read from disk while a command waits for them.
//
// A command runs on what is at hand. When its key's record is not (item_load() says ITEM_WAITS, and
// nothing was begun), the command becomes a hop (or is one, or a part), takes the gate of its key,
// so that later ones on that key stay behind it, and its load begins. When the record is there, the
// command runs at once, in io_turn(): the record may not stay in memory for longer.
//
// A batch whose keys are cold begins all their loads in one turn, so the disk reads them together.
// A part begins those of its next keys with the first that it waits for.
#pragma once

#include "cluster/item.h"

#include <stdint.h>

struct hop;
struct load;
struct multi_part;
struct shard;

// The hop's record is on disk: the hop runs when it was read. x is its execution so far. False,
// with nothing begun, when there is no room for it.
bool load_for_hop(struct exec *x, struct hop *hop);

// The part waits for its next key, part->key_at. False, with nothing begun, when there is no room.
bool load_for_part(struct shard *shard, struct multi_part *part);

// Of the slab in which a shard keeps them.
size_t load_bytes(void);
