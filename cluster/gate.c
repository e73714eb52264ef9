#include "cluster/gate.h"

#include "core/check.h"
#include "core/limits.h"
#include "core/memory.h"

#include <errno.h>

struct gate {
    struct gate *next; // in its bucket, or free
    uint64_t hash;
    uint64_t turn;                    // of the last group that came
    bool of_single;                   // who holds it
    struct gate_waiter *first, *last; // those that wait
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
        CHECK(!gate_any(table));
        memory_free(table);
    }
}

// Gates --------------------------------------------------------------------------------------

static struct gate **gate_find(const struct gate_table *table, uint64_t hash)
{
    struct gate **at = &table->buckets[hash & (GATE_BUCKETS - 1)];
    while (*at != NULL && (*at)->hash != hash) {
        at = &(*at)->next;
    }
    return at;
}

static struct gate *gate_add(struct gate_table *table, struct gate **at, uint64_t hash)
{
    struct gate *gate = table->free;
    if (gate != NULL) {
        table->free = gate->next;
    } else {
        CHECK(table->used < LIMIT_GATES); // gate_room() was asked
        gate = &table->gates[table->used++];
    }
    table->taken++;
    *gate = (struct gate){.hash = hash};
    *at = gate;
    return gate;
}

static void gate_queue(struct gate *gate, struct gate_waiter *waiter)
{
    waiter->next = NULL;
    if (gate->last != NULL) {
        gate->last->next = waiter;
    } else {
        gate->first = waiter;
    }
    gate->last = waiter;
}

static struct gate_waiter *gate_next(struct gate *gate)
{
    struct gate_waiter *waiter = gate->first;
    gate->first = waiter->next;
    if (gate->first == NULL) {
        gate->last = NULL;
    }
    waiter->next = NULL;
    return waiter;
}

static void gate_hand_on(struct gate *gate)
{
    struct gate_waiter *waiter = gate_next(gate);
    gate->of_single = waiter->group == NULL;
    waiter->granted(waiter);
}

// In front of a gate that is taken, or free (*at is NULL).
static void gate_single(struct gate_table *table, struct gate **at, struct gate_waiter *waiter)
{
    if (*at != NULL) {
        gate_queue(*at, waiter);
        return;
    }
    gate_add(table, at, waiter->hash)->of_single = true;
    waiter->granted(waiter);
}

// The line -----------------------------------------------------------------------------------

static bool gate_may_come(const struct gate_table *table, const struct gate_group *group)
{
    if (table->entering != NULL || table->exclusive) {
        return false;
    }
    switch ((enum gate_scope)group->scope) {
    case GATE_KEYS:
        return table->shared == 0;
    case GATE_SHARED:
        return table->grouped == 0;
    case GATE_EXCLUSIVE:
        return table->grouped == 0 && table->shared == 0;
    }
    return false;
}

static void gate_come(struct gate_table *table, struct gate_group *group)
{
    switch ((enum gate_scope)group->scope) {
    case GATE_KEYS:
        table->entering = group;
        table->turn++;
        break;
    case GATE_SHARED:
        table->shared++;
        break;
    case GATE_EXCLUSIVE:
        table->exclusive = true;
        break;
    }
}

static void gate_line_go_on(struct gate_table *table)
{
    while (table->line_first != NULL && gate_may_come(table, table->line_first)) {
        struct gate_group *group = table->line_first;
        table->line_first = group->next;
        if (table->line_first == NULL) {
            table->line_last = NULL;
        }
        group->next = NULL;
        gate_come(table, group);
        group->admitted(group);
    }
}

bool gate_enter(struct gate_table *table, struct gate_group *group)
{
    CHECK(group->admitted != NULL);
    group->next = NULL;
    table->groups++;
    if (table->line_first == NULL && gate_may_come(table, group)) {
        gate_come(table, group);
        return true;
    }
    if (table->line_last != NULL) {
        table->line_last->next = group;
    } else {
        table->line_first = group;
    }
    table->line_last = group;
    return false;
}

bool gate_room(const struct gate_table *table, uint32_t count)
{
    return count <= LIMIT_GATES - table->taken;
}

enum gate_result gate_take(struct gate_table *table, struct gate_waiter *waiter)
{
    CHECK(waiter->group != NULL && table->entering == waiter->group);
    struct gate **at = gate_find(table, waiter->hash);
    struct gate *gate = *at;
    if (gate != NULL && gate->turn == table->turn) {
        return GATE_OWN;
    }
    table->grouped++;
    if (gate != NULL) {
        gate->turn = table->turn;
        gate_queue(gate, waiter);
        return GATE_QUEUED;
    }
    gate = gate_add(table, at, waiter->hash);
    gate->turn = table->turn;
    return GATE_GRANTED;
}

void gate_entered(struct gate_table *table, struct gate_group *group)
{
    CHECK(table->entering == group);
    table->entering = NULL;
    table->groups--;
    gate_line_go_on(table);
}

void gate_leave(struct gate_table *table, struct gate_group *group)
{
    table->groups--;
    if (group->scope == GATE_SHARED) {
        CHECK(table->shared > 0);
        table->shared--;
    } else {
        CHECK(table->exclusive && group->scope == GATE_EXCLUSIVE);
        table->exclusive = false;
        // The halted first: each would have passed if it had come now. They hold their keys' gates
        // until they have run, so that nobody overtakes them.
        struct gate_waiter *halted = table->halted_first;
        table->halted_first = table->halted_last = NULL;
        while (halted != NULL) {
            struct gate_waiter *next = halted->next;
            gate_single(table, gate_find(table, halted->hash), halted);
            halted = next;
        }
    }
    gate_line_go_on(table);
}

// Singles ------------------------------------------------------------------------------------

bool gate_taken(const struct gate_table *table, uint64_t hash)
{
    return table->exclusive || *gate_find(table, hash) != NULL;
}

void gate_wait(struct gate_table *table, struct gate_waiter *waiter)
{
    CHECK(waiter->granted != NULL && waiter->group == NULL);
    waiter->next = NULL;
    if (!table->exclusive) {
        struct gate **at = gate_find(table, waiter->hash);
        CHECK(*at != NULL);
        gate_single(table, at, waiter);
        return;
    }
    if (table->halted_last != NULL) {
        table->halted_last->next = waiter;
    } else {
        table->halted_first = waiter;
    }
    table->halted_last = waiter;
}

void gate_hold(struct gate_table *table, struct gate_waiter *waiter)
{
    CHECK(waiter->group == NULL && !table->exclusive);
    struct gate **at = gate_find(table, waiter->hash);
    CHECK(*at == NULL);
    gate_add(table, at, waiter->hash)->of_single = true;
}

void gate_release(struct gate_table *table, struct gate_waiter *waiter)
{
    struct gate **at = gate_find(table, waiter->hash);
    struct gate *gate = *at;
    CHECK(gate != NULL && gate->of_single == (waiter->group == NULL));
    if (gate->first != NULL) {
        gate_hand_on(gate);
    } else {
        *at = gate->next;
        gate->next = table->free;
        table->free = gate;
        table->taken--;
    }
    if (waiter->group != NULL && --table->grouped == 0 && table->line_first != NULL) {
        gate_line_go_on(table);
    }
}
