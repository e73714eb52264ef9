// Objects against a plain model of causal histories: each replica remembers the set of all events
// that it has seen, one by one, and the events that are still of value. Random replicas do random
// things and exchange their objects in random order; after every step the object must say what the
// model says. Clocks of actors are independent and often equal: nothing may depend on them but who
// wins.

#include "cluster/object.h"

#include "core/random.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    REPLICAS = 4,
    STEPS = 60,
    EVENTS_MAX = 2 * STEPS, // each step makes one
    OBJECT_BYTES_MAX = 64 * 1024,
    CONTEXTS = 4, // that clients hold
};

enum model_kind { MODEL_REGISTER, MODEL_TOMBSTONE, MODEL_BASE, MODEL_SUM };

struct model_event {
    struct dot dot;
    enum model_kind kind; // when it was made: a register may be a base in some replica's store
    char text[24];
    struct dot base;
    int64_t base_integer;
    int64_t sum;
};

struct model_stored {
    bool there;
    bool is_base; // a register that was taken as a base
    struct dot stamp;
    uint64_t expire_ms;
};

// A replica in the model, beside its object.
struct replica {
    bool seen[EVENTS_MAX];
    struct model_stored store[EVENTS_MAX];
    uint8_t *bytes;
    size_t size; // 0: no object
};

struct context {
    bool held;
    bool read[EVENTS_MAX];
    struct causal_history history;
};

struct world {
    struct random random;
    uint64_t seed;
    struct actor_table actors;
    struct model_event events[EVENTS_MAX];
    uint32_t events_count;
    uint64_t clocks[REPLICAS];
    struct replica replicas[REPLICAS];
    struct context contexts[CONTEXTS];
    uint64_t now_ms;
    int step;
};

#define expect(world, condition)                                                                   \
    cr_assert(condition, "seed %lu, step %d", (unsigned long)(world)->seed, (world)->step)

static void world_init(struct world *world, uint64_t seed)
{
    memset(world, 0, sizeof *world);
    random_seed(&world->random, seed);
    world->seed = seed;
    world->now_ms = 1000;
    actor_table_init(&world->actors);
    for (uint32_t i = 0; i < REPLICAS; i++) {
        // The order of identities is not that of indexes.
        const struct actor_id id = {.vnode_id = (i * 5 + 3) % 7, .incarnation = 1};
        uint32_t index = 0;

        cr_assert_eq(actor_table_enter(&world->actors, &id, &index), 0);
        cr_assert_eq(index, i);
        world->replicas[i].bytes = malloc(OBJECT_BYTES_MAX);
    }
}

static void world_free(struct world *world)
{
    for (uint32_t i = 0; i < REPLICAS; i++) {
        free(world->replicas[i].bytes);
    }
    actor_table_free(&world->actors);
}

static bool open_replica(struct world *world, const struct replica *replica,
                         struct object_view *view)
{
    if (replica->size == 0) {
        return false;
    }
    expect(world, object_open(slice_of(replica->bytes, replica->size), view));
    return true;
}

static struct dot stamp(struct world *world, uint32_t actor)
{
    world->clocks[actor] += 1 + random_below(&world->random, 3);
    return (struct dot){.hlc = world->clocks[actor], .actor = actor};
}

// The model ------------------------------------------------------------------------------------

// Of one counter.
static bool same_base(const struct model_event *a, const struct model_event *b)
{
    return dot_equal(a->base, b->base) && a->base_integer == b->base_integer;
}

static bool stored_counts(const struct world *world, const struct replica *replica, uint32_t event)
{
    return replica->store[event].is_base || world->events[event].kind == MODEL_SUM;
}

// The value that the stored event belongs to, named by the first event of it.
static uint32_t value_of(const struct world *world, const struct replica *replica, uint32_t event)
{
    for (uint32_t i = 0; i < event; i++) {
        if (replica->store[i].there && stored_counts(world, replica, i) &&
            stored_counts(world, replica, event) &&
            same_base(&world->events[i], &world->events[event])) {
            return i;
        }
    }
    return event;
}

struct model_value {
    struct dot dot; // newest sum, else of the event
    struct dot stamp;
    uint64_t expire_ms;
    int64_t total;
    bool tombstone;
    bool counter;
    const char *text;
};

static bool expiry_is_newer(const struct world *world, struct dot a, uint64_t a_ms, struct dot b,
                            uint64_t b_ms)
{
    if (a.hlc != b.hlc) {
        return a.hlc > b.hlc;
    }
    if (a_ms != b_ms) {
        return b_ms != 0 && (a_ms == 0 || a_ms > b_ms);
    }
    return a.hlc != 0 && dot_compare(&world->actors, a, b) > 0;
}

// All values of a replica, newest first. Returns how many.
static uint32_t model_values(const struct world *world, const struct replica *replica,
                             struct model_value *values)
{
    uint32_t count = 0;

    for (uint32_t first = 0; first < world->events_count; first++) {
        if (!replica->store[first].there || value_of(world, replica, first) != first) {
            continue;
        }
        const struct model_event *const event = &world->events[first];
        struct model_value value = {.tombstone = event->kind == MODEL_TOMBSTONE,
                                    .counter = stored_counts(world, replica, first),
                                    .text = event->text};
        struct dot newest_sum = {0};

        for (uint32_t i = first; i < world->events_count; i++) {
            const struct model_stored *const stored = &replica->store[i];

            if (!stored->there || value_of(world, replica, i) != first) {
                continue;
            }
            if (world->events[i].kind == MODEL_SUM) {
                value.total += world->events[i].sum;
                if (dot_compare(&world->actors, world->events[i].dot, newest_sum) > 0) {
                    newest_sum = world->events[i].dot;
                }
            } else if (stored->is_base) {
                value.total += world->events[i].base_integer;
            }
            if (expiry_is_newer(world, stored->stamp, stored->expire_ms, value.stamp,
                                value.expire_ms)) {
                value.stamp = stored->stamp;
                value.expire_ms = stored->expire_ms;
            }
        }
        value.dot = newest_sum.hlc != 0 ? newest_sum : event->dot;
        uint32_t place = count++;

        for (; place > 0 && dot_compare(&world->actors, value.dot, values[place - 1].dot) > 0;
             place--) {
            values[place] = values[place - 1];
        }
        values[place] = value;
    }
    return count;
}

static bool model_live(const struct model_value *value, uint64_t now_ms)
{
    return !value->tombstone && (value->expire_ms == 0 || now_ms <= value->expire_ms);
}

static void compare(struct world *world, const struct replica *replica)
{
    struct model_value values[EVENTS_MAX];
    const uint32_t count = model_values(world, replica, values);
    struct object_iterator iterator;
    struct object_value value;
    struct object_view view;
    uint32_t i = 0;

    if (!open_replica(world, replica, &view)) {
        expect(world, count == 0);
        return;
    }
    expect(world, view.values == count);
    object_values(&view, &iterator);
    for (; object_next(&iterator, &value); i++) {
        expect(world, dot_equal(value.dot, values[i].dot));
        expect(world, (value.kind == OBJECT_TOMBSTONE) == values[i].tombstone);
        expect(world, (value.kind == OBJECT_COUNTER) == values[i].counter);
        expect(world, value.expire_ms == values[i].expire_ms);
        if (value.kind == OBJECT_COUNTER) {
            expect(world, value.integer == values[i].total);
        } else if (value.kind == OBJECT_REGISTER) {
            expect(world, slice_equal(value.bytes, slice_from_text(values[i].text)));
        }
        if (i == 0) {
            expect(world,
                   object_is_live(&view, world->now_ms) == model_live(&values[0], world->now_ms));
            expect(world, object_expire_ms(&view) == values[0].expire_ms);
        }
    }
    expect(world, i == count);
}

// Steps ----------------------------------------------------------------------------------------

static uint32_t model_event_add(struct world *world, struct replica *replica,
                                struct model_event event)
{
    const uint32_t index = world->events_count++;

    cr_assert_lt(index, EVENTS_MAX);
    world->events[index] = event;
    replica->seen[index] = true;
    replica->store[index] = (struct model_stored){.there = true};
    return index;
}

static void model_clear(struct replica *replica)
{
    for (uint32_t i = 0; i < EVENTS_MAX; i++) {
        replica->store[i].there = false;
    }
}

static void replace_object(struct world *world, struct replica *replica, const uint8_t *head,
                           size_t head_size, struct slice tail)
{
    uint8_t *const bytes = malloc(OBJECT_BYTES_MAX);

    expect(world, head_size + tail.size <= OBJECT_BYTES_MAX);
    memcpy(bytes, head, head_size);
    if (tail.size != 0) {
        memcpy(bytes + head_size, tail.bytes, tail.size);
    }
    free(replica->bytes);
    replica->bytes = bytes;
    replica->size = head_size + tail.size;
}

static uint64_t random_expiry(struct world *world)
{
    return random_below(&world->random, 3) != 0 ? 0
                                                : world->now_ms + random_below(&world->random, 40);
}

static void random_text(struct world *world, char *text, size_t size)
{
    snprintf(text, size, random_below(&world->random, 2) == 0 ? "%d" : "text%d",
             (int)random_below(&world->random, 7) - 3);
}

static void step_set(struct world *world, uint32_t index, const struct object_view *old)
{
    struct replica *const replica = &world->replicas[index];
    struct model_event event = {.kind = MODEL_REGISTER, .dot = stamp(world, index)};
    const uint64_t expire_ms = random_expiry(world);
    uint8_t head[4096];
    size_t size = 0;

    random_text(world, event.text, sizeof event.text);
    cr_assert_leq(object_head_bound(old), sizeof head);
    expect(world, object_write_register(head, sizeof head, old, event.dot, expire_ms, &size) == 0);
    expect(world, size <= object_head_bound(old));
    replace_object(world, replica, head, size, slice_from_text(event.text));
    model_clear(replica);
    const uint32_t added = model_event_add(world, replica, event);

    if (expire_ms != 0) {
        replica->store[added].expire_ms = expire_ms;
        replica->store[added].stamp = event.dot;
    }
}

static void step_delete(struct world *world, uint32_t index, const struct object_view *old)
{
    struct replica *const replica = &world->replicas[index];
    const struct model_event event = {.kind = MODEL_TOMBSTONE, .dot = stamp(world, index)};
    uint8_t head[4096];
    size_t size = 0;

    expect(world, object_write_tombstone(head, sizeof head, old, event.dot, &size) == 0);
    replace_object(world, replica, head, size, slice_of(NULL, 0));
    model_clear(replica);
    model_event_add(world, replica, event);
}

static void step_expire(struct world *world, uint32_t index, const struct object_view *old)
{
    struct replica *const replica = &world->replicas[index];
    struct dot at = stamp(world, index);
    const uint64_t expire_ms = random_expiry(world);
    uint8_t head[8192];
    size_t size = 0;

    if (old == NULL) {
        return;
    }
    cr_assert_leq(object_head_bound(old), sizeof head);
    expect(world, object_write_expiry(head, sizeof head, old, at, expire_ms, &size) == 0);
    expect(world, size <= object_head_bound(old));
    replace_object(world, replica, head, size, object_tail(old));
    for (uint32_t i = 0; i < world->events_count; i++) {
        if (replica->store[i].there && replica->store[i].stamp.hlc >= at.hlc) {
            at.hlc = replica->store[i].stamp.hlc + 1;
        }
    }
    for (uint32_t i = 0; i < world->events_count; i++) {
        if (replica->store[i].there && world->events[i].kind != MODEL_TOMBSTONE) {
            replica->store[i].stamp = at;
            replica->store[i].expire_ms = expire_ms;
        }
    }
}

// The model of INCR: `first` is an event of the winner, or EVENTS_MAX when there is none.
static void model_count(struct world *world, struct replica *replica, struct model_event *sum,
                        const struct model_value *winner, uint32_t first)
{
    const bool live = first != EVENTS_MAX && model_live(winner, world->now_ms);

    if (first != EVENTS_MAX && !live) {
        sum->base = winner->tombstone ? winner->dot : winner->stamp;
    }
    for (uint32_t i = 0; i < world->events_count; i++) {
        struct model_stored *const stored = &replica->store[i];

        if (!stored->there) {
            continue;
        }
        if (!live || value_of(world, replica, i) != first) {
            continue;
        }
        if (world->events[i].kind == MODEL_REGISTER && !stored->is_base) {
            world->events[i].base = world->events[i].dot;
            world->events[i].base_integer = strtoll(world->events[i].text, NULL, 10);
            stored->is_base = true;
        }
        sum->base = world->events[i].base;
        sum->base_integer = world->events[i].base_integer;
        if (world->events[i].kind == MODEL_SUM && world->events[i].dot.actor == sum->dot.actor) {
            sum->sum += world->events[i].sum;
        }
    }
    for (uint32_t i = 0; i < world->events_count; i++) {
        struct model_stored *const stored = &replica->store[i];
        const bool own =
            world->events[i].kind == MODEL_SUM && world->events[i].dot.actor == sum->dot.actor;
        const bool nothing = stored->is_base && world->events[i].base_integer == 0;

        if (stored->there && (!live || value_of(world, replica, i) != first || own || nothing)) {
            // Cleared below: value_of() looks at the store.
            stored->expire_ms |= UINT64_C(1) << 63;
        }
    }
    for (uint32_t i = 0; i < world->events_count; i++) {
        if (replica->store[i].expire_ms >> 63 != 0) {
            replica->store[i] = (struct model_stored){0};
        }
    }
    const uint32_t added = model_event_add(world, replica, *sum);

    if (live) {
        replica->store[added].stamp = winner->stamp;
        replica->store[added].expire_ms = winner->expire_ms;
    }
}

static void step_count(struct world *world, uint32_t index, const struct object_view *old)
{
    struct replica *const replica = &world->replicas[index];
    struct model_event sum = {.kind = MODEL_SUM, .dot = stamp(world, index)};
    struct model_value values[EVENTS_MAX];
    const uint32_t count = model_values(world, replica, values);
    uint32_t first = EVENTS_MAX;
    uint8_t head[8192];
    int64_t total = 0;
    size_t size = 0;

    sum.sum = (int64_t)random_below(&world->random, 9) - 4;
    const int64_t delta = sum.sum;
    const int error = object_write_counter(head, sizeof head, &world->actors, old, sum.dot, sum.sum,
                                           world->now_ms, &total, &size);
    const bool live = count != 0 && model_live(&values[0], world->now_ms);
    const bool text = live && !values[0].counter && values[0].text[0] == 't';

    expect(world, error == (text ? -EINVAL : 0));
    if (error != 0) {
        return;
    }
    expect(world, size <= object_head_bound(old));
    expect(world, total == delta + (!live               ? 0
                                    : values[0].counter ? values[0].total
                                                        : strtoll(values[0].text, NULL, 10)));
    for (uint32_t i = 0; i < world->events_count && count != 0; i++) {
        if (replica->store[i].there && dot_equal(world->events[i].dot, values[0].dot)) {
            first = value_of(world, replica, i);
        }
    }
    model_count(world, replica, &sum, &values[0], first);
    replace_object(world, replica, head, size, slice_of(NULL, 0));
}

// What a model client may claim after a PUT: see context_after() of cluster/object_merge.c.
static void model_context_after(struct world *world, const struct replica *replica,
                                struct context *context, uint32_t added)
{
    for (uint32_t i = 0; i < world->events_count; i++) {
        bool claimed = replica->seen[i];

        for (uint32_t j = 0; j < world->events_count; j++) {
            if (j != added && replica->store[j].there &&
                world->events[j].dot.actor == world->events[i].dot.actor &&
                world->events[j].dot.hlc <= world->events[i].dot.hlc) {
                claimed = false;
            }
        }
        context->read[i] |= claimed;
    }
    context->read[added] = true;
    context->held = true;
}

static void model_remove_dead(struct world *world, struct replica *replica)
{
    bool dead[EVENTS_MAX] = {false};

    for (uint32_t i = 0; i < world->events_count; i++) {
        if (!replica->store[i].there) {
            continue;
        }
        const uint32_t value = value_of(world, replica, i);
        struct dot newest = {0};
        uint64_t expire_ms = 0;

        for (uint32_t j = 0; j < world->events_count; j++) {
            const struct model_stored *const stored = &replica->store[j];

            if (stored->there && value_of(world, replica, j) == value &&
                expiry_is_newer(world, stored->stamp, stored->expire_ms, newest, expire_ms)) {
                newest = stored->stamp;
                expire_ms = stored->expire_ms;
            }
        }
        dead[i] = world->events[i].kind == MODEL_TOMBSTONE ||
                  (expire_ms != 0 && world->now_ms > expire_ms);
    }
    for (uint32_t i = 0; i < world->events_count; i++) {
        replica->store[i].there &= !dead[i];
    }
}

static void model_join_context(struct replica *replica, const struct context *context, bool all)
{
    for (uint32_t i = 0; i < EVENTS_MAX; i++) {
        if (all || (context->held && context->read[i])) {
            replica->store[i].there = false;
        }
        if (context->held && context->read[i]) {
            replica->seen[i] = true;
        }
    }
}

static void step_put(struct world *world, uint32_t index, const struct object_view *old)
{
    struct replica *const replica = &world->replicas[index];
    struct context *const context = &world->contexts[random_below(&world->random, CONTEXTS)];
    struct model_event event = {.kind = MODEL_REGISTER, .dot = stamp(world, index)};
    uint8_t *const out = malloc(OBJECT_BYTES_MAX);
    size_t size = 0;

    if (random_below(&world->random, 3) == 0) {
        *context = (struct context){0};
    }
    random_text(world, event.text, sizeof event.text);
    const struct object_put put = {.old = old,
                                   .context = context->held ? &context->history : NULL,
                                   .dot = event.dot,
                                   .value = slice_from_text(event.text),
                                   .now_ms = world->now_ms};
    const size_t bound = object_put_bound(old, put.context, put.value.size);
    struct causal_history after;

    cr_assert_leq(bound, OBJECT_BYTES_MAX);
    expect(world, object_put_with_context(&world->actors, &put, out, bound, &size, &after) == 0);
    expect(world, after.dots_count < LIMIT_HISTORY_DOTS); // none was forgotten
    replace_object(world, replica, out, size, slice_of(NULL, 0));
    free(out);
    context->history = after;
    model_join_context(replica, context, false);
    model_remove_dead(world, replica);
    model_context_after(world, replica, context, model_event_add(world, replica, event));
}

static void step_delete_read(struct world *world, uint32_t index, const struct object_view *old)
{
    struct replica *const replica = &world->replicas[index];
    struct context *const context = &world->contexts[random_below(&world->random, CONTEXTS)];
    const struct model_event event = {.kind = MODEL_TOMBSTONE, .dot = stamp(world, index)};
    uint8_t *const out = malloc(OBJECT_BYTES_MAX);
    bool removed = false;
    bool expected = false;
    bool left = false;
    size_t size = 0;
    const struct object_put put = {.old = old,
                                   .context = context->held ? &context->history : NULL,
                                   .dot = event.dot,
                                   .now_ms = world->now_ms};

    expect(world, object_delete_with_context(&world->actors, &put, out, OBJECT_BYTES_MAX, &size,
                                             &removed) == 0);
    replace_object(world, replica, out, size, slice_of(NULL, 0));
    free(out);
    model_remove_dead(world, replica);
    for (uint32_t i = 0; i < world->events_count; i++) {
        const bool read = !context->held || context->read[i];

        expected |= replica->store[i].there && read;
        left |= replica->store[i].there && !read;
    }
    expect(world, removed == expected);
    model_join_context(replica, context, !context->held);
    if (!left) {
        model_event_add(world, replica, event);
    }
}

static void step_get(struct world *world, uint32_t index, const struct object_view *old)
{
    struct context *const context = &world->contexts[random_below(&world->random, CONTEXTS)];

    if (old != NULL) {
        object_history(old, &context->history);
        memcpy(context->read, world->replicas[index].seen, sizeof context->read);
        context->held = true;
    }
}

static void model_merge(struct world *world, struct replica *to, const struct replica *from)
{
    for (uint32_t i = 0; i < world->events_count; i++) {
        struct model_stored *const ours = &to->store[i];
        const struct model_stored *const theirs = &from->store[i];

        if (ours->there && theirs->there) {
            ours->is_base |= theirs->is_base;
            if (expiry_is_newer(world, theirs->stamp, theirs->expire_ms, ours->stamp,
                                ours->expire_ms)) {
                ours->stamp = theirs->stamp;
                ours->expire_ms = theirs->expire_ms;
            }
        } else if (ours->there && from->seen[i]) {
            ours->there = false;
        } else if (theirs->there && !to->seen[i]) {
            *ours = *theirs;
        }
    }
    for (uint32_t i = 0; i < world->events_count; i++) {
        to->seen[i] |= from->seen[i];
    }
}

static size_t merge(struct world *world, const struct replica *a, const struct replica *b,
                    uint8_t *out)
{
    struct object_view views[2];
    const bool a_there = open_replica(world, a, &views[0]);
    const bool b_there = open_replica(world, b, &views[1]);
    const struct object_view *const first = a_there ? &views[0] : NULL;
    const struct object_view *const second = b_there ? &views[1] : NULL;
    size_t size = 0;

    if (!a_there && !b_there) {
        return 0;
    }
    expect(world, object_merge(&world->actors, first, second, out,
                               object_merge_bound(first, second), &size) == 0);
    return size;
}

static void step_merge(struct world *world, uint32_t index)
{
    const uint32_t from = (uint32_t)random_below(&world->random, REPLICAS);
    uint8_t *const out = malloc(OBJECT_BYTES_MAX);
    const size_t size = merge(world, &world->replicas[index], &world->replicas[from], out);

    model_merge(world, &world->replicas[index], &world->replicas[from]);
    replace_object(world, &world->replicas[index], out, size, slice_of(NULL, 0));
    free(out);
}

static void step(struct world *world)
{
    const uint32_t index = (uint32_t)random_below(&world->random, REPLICAS);
    struct object_view view;
    const bool there = open_replica(world, &world->replicas[index], &view);
    const struct object_view *const old = there ? &view : NULL;

    world->now_ms += random_below(&world->random, 4);
    switch (random_below(&world->random, 12)) {
    case 0:
        step_set(world, index, old);
        break;
    case 1:
        step_delete(world, index, old);
        break;
    case 2:
        step_expire(world, index, old);
        break;
    case 3:
    case 4:
        step_count(world, index, old);
        break;
    case 5:
    case 6:
        step_put(world, index, old);
        break;
    case 7:
        step_delete_read(world, index, old);
        break;
    case 8:
        step_get(world, index, old);
        break;
    default:
        step_merge(world, index);
        break;
    }
    compare(world, &world->replicas[index]);
}

static struct replica merged(struct world *world, const struct replica *a, const struct replica *b)
{
    struct replica result = {.bytes = malloc(OBJECT_BYTES_MAX)};

    result.size = merge(world, a, b, result.bytes);
    return result;
}

static bool same_bytes(const struct replica *a, const struct replica *b)
{
    return slice_equal(slice_of(a->bytes, a->size), slice_of(b->bytes, b->size));
}

static void assert_laws(struct world *world)
{
    const struct replica *const r = world->replicas;

    for (uint32_t a = 0; a < REPLICAS; a++) {
        struct replica twice = merged(world, &r[a], &r[a]);

        expect(world, same_bytes(&twice, &r[a]));
        free(twice.bytes);
        for (uint32_t b = 0; b < REPLICAS; b++) {
            struct replica ab = merged(world, &r[a], &r[b]);
            struct replica ba = merged(world, &r[b], &r[a]);

            expect(world, same_bytes(&ab, &ba));
            for (uint32_t c = 0; c < REPLICAS; c++) {
                struct replica bc = merged(world, &r[b], &r[c]);
                struct replica left = merged(world, &ab, &r[c]);
                struct replica right = merged(world, &r[a], &bc);

                expect(world, same_bytes(&left, &right));
                free(bc.bytes);
                free(left.bytes);
                free(right.bytes);
            }
            free(ab.bytes);
            free(ba.bytes);
        }
    }
}

static void run(uint64_t seed)
{
    struct world *const world = malloc(sizeof *world);

    world_init(world, seed);
    for (world->step = 0; world->step < STEPS; world->step++) {
        step(world);
    }
    assert_laws(world);
    world_free(world);
    free(world);
}

Test(cluster_object_merge, objects_say_what_a_plain_model_says_and_keep_the_laws)
{
    for (uint64_t seed = 1; seed <= 3000; seed++) {
        run(seed);
    }
}
