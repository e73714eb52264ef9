// The checker of histories: what is linearizable passes, what is not does not.
#include "tests/sim/node_model.h"

#include <criterion/criterion.h>

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
