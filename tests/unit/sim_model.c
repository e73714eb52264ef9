// The checker of histories: what is linearizable passes, what is not does not.
#include "tests/sim/node_model.h"

#include "core/random.h"

#include <criterion/criterion.h>
#include <string.h>

static struct model_op op(enum model_kind kind, uint32_t connection, uint64_t from_ms,
                          uint64_t to_ms, uint32_t value)
{
    const uint64_t never = MODEL_NEVER;
    struct model_op made = {.invoked_ns = from_ms * 1000000,
                            .answered_ns = to_ms == never ? never : to_ms * 1000000,
                            .connection = connection,
                            .sequence = (uint32_t)from_ms,
                            .kind = (uint8_t)kind,
                            .key_count = 1};

    if (kind == MODEL_SET) {
        made.values[0] = value;
        made.reply.kind = to_ms == never ? MODEL_NO_REPLY : MODEL_OK;
    } else {
        made.reply.kind = MODEL_VALUE;
        made.reply.values[0] = value;
    }
    return made;
}

static enum model_verdict check(struct model_op *ops, uint32_t count, struct model_rules rules)
{
    struct model_values *const values = model_values_open();

    (void)model_value(values, slice_from_text("one"));
    (void)model_value(values, slice_from_text("two"));
    const enum model_verdict verdict = model_check(values, NULL, ops, count, &rules);

    model_values_close(values);
    return verdict;
}

Test(sim_model, takes_a_read_of_the_last_write)
{
    struct model_op ops[] = {op(MODEL_SET, 1, 1, 2, 1), op(MODEL_GET, 2, 3, 4, 1)};

    cr_assert_eq(check(ops, 2, (struct model_rules){0}), MODEL_FINE);
}

Test(sim_model, finds_a_read_of_what_was_replaced)
{
    struct model_op ops[] = {op(MODEL_SET, 1, 1, 2, 1), op(MODEL_SET, 1, 3, 4, 2),
                             op(MODEL_GET, 2, 5, 6, 1)};

    cr_assert_eq(check(ops, 3, (struct model_rules){0}), MODEL_WRONG);
}

Test(sim_model, takes_either_value_while_a_write_is_under_way)
{
    for (uint32_t seen = 1; seen <= 2; seen++) {
        struct model_op ops[] = {op(MODEL_SET, 1, 1, 2, 1), op(MODEL_SET, 1, 3, 9, 2),
                                 op(MODEL_GET, 2, 5, 6, seen)};

        cr_assert_eq(check(ops, 3, (struct model_rules){0}), MODEL_FINE);
    }
}

Test(sim_model, finds_reads_that_go_back_in_time)
{
    struct model_op ops[] = {op(MODEL_SET, 1, 1, 2, 1), op(MODEL_SET, 1, 3, 9, 2),
                             op(MODEL_GET, 2, 4, 5, 2), op(MODEL_GET, 3, 6, 7, 1)};

    cr_assert_eq(check(ops, 4, (struct model_rules){0}), MODEL_WRONG);
}

Test(sim_model, lets_a_write_without_reply_happen_or_not)
{
    for (uint32_t seen = 1; seen <= 2; seen++) {
        struct model_op ops[] = {op(MODEL_SET, 1, 1, 2, 1), op(MODEL_SET, 1, 3, MODEL_NEVER, 2),
                                 op(MODEL_GET, 2, 50, 51, seen)};

        cr_assert_eq(check(ops, 3, (struct model_rules){0}), MODEL_FINE);
    }
}

Test(sim_model, lets_a_key_vanish_only_where_keys_are_evicted)
{
    struct model_op ops[] = {op(MODEL_SET, 1, 1, 2, 1), op(MODEL_GET, 2, 3, 4, 0)};

    cr_assert_eq(check(ops, 2, (struct model_rules){0}), MODEL_WRONG);
    cr_assert_eq(check(ops, 2, (struct model_rules){.evicts = true}), MODEL_FINE);
}

Test(sim_model, keeps_what_was_evicted_gone)
{
    struct model_op ops[] = {op(MODEL_SET, 1, 1, 2, 1), op(MODEL_GET, 2, 3, 4, 0),
                             op(MODEL_GET, 2, 5, 6, 1)};

    cr_assert_eq(check(ops, 3, (struct model_rules){.evicts = true}), MODEL_WRONG);
}

// Every order, tried one by one -------------------------------------------------------------------

enum { HISTORY_MAX = 7, HISTORIES = 30000 };

struct every {
    struct model_values *values;
    struct model_op ops[HISTORY_MAX];
    uint32_t count;
    struct model_rules rules;
};

static bool every_may_be_next(const struct every *every, uint32_t taken, uint32_t next)
{
    const struct model_op *const op = &every->ops[next];

    for (uint32_t i = 0; i < every->count; i++) {
        const struct model_op *const other = &every->ops[i];
        const bool before = other->connection == op->connection && other->sequence < op->sequence;

        if ((taken & 1U << i) == 0 && i != next &&
            (before || other->answered_ns < op->invoked_ns)) {
            return false;
        }
    }
    return true;
}

static bool every_fits(const struct every *every, uint32_t taken, const struct model_state *state)
{
    bool fits = true;

    for (uint32_t i = 0; i < every->count; i++) {
        fits = fits && ((taken & 1U << i) || every->ops[i].answered_ns == MODEL_NEVER);
    }
    for (uint32_t i = 0; i < every->count && !fits; i++) {
        if ((taken & 1U << i) || !every_may_be_next(every, taken, i)) {
            continue;
        }
        for (unsigned alive = 0; alive < 1U << MODEL_KEYS && !fits; alive++) {
            struct model_state after = *state;

            fits = (alive & ~model_undecided(state, &every->ops[i])) == 0 &&
                   model_apply(every->values, &after, &every->ops[i], alive) &&
                   every_fits(every, taken | 1U << i, &after);
        }
    }
    return fits;
}

static struct model_op every_draw_op(struct random *random, uint32_t index)
{
    static const enum model_kind kinds[] = {MODEL_GET,    MODEL_SET, MODEL_SETNX,  MODEL_GETSET,
                                            MODEL_GETDEL, MODEL_DEL, MODEL_EXISTS, MODEL_RENAMENX};
    struct model_op made = {.sequence = index, .key_count = 1};
    const uint64_t from_ns = random_below(random, 20) * 1000000;

    made.kind = (uint8_t)kinds[random_below(random, sizeof kinds / sizeof *kinds)];
    made.keys[0] = (uint8_t)random_below(random, 2);
    made.keys[1] = (uint8_t)(1 - made.keys[0]);
    made.key_count = made.kind == MODEL_RENAMENX ? 2 : 1;
    made.values[0] = 1 + (uint32_t)random_below(random, 2);
    made.invoked_ns = from_ns;
    made.answered_ns = MODEL_NEVER;
    made.connection = index; // or one of two, below
    if (random_below(random, 4) == 0) {
        return made;
    }
    made.answered_ns = from_ns + (1 + random_below(random, 8)) * 1000000;
    switch ((enum model_kind)made.kind) {
    case MODEL_SET:
        made.reply.kind = MODEL_OK;
        break;
    case MODEL_GET:
    case MODEL_GETSET:
    case MODEL_GETDEL:
        made.reply.kind = MODEL_VALUE;
        made.reply.values[0] = (uint32_t)random_below(random, 3);
        break;
    default:
        made.reply.kind = MODEL_INTEGER;
        made.reply.number = (int64_t)random_below(random, 2);
    }
    return made;
}

// Requests of a connection are in the order of their numbers.
static void every_share_connections(struct every *every)
{
    uint64_t last_ns[2] = {0, 0};

    for (uint32_t i = 0; i < every->count; i++) {
        struct model_op *const made = &every->ops[i];

        made->connection = i % 2;
        if (made->invoked_ns < last_ns[i % 2]) {
            made->answered_ns += made->answered_ns == MODEL_NEVER ? 0 : last_ns[i % 2];
            made->invoked_ns = last_ns[i % 2];
        }
        last_ns[i % 2] = made->invoked_ns;
    }
}

Test(sim_model, agrees_with_trying_every_order)
{
    struct random random;
    uint32_t fine = 0;

    random_seed(&random, 1);
    for (uint32_t i = 0; i < HISTORIES; i++) {
        struct every every = {.values = model_values_open(),
                              .count = 1 + (uint32_t)random_below(&random, HISTORY_MAX),
                              .rules = {.in_order = true, .evicts = random_below(&random, 3) == 0}};
        struct model_op ops[HISTORY_MAX];
        const struct model_state start = {.evicts = every.rules.evicts};

        (void)model_value(every.values, slice_from_text("one"));
        (void)model_value(every.values, slice_from_text("two"));
        for (uint32_t at = 0; at < every.count; at++) {
            every.ops[at] = every_draw_op(&random, at);
        }
        if (random_below(&random, 2) == 0) {
            every_share_connections(&every);
        }
        memcpy(ops, every.ops, sizeof ops);
        const bool fits = every_fits(&every, 0, &start);

        cr_assert_eq(model_check(every.values, NULL, ops, every.count, &every.rules),
                     fits ? MODEL_FINE : MODEL_WRONG, "history %u", i);
        fine += fits;
        model_values_close(every.values);
    }
    cr_assert(fine > HISTORIES / 10 && fine < HISTORIES - HISTORIES / 10, "%u hold", fine);
}
