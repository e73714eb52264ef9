#include "cluster/actor.h"

#include "core/limits.h"
#include "core/memory.h"

#include <errno.h>

enum { ACTORS_AT_FIRST = 4 };

void actor_table_init(struct actor_table *table)
{
    *table = (struct actor_table){0};
}

void actor_table_free(struct actor_table *table)
{
    memory_free(table->ids);
    actor_table_init(table);
}

static int actor_table_grow(struct actor_table *table)
{
    const uint32_t capacity = table->capacity == 0 ? ACTORS_AT_FIRST : 2 * table->capacity;
    struct actor_id *const ids = memory_resize(table->ids, capacity * sizeof *ids);

    if (ids == NULL) {
        return -ENOMEM;
    }
    table->ids = ids;
    table->capacity = capacity;
    return 0;
}

int actor_table_enter(struct actor_table *table, const struct actor_id *id, uint32_t *ret_index)
{
    if (actor_table_find(table, id, ret_index)) {
        return 0;
    }
    if (table->count == LIMIT_ACTORS) {
        return -ENOSPC;
    }
    if (table->count == table->capacity) {
        const int error = actor_table_grow(table);

        if (error != 0) {
            return error;
        }
    }
    table->ids[table->count] = *id;
    *ret_index = table->count++;
    return 0;
}

bool actor_table_find(const struct actor_table *table, const struct actor_id *id,
                      uint32_t *ret_index)
{
    for (uint32_t i = 0; i < table->count; i++) {
        if (actor_id_compare(&table->ids[i], id) == 0) {
            *ret_index = i;
            return true;
        }
    }
    return false;
}

void actor_table_durable(struct actor_table *table, uint32_t count)
{
    CHECK(count >= table->durable && count <= table->count);
    table->durable = count;
}

static int compare_u64(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

int actor_id_compare(const struct actor_id *a, const struct actor_id *b)
{
    return a->vnode_id != b->vnode_id ? compare_u64(a->vnode_id, b->vnode_id)
                                      : compare_u64(a->incarnation, b->incarnation);
}

int dot_compare(const struct actor_table *table, struct dot a, struct dot b)
{
    if (a.hlc != b.hlc) {
        return compare_u64(a.hlc, b.hlc);
    }
    if (a.actor == b.actor) {
        return 0;
    }
    if (a.actor < table->count && b.actor < table->count) {
        return actor_id_compare(&table->ids[a.actor], &table->ids[b.actor]);
    }
    if (a.actor < table->count || b.actor < table->count) {
        return a.actor < table->count ? 1 : -1;
    }
    return compare_u64(a.actor, b.actor);
}
