#include "cluster/object.h"

#include "core/random.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>

enum { ROOM = 64 * 1024 };

// A vnode's view of one key: the actor table, and the object as it would lie in an engine.
struct key {
    struct actor_table actors;
    uint8_t bytes[ROOM];
    size_t size; // 0: nothing there
    struct object_view view;
};

static struct key *key_new(void)
{
    struct key *const key = calloc(1, sizeof *key);

    actor_table_init(&key->actors);
    for (uint32_t i = 0; i < 300; i++) {
        const struct actor_id id = {.vnode_id = 1000 - i, .incarnation = 1};
        uint32_t index = 0;

        cr_assert_eq(actor_table_enter(&key->actors, &id, &index), 0);
    }
    return key;
}

static void key_free(struct key *key)
{
    actor_table_free(&key->actors);
    free(key);
}

static const struct object_view *old_of(struct key *key)
{
    if (key->size == 0) {
        return NULL;
    }
    cr_assert(object_open(slice_of(key->bytes, key->size), &key->view));
    return &key->view;
}

static void store(struct key *key, const uint8_t *head, size_t head_size, struct slice tail)
{
    uint8_t *const whole = malloc(ROOM);

    cr_assert_leq(head_size + tail.size, ROOM);
    memcpy(whole, head, head_size);
    if (tail.size != 0) {
        memcpy(whole + head_size, tail.bytes, tail.size);
    }
    memcpy(key->bytes, whole, head_size + tail.size);
    key->size = head_size + tail.size;
    free(whole);
    cr_assert_neq(old_of(key), NULL);
}

static struct dot dot_of(uint32_t actor, uint64_t hlc)
{
    return (struct dot){.actor = actor, .hlc = hlc};
}

static int set(struct key *key, struct dot dot, const char *value, uint64_t expire_ms)
{
    const struct object_view *const old = old_of(key);
    uint8_t head[ROOM];
    size_t size = 0;
    const int error =
        object_write_register(head, object_head_bound(old), old, dot, expire_ms, &size);

    if (error == 0) {
        store(key, head, size, slice_from_text(value));
    }
    return error;
}

static int incr(struct key *key, struct dot dot, int64_t delta, uint64_t now_ms, int64_t *ret_total)
{
    const struct object_view *const old = old_of(key);
    uint8_t head[ROOM];
    size_t size = 0;
    const int error = object_write_counter(head, object_head_bound(old), &key->actors, old, dot,
                                           delta, now_ms, ret_total, &size);

    if (error == 0) {
        store(key, head, size, slice_of(NULL, 0));
    }
    return error;
}

static int del(struct key *key, struct dot dot)
{
    const struct object_view *const old = old_of(key);
    uint8_t head[ROOM];
    size_t size = 0;
    const int error = object_write_tombstone(head, object_head_bound(old), old, dot, &size);

    if (error == 0) {
        store(key, head, size, slice_of(NULL, 0));
    }
    return error;
}

static void expire(struct key *key, struct dot stamp, uint64_t expire_ms)
{
    const struct object_view *const old = old_of(key);
    uint8_t head[ROOM];
    size_t size = 0;

    cr_assert_eq(object_write_expiry(head, object_head_bound(old), old, stamp, expire_ms, &size),
                 0);
    store(key, head, size, object_tail(old));
}

// PUT as a client that has read `context` (NULL: nothing); the new context replaces it.
static int put(struct key *key, struct dot dot, const char *value, struct causal_history *context,
               bool use_context, uint64_t now_ms)
{
    const struct object_put what = {.old = old_of(key),
                                    .context = use_context ? context : NULL,
                                    .dot = dot,
                                    .value = slice_from_text(value),
                                    .now_ms = now_ms};
    uint8_t *const out = malloc(ROOM);
    size_t size = 0;
    const int error = object_put_with_context(&key->actors, &what, out, ROOM, &size, context);

    if (error == 0) {
        store(key, out, size, slice_of(NULL, 0));
    }
    free(out);
    return error;
}

static void copy(struct key *to, const struct key *from)
{
    memcpy(to->bytes, from->bytes, from->size);
    to->size = from->size;
}

static void merge_into(struct key *to, struct key *from)
{
    const struct object_view *const a = old_of(to);
    const struct object_view *const b = old_of(from);
    uint8_t *const out = malloc(ROOM);
    size_t size = 0;

    cr_assert_eq(object_merge(&to->actors, a, b, out, object_merge_bound(a, b), &size), 0);
    store(to, out, size, slice_of(NULL, 0));
    free(out);
}

static void assert_value(struct key *key, const char *expected)
{
    char text[NUMBER_I64_BYTES_MAX];
    const struct slice bytes = object_value_bytes(&old_of(key)->winner, text);

    cr_assert(slice_equal(bytes, slice_from_text(expected)), "%.*s is not %s", (int)bytes.size,
              (const char *)bytes.bytes, expected);
}

Test(cluster_object, one_local_value_costs_at_most_12_bytes)
{
    struct key *const key = key_new();

    cr_assert_eq(set(key, dot_of(0, 1), "value", 0), 0);
    cr_assert_eq(key->size, 10 + 5);
    cr_assert_eq(set(key, dot_of(0, DOT_HLC_MAX), "", 0), 0);
    cr_assert_eq(key->size, 10);
    key->size = 0;
    cr_assert_eq(set(key, dot_of(299, 7), "value", 0), 0);
    cr_assert_eq(key->size, 11 + 5);
    assert_value(key, "value");
    cr_assert_eq(old_of(key)->winner.dot.actor, 299);
    cr_assert_eq(set(key, dot_of(299, 8), "value", 99), 0); // with an expiry of its own
    cr_assert_eq(key->size, 11 + 8 + 5);
    key_free(key);
}

Test(cluster_object, overwriting_in_general_form_comes_back_to_the_small_one)
{
    struct key *const key = key_new();

    cr_assert_eq(set(key, dot_of(0, 5), "a", 0), 0);
    expire(key, dot_of(0, 6), 77);
    cr_assert_eq(old_of(key)->form, OBJECT_FORM_REGISTER_STAMPED);
    expire(key, dot_of(1, 7), 78);
    cr_assert_eq(old_of(key)->form, OBJECT_FORM_GENERAL);
    cr_assert_eq(object_expire_ms(old_of(key)), 78);
    cr_assert_eq(set(key, dot_of(0, 8), "b", 0), 0);
    cr_assert_eq(old_of(key)->form, OBJECT_FORM_REGISTER);
    key_free(key);
}

Test(cluster_object, a_stamp_that_was_given_out_is_refused)
{
    struct key *const key = key_new();
    struct causal_history context;
    int64_t total = 0;

    cr_assert_eq(set(key, dot_of(0, 5), "1", 0), 0);
    for (int form = 0; form < 3; form++) {
        cr_assert_eq(set(key, dot_of(0, 5), "2", 0), -ESTALE);
        cr_assert_eq(set(key, dot_of(0, 4), "2", 9), -ESTALE);
        cr_assert_eq(del(key, dot_of(0, 5)), -ESTALE);
        cr_assert_eq(incr(key, dot_of(0, 5), 1, 0, &total), -ESTALE);
        cr_assert_eq(put(key, dot_of(0, 5), "2", &context, false, 0), -ESTALE);
        assert_value(key, form == 2 ? "3" : form == 1 ? "2" : "1");
        if (form == 0) {
            cr_assert_eq(incr(key, dot_of(0, 6), 1, 0, &total), 0); // form 4
            cr_assert_eq(incr(key, dot_of(0, 6), 1, 0, &total), -ESTALE);
        } else if (form == 1) {
            cr_assert_eq(set(key, dot_of(1, 1), "3", 0), 0); // form 0
        }
    }
    cr_assert_eq(object_newest(old_of(key), 0), 6);
    cr_assert_eq(object_newest(old_of(key), 1), 1);
    cr_assert_eq(object_newest(old_of(key), 2), 0);
    key_free(key);
}

Test(cluster_object, a_context_from_the_future_of_the_actor_is_refused)
{
    struct key *const key = key_new();
    struct causal_history context;

    cr_assert_eq(set(key, dot_of(0, 5), "1", 0), 0);
    causal_history_init(&context);
    cr_assert(causal_history_add_version(&context, dot_of(0, 9)));
    cr_assert_eq(put(key, dot_of(0, 9), "2", &context, true, 0), -ESTALE);
    causal_history_init(&context);
    causal_history_add_dot(&context, dot_of(0, 9));
    cr_assert_eq(put(key, dot_of(0, 8), "2", &context, true, 0), -ESTALE);
    cr_assert_eq(put(key, dot_of(0, 10), "2", &context, true, 0), 0);
    key_free(key);
}

Test(cluster_object, liveness_is_as_in_redis)
{
    struct key *const key = key_new();

    cr_assert_eq(set(key, dot_of(0, 1), "a", 100), 0);
    cr_assert(object_is_live(old_of(key), 100));
    cr_assert_not(object_is_live(old_of(key), 101));
    cr_assert_eq(object_reap_ms(old_of(key)), 100);
    expire(key, dot_of(0, 2), 0); // PERSIST
    cr_assert(object_is_live(old_of(key), UINT64_MAX));
    cr_assert_eq(object_reap_ms(old_of(key)), 0);
    cr_assert_not(object_is_tombstone(old_of(key)));
    cr_assert_eq(del(key, dot_of(0, 3)), 0);
    cr_assert_not(object_is_live(old_of(key), 0));
    cr_assert(object_is_tombstone(old_of(key)));
    key_free(key);
}

Test(cluster_object, a_record_is_reaped_when_its_last_value_has_expired)
{
    struct key *const key = key_new();
    struct causal_history context;

    cr_assert_eq(set(key, dot_of(0, 1), "a", 100), 0);
    cr_assert_eq(put(key, dot_of(1, 2), "b", &context, false, 50), 0);
    cr_assert_eq(old_of(key)->values, 2);
    cr_assert_eq(object_reap_ms(old_of(key)), 0); // b stays
    expire(key, dot_of(0, 3), 200);
    cr_assert_eq(object_reap_ms(old_of(key)), 200);
    key_free(key);
}

Test(cluster_object, expire_cannot_undo_a_concurrent_set)
{
    struct key *const a = key_new();
    struct key *const b = key_new();

    cr_assert_eq(set(a, dot_of(0, 1), "old", 0), 0);
    copy(b, a);
    cr_assert_eq(set(a, dot_of(0, 5), "new", 0), 0);
    expire(b, dot_of(1, 9), 50); // later by the clock, of the value that a replaced
    merge_into(a, b);
    assert_value(a, "new");
    cr_assert_eq(object_expire_ms(old_of(a)), 0);
    cr_assert_eq(old_of(a)->values, 1);
    key_free(a);
    key_free(b);
}

Test(cluster_object, of_concurrent_expiries_the_newest_stamp_holds)
{
    struct key *const a = key_new();
    struct key *const b = key_new();

    cr_assert_eq(set(a, dot_of(0, 1), "value", 0), 0);
    copy(b, a);
    expire(a, dot_of(0, 5), 1000);
    expire(b, dot_of(1, 6), 500);
    merge_into(a, b);
    cr_assert_eq(object_expire_ms(old_of(a)), 500);
    merge_into(b, a);
    cr_assert_eq(object_expire_ms(old_of(b)), 500);
    // What a coordinator has seen it overrides, even where the stamp was from a fast clock.
    expire(a, dot_of(0, 2), 700);
    cr_assert_eq(object_expire_ms(old_of(a)), 700);
    merge_into(a, b);
    cr_assert_eq(object_expire_ms(old_of(a)), 700);
    // Equal stamps: the later expiry, never being the latest.
    copy(b, a);
    expire(a, dot_of(0, 50), 900);
    expire(b, dot_of(1, 50), 0);
    merge_into(a, b);
    cr_assert_eq(object_expire_ms(old_of(a)), 0);
    key_free(a);
    key_free(b);
}

Test(cluster_object, counters_lose_no_increment)
{
    enum { VNODES = 3, BUMPS = 2000 };
    struct key *keys[VNODES];
    struct random random;
    int64_t expected = 40;
    uint64_t hlc = 1;
    int64_t total = 0;

    random_seed(&random, 4);
    for (int i = 0; i < VNODES; i++) {
        keys[i] = key_new();
    }
    cr_assert_eq(set(keys[0], dot_of(0, hlc++), "40", 0), 0);
    copy(keys[1], keys[0]);
    copy(keys[2], keys[0]);
    for (int bump = 0; bump < BUMPS; bump++) {
        const uint32_t i = (uint32_t)random_below(&random, VNODES);
        const int64_t delta = (int64_t)random_below(&random, 100) - 30;

        cr_assert_eq(incr(keys[i], dot_of(i, hlc++), delta, 0, &total), 0);
        expected += delta;
        if (random_below(&random, 5) == 0) {
            merge_into(keys[i], keys[random_below(&random, VNODES)]);
        }
    }
    merge_into(keys[0], keys[1]);
    merge_into(keys[0], keys[2]);
    cr_assert_eq(old_of(keys[0])->values, 1);
    cr_assert_eq(old_of(keys[0])->winner.integer, expected);
    for (int i = 0; i < VNODES; i++) {
        key_free(keys[i]);
    }
}

Test(cluster_object, counters_that_begin_on_the_same_nothing_are_one)
{
    struct key *const a = key_new();
    struct key *const b = key_new();
    int64_t total = 0;

    // Never there.
    cr_assert_eq(incr(a, dot_of(0, 1), 3, 0, &total), 0);
    cr_assert_eq(incr(b, dot_of(1, 1), 4, 0, &total), 0);
    merge_into(a, b);
    assert_value(a, "7");
    // Deleted.
    cr_assert_eq(del(a, dot_of(0, 5)), 0);
    copy(b, a);
    cr_assert_eq(incr(a, dot_of(0, 6), 1, 0, &total), 0);
    cr_assert_eq(incr(b, dot_of(1, 6), 1, 0, &total), 0);
    merge_into(a, b);
    assert_value(a, "2");
    cr_assert_eq(old_of(a)->values, 1);
    // Expired.
    cr_assert_eq(set(a, dot_of(0, 10), "100", 50), 0);
    copy(b, a);
    cr_assert_eq(incr(a, dot_of(0, 11), 1, 51, &total), 0);
    cr_assert_eq(total, 1);
    cr_assert_eq(incr(b, dot_of(1, 11), 1, 51, &total), 0);
    merge_into(a, b);
    assert_value(a, "2");
    cr_assert_eq(old_of(a)->values, 1);
    cr_assert_eq(object_expire_ms(old_of(a)), 0);
    key_free(a);
    key_free(b);
}

Test(cluster_object, what_starts_anew_makes_another_base)
{
    struct key *const a = key_new();
    struct key *const b = key_new();
    int64_t total = 0;

    cr_assert_eq(set(a, dot_of(0, 1), "10", 0), 0);
    copy(b, a);
    cr_assert_eq(incr(b, dot_of(1, 2), 5, 0, &total), 0);
    cr_assert_eq(set(a, dot_of(0, 3), "100", 0), 0);
    cr_assert_eq(incr(a, dot_of(0, 4), 1, 0, &total), 0);
    merge_into(a, b);
    // The newer counter wins; the increment that SET had not seen is beside it, without the base
    // that SET had.
    assert_value(a, "101");
    cr_assert_eq(old_of(a)->values, 2);
    struct object_iterator iterator;
    struct object_value value;

    object_values(old_of(a), &iterator);
    cr_assert(object_next(&iterator, &value));
    cr_assert(object_next(&iterator, &value));
    cr_assert_eq(value.kind, OBJECT_COUNTER);
    cr_assert_eq(value.integer, 5);
    cr_assert_not(object_next(&iterator, &value));
    key_free(a);
    key_free(b);
}

Test(cluster_object, counting_has_the_edges_of_redis)
{
    static const char *const not_integers[] = {
        "", "a", " 1", "1 ", "+1", "01", "-0", "1.0", "9223372036854775808", "0x1"};
    struct key *const key = key_new();
    uint64_t hlc = 1;
    int64_t total = 123;

    for (size_t i = 0; i < sizeof not_integers / sizeof not_integers[0]; i++) {
        cr_assert_eq(set(key, dot_of(0, hlc++), not_integers[i], 0), 0);
        cr_assert_eq(incr(key, dot_of(0, hlc++), 1, 0, &total), -EINVAL, "%s", not_integers[i]);
        // And where the general form has it.
        cr_assert_eq(incr(key, dot_of(1, hlc++), 1, 0, &total), -EINVAL, "%s", not_integers[i]);
    }
    cr_assert_eq(total, 123);
    cr_assert_eq(set(key, dot_of(0, hlc++), "9223372036854775806", 0), 0);
    cr_assert_eq(incr(key, dot_of(0, hlc++), 1, 0, &total), 0);
    cr_assert_eq(incr(key, dot_of(0, hlc++), 1, 0, &total), -ERANGE);
    assert_value(key, "9223372036854775807");
    cr_assert_eq(incr(key, dot_of(0, hlc++), INT64_MIN, 0, &total), 0);
    assert_value(key, "-1");
    cr_assert_eq(incr(key, dot_of(0, hlc++), INT64_MIN, 0, &total), -ERANGE);
    // Sums pass 64 bits where the total does not.
    cr_assert_eq(set(key, dot_of(0, hlc++), "-9223372036854775808", 0), 0);
    cr_assert_eq(incr(key, dot_of(0, hlc++), INT64_MAX, 0, &total), 0);
    cr_assert_eq(incr(key, dot_of(0, hlc++), INT64_MAX, 0, &total), 0);
    assert_value(key, "9223372036854775806");
    key_free(key);
}

Test(cluster_object, counting_keeps_the_expiry_and_expire_the_count)
{
    struct key *const key = key_new();
    int64_t total = 0;

    cr_assert_eq(set(key, dot_of(0, 1), "5", 100), 0);
    cr_assert_eq(incr(key, dot_of(0, 2), 1, 50, &total), 0);
    cr_assert_eq(total, 6);
    cr_assert_eq(object_expire_ms(old_of(key)), 100);
    expire(key, dot_of(0, 3), 200);
    cr_assert_eq(incr(key, dot_of(1, 4), 1, 150, &total), 0);
    cr_assert_eq(total, 7);
    cr_assert_eq(object_expire_ms(old_of(key)), 200);
    cr_assert_eq(incr(key, dot_of(0, 5), 1, 201, &total), 0); // expired: anew, without expiry
    cr_assert_eq(total, 1);
    cr_assert_eq(object_expire_ms(old_of(key)), 0);
    key_free(key);
}

// A stamp that was moved past that of a fast clock may be the dot of a later event of the same
// actor.
Test(cluster_object, persist_holds_though_its_stamp_is_used_again)
{
    struct key *const a = key_new();
    struct key *const b = key_new();
    int64_t total = 0;

    cr_assert_eq(incr(a, dot_of(0, 1), 1, 0, &total), 0);
    copy(b, a);
    expire(b, dot_of(1, 20), 500); // by a fast clock
    merge_into(a, b);
    expire(a, dot_of(0, 2), 0); // moved to 21
    cr_assert_eq(incr(a, dot_of(0, 21), 1, 0, &total), 0);
    cr_assert_eq(object_expire_ms(old_of(a)), 0);
    cr_assert_eq(incr(b, dot_of(1, 22), 1, 0, &total), 0);
    merge_into(a, b);
    assert_value(a, "3");
    cr_assert_eq(object_expire_ms(old_of(a)), 0);
    key_free(a);
    key_free(b);
}

Test(cluster_object, a_concurrent_expire_reaches_the_counter)
{
    struct key *const a = key_new();
    struct key *const b = key_new();
    int64_t total = 0;

    cr_assert_eq(set(a, dot_of(0, 1), "5", 0), 0);
    copy(b, a);
    cr_assert_eq(incr(a, dot_of(0, 2), 1, 0, &total), 0);
    expire(b, dot_of(1, 2), 500); // the register, which a made a base of
    merge_into(a, b);
    assert_value(a, "6");
    cr_assert_eq(object_expire_ms(old_of(a)), 500);
    key_free(a);
    key_free(b);
}

Test(cluster_object, concurrent_sets_are_siblings_and_the_newest_wins)
{
    struct key *const a = key_new();
    struct key *const b = key_new();

    cr_assert_eq(set(a, dot_of(0, 7), "a", 0), 0);
    cr_assert_eq(set(b, dot_of(1, 6), "b", 0), 0);
    merge_into(a, b);
    cr_assert_eq(old_of(a)->values, 2);
    assert_value(a, "a");
    // By equal clocks the identity decides, not the index: actor 0 has the greater vnode id here.
    cr_assert_eq(set(b, dot_of(1, 7), "b", 0), 0);
    a->size = 0;
    cr_assert_eq(set(a, dot_of(0, 7), "a", 0), 0);
    merge_into(b, a);
    assert_value(b, "a");
    // SET covers what its coordinator has seen.
    cr_assert_eq(set(b, dot_of(1, 8), "c", 0), 0);
    cr_assert_eq(old_of(b)->values, 1);
    merge_into(b, a);
    cr_assert_eq(old_of(b)->values, 1);
    assert_value(b, "c");
    key_free(a);
    key_free(b);
}

Test(cluster_object, put_replaces_what_was_read_and_nothing_else)
{
    struct key *const key = key_new();
    struct causal_history first;
    struct causal_history second;
    struct causal_history both;

    cr_assert_eq(put(key, dot_of(0, 1), "one", &first, false, 0), 0);
    cr_assert_eq(put(key, dot_of(0, 2), "two", &second, false, 0), 0);
    cr_assert_eq(old_of(key)->values, 2);
    // Each client goes on with what it got, and does not touch the other's.
    cr_assert_eq(put(key, dot_of(0, 3), "two again", &second, true, 0), 0);
    cr_assert_eq(old_of(key)->values, 2);
    assert_value(key, "two again");
    cr_assert_eq(put(key, dot_of(0, 4), "one again", &first, true, 0), 0);
    cr_assert_eq(old_of(key)->values, 2);
    assert_value(key, "one again");
    // Who has read both replaces both.
    object_history(old_of(key), &both);
    cr_assert_eq(put(key, dot_of(0, 5), "resolved", &both, true, 0), 0);
    cr_assert_eq(old_of(key)->values, 1);
    // And what was replaced does not come back for those who hold old contexts.
    cr_assert_eq(put(key, dot_of(0, 6), "late", &first, true, 0), 0);
    cr_assert_eq(old_of(key)->values, 2);
    key_free(key);
}

Test(cluster_object, a_put_goes_on_at_a_replica_that_has_not_seen_the_last_one)
{
    struct key *const a = key_new();
    struct key *const b = key_new();
    struct causal_history client;
    struct causal_history other;

    cr_assert_eq(put(a, dot_of(0, 1), "other", &other, false, 0), 0);
    copy(b, a);
    cr_assert_eq(put(a, dot_of(0, 2), "v1", &client, false, 0), 0);
    cr_assert_eq(client.dots_count, 1); // beyond the sibling that was not read
    cr_assert_eq(put(b, dot_of(1, 3), "v2", &client, true, 0), 0);
    cr_assert_eq(old_of(b)->values, 2);
    merge_into(a, b); // which brings v1's replacement
    cr_assert_eq(old_of(a)->values, 2);
    assert_value(a, "v2");
    struct object_iterator iterator;
    struct object_value value;

    object_values(old_of(a), &iterator);
    object_next(&iterator, &value);
    object_next(&iterator, &value);
    cr_assert(slice_equal(value.bytes, slice_from_text("other")));
    key_free(a);
    key_free(b);
}

Test(cluster_object, siblings_are_capped_for_put_only)
{
    struct key *const a = key_new();
    struct key *const b = key_new();
    struct causal_history context;
    struct causal_history all;

    for (uint64_t i = 0; i < LIMIT_SIBLINGS; i++) {
        cr_assert_eq(put(a, dot_of(0, 1 + i), "a", &context, false, 0), 0);
        cr_assert_eq(put(b, dot_of(1, 1 + i), "b", &context, false, 0), 0);
    }
    cr_assert_eq(put(a, dot_of(0, 1000), "x", &context, false, 0), -EMLINK);
    cr_assert_eq(old_of(a)->values, LIMIT_SIBLINGS);
    merge_into(a, b);
    cr_assert_eq(old_of(a)->values, 2 * LIMIT_SIBLINGS);
    cr_assert_eq(put(a, dot_of(0, 1000), "x", &context, true, 0), -EMLINK);
    object_history(old_of(a), &all);
    cr_assert_eq(put(a, dot_of(0, 1001), "x", &all, true, 0), 0);
    cr_assert_eq(old_of(a)->values, 1);
    key_free(a);
    key_free(b);
}

Test(cluster_object, dead_values_do_not_count_as_siblings)
{
    struct key *const key = key_new();
    struct causal_history context;

    cr_assert_eq(set(key, dot_of(0, 1), "a", 100), 0);
    cr_assert_eq(put(key, dot_of(0, 2), "b", &context, false, 101), 0);
    cr_assert_eq(old_of(key)->values, 1);
    cr_assert_eq(del(key, dot_of(0, 3)), 0);
    cr_assert_eq(put(key, dot_of(0, 4), "c", &context, false, 101), 0);
    cr_assert_eq(old_of(key)->values, 1);
    key_free(key);
}

static bool delete_read(struct key *key, struct dot dot, const struct causal_history *context)
{
    const struct object_put what = {.old = old_of(key), .context = context, .dot = dot};
    uint8_t *const out = malloc(ROOM);
    bool removed = false;
    size_t size = 0;

    cr_assert_eq(object_delete_with_context(&key->actors, &what, out, ROOM, &size, &removed), 0);
    store(key, out, size, slice_of(NULL, 0));
    free(out);
    return removed;
}

Test(cluster_object, delete_takes_what_was_read)
{
    struct key *const key = key_new();
    struct causal_history first;
    struct causal_history second;

    cr_assert_eq(put(key, dot_of(0, 1), "one", &first, false, 0), 0);
    cr_assert_eq(put(key, dot_of(0, 2), "two", &second, false, 0), 0);
    cr_assert(delete_read(key, dot_of(0, 3), &first));
    cr_assert_eq(old_of(key)->values, 1);
    assert_value(key, "two");
    cr_assert_not(delete_read(key, dot_of(0, 4), &first));
    assert_value(key, "two");
    cr_assert(delete_read(key, dot_of(0, 5), &second));
    cr_assert(object_is_tombstone(old_of(key)));
    cr_assert_not(delete_read(key, dot_of(0, 6), NULL));
    cr_assert(object_is_tombstone(old_of(key)));
    key_free(key);
}

Test(cluster_object, two_deletes_of_different_siblings_leave_nothing)
{
    struct key *const a = key_new();
    struct key *const b = key_new();
    struct causal_history first;
    struct causal_history second;
    int64_t total = 0;

    cr_assert_eq(put(a, dot_of(0, 1), "one", &first, false, 0), 0);
    cr_assert_eq(put(a, dot_of(0, 2), "two", &second, false, 0), 0);
    copy(b, a);
    cr_assert(delete_read(a, dot_of(0, 3), &first));
    cr_assert(delete_read(b, dot_of(1, 3), &second));
    merge_into(a, b);
    cr_assert_eq(old_of(a)->values, 0);
    cr_assert(object_is_tombstone(old_of(a)));
    cr_assert_not(object_is_live(old_of(a), 0));
    expire(a, dot_of(0, 8), 100); // does nothing
    cr_assert_eq(incr(a, dot_of(0, 9), 2, 0, &total), 0);
    assert_value(a, "2");
    key_free(a);
    key_free(b);
}

Test(cluster_object, too_many_actors_are_refused_and_nothing_is_lost)
{
    struct key *const key = key_new();
    struct key *const other = key_new();
    uint8_t *const out = malloc(ROOM);
    size_t size = 0;

    for (uint32_t i = 0; i < LIMIT_OBJECT_VERSIONS; i++) {
        cr_assert_eq(set(key, dot_of(i, 1 + i), "a", 0), 0);
    }
    cr_assert_eq(set(key, dot_of(LIMIT_OBJECT_VERSIONS, 1000), "b", 0), -EOVERFLOW);
    cr_assert_eq(del(key, dot_of(LIMIT_OBJECT_VERSIONS, 1000)), -EOVERFLOW);
    assert_value(key, "a");
    cr_assert_eq(set(key, dot_of(3, 1000), "c", 0), 0); // a known one still may
    cr_assert_eq(set(other, dot_of(LIMIT_OBJECT_VERSIONS, 1), "d", 0), 0);
    cr_assert_eq(object_merge(&key->actors, old_of(key), old_of(other), out, ROOM, &size),
                 -EOVERFLOW);
    free(out);
    key_free(key);
    key_free(other);
}

Test(cluster_object, an_event_is_not_forgotten_with_its_dot)
{
    // A register that only a dot covers: no replica makes that, damage may.
    static const uint8_t odd[] = {0x10, 1, 0, 1, 0, 0, 0,    0, 0, 0, 0, 1, 0, 5, 0, 0,
                                  0,    0, 0, 0, 0, 1, 0x20, 0, 5, 0, 0, 0, 0, 0, 0, 0};
    struct key *const key = key_new();
    uint8_t *const out = malloc(ROOM);
    struct object_view view;
    struct causal_history context;
    size_t size = 0;

    causal_history_init(&context);
    for (uint64_t i = 0; i < LIMIT_HISTORY_DOTS; i++) {
        causal_history_add_dot(&context, dot_of(1, 100 + i));
    }
    cr_assert_eq(put(key, dot_of(2, 1), "a", &context, true, 0), 0);
    cr_assert_eq(old_of(key)->dots_count, LIMIT_HISTORY_DOTS);
    cr_assert(object_open(slice_of(odd, sizeof odd), &view));
    cr_assert_eq(object_merge(&key->actors, old_of(key), &view, out, ROOM, &size), -EOVERFLOW);
    cr_assert_eq(object_merge(&key->actors, &view, old_of(key), out, ROOM, &size), -EOVERFLOW);
    free(out);
    key_free(key);
}

Test(cluster_object, a_buffer_that_is_too_small_is_said)
{
    struct key *const a = key_new();
    struct key *const b = key_new();
    uint8_t out[64];
    size_t size = 123;

    cr_assert_eq(set(a, dot_of(0, 1), "aaaaaaaaaaaaaaaaaaaaaaaa", 0), 0);
    cr_assert_eq(set(b, dot_of(1, 1), "bbbbbbbbbbbbbbbbbbbbbbbb", 0), 0);
    cr_assert_eq(object_merge(&a->actors, old_of(a), old_of(b), out, sizeof out, &size), -ENOBUFS);
    cr_assert_eq(object_merge(&a->actors, old_of(a), NULL, out, 5, &size), -ENOBUFS);
    cr_assert_eq(size, 123);
    key_free(a);
    key_free(b);
}

Test(cluster_object, every_prefix_and_every_flipped_bit_is_survived)
{
    struct key *const a = key_new();
    struct key *const b = key_new();
    struct causal_history context;
    int64_t total = 0;

    cr_assert_eq(set(a, dot_of(0, 1), "10", 0), 0);
    copy(b, a);
    cr_assert_eq(incr(a, dot_of(0, 2), 1, 0, &total), 0);
    expire(a, dot_of(0, 3), 99);
    cr_assert_eq(put(b, dot_of(1, 4), "sibling", &context, false, 0), 0);
    cr_assert_eq(put(b, dot_of(200, 5), "another", &context, false, 0), 0);
    merge_into(a, b);
    for (size_t size = 0; size <= a->size; size++) {
        uint8_t *const exact = malloc(size != 0 ? size : 1);
        struct object_view view;

        memcpy(exact, a->bytes, size);
        if (object_open(slice_of(exact, size), &view)) {
            struct object_iterator iterator;
            struct object_value value;

            for (object_values(&view, &iterator); object_next(&iterator, &value);) {
            }
        }
        for (size_t bit = 0; bit < 8 * size; bit++) {
            exact[bit / 8] ^= (uint8_t)(1 << bit % 8);
            object_open(slice_of(exact, size), &view);
            exact[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        free(exact);
    }
    key_free(a);
    key_free(b);
}
