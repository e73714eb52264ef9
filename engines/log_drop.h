// Dropping a vnode: its table is taken away at once, and given up bucket by bucket. A record in the
// log says so, for recovery.
//
// Where the log has no room for that the drop is owed, and said as soon as there is. Meanwhile the
// manifest lists it, with the stamp of the next record then. So a checkpoint that was written after
// a drop and does not lead to what was there is not the only one to know why: a start that cannot
// read it makes the index anew from all segments, and leaves out what was dropped. A drop is listed
// until a checkpoint began after the log had said it. So all that a checkpoint leads to of a vnode
// for which its manifest lists a drop is older than that drop, or is in a frame after its
// beginning. A start owes what is listed, and says it once more.
//
// log_vnode.drop_owed is the stamp of a drop that is owed, and drop_listed of one that is listed.
#pragma once

#include "engines/log.h"

uint64_t log_drop(struct engine *base, uint32_t vnode);

// Whether the log has not said that a vnode was dropped. Where a start owes a drop that was listed,
// and something is there, that was put after the log had said it.
static inline bool log_drop_is_unsaid(const struct log_vnode *vnode)
{
    return vnode->drop_owed != 0 && vnode->table.entries == 0;
}

// Says in the log what was dropped, where that is owed. False when there is no room still. Nothing
// is put before: so the next frame that is written says all of it.
bool log_drop_settle(struct log_engine *engine);

// The commit with which all that was put, removed and dropped so far is durable; it may be none
// yet.
uint64_t log_drop_commit(const struct log_engine *engine);

// Gives up about `budget` entries of what was dropped. True when there is more.
bool log_drop_step(struct log_engine *engine, uint32_t budget);
