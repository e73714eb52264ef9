// Metrics: tables that modules declare, and texts made of them.
//
// A module keeps its figures in a plain struct of uint64_t fields (and struct histogram) and
// describes them in one const table. Each shard has structs of its own, so that counting is one
// addition without atomics. Nothing is registered anywhere: a shard lists its parts (a table and
// the struct it describes), in the same order on every shard of a node.
//
//     shard 0:  parts -> metrics_snapshot() -> cells ---.
//     shard 1:  parts -> metrics_snapshot() -> cells ---+--> metrics_render_prometheus()
//                        (carried by a message)
//
// A snapshot is a flat array of uint64_t without pointers, taken by the shard that owns the figures
// and read by whoever renders. Layout: parts in order, rows in order, elements in order; a counter
// or gauge is one cell; a histogram is count, sum, max, then its buckets. The cells after a count
// of 0 are not written, so that a snapshot costs what was used.
//
// Names: `name` is snake_case without unit. Prometheus gets
// rldb_<name><_seconds|_bytes|nothing><_total for counters>; lines get <name><_us|_bytes|nothing>.
// Durations are kept in ns. Format: Prometheus "Exposition formats", version 0.0.4.
#pragma once

#include "core/histogram.h"
#include "core/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum metric_kind {
    METRIC_COUNTER,   // only grows; a uint64_t
    METRIC_GAUGE,     // goes up and down; a uint64_t
    METRIC_HISTOGRAM, // a struct histogram
};

enum metric_unit { METRIC_COUNT, METRIC_BYTES, METRIC_NS };

// The label of element `index` of a row with several, such as a command's name. Lives forever.
typedef const char *metric_label_fn(uint32_t index);

struct metric {
    const char *name;
    const char *help; // one sentence without a full stop
    enum metric_kind kind;
    enum metric_unit unit;
    uint32_t offset; // of the first element in the module's struct, bytes

    // Rows with one element for each of something (commands, stages, classes): all 0 for a plain
    // row.
    uint32_t elements;      // how many; 0 means one without a label
    uint32_t stride;        // bytes from one element to the next
    const char *label_name; // "command"
    metric_label_fn *label; // "get"

    // Histograms: the shape of all its elements.
    uint32_t sub_bits;
    uint32_t bucket_count;
};

struct metrics_table {
    const char *module; // "client": a section of INFO may show one or more modules
    const struct metric *rows;
    uint32_t row_count;
};

// One module's table and the struct that it describes in this shard.
struct metrics_part {
    const struct metrics_table *table;
    const void *values; // NULL where only the table matters: rendering
};

// Checks what the compiler cannot: names, units, shapes, no name twice. For the unit tests of
// whoever declares tables. NULL, or what is wrong.
const char *metrics_check(const struct metrics_part *parts, uint32_t part_count);

// Cells of a snapshot of these parts.
size_t metrics_cell_count(const struct metrics_part *parts, uint32_t part_count);

// Fills cells[metrics_cell_count()].
void metrics_snapshot(const struct metrics_part *parts, uint32_t part_count, uint64_t *ret_cells);

// Appends the Prometheus text of `shard_count` snapshots, each sample with the label shard="N".
// Rows are grouped by family, as the format wants. Elements of a row with a label that counted
// nothing are left out, so that a page has no line for each command nobody used.
void metrics_render_prometheus(struct text *text, const struct metrics_part *parts,
                               uint32_t part_count, const uint64_t *const *snapshots,
                               uint32_t shard_count);

// Appends `name:value\r\n` lines of one module's rows from a snapshot of all parts. A
// histogram becomes name_label:count=1,mean_us=2.0,p50_us=..,p99_us=..,p99_9_us=..,max_us=.. Rows
// with labels leave out elements that counted nothing.
void metrics_render_lines(struct text *text, const struct metrics_part *parts, uint32_t part_count,
                          const char *module, const uint64_t *cells);
