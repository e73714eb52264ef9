// Checkpoints of the log engine: the first block is hostile bytes with a checksum that holds, and a
// log is looked at with it. Whatever it says is believed or complained of, and nothing else.
#include "engines/log_checkpoint.h"
#include "core/check.h"
#include "core/hash.h"
#include "engines/log.h"
#include "engines/log_manifest.h"
#include "engines/log_recover.h"
#include "tests/sim/sim_world.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { VNODES = 4, LOG_ID = 99, SEGMENT_BYTES = 2 << 20, LAST_BYTES = 32 };

static void put_manifest(struct sim_node *node)
{
    uint8_t bytes[LOG_MANIFEST_HEADER_BYTES + LOG_MANIFEST_SEGMENT_BYTES];
    const struct log_manifest manifest = {
        .log_id = LOG_ID,
        .vnodes = VNODES,
        .segment_bytes = SEGMENT_BYTES,
        .shards = 1,
        .epoch = 1,
        .generation = 1,
        .checkpoint = 1,
        .segments = 1,
    };
    const struct log_manifest_segment segment = {.state = LOG_MANIFEST_USED, .generation = 1};

    log_manifest_write(bytes, &manifest);
    log_manifest_write_segment(bytes, 0, &segment);
    log_manifest_seal(bytes, sizeof bytes);
    sim_node_put_file(node, "/log/MANIFEST", bytes, sizeof bytes);
}

static void seal(uint8_t *block)
{
    uint32_t bytes;

    memcpy(&bytes, block + 28, sizeof bytes);
    if (bytes < CHECKPOINT_HEADER_BYTES || bytes > CHECKPOINT_BLOCK_BYTES) {
        return;
    }
    const uint64_t checksum = XXH3_64bits_withSeed(block + 16, bytes - 16, LOG_ID);

    memcpy(block + 8, &checksum, sizeof checksum);
}

static void look(const uint8_t *blocks)
{
    static const struct io_uring_options uring = {
        .queue_entries = 256, .buffer_count = 16, .buffer_bytes = 4096};
    static const uint8_t segment[LOG_BLOCK_BYTES];
    struct sim_world *const world = sim_world_open(1, NULL);
    struct sim_node *const node = sim_node_add(world, "10.0.0.1");
    struct io *const io = sim_core_open(node, &uring);
    const struct engine_options options = {
        .io = io,
        .directory = "/log",
        .vnodes = VNODES,
        .shards = 1,
        .cache_bytes = 1 << 20,
        .segment_bytes = SEGMENT_BYTES,
    };
    struct log_recovery report = {0};
    struct log_engine *engine = NULL;

    put_manifest(node);
    sim_node_put_file(node, "/log/segment-00000", segment, sizeof segment);
    sim_node_put_file(node, "/log/checkpoint-0000000001", blocks,
                      2 * (size_t)CHECKPOINT_BLOCK_BYTES);
    CHECK(log_engine_begin(&options, true, &report, &engine) == 0);
    log_verify(&engine->engine);
    engine_close(&engine->engine);
    io_destroy(io);
    sim_world_close(world);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    uint8_t *const blocks = calloc(2, CHECKPOINT_BLOCK_BYTES);
    uint64_t entries = 0;

    CHECK(blocks != NULL);
    memcpy(blocks, bytes, size < CHECKPOINT_BLOCK_BYTES ? size : CHECKPOINT_BLOCK_BYTES);
    // The last block says what fits the first.
    uint8_t *const last = blocks + CHECKPOINT_BLOCK_BYTES;
    const uint32_t last_bytes = CHECKPOINT_HEADER_BYTES + LAST_BYTES + VNODES * 16;
    const uint32_t vnodes = VNODES;

    memcpy(last, blocks, CHECKPOINT_HEADER_BYTES);
    last[6] = 1;
    last[24] = 1;
    memcpy(last + 28, &last_bytes, sizeof last_bytes);
    memcpy(&entries, blocks + 32, sizeof entries);
    memcpy(last + CHECKPOINT_HEADER_BYTES, &entries, sizeof entries);
    memcpy(last + CHECKPOINT_HEADER_BYTES + 8, &vnodes, sizeof vnodes);
    seal(blocks);
    seal(last);
    look(blocks);
    free(blocks);
    return 0;
}
