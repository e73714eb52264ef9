#include "cluster/gate.h"

#include "core/check.h"
#include "core/limits.h"
#include "core/memory.h"

#include <errno.h>
#include <stddef.h>

struct gate {
    struct gate *next; // in its bucket, or free
    uint64_t hash;
    struct gate_waiter *holder;
    struct gate_waiter *last; // of the queue that begins at holder->next
};

enum { GATE_BUCKETS = 64 * 1024 }; // 512 KiB a shard; chains of 16 when the table is full
static_assert((GATE_BUCKETS & (GATE_BUCKETS - 1)) == 0, "buckets are picked by a mask");

int gate_table_open(struct gate_table **ret_table)
{
    size_t size = sizeof(struct gate_table) + LIMIT_GATES * sizeof(struct gate) +
                  GATE_BUCKETS * sizeof(struct gate *);
    struct gate_table *table = memory_allocate(size);
    if (table == NULL) {
        return -ENOMEM;
    }
    *table = (struct gate_table){.gates = (struct gate *)(table + 1)};
    table->buckets = (struct gate **)(table->gates + LIMIT_GATES);
    for (size_t i = 0; i < GATE_BUCKETS; i++) {
        table->buckets[i] = NULL;
    }
    *ret_table = table;
    return 0;
}

void gate_table_close(struct gate_table *table)
{
    if (table != NULL) {
        CHECK(table->taken == 0);
        memory_free(table);
    }
}

static struct gate **gate_find(const struct gate_table *table, uint64_t hash)
{
    struct gate **at = &table->buckets[hash & (GATE_BUCKETS - 1)];
    while (*at != NULL && (*at)->hash != hash) {
        at = &(*at)->next;
    }
    return at;
}

enum gate_result gate_take(struct gate_table *table, struct gate_waiter *waiter)
{
    CHECK(waiter->granted != NULL);
    waiter->next = NULL;
    struct gate **at = gate_find(table, waiter->hash);
    if (*at != NULL) {
        (*at)->last->next = waiter;
        (*at)->last = waiter;
        return GATE_QUEUED;
    }
    struct gate *gate = table->free;
    if (gate != NULL) {
        table->free = gate->next;
    } else if (table->used < LIMIT_GATES) {
        gate = &table->gates[table->used++];
    } else {
        return GATE_TABLE_FULL;
    }
    table->taken++;
    *gate = (struct gate){.hash = waiter->hash, .holder = waiter, .last = waiter};
    *at = gate;
    return GATE_GRANTED;
}

bool gate_taken(const struct gate_table *table, uint64_t hash)
{
    return *gate_find(table, hash) != NULL;
}

void gate_release(struct gate_table *table, struct gate_waiter *holder)
{
    struct gate **at = gate_find(table, holder->hash);
    struct gate *gate = *at;
    CHECK(gate != NULL && gate->holder == holder);
    struct gate_waiter *next = holder->next;
    holder->next = NULL;
    if (next != NULL) {
        gate->holder = next;
        next->granted(next);
        return;
    }
    *at = gate->next;
    gate->next = table->free;
    table->free = gate;
    table->taken--;
}
