// Large values that are put together, and told, over several turns. What is staged is the buffer of
// a file that nobody knows of yet; what is pinned is a buffer that outlives its turn.
#include "engines/log_large.h"

#include "engines/log.h"

enum engine_status log_large_stage_open(struct log_engine *engine, const struct engine_op *op,
                                        struct engine_stage *stage)
{
    const uint64_t size = log_large_file_bytes(op->key.size, stage->bytes);
    size_t capacity = size;

    log_space_look(engine);
    if (op->key.size + stage->bytes <= LOG_OBJECT_BYTES_MAX || engine->failed != 0 ||
        op->key.size + stage->bytes > engine->record_max || !log_large_has_room(engine, size)) {
        return ENGINE_FULL;
    }
    stage->memory = block_take(&engine->large.blocks, &capacity);
    if (stage->memory == NULL) {
        return ENGINE_FULL;
    }
    stage->memory_bytes = capacity;
    stage->place = size;
    stage->object = (uint8_t *)stage->memory + log_large_object_from(op->key.size);
    engine->large.buffer_bytes += size;
    return ENGINE_OK;
}

void log_large_stage_close(struct log_engine *engine, struct engine_stage *stage)
{
    if (stage->object != NULL) {
        block_give(&engine->large.blocks, stage->memory, stage->memory_bytes, stage->place);
        engine->large.buffer_bytes -= stage->place;
        stage->object = NULL;
    }
}

bool log_large_pin(struct log_engine *engine, uint64_t number)
{
    struct log_large *const large = number == 0 ? NULL : log_large_find(engine, number);

    if (large == NULL || !large->at_hand) {
        return false;
    }
    large->pins++;
    return true;
}

void log_large_unpin(struct log_engine *engine, uint64_t number)
{
    struct log_large *const large = log_large_find(engine, number);

    CHECK(large != NULL && large->pins > 0);
    // While it is written its end gives the buffer back; else nobody else would.
    if (--large->pins == 0 && large->work == NULL && !large->settling && large->error == 0) {
        log_large_settle_later(large);
    }
}
