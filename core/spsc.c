#include "core/spsc.h"

#include "core/memory.h"

#include <errno.h>
#include <string.h>

int spsc_init(struct spsc *queue, uint32_t capacity)
{
    CHECK(capacity != 0 && (capacity & (capacity - 1)) == 0);
    CHECK(capacity <= UINT32_C(1) << 31);
    // Whole cache lines, so that the ends of the slots share none with anybody's memory.
    const size_t line = LIMIT_CACHE_LINE_BYTES;
    const size_t bytes = (capacity * sizeof(void *) + line - 1) / line * line;
    void **const slots = memory_allocate_aligned(bytes, line);

    if (slots == NULL) {
        return -ENOMEM;
    }
    memset(slots, 0, bytes);
    *queue = (struct spsc){.slots = slots, .mask = capacity - 1};
    return 0;
}

void spsc_destroy(struct spsc *queue)
{
    memory_free(queue->slots);
    queue->slots = NULL;
}
