#include "cluster/error_counts.h"

#include "core/check.h"

#include <stdlib.h>
#include <string.h>

static void counts_raise(struct error_counts *counts, struct slice code, uint64_t by)
{
    CHECK(code.size < ERROR_CODE_BYTES);
    if (counts->used == 0) {
        memcpy(counts->rows[0].code, "ERR", sizeof "ERR");
        counts->used = 1;
    }
    for (uint64_t i = 0; i < counts->used; i++) {
        if (slice_equal(slice_from_text(counts->rows[i].code), code)) {
            counts->rows[i].count += by;
            return;
        }
    }
    if (code.size == 0 || counts->used == LIMIT_ERROR_CODES) {
        counts->rows[0].count += by;
        return;
    }
    struct error_count *row = &counts->rows[counts->used++];
    memcpy(row->code, code.bytes, code.size);
    row->code[code.size] = '\0';
    row->count = by;
}

void error_counts_note(struct error_counts *counts, struct slice text)
{
    size_t most = text.size < ERROR_CODE_BYTES ? text.size : ERROR_CODE_BYTES;
    const uint8_t *end = most == 0 ? NULL : memchr(text.bytes, ' ', most);
    counts_raise(counts, slice_of(text.bytes, end == NULL ? 0 : (size_t)(end - text.bytes)), 1);
}

void error_counts_add(struct error_counts *total, const struct error_counts *counts)
{
    for (uint64_t i = 0; i < counts->used; i++) {
        counts_raise(total, slice_from_text(counts->rows[i].code), counts->rows[i].count);
    }
}

static int compare_codes(const void *a, const void *b)
{
    return strcmp(((const struct error_count *)a)->code, ((const struct error_count *)b)->code);
}

void error_counts_sort(struct error_counts *counts)
{
    qsort(counts->rows, counts->used, sizeof *counts->rows, compare_codes);
}
