// The texts made of snapshots. The layout of cells is metrics.h's.

#include <inttypes.h>

#include "core/check.h"
#include "core/metrics.h"

#include <string.h>

enum {
    CELLS_HEAD = 3, // count, sum, max

    // Prometheus buckets end at powers of two: those of durations from 1 us to 17 s, which is what
    // histogram_quantile() can work with; our own INFO has the finer percentiles.
    NS_BITS_FIRST = 10,
    NS_BITS_LAST = 34,
    PLAIN_BITS_FIRST = 4,
    PLAIN_BITS_LAST = 30,

    NS_PER_SECOND = 1000 * 1000 * 1000,
    NS_PER_US = 1000,
};

// Where one row's cells are in every snapshot.
struct row_place {
    const struct metric *row;
    size_t offset; // in cells
    uint32_t elements;
    size_t width;
};

static struct row_place row_place(const struct metric *row, size_t offset)
{
    return (struct row_place){
        .row = row,
        .offset = offset,
        .elements = row->elements == 0 ? 1 : row->elements,
        .width = row->kind == METRIC_HISTOGRAM ? (size_t)CELLS_HEAD + row->bucket_count : 1,
    };
}

// A histogram over the cells of a snapshot; its buckets are only read.
static struct histogram row_histogram(const struct metric *row, const uint64_t *cells)
{
    CHECK(row->kind == METRIC_HISTOGRAM);
    return (struct histogram){
        .count = cells[0],
        .sum = cells[1],
        .max = cells[2],
        .sub_bits = row->sub_bits,
        .bucket_count = row->bucket_count,
        .buckets = (uint64_t *)(uintptr_t)&cells[CELLS_HEAD],
    };
}

// In the unit of Prometheus: ns as seconds, exactly.
static void render_base_unit(struct text *text, enum metric_unit unit, uint64_t value)
{
    if (unit == METRIC_NS) {
        text_printf(text, "%" PRIu64 ".%09" PRIu64, value / NS_PER_SECOND, value % NS_PER_SECOND);
    } else {
        text_u64(text, value);
    }
}

static void render_family_name(struct text *text, const struct metric *row)
{
    static const char *const units[] = {
        [METRIC_COUNT] = "", [METRIC_BYTES] = "_bytes", [METRIC_NS] = "_seconds"};

    text_printf(text, "rldb_%s%s%s", row->name, units[row->unit],
                row->kind == METRIC_COUNTER ? "_total" : "");
}

// As the exposition format escapes label values; help texts have no quotes to escape.
static void render_escaped(struct text *text, const char *value)
{
    for (const char *c = value; *c != '\0'; c++) {
        if (*c == '\n') {
            text_string(text, "\\n");
            continue;
        }
        if (*c == '\\' || *c == '"') {
            text_append(text, "\\", 1);
        }
        text_append(text, c, 1);
    }
}

// {command="get",shard="0"   -- without the closing brace
static void render_labels(struct text *text, const struct metric *row, uint32_t element,
                          uint32_t shard)
{
    text_string(text, "{");
    if (row->elements != 0) {
        text_printf(text, "%s=\"", row->label_name);
        render_escaped(text, row->label(element));
        text_string(text, "\",");
    }
    text_printf(text, "shard=\"%" PRIu32 "\"", shard);
}

static void render_sample(struct text *text, const struct metric *row, const char *suffix,
                          uint32_t element, uint32_t shard, enum metric_unit unit, uint64_t value)
{
    render_family_name(text, row);
    text_string(text, suffix);
    render_labels(text, row, element, shard);
    text_string(text, "} ");
    render_base_unit(text, unit, value);
    text_string(text, "\n");
}

static void render_histogram(struct text *text, const struct metric *row, uint32_t element,
                             uint32_t shard, const uint64_t *cells)
{
    const struct histogram histogram = row_histogram(row, cells);
    const bool time = row->unit == METRIC_NS;
    const unsigned last = time ? NS_BITS_LAST : PLAIN_BITS_LAST;
    uint64_t below = 0;
    uint32_t index = 0;

    for (unsigned bits = time ? NS_BITS_FIRST : PLAIN_BITS_FIRST; bits <= last; bits++) {
        // The highest value of a bucket, so that every value counted is at most this.
        const uint64_t bound = (UINT64_C(1) << bits) - 1;
        for (; index < histogram.bucket_count && histogram.count != 0; index++) {
            if (histogram_bucket_high(row->sub_bits, row->bucket_count, index) > bound) {
                break;
            }
            below += histogram.buckets[index];
        }
        render_family_name(text, row);
        text_string(text, "_bucket");
        render_labels(text, row, element, shard);
        text_string(text, ",le=\"");
        render_base_unit(text, row->unit, bound);
        text_printf(text, "\"} %" PRIu64 "\n", below);
    }
    render_family_name(text, row);
    text_string(text, "_bucket");
    render_labels(text, row, element, shard);
    text_printf(text, ",le=\"+Inf\"} %" PRIu64 "\n", histogram.count);
    render_sample(text, row, "_sum", element, shard, row->unit,
                  histogram.count == 0 ? 0 : histogram.sum);
    render_sample(text, row, "_count", element, shard, METRIC_COUNT, histogram.count);
}

// Whether an element is left out: one of many that counted nothing.
static bool row_silent(const struct metric *row, const uint64_t *cells)
{
    return row->elements != 0 && cells[0] == 0;
}

static void render_family(struct text *text, const struct row_place *place,
                          const uint64_t *const *snapshots, uint32_t shard_count)
{
    static const char *const kinds[] = {
        [METRIC_COUNTER] = "counter", [METRIC_GAUGE] = "gauge", [METRIC_HISTOGRAM] = "histogram"};
    const struct metric *row = place->row;
    bool started = false;

    for (uint32_t element = 0; element < place->elements; element++) {
        for (uint32_t shard = 0; shard < shard_count; shard++) {
            const uint64_t *cells = snapshots[shard] + place->offset + element * place->width;
            if (row_silent(row, cells)) {
                continue;
            }
            if (!started) {
                started = true;
                text_string(text, "# HELP ");
                render_family_name(text, row);
                text_printf(text, " %s\n# TYPE ", row->help);
                render_family_name(text, row);
                text_printf(text, " %s\n", kinds[row->kind]);
            }
            if (row->kind == METRIC_HISTOGRAM) {
                render_histogram(text, row, element, shard, cells);
            } else {
                render_sample(text, row, "", element, shard, row->unit, cells[0]);
            }
        }
    }
}

void metrics_render_prometheus(struct text *text, const struct metrics_part *parts,
                               uint32_t part_count, const uint64_t *const *snapshots,
                               uint32_t shard_count)
{
    size_t offset = 0;

    CHECK(shard_count > 0);
    for (uint32_t p = 0; p < part_count; p++) {
        for (uint32_t r = 0; r < parts[p].table->row_count; r++) {
            const struct row_place place = row_place(&parts[p].table->rows[r], offset);
            render_family(text, &place, snapshots, shard_count);
            offset += place.elements * place.width;
        }
    }
}

static void render_us(struct text *text, const char *name, uint64_t ns)
{
    text_printf(text, ",%s=%" PRIu64 ".%03" PRIu64, name, ns / NS_PER_US, ns % NS_PER_US);
}

static void render_histogram_line(struct text *text, const struct metric *row,
                                  const uint64_t *cells)
{
    static const double percents[] = {50, 99, 99.9};
    static const char *const names[][2] = {
        {"p50", "p50_us"}, {"p99", "p99_us"}, {"p99_9", "p99_9_us"}};
    const struct histogram histogram = row_histogram(row, cells);
    const bool time = row->unit == METRIC_NS;

    text_printf(text, "count=%" PRIu64, histogram.count);
    if (histogram.count == 0) {
        return;
    }
    if (time) {
        text_printf(text, ",mean_us=%.3f", histogram_mean(&histogram) / NS_PER_US);
    } else {
        text_printf(text, ",mean=%.3f", histogram_mean(&histogram));
    }
    for (size_t i = 0; i < sizeof(percents) / sizeof(percents[0]); i++) {
        const uint64_t value = histogram_percentile(&histogram, percents[i]);
        if (time) {
            render_us(text, names[i][1], value);
        } else {
            text_printf(text, ",%s=%" PRIu64, names[i][0], value);
        }
    }
    if (time) {
        render_us(text, "max_us", histogram.max);
    } else {
        text_printf(text, ",max=%" PRIu64, histogram.max);
    }
}

static void render_lines_row(struct text *text, const struct row_place *place,
                             const uint64_t *cells)
{
    const struct metric *row = place->row;
    // A histogram's line names its unit at each figure.
    const bool bare = row->kind == METRIC_HISTOGRAM || row->unit == METRIC_COUNT;
    const char *unit = bare ? "" : row->unit == METRIC_NS ? "_us" : "_bytes";

    for (uint32_t element = 0; element < place->elements; element++) {
        const uint64_t *at = cells + place->offset + element * place->width;
        if (row_silent(row, at)) {
            continue;
        }
        text_printf(text, "%s%s", row->name, unit);
        if (row->elements != 0) {
            text_printf(text, "_%s", row->label(element));
        }
        text_string(text, ":");
        if (row->kind == METRIC_HISTOGRAM) {
            render_histogram_line(text, row, at);
        } else {
            text_u64(text, row->unit == METRIC_NS ? at[0] / NS_PER_US : at[0]);
        }
        text_string(text, "\r\n");
    }
}

void metrics_render_lines(struct text *text, const struct metrics_part *parts, uint32_t part_count,
                          const char *module, const uint64_t *cells)
{
    size_t offset = 0;

    for (uint32_t p = 0; p < part_count; p++) {
        const bool wanted = strcmp(parts[p].table->module, module) == 0;
        for (uint32_t r = 0; r < parts[p].table->row_count; r++) {
            const struct row_place place = row_place(&parts[p].table->rows[r], offset);
            if (wanted) {
                render_lines_row(text, &place, cells);
            }
            offset += place.elements * place.width;
        }
    }
}
