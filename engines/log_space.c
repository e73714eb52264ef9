// Room on the disk: what the filesystem has left, what is kept of it, and who may still write.
//
// The filesystem is looked at twice a second while anything happens, and before a file is made.
// Part of it is kept from values: storage.disk_reserve, and never less than a checkpoint takes. The
// reserve is for what makes room again: checkpoints, segments for removals and for what compaction
// moves. So a disk that the log itself has filled can always be emptied. Where somebody else takes
// the reserve, puts are refused at once, and taken again when it is back.
#include "engines/log.h"

#include "core/limits.h"
#include "engines/log_checkpoint.h"

#include <errno.h>

enum {
    LOOK_NS = 500 * 1000 * 1000,
    AMPLE_SEGMENTS = 8,          // more than there may be small ones
    FOOTER_SHARE = 32,           // of a segment whose records take a block and more each
    CHECKPOINT_ENTRY_BYTES = 12, // with its share of what groups and blocks take
};

bool log_may_pass(int error)
{
    return error == -ENOSPC || error == -EDQUOT || error == -EMFILE || error == -ENFILE ||
           error == -ENOMEM;
}

// Of all shards, which share the filesystem: as if each had as many keys as this one.
static uint64_t checkpoints_bytes(const struct log_engine *engine)
{
    const uint64_t shards = engine->options.shards == 0 ? 1 : engine->options.shards;

    return shards * (engine->records * CHECKPOINT_ENTRY_BYTES + 2 * CHECKPOINT_BLOCK_BYTES);
}

void log_space_look(struct log_engine *engine)
{
    const uint64_t least = checkpoints_bytes(engine);
    struct io_space space;

    engine->space_next_ns = engine->options.io->now_ns + LOOK_NS;
    if (io_space(engine->options.io, engine->options.directory, &space) != 0) {
        engine->space_left = engine->space_last =
            UINT64_MAX; // who cannot tell has no bound but the disk's own
        engine->space_short = false;
        return;
    }
    uint64_t reserve = space.total_bytes / 100 * engine->options.durability.disk_reserve_percent;

    engine->space_last = space.free_bytes < least ? 0 : space.free_bytes - least;
    reserve = reserve < least ? least : reserve;
    // Files to be used anew take nothing more of the disk.
    engine->space_short =
        space.free_bytes + (uint64_t)engine->segments_spare * engine->segment_bytes < reserve;
    engine->space_left = space.free_bytes < reserve ? 0 : space.free_bytes - reserve;
}

void log_space_step(struct log_engine *engine)
{
    if (engine->options.io->now_ns >= engine->space_next_ns) {
        log_space_look(engine);
    }
}

// Files of large values take their share of disk_max_bytes.
uint32_t log_segments_allowed(const struct log_engine *engine)
{
    const uint64_t large = engine->large.bytes / engine->segment_bytes + 1;

    if (engine->options.disk_max_bytes == 0 || engine->large.bytes == 0) {
        return engine->segments_max;
    }
    return large < engine->segments_max ? engine->segments_max - (uint32_t)large : 0;
}

uint32_t log_segments_to_come(const struct log_engine *engine)
{
    const uint32_t allowed = log_segments_allowed(engine);
    const uint32_t made = engine->segment_top - engine->segments_unmade;
    const uint64_t fit = engine->space_left / engine->segment_bytes;

    if (engine->space_refused || allowed <= made) {
        return 0;
    }
    return allowed - made < fit ? allowed - made : (uint32_t)fit;
}

bool log_space_is_ample(const struct log_engine *engine)
{
    return log_segments_to_come(engine) >= AMPLE_SEGMENTS;
}

// Bytes of records that puts may still fill, but for the rest of the hot segment, which makes up
// for where segments end otherwise than thought.
static uint64_t room(const struct log_engine *engine)
{
    const uint64_t segments =
        (uint64_t)engine->segments_spare + engine->segments_ready + log_segments_to_come(engine);
    const uint64_t kept = LOG_SEGMENTS_RESERVED + LOG_SEGMENTS_SPARED;

    return segments <= kept ? 0
                            : (segments - kept) * (engine->segment_bytes - LOG_RECORD_BYTES_MAX -
                                                   engine->segment_bytes / FOOTER_SHARE);
}

bool log_is_full(const struct log_engine *engine, uint64_t bytes)
{
    const bool more = engine->manifest_retry_ms == 0 &&
                      (engine->segments_spare != 0 || log_segments_preparing(engine) ||
                       log_segments_to_come(engine) != 0);

    if (engine->space_short ||
        (engine->reserved_bytes != 0 && room(engine) < engine->reserved_bytes + bytes)) {
        return true;
    }
    return !more && engine->segments_ready <= LOG_SEGMENTS_RESERVED + LOG_SEGMENTS_SPARED &&
           log_hot_left(engine) < bytes + LOG_FRAME_HEADER_BYTES;
}

static bool fits(const struct log_engine *engine, uint64_t size, uint64_t buffers,
                 uint64_t reserved)
{
    const uint64_t disk_max = engine->options.disk_max_bytes;
    const uint32_t shards = engine->options.shards == 0 ? 1 : engine->options.shards;

    if (engine->manifest_durable == 0) {
        return false; // the file's name would bear an epoch that the next start takes too
    }
    if (size >= engine->large.refused_bytes && engine->large.refused_bytes != 0 &&
        engine->options.io->wall_ms < engine->large.refused_until_ms) {
        return false;
    }
    // As if the others were writing as much to the same disk: a write that meets its end is fatal.
    if ((buffers + size) * shards > engine->space_left) {
        return false;
    }
    return disk_max == 0 ||
           (uint64_t)(engine->segment_top - engine->segments_unmade) * engine->segment_bytes +
                   engine->large.bytes + reserved + size <=
               disk_max;
}

bool log_large_fits(const struct log_engine *engine, uint64_t size)
{
    return fits(engine, size, 0, 0);
}

bool log_large_has_room(const struct log_engine *engine, uint64_t size)
{
    const uint64_t reserved = engine->large.reserved_bytes;
    const uint64_t buffers = engine->large.buffer_bytes + reserved;

    return (buffers == 0 || buffers + size <= LIMIT_LOG_LARGE_BYTES) &&
           fits(engine, size, buffers, reserved);
}

// Each record may go in a frame of its own, which takes whole blocks.
static uint64_t reserved(uint64_t bytes, uint64_t records)
{
    return bytes + records * LOG_BLOCK_BYTES;
}

// Some may be values with files of their own, whole blocks each: nobody says which, but those are
// no more than the bytes are enough for.
static uint64_t reserved_large(uint64_t bytes)
{
    return bytes + bytes / (LOG_RECORD_BYTES_MAX / 2) * 2 * LOG_BLOCK_BYTES;
}

enum engine_status log_reserve(struct engine *base, uint64_t bytes, uint64_t records)
{
    struct log_engine *const engine = log_engine_of(base);
    const uint64_t wanted = reserved(bytes, records);
    const uint64_t large = bytes > LOG_RECORD_BYTES_MAX / 2 ? reserved_large(bytes) : 0;

    if (engine->failed == 0) { // else each is told so
        if (engine->space_short || room(engine) < wanted ||
            (large != 0 && !log_large_fits(engine, large))) {
            return ENGINE_FULL;
        }
        if (room(engine) < engine->reserved_bytes + wanted ||
            (large != 0 && !log_large_has_room(engine, large))) {
            return ENGINE_PENDING;
        }
    }
    engine->reserved_bytes += wanted;
    engine->large.reserved_bytes += large;
    return ENGINE_OK;
}

void log_unreserve(struct engine *base, uint64_t bytes, uint64_t records)
{
    struct log_engine *const engine = log_engine_of(base);
    const uint64_t wanted = reserved(bytes, records);

    CHECK(engine->reserved_bytes >= wanted);
    engine->reserved_bytes -= wanted;
    engine->large.reserved_bytes -= bytes > LOG_RECORD_BYTES_MAX / 2 ? reserved_large(bytes) : 0;
}
