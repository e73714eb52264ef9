// Checkpoints of the log engine's index, as bytes and as work in slices. For its own files.
//
// A checkpoint is written while writers go on, so it is of no single instant: an entry may be as it
// was at the beginning, or as something later left it. Recovery loads it and replays all frames
// from its beginning on; each record names the location that it replaces, so what is already there
// is not applied twice (log_replay.c).
//
// The file checkpoint-N consists of blocks of 256 KiB, each:
//
//     offset  bytes  what
//     0       4      magic "rlCP"
//     4       2      version, 1
//     6       2      1 in the last block, else 0
//     8       8      checksum of all that follows up to `bytes` (log_format.h, VERSIONS)
//     16      8      number of the checkpoint
//     24      4      number of the block
//     28      4      bytes, with this header
//     32      8      entries in this block
//     40      8      zero
//     48             groups: vnode 2, entries 2, bits of hash below the fingerprint 4, then the
//                    entries of one bucket, 8 bytes each: engines/index.h, with a payload of length
//                    class and location
//
// The last block is written when all frames that entries lead to are durable. So a file that has
// one is a checkpoint, also where the stop came before the manifest named it, or that is lost.
//
// The last block has, instead of groups: all entries 8, vnodes 4, zero 4; the frame after which
// replay begins 8, the seed of hash_key() 8; for each vnode tombstones 8 and records with expiry 8,
// as they were at the beginning. So a checkpoint is of use also where the manifest is lost.
#pragma once

#include "core/io.h"
#include "core/slice.h"

#include <stdbool.h>
#include <stdint.h>

struct log_engine;

enum { CHECKPOINT_BLOCK_BYTES = 256 << 10, CHECKPOINT_HEADER_BYTES = 48 };

// Begins one, if none is under way and nothing has failed.
void log_checkpoint_begin(struct log_engine *engine);

// Goes on where it waits for frames or the manifest.
void log_checkpoint_step(struct log_engine *engine);

// Collects about `entries` more. True when there is more to do now.
bool log_checkpoint_collect(struct log_engine *engine, uint32_t entries);

bool log_checkpoint_busy(const struct log_engine *engine);

// Whether none has begun that has not come to its end.
bool log_checkpoint_idle(const struct log_engine *engine);

// Why the last one failed of those that did: -errno, or 0.
int log_checkpoint_error(const struct log_engine *engine);

// The frame after which replay begins with the newest one that has begun.
uint64_t log_checkpoint_begun(const struct log_engine *engine);

// Whether what was appended since the last one would take long to replay.
bool log_checkpoint_due(const struct log_engine *engine);

// Loads the checkpoint of that number into an empty index, and sets the engine's
// checkpoint_sequence and hash seed from it: 0, -ENOENT, -EBADMSG, or -errno. Waits in io_turn():
// only while the engine opens. What was inserted stays where it fails.
int log_checkpoint_load(struct log_engine *engine, uint64_t number);

int log_checkpoint_open(struct log_engine *engine);

// Closes the file of one that has not come to its end, since writing has. Waits in io_turn().
void log_checkpoint_give_up(struct log_engine *engine);
void log_checkpoint_close(struct log_engine *engine);
