#include "cluster/context.h"

#include "core/random.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>

static const struct context_secret secret = {.mac_key = {1, 2, 3}, .cluster_id = {9, 9}};

static struct slice key_of(const char *text)
{
    return slice_from_text(text);
}

static uint32_t enter(struct actor_table *actors, uint64_t vnode_id, uint32_t incarnation)
{
    const struct actor_id id = {.vnode_id = vnode_id, .incarnation = incarnation};
    uint32_t index = 0;

    cr_assert_eq(actor_table_enter(actors, &id, &index), 0);
    return index;
}

static void fill(struct actor_table *actors, struct causal_history *history, uint32_t versions,
                 uint32_t dots)
{
    causal_history_init(history);
    for (uint32_t i = 0; i < versions; i++) {
        const struct dot version = {.hlc = 1000 + i, .actor = enter(actors, 77 + i, i)};

        cr_assert(causal_history_add_version(history, version));
    }
    for (uint32_t i = 0; i < dots; i++) {
        causal_history_add_dot(history, (struct dot){.hlc = 5000 + i, .actor = i % versions});
    }
}

static struct slice encode(const struct causal_history *history, const struct actor_table *actors,
                           char *text)
{
    return slice_of(text, context_encode(&secret, key_of("key"), history, actors, text));
}

Test(cluster_context, what_was_encoded_is_decoded)
{
    static const uint32_t sizes[][2] = {
        {1, 0}, {1, 1}, {3, 2}, {LIMIT_OBJECT_VERSIONS, LIMIT_HISTORY_DOTS}};

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct actor_table actors;
        struct causal_history history;
        struct causal_history decoded;
        char text[CONTEXT_TEXT_MAX];

        actor_table_init(&actors);
        fill(&actors, &history, sizes[i][0], sizes[i][1]);
        const struct slice encoded = encode(&history, &actors, text);

        cr_assert_lt(encoded.size, CONTEXT_TEXT_MAX);
        cr_assert_eq(context_decode(&secret, key_of("key"), encoded, &actors, &decoded), 0);
        cr_assert_eq(decoded.versions_count, history.versions_count);
        cr_assert_eq(decoded.dots_count, history.dots_count);
        for (uint32_t j = 0; j < history.versions_count; j++) {
            cr_assert(dot_equal(decoded.versions[j], history.versions[j]));
        }
        for (uint32_t j = 0; j < history.dots_count; j++) {
            cr_assert(dot_equal(decoded.dots[j], history.dots[j]));
        }
        actor_table_free(&actors);
    }
}

Test(cluster_context, it_survives_shells_and_urls)
{
    struct actor_table actors;
    struct causal_history history;
    char text[CONTEXT_TEXT_MAX];

    actor_table_init(&actors);
    fill(&actors, &history, 5, 3);
    const struct slice encoded = encode(&history, &actors, text);

    for (size_t i = 0; i < encoded.size; i++) {
        const uint8_t c = encoded.bytes[i];

        cr_assert((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '_');
    }
    actor_table_free(&actors);
}

Test(cluster_context, another_vnode_understands_it_with_its_own_indexes)
{
    struct actor_table ours;
    struct actor_table theirs;
    struct causal_history history;
    struct causal_history decoded;
    char text[CONTEXT_TEXT_MAX];

    actor_table_init(&ours);
    actor_table_init(&theirs);
    fill(&ours, &history, 3, 0); // vnodes 77, 78, 79
    enter(&theirs, 1, 1);
    enter(&theirs, 79, 2);
    const struct slice encoded = encode(&history, &ours, text);

    cr_assert_eq(context_decode(&secret, key_of("key"), encoded, &theirs, &decoded), 0);
    cr_assert_eq(theirs.count, 4); // 77 and 78 were entered
    cr_assert_eq(decoded.versions_count, 3);
    cr_assert_eq(causal_history_version(&decoded, 1), 1002);
    cr_assert_eq(causal_history_version(&decoded, 2), 1000);
    cr_assert_eq(causal_history_version(&decoded, 3), 1001);
    cr_assert_eq(causal_history_version(&decoded, 0), 0);
    actor_table_free(&ours);
    actor_table_free(&theirs);
}

Test(cluster_context, it_is_bound_to_key_cluster_and_secret)
{
    struct actor_table actors;
    struct causal_history history;
    struct context_secret other = secret;
    char text[CONTEXT_TEXT_MAX];

    actor_table_init(&actors);
    fill(&actors, &history, 2, 1);
    const struct slice encoded = encode(&history, &actors, text);

    cr_assert_eq(context_decode(&secret, key_of("kez"), encoded, &actors, &history), -EINVAL);
    cr_assert_eq(context_decode(&secret, key_of("key2"), encoded, &actors, &history), -EINVAL);
    cr_assert_eq(context_decode(&secret, key_of(""), encoded, &actors, &history), -EINVAL);
    cr_assert_eq(context_decode(&secret, slice_of(NULL, 0), encoded, &actors, &history), -EINVAL);
    other.cluster_id[19] ^= 1;
    cr_assert_eq(context_decode(&other, key_of("key"), encoded, &actors, &history), -EINVAL);
    other = secret;
    other.mac_key[31] ^= 1;
    cr_assert_eq(context_decode(&other, key_of("key"), encoded, &actors, &history), -EINVAL);
    cr_assert_eq(context_decode(&secret, key_of("key"), encoded, &actors, &history), 0);
    actor_table_free(&actors);
}

Test(cluster_context, every_change_of_a_bit_or_of_the_length_is_seen)
{
    struct actor_table actors;
    struct causal_history history;
    struct causal_history decoded;
    char text[CONTEXT_TEXT_MAX + 1];

    actor_table_init(&actors);
    fill(&actors, &history, 3, 2);
    const struct slice encoded = encode(&history, &actors, text);

    decoded.versions_count = 12345;
    for (size_t bit = 0; bit < 8 * encoded.size; bit++) {
        text[bit / 8] = (char)(text[bit / 8] ^ (1 << (bit % 8)));
        cr_assert_eq(context_decode(&secret, key_of("key"), encoded, &actors, &decoded), -EINVAL,
                     "bit %zu", bit);
        text[bit / 8] = (char)(text[bit / 8] ^ (1 << (bit % 8)));
    }
    for (size_t size = 0; size < encoded.size; size++) {
        cr_assert_eq(
            context_decode(&secret, key_of("key"), slice_of(text, size), &actors, &decoded),
            -EINVAL, "cut to %zu", size);
    }
    for (int c = 0; c < 256; c++) {
        text[encoded.size] = (char)c;
        cr_assert_eq(context_decode(&secret, key_of("key"), slice_of(text, encoded.size + 1),
                                    &actors, &decoded),
                     -EINVAL, "and %d", c);
    }
    cr_assert_eq(decoded.versions_count, 12345); // untouched by failures
    cr_assert_eq(actors.count, 3);               // nothing was entered for a forgery
    cr_assert_eq(context_decode(&secret, key_of("key"), encoded, &actors, &decoded), 0);
    actor_table_free(&actors);
}

Test(cluster_context, what_is_no_context_is_refused)
{
    struct actor_table actors;
    struct causal_history decoded;
    struct random random;
    static char text[2 * CONTEXT_TEXT_MAX];

    actor_table_init(&actors);
    random_seed(&random, 3);
    memset(text, 'A', sizeof text);
    for (size_t size = 0; size < sizeof text; size += 1 + size / 16) {
        cr_assert_eq(
            context_decode(&secret, key_of("key"), slice_of(text, size), &actors, &decoded),
            -EINVAL);
    }
    for (int round = 0; round < 20000; round++) {
        const size_t size = random_below(&random, 200);

        random_bytes(&random, text, size);
        cr_assert_eq(
            context_decode(&secret, key_of("key"), slice_of(text, size), &actors, &decoded),
            -EINVAL);
    }
    cr_assert_eq(context_decode(&secret, key_of("key"), slice_of(NULL, 0), &actors, &decoded),
                 -EINVAL);
    actor_table_free(&actors);
}

Test(cluster_context, a_full_actor_table_is_said)
{
    struct actor_table actors;
    struct actor_table full = {.count = LIMIT_ACTORS, .capacity = LIMIT_ACTORS};
    struct causal_history history;
    char text[CONTEXT_TEXT_MAX];

    actor_table_init(&actors);
    fill(&actors, &history, 1, 0);
    full.ids = calloc(LIMIT_ACTORS, sizeof *full.ids);
    const struct slice encoded = encode(&history, &actors, text);

    cr_assert_eq(context_decode(&secret, key_of("key"), encoded, &full, &history), -ENOSPC);
    free(full.ids);
    actor_table_free(&actors);
}
