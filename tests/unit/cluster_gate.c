#include "cluster/gate.h"
#include "core/limits.h"
#include "core/random.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

enum {
    MODEL_SEEDS = 300,
    MODEL_STEPS = 3000,
    MODEL_HASHES = 8,
    MODEL_GUESTS = 40,
    GUEST_KEYS = 4,
};

// A single, or a group with up to GUEST_KEYS keys.
struct guest {
    struct gate_waiter waiters[GUEST_KEYS];
    struct gate_group group;
    bool kept[GUEST_KEYS]; // has a place at that gate
    uint32_t keys;
    uint32_t taken;   // so many have their place
    uint32_t granted; // of them
    uint32_t wanted;
    bool present, single, admitted, entered;
    uint32_t arrival;
};

static struct guest *guest_of_group(struct gate_group *group)
{
    return (struct guest *)((uint8_t *)group - offsetof(struct guest, group));
}

static void guest_admitted(struct gate_group *group)
{
    struct guest *const guest = guest_of_group(group);

    cr_assert_not(guest->admitted);
    guest->admitted = true;
}

static void group_granted(struct gate_waiter *waiter)
{
    guest_of_group(waiter->group)->granted++;
}

static void single_granted(struct gate_waiter *waiter)
{
    struct guest *const guest = (struct guest *)waiter;

    cr_assert_eq(guest->granted, 0);
    guest->granted = 1;
}

static struct guest single_make(uint64_t hash)
{
    return (struct guest){.waiters = {{.granted = single_granted, .hash = hash}},
                          .present = true,
                          .single = true,
                          .keys = 1};
}

static struct guest group_make(enum gate_scope scope)
{
    return (struct guest){.group = {.admitted = guest_admitted, .scope = (uint8_t)scope},
                          .present = true};
}

static void group_key(struct guest *guest, uint64_t hash)
{
    guest->waiters[guest->keys++] = (struct gate_waiter){.granted = group_granted, .hash = hash};
}

// One of its gates. The group's address is its owner's: not to be moved from now on.
static void group_take(struct gate_table *table, struct guest *guest)
{
    struct gate_waiter *const waiter = &guest->waiters[guest->taken];

    waiter->group = &guest->group;
    const enum gate_result result = gate_take(table, waiter);

    guest->kept[guest->taken++] = result != GATE_OWN;
    guest->wanted += result != GATE_OWN;
    guest->granted += result == GATE_GRANTED;
    if (guest->taken == guest->keys) {
        guest->entered = true;
        gate_entered(table, &guest->group);
    }
}

static void group_enter(struct gate_table *table, struct guest *guest)
{
    if (gate_enter(table, &guest->group)) {
        guest->admitted = true;
    }
}

static void group_enter_all(struct gate_table *table, struct guest *guest)
{
    group_enter(table, guest);
    cr_assert(guest->admitted);
    while (!guest->entered) {
        group_take(table, guest);
    }
}

static bool guest_inside(const struct guest *guest)
{
    if (guest->single) {
        return guest->granted != 0;
    }
    return guest->group.scope != GATE_KEYS ? guest->admitted
                                           : guest->entered && guest->granted == guest->wanted;
}

static void guest_leave(struct gate_table *table, struct guest *guest)
{
    guest->present = false;
    if (!guest->single && guest->group.scope != GATE_KEYS) {
        gate_leave(table, &guest->group);
        return;
    }
    for (uint32_t i = 0; i < guest->keys; i++) {
        if (guest->single || guest->kept[i]) {
            gate_release(table, &guest->waiters[i]);
        }
    }
}

static struct gate_table *table_open(void)
{
    struct gate_table *table = NULL;

    cr_assert_eq(gate_table_open(&table), 0);
    cr_assert_not(gate_any(table));
    return table;
}

Test(gate, singles_behind_a_group_come_in_order_one_by_one)
{
    struct gate_table *const table = table_open();
    struct guest group = group_make(GATE_KEYS);
    struct guest second = group_make(GATE_KEYS);
    struct guest singles[5];

    group_key(&group, 7);
    group_key(&second, 7);
    group_enter_all(table, &group);
    cr_assert(guest_inside(&group));
    cr_assert(gate_any(table));
    cr_assert(gate_taken(table, 7));
    cr_assert_not(gate_taken(table, 8));
    for (int i = 0; i < 5; i++) {
        if (i == 3) {
            group_enter_all(table, &second);
        }
        singles[i] = single_make(7);
        gate_wait(table, &singles[i].waiters[0]);
        cr_assert_not(guest_inside(&singles[i]));
    }
    cr_assert_eq(table->taken, 1, "a queue is one gate");
    guest_leave(table, &group);
    for (int i = 0; i < 5; i++) {
        if (i == 3) {
            cr_assert(guest_inside(&second));
            guest_leave(table, &second);
        }
        cr_assert_not(second.present && guest_inside(&second));
        for (int other = 0; other < 5; other++) {
            cr_assert_eq(singles[other].present && guest_inside(&singles[other]), other == i,
                         "%d when it is the turn of %d", other, i);
        }
        guest_leave(table, &singles[i]);
    }
    cr_assert_not(gate_any(table));
    gate_table_close(table);
}

Test(gate, a_single_that_waits_for_the_disk_keeps_its_key_and_nobody_else)
{
    struct gate_table *const table = table_open();
    struct guest reading = single_make(7);
    struct guest behind = single_make(7);
    struct guest group = group_make(GATE_KEYS);
    struct guest shared = group_make(GATE_SHARED);
    struct guest whole = group_make(GATE_EXCLUSIVE);
    struct guest later = group_make(GATE_SHARED);

    gate_hold(table, &reading.waiters[0]);
    reading.granted = 1;
    cr_assert(gate_taken(table, 7));
    cr_assert_not(gate_taken(table, 8));
    gate_wait(table, &behind.waiters[0]);
    cr_assert_not(guest_inside(&behind));
    group_enter(table, &shared);
    cr_assert(guest_inside(&shared), "there may always be one that reads");
    guest_leave(table, &shared);
    group_enter(table, &whole);
    cr_assert(guest_inside(&whole));
    guest_leave(table, &whole);
    group_key(&group, 7);
    group_enter_all(table, &group);
    group_enter(table, &later);
    cr_assert_not(guest_inside(&later), "a group has a place");
    guest_leave(table, &reading);
    cr_assert(guest_inside(&behind));
    cr_assert_not(guest_inside(&group));
    guest_leave(table, &behind);
    cr_assert(guest_inside(&group));
    guest_leave(table, &group);
    cr_assert(guest_inside(&later));
    guest_leave(table, &later);
    cr_assert_not(gate_any(table));
    gate_table_close(table);
}

Test(gate, a_group_may_name_a_key_twice)
{
    struct gate_table *const table = table_open();
    struct guest group = group_make(GATE_KEYS);
    struct guest single = single_make(3);

    group_key(&group, 3);
    group_key(&group, 3);
    group_enter(table, &group);
    group_take(table, &group);
    gate_wait(table, &single.waiters[0]); // between the two
    group_take(table, &group);
    cr_assert_eq(group.wanted, 1);
    cr_assert(guest_inside(&group));
    guest_leave(table, &group);
    cr_assert(guest_inside(&single));
    guest_leave(table, &single);
    cr_assert_not(gate_any(table));
    gate_table_close(table);
}

Test(gate, others_pass_a_gate_that_is_not_theirs)
{
    struct gate_table *const table = table_open();
    struct guest groups[4];

    // All in one bucket of the table, and apart only above it.
    for (uint64_t i = 0; i < 4; i++) {
        groups[i] = group_make(GATE_KEYS);
        group_key(&groups[i], i << 40 | 5);
        group_enter_all(table, &groups[i]);
        cr_assert(guest_inside(&groups[i]));
    }
    guest_leave(table, &groups[1]);
    cr_assert(gate_taken(table, 5));
    cr_assert_not(gate_taken(table, UINT64_C(1) << 40 | 5));
    cr_assert(gate_taken(table, UINT64_C(2) << 40 | 5));
    cr_assert(gate_taken(table, UINT64_C(3) << 40 | 5));
    guest_leave(table, &groups[3]);
    guest_leave(table, &groups[0]);
    guest_leave(table, &groups[2]);
    cr_assert_not(gate_any(table));
    gate_table_close(table);
}

Test(gate, who_empties_the_shard_is_alone_in_it)
{
    struct gate_table *const table = table_open();
    struct guest before = group_make(GATE_KEYS);
    struct guest whole = group_make(GATE_EXCLUSIVE);
    struct guest after = group_make(GATE_KEYS);
    struct guest single = single_make(9);

    group_key(&before, 1);
    group_key(&after, 2);
    group_enter_all(table, &before);
    group_enter(table, &whole);
    cr_assert_not(guest_inside(&whole), "a gate is taken");
    group_enter(table, &after);
    cr_assert_not(after.admitted, "it came later");
    cr_assert_not(gate_taken(table, 9), "singles pass as long as nobody holds the shard");
    guest_leave(table, &before);
    cr_assert(guest_inside(&whole));
    cr_assert(gate_taken(table, 9), "now they do not");
    gate_wait(table, &single.waiters[0]);
    cr_assert_not(guest_inside(&single));
    guest_leave(table, &whole);
    cr_assert(guest_inside(&single));
    cr_assert(after.admitted);
    guest_leave(table, &single);
    group_take(table, &after);
    guest_leave(table, &after);
    cr_assert_not(gate_any(table));
    gate_table_close(table);
}

Test(gate, readers_of_the_shard_share_it_and_let_singles_pass)
{
    struct gate_table *const table = table_open();
    struct guest readers[2] = {group_make(GATE_SHARED), group_make(GATE_SHARED)};
    struct guest writer = group_make(GATE_KEYS);

    group_key(&writer, 4);
    group_enter(table, &readers[0]);
    group_enter(table, &readers[1]);
    cr_assert(guest_inside(&readers[0]) && guest_inside(&readers[1]));
    cr_assert_not(gate_taken(table, 4));
    group_enter(table, &writer);
    cr_assert_not(writer.admitted, "it would be seen in part");
    guest_leave(table, &readers[0]);
    cr_assert_not(writer.admitted);
    guest_leave(table, &readers[1]);
    cr_assert(writer.admitted);
    group_take(table, &writer);
    guest_leave(table, &writer);
    cr_assert_not(gate_any(table));
    gate_table_close(table);
}

Test(gate, room_is_what_is_left_of_the_bound)
{
    struct gate_table *const table = table_open();
    struct guest *const groups = calloc(LIMIT_GATES, sizeof *groups);

    for (uint64_t i = 0; i < LIMIT_GATES; i++) {
        cr_assert(gate_room(table, (uint32_t)(LIMIT_GATES - i)));
        cr_assert_not(gate_room(table, (uint32_t)(LIMIT_GATES - i + 1)));
        groups[i] = group_make(GATE_KEYS);
        group_key(&groups[i], i * 3);
        group_enter_all(table, &groups[i]);
    }
    cr_assert_eq(table->taken, LIMIT_GATES);
    for (uint64_t i = 0; i < LIMIT_GATES; i++) {
        guest_leave(table, &groups[i]);
    }
    cr_assert(gate_room(table, LIMIT_GATES));
    free(groups);
    gate_table_close(table);
}

// Random guests: who may be inside together, in which order singles of a key come, and that all
// come in the end -----------------------------------------------------------------------------

struct model {
    struct gate_table *table;
    struct random random;
    struct guest guests[MODEL_GUESTS];
    uint32_t arrivals;
    uint32_t last_in[MODEL_HASHES]; // the arrival of the last single that was let in at this key
};

// Some share a bucket, and some all their low bits.
static uint64_t model_hash(uint32_t index)
{
    return index % 3 == 0 ? (uint64_t)index << 50 : index;
}

static uint32_t model_index(uint64_t hash)
{
    return (uint32_t)(hash >= UINT64_C(1) << 50 ? hash >> 50 : hash);
}

static void model_let_in(struct model *model, const struct guest *guest)
{
    const uint32_t index = model_index(guest->waiters[0].hash);

    cr_assert_gt(guest->arrival, model->last_in[index], "overtaken");
    model->last_in[index] = guest->arrival;
}

static void model_come(struct model *model, struct guest *guest)
{
    const uint32_t kind = (uint32_t)random_below(&model->random, 100);

    if (kind < 60) {
        *guest = single_make(model_hash((uint32_t)random_below(&model->random, MODEL_HASHES)));
        guest->arrival = ++model->arrivals;
        if (!gate_taken(model->table, guest->waiters[0].hash)) {
            if (kind < 30) { // its record is on disk
                gate_hold(model->table, &guest->waiters[0]);
                guest->granted = 1;
                return;
            }
            model_let_in(model, guest); // it ran and is gone
            guest->present = false;
            return;
        }
        gate_wait(model->table, &guest->waiters[0]);
        return;
    }
    *guest = group_make(kind < 90 ? GATE_KEYS : kind < 95 ? GATE_SHARED : GATE_EXCLUSIVE);
    if (kind < 90) {
        const uint32_t keys = 1 + (uint32_t)random_below(&model->random, GUEST_KEYS);

        while (guest->keys < keys) {
            group_key(guest, model_hash((uint32_t)random_below(&model->random, MODEL_HASHES)));
        }
    }
    group_enter(model->table, guest);
}

static void model_step(struct model *model, bool ending)
{
    struct guest *const guest = &model->guests[random_below(&model->random, MODEL_GUESTS)];

    if (!guest->present) {
        if (!ending) {
            model_come(model, guest);
        }
    } else if (guest_inside(guest)) {
        if (guest->single) {
            // Those let in run in the order of the list that granted() fills.
            for (uint32_t i = 0; i < MODEL_GUESTS; i++) {
                const struct guest *const other = &model->guests[i];

                if (other->present && other->single && guest_inside(other) &&
                    other->waiters[0].hash == guest->waiters[0].hash &&
                    other->arrival < guest->arrival) {
                    return;
                }
            }
            model_let_in(model, guest);
        }
        guest_leave(model->table, guest);
    } else if (!guest->single && guest->group.scope == GATE_KEYS && guest->admitted &&
               !guest->entered) {
        group_take(model->table, guest);
    }
}

static bool guests_collide(const struct guest *a, const struct guest *b)
{
    const bool whole_a = !a->single && a->group.scope != GATE_KEYS;
    const bool whole_b = !b->single && b->group.scope != GATE_KEYS;

    // A single inside may be one that reads from disk: groups of the whole shard do not wait for
    // it.
    if (whole_a || whole_b) {
        return !(a->single || b->single) &&
               ((whole_a && a->group.scope == GATE_EXCLUSIVE) ||
                (whole_b && b->group.scope == GATE_EXCLUSIVE) || !(whole_a && whole_b));
    }
    for (uint32_t i = 0; i < a->keys; i++) {
        for (uint32_t j = 0; j < b->keys; j++) {
            if (a->waiters[i].hash == b->waiters[j].hash) {
                return true;
            }
        }
    }
    return false;
}

static void model_look(const struct model *model)
{
    for (uint32_t i = 0; i < MODEL_GUESTS; i++) {
        for (uint32_t j = i + 1; j < MODEL_GUESTS; j++) {
            const struct guest *const a = &model->guests[i];
            const struct guest *const b = &model->guests[j];

            if (a->present && b->present && guest_inside(a) && guest_inside(b)) {
                cr_assert_not(guests_collide(a, b), "%u and %u are inside together", i, j);
            }
        }
    }
}

Test(gate, keeps_apart_who_must_be_and_lets_all_in)
{
    struct model *const model = calloc(1, sizeof *model);

    for (uint64_t seed = 0; seed < MODEL_SEEDS; seed++) {
        *model = (struct model){.table = table_open()};
        random_seed(&model->random, seed);
        for (int step = 0; step < MODEL_STEPS; step++) {
            model_step(model, false);
            model_look(model);
        }
        for (int step = 0; step < 100 * MODEL_STEPS && gate_any(model->table); step++) {
            model_step(model, true);
        }
        cr_assert_not(gate_any(model->table), "seed %zu: somebody waits for ever", (size_t)seed);
        gate_table_close(model->table);
    }
    free(model);
}
