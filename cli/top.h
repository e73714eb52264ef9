// What `rldb top` shows, made of two texts of INFO and the time between them. Pure: the loop, the
// keys and the screen are in verb_top.c.
#pragma once

#include "core/slice.h"
#include "core/text.h"

#include <jansson.h>
#include <stdbool.h>

// The sections that top asks INFO for.
#define TOP_SECTIONS                                                                               \
    "server", "clients", "memory", "stats", "cpu", "keyspace", "engine", "shards", "commandstats", \
        "latencystats"

enum { TOP_COMMANDS_MAX = 12 }; // the busiest are shown

struct top {
    struct slice before;
    struct slice after;
    double seconds; // between them
    const char *server;
};

void top_render(const struct top *top, bool colored, struct text *ret_text);

// The same figures: rates are per second, latencies in us, cpu in cores.
json_t *top_json(const struct top *top);
