// A line of an import file: whatever the bytes, it is refused with a reason or gives a record that
// comes back the same when it is written and read again.

#include "cli/output.h"
#include "cli/record.h"
#include "core/check.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    char error[RECORD_ERROR_SIZE] = "";
    struct record record;
    struct record again;
    struct text line = output_text();

    if (record_decode((const char *)bytes, size, &record, error) != 0) {
        CHECK(error[0] != '\0' && memchr(error, '\0', sizeof error) != NULL);
        return 0;
    }
    CHECK(record.key.size <= RECORD_KEY_BYTES_MAX && record.expire_ms >= 0);
    record_encode(record.key, record.value, record.expire_ms, &line);
    CHECK(text_error(&line) == 0 && line.bytes[line.size - 1] == '\n');
    // One line whatever the value holds.
    CHECK(memchr(line.bytes, '\n', line.size) == line.bytes + line.size - 1);
    CHECK(record_decode(line.bytes, line.size - 1, &again, error) == 0);
    CHECK(slice_equal(record.key, again.key) && slice_equal(record.value, again.value));
    CHECK(record.expire_ms == again.expire_ms);
    record_free(&again);
    record_free(&record);
    text_free(&line);
    return 0;
}
