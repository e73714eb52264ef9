// Checks the log engine's invariants (engines/log.h), for tests.
#include "core/memory.h"
#include "engines/log.h"

struct verify {
    const struct log_engine *engine;
    uint64_t *live; // of each segment
    uint64_t cached;
};

static void verify_entry(void *context, uint64_t entry)
{
    struct verify *const verify = context;
    const struct log_engine *const engine = verify->engine;
    const uint64_t payload = index_payload(entry);
    uint64_t location = payload & LOG_PAYLOAD_WHERE;

    if ((payload & LOG_PAYLOAD_CACHED) != 0) {
        struct cached cached;

        cached_read(cache_at(&engine->cache, log_payload_place(payload)), &cached);
        CHECK((cached.flags & CACHED_DEAD) == 0 && cached.class == log_payload_class(payload));
        location = cached.location;
        verify->cached++;
    }
    const struct log_segment *const segment = &engine->segments[log_location_segment(location)];

    CHECK(segment->state == LOG_SEGMENT_HEAD || segment->state == LOG_SEGMENT_SEALED ||
          segment->state == LOG_SEGMENT_BAD);
    verify->live[log_location_segment(location)] += log_class_bytes(log_payload_class(payload));
}

void log_verify(const struct engine *base)
{
    const struct log_engine *const engine = (const struct log_engine *)(const void *)base;
    struct verify verify = {.engine = engine};
    uint64_t records = 0;

    verify.live = memory_allocate_zeroed((engine->segment_top + 1U) * sizeof verify.live[0]);
    CHECK(verify.live != NULL);
    for (uint32_t i = 0; i < engine->options.vnodes; i++) {
        const struct index_table *const table = &engine->vnodes[i].table;
        uint64_t position = 0;

        index_verify(&engine->index, table);
        records += table->entries;
        do {
            position = index_scan(&engine->index, table, position, verify_entry, &verify);
        } while (position != 0);
    }
    CHECK(records == engine->records);
    for (uint32_t i = 0; engine->dropped == NULL && i < engine->segment_top; i++) {
        CHECK(verify.live[i] == engine->segments[i].live_bytes);
    }
    uint64_t unused = 0;

    for (uint32_t i = 0; i < engine->segment_top; i++) {
        const struct log_segment *const segment = &engine->segments[i];

        if (segment->state > LOG_SEGMENT_MAKING) {
            unused += engine->segment_bytes - segment->limit;
        }
        CHECK((segment->state != LOG_SEGMENT_HEAD && segment->state != LOG_SEGMENT_READY) ||
              (!segment->patchy && segment->limit >= LOG_SEGMENT_BYTES_MIN &&
               segment->used <= segment->limit));
    }
    CHECK(unused == engine->unused_bytes);
    memory_free(verify.live);
}
