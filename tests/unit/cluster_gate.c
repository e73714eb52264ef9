#include "cluster/gate.h"
#include "core/limits.h"
#include "core/random.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

enum {
    MODEL_SEEDS = 200,
    MODEL_STEPS = 2000,
    MODEL_HASHES = 12,
    MODEL_WAITERS = 64,
};

// Somebody at a gate, and when it was let in.
struct guest {
    struct gate_waiter waiter; // first
    uint32_t *entered;         // counts who was let in so far
    uint32_t turn;             // its number among them; 0: not yet
};

static void guest_enters(struct gate_waiter *waiter)
{
    struct guest *const guest = (struct guest *)waiter;

    cr_assert_eq(guest->turn, 0);
    guest->turn = ++*guest->entered;
}

static struct guest guest_make(uint64_t hash, uint32_t *entered)
{
    return (struct guest){.waiter = {.granted = guest_enters, .hash = hash}, .entered = entered};
}

static struct gate_table *table_open(void)
{
    struct gate_table *table = NULL;

    cr_assert_eq(gate_table_open(&table), 0);
    cr_assert_not(gate_any(table));
    return table;
}

Test(gate, one_holds_and_the_next_come_in_order_of_arrival)
{
    struct gate_table *const table = table_open();
    struct guest guests[5];
    uint32_t entered = 0;

    for (int i = 0; i < 5; i++) {
        guests[i] = guest_make(7, &entered);
        cr_assert_eq(gate_take(table, &guests[i].waiter), i == 0 ? GATE_GRANTED : GATE_QUEUED);
    }
    cr_assert(gate_any(table));
    cr_assert(gate_taken(table, 7));
    cr_assert_not(gate_taken(table, 8));
    cr_assert_eq(table->taken, 1, "a queue is one gate");
    for (uint32_t i = 0; i < 5; i++) {
        cr_assert_eq(guests[i].turn, i, "nobody is let in before the one in front has left");
        gate_release(table, &guests[i].waiter);
    }
    cr_assert_eq(entered, 4, "the first was told by gate_take()");
    cr_assert_not(gate_any(table));
    cr_assert_not(gate_taken(table, 7));
    gate_table_close(table);
}

Test(gate, others_pass_a_gate_that_is_not_theirs)
{
    struct gate_table *const table = table_open();
    uint32_t entered = 0;
    // All in one bucket of the table, and apart only above it.
    struct guest guests[4];

    for (uint64_t i = 0; i < 4; i++) {
        guests[i] = guest_make(i << 40 | 5, &entered);
        cr_assert_eq(gate_take(table, &guests[i].waiter), GATE_GRANTED);
    }
    gate_release(table, &guests[1].waiter);
    cr_assert(gate_taken(table, 5));
    cr_assert_not(gate_taken(table, UINT64_C(1) << 40 | 5));
    cr_assert(gate_taken(table, UINT64_C(2) << 40 | 5));
    cr_assert(gate_taken(table, UINT64_C(3) << 40 | 5));
    gate_release(table, &guests[3].waiter);
    gate_release(table, &guests[0].waiter);
    gate_release(table, &guests[2].waiter);
    cr_assert_not(gate_any(table));
    gate_table_close(table);
}

Test(gate, a_full_table_says_so_and_still_lets_queue)
{
    struct gate_table *const table = table_open();
    struct guest *const guests = calloc(LIMIT_GATES + 2, sizeof *guests);
    struct guest *const late = &guests[LIMIT_GATES];
    struct guest *const behind = &guests[LIMIT_GATES + 1];
    uint32_t entered = 0;

    for (uint64_t i = 0; i < LIMIT_GATES; i++) {
        guests[i] = guest_make(i * 3, &entered);
        cr_assert_eq(gate_take(table, &guests[i].waiter), GATE_GRANTED);
    }
    *late = guest_make(1, &entered);
    cr_assert_eq(gate_take(table, &late->waiter), GATE_TABLE_FULL);
    cr_assert_not(gate_taken(table, 1), "nothing was changed");
    cr_assert_eq(table->taken, LIMIT_GATES);
    *behind = guest_make(30, &entered);
    cr_assert_eq(gate_take(table, &behind->waiter), GATE_QUEUED, "a queue needs no gate more");

    gate_release(table, &guests[10].waiter);
    cr_assert_eq(behind->turn, 1);
    cr_assert_eq(gate_take(table, &late->waiter), GATE_TABLE_FULL, "the gate only changed hands");
    gate_release(table, &behind->waiter);
    cr_assert_eq(gate_take(table, &late->waiter), GATE_GRANTED, "now there is one to spare");
    gate_release(table, &late->waiter);
    for (uint64_t i = 0; i < LIMIT_GATES; i++) {
        if (i != 10) {
            gate_release(table, &guests[i].waiter);
        }
    }
    cr_assert_eq(table->taken, 0);
    free(guests);
    gate_table_close(table);
}

// Against a model: a queue for each hash, whose first holds the gate ------------------------------

struct model {
    struct gate_table *table;
    struct random random;
    struct guest guests[MODEL_WAITERS];
    bool inside[MODEL_WAITERS]; // queued or holding
    uint32_t queues[MODEL_HASHES][MODEL_WAITERS];
    uint32_t lengths[MODEL_HASHES];
    uint32_t entered;
};

// Some share a bucket, and some all their low bits.
static uint64_t model_hash(uint32_t index)
{
    return index % 3 == 0 ? (uint64_t)index << 50 : index;
}

static void model_take(struct model *model)
{
    const uint32_t hash = (uint32_t)random_below(&model->random, MODEL_HASHES);
    const uint32_t guest = (uint32_t)random_below(&model->random, MODEL_WAITERS);
    const uint32_t length = model->lengths[hash];

    if (model->inside[guest]) {
        return;
    }
    model->guests[guest] = guest_make(model_hash(hash), &model->entered);
    cr_assert_eq(gate_take(model->table, &model->guests[guest].waiter),
                 length == 0 ? GATE_GRANTED : GATE_QUEUED);
    model->queues[hash][model->lengths[hash]++] = guest;
    model->inside[guest] = true;
}

static void model_release(struct model *model)
{
    const uint32_t hash = (uint32_t)random_below(&model->random, MODEL_HASHES);
    uint32_t *const queue = model->queues[hash];
    const uint32_t entered = model->entered;

    if (model->lengths[hash] == 0) {
        return;
    }
    gate_release(model->table, &model->guests[queue[0]].waiter);
    model->inside[queue[0]] = false;
    model->lengths[hash]--;
    memmove(queue, queue + 1, model->lengths[hash] * sizeof *queue);
    cr_assert_eq(model->entered, entered + (model->lengths[hash] != 0));
    cr_assert(model->lengths[hash] == 0 || model->guests[queue[0]].turn == model->entered,
              "the gate goes to the one that waits longest");
}

static void model_compare(const struct model *model)
{
    uint32_t taken = 0;

    for (uint32_t hash = 0; hash < MODEL_HASHES; hash++) {
        taken += model->lengths[hash] != 0;
        cr_assert_eq(gate_taken(model->table, model_hash(hash)), model->lengths[hash] != 0);
    }
    cr_assert_eq(model->table->taken, taken);
    cr_assert_eq(gate_any(model->table), taken != 0);
}

Test(gate, agrees_with_a_model)
{
    struct model *const model = calloc(1, sizeof *model);

    for (uint64_t seed = 0; seed < MODEL_SEEDS; seed++) {
        *model = (struct model){.table = table_open()};
        random_seed(&model->random, seed);
        for (int step = 0; step < MODEL_STEPS; step++) {
            if (random_below(&model->random, 2) == 0) {
                model_take(model);
            } else {
                model_release(model);
            }
            model_compare(model);
        }
        while (gate_any(model->table)) {
            model_release(model);
        }
        gate_table_close(model->table);
    }
    free(model);
}
