#include "core/metrics.h"

#include "core/check.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

// A histogram's cells before its buckets.
enum { CELL_COUNT, CELL_SUM, CELL_MAX, CELL_BUCKETS };

static uint32_t metric_elements(const struct metric *row)
{
    return row->elements == 0 ? 1 : row->elements;
}

// Cells of one element.
static size_t metric_width(const struct metric *row)
{
    return row->kind == METRIC_HISTOGRAM ? (size_t)CELL_BUCKETS + row->bucket_count : 1;
}

static bool metric_is_name(const char *name)
{
    if (name == NULL || !islower((unsigned char)name[0])) {
        return false;
    }
    for (const char *c = name; *c != '\0'; c++) {
        if (!islower((unsigned char)*c) && !isdigit((unsigned char)*c) && *c != '_') {
            return false;
        }
    }
    return true;
}

static const char *metric_check(const struct metric *row)
{
    if (!metric_is_name(row->name)) {
        return "a name that is not snake_case";
    }
    if (row->help == NULL || row->help[0] == '\0') {
        return "no help";
    }
    if (row->offset % sizeof(uint64_t) != 0 || row->stride % sizeof(uint64_t) != 0) {
        return "an offset or stride that is not aligned";
    }
    if (row->elements != 0 && (row->label == NULL || !metric_is_name(row->label_name))) {
        return "several elements without a label";
    }
    if (row->elements == 0 && (row->label != NULL || row->stride != 0)) {
        return "a label or stride without elements";
    }
    if (row->elements > 1 && row->stride == 0) {
        return "several elements in one place";
    }
    if (row->kind != METRIC_HISTOGRAM) {
        return row->bucket_count == 0 && row->sub_bits == 0 ? NULL : "a shape without a histogram";
    }
    if (row->sub_bits > HISTOGRAM_SUB_BITS_MAX || row->bucket_count == 0 ||
        row->bucket_count % (1U << row->sub_bits) != 0) {
        return "a shape that is none";
    }
    return NULL;
}

const char *metrics_check(const struct metrics_part *parts, uint32_t part_count)
{
    for (uint32_t p = 0; p < part_count; p++) {
        const struct metrics_table *table = parts[p].table;
        for (uint32_t r = 0; r < table->row_count; r++) {
            const char *problem = metric_check(&table->rows[r]);
            if (problem != NULL) {
                return problem;
            }
            for (uint32_t p2 = 0; p2 <= p; p2++) {
                const struct metrics_table *other = parts[p2].table;
                const uint32_t end = p2 == p ? r : other->row_count;
                for (uint32_t r2 = 0; r2 < end; r2++) {
                    if (strcmp(table->rows[r].name, other->rows[r2].name) == 0) {
                        return "a name twice";
                    }
                }
            }
        }
    }
    return NULL;
}

size_t metrics_cell_count(const struct metrics_part *parts, uint32_t part_count)
{
    size_t count = 0;

    for (uint32_t p = 0; p < part_count; p++) {
        for (uint32_t r = 0; r < parts[p].table->row_count; r++) {
            const struct metric *row = &parts[p].table->rows[r];
            count += metric_elements(row) * metric_width(row);
        }
    }
    return count;
}

static void metric_snapshot(const struct metric *row, const char *element, uint64_t *cells)
{
    if (row->kind != METRIC_HISTOGRAM) {
        memcpy(cells, element, sizeof(*cells));
        return;
    }
    const struct histogram *histogram = (const struct histogram *)(const void *)element;
    CHECK(histogram->sub_bits == row->sub_bits);
    CHECK(histogram->bucket_count == row->bucket_count);
    cells[CELL_COUNT] = histogram->count;
    if (histogram->count == 0) {
        return;
    }
    cells[CELL_SUM] = histogram->sum;
    cells[CELL_MAX] = histogram->max;
    memcpy(&cells[CELL_BUCKETS], histogram->buckets, row->bucket_count * sizeof(*cells));
}

void metrics_snapshot(const struct metrics_part *parts, uint32_t part_count, uint64_t *ret_cells)
{
    uint64_t *cells = ret_cells;

    for (uint32_t p = 0; p < part_count; p++) {
        CHECK(parts[p].values != NULL);
        for (uint32_t r = 0; r < parts[p].table->row_count; r++) {
            const struct metric *row = &parts[p].table->rows[r];
            const char *element = (const char *)parts[p].values + row->offset;
            for (uint32_t e = 0; e < metric_elements(row); e++) {
                metric_snapshot(row, element, cells);
                element += row->stride;
                cells += metric_width(row);
            }
        }
    }
}
