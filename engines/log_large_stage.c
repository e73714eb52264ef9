// Large values that are put together, and told, over several turns. What is staged is the buffer of
// a file that nobody knows of yet; what is pinned is a buffer that outlives its turn.
#include "engines/log_large.h"

#include "engines/log.h"

enum engine_status log_large_stage_open(struct log_engine *engine, const struct engine_op *op,
                                        struct engine_stage *stage)
{
    const uint64_t size = log_large_file_bytes(op->key.size, stage->bytes);
    int error;

    if (stage->looked == 0) {
        log_space_look(engine);
        if (op->key.size + stage->bytes <= LOG_OBJECT_BYTES_MAX || engine->failed != 0 ||
            op->key.size + stage->bytes > engine->record_max || !log_large_has_room(engine, size)) {
            return ENGINE_FULL;
        }
        stage->looked = log_large_make(engine, op->key.size, stage->bytes);
        return stage->looked != 0 ? ENGINE_PENDING : ENGINE_FULL;
    }
    if (!log_large_made(engine, stage->looked, &error)) {
        return ENGINE_PENDING;
    }
    if (error != 0) {
        stage->looked = 0;
        return ENGINE_FULL;
    }
    struct log_large *const large = log_large_find(engine, stage->looked);

    stage->object = large->buffer + large->object_from;
    return ENGINE_OK;
}

void log_large_stage_close(struct log_engine *engine, struct engine_stage *stage)
{
    if (stage->looked != 0) {
        log_large_give_up(engine, stage->looked);
        stage->looked = 0;
    }
    stage->object = NULL;
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
