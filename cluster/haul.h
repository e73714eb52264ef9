// Hauls: long values that are replied in slices.
//
// A value beyond LIMIT_HAUL_BYTES is not copied into the reply in one go: 64 MiB take tens of ms,
// in which nobody else is served. The command becomes a hop behind the gate of its key (or is one),
// so that the value stays as it is, and some of it is copied in each slice (work.h), looked up anew
// each time. If it is gone meanwhile, evicted or expired, the reply is what there is then.
//
// One haul of a shard is under way at a time, the others wait in a line: so what is copied and not
// yet counted as any client's is one value.
//
// Only in memory, and only GET: what the log engine shows may leave its cache between two slices.
// Commands that write long values, and those that read them beside others (MGET, GETRANGE, GETDEL),
// copy at once.
#pragma once

#include <stdbool.h>

struct exec;
struct haul;
struct hop;
struct shard;

// Whether the command, its item loaded, is to be hauled.
bool haul_wanted(const struct exec *x);

// Begins one for the hop, which has run on the shard of its key so far as x; takes the gate if the
// hop does not hold it. False, with nothing done, when there is no room for it: the command is run
// at once, as short ones are.
bool haul_begin(struct exec *x, struct hop *hop);
