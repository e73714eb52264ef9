// The index against a plain model: an array that says which payload each key's hash leads to.
#include "engines/index.h"

#include "core/random.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

struct model {
    struct arena arena;
    struct index index;
    struct index_table table;
    struct random random;
    uint32_t keys;
    uint64_t *hashes;
    bool *present;
    uint32_t *seen; // by scans
};

static void model_open(struct model *model, uint64_t seed, uint32_t keys, uint32_t tables)
{
    *model = (struct model){
        .keys = keys,
        .hashes = calloc(keys, sizeof model->hashes[0]),
        .present = calloc(keys, sizeof model->present[0]),
        .seen = calloc(keys, sizeof model->seen[0]),
    };
    random_seed(&model->random, seed);
    for (uint32_t key = 0; key < keys; key++) {
        model->hashes[key] = random_u64(&model->random);
    }
    cr_assert_eq(arena_open(&model->arena, UINT64_C(1) << 34), 0);
    index_open(&model->index, &model->arena, tables, 0);
    fprintf(stderr, "seed %llu\n", (unsigned long long)seed);
}

static void model_close(struct model *model)
{
    index_table_close(&model->index, &model->table);
    arena_close(&model->arena);
    free(model->hashes);
    free(model->present);
    free(model->seen);
}

// The slot whose payload is the key's number.
static uint64_t *find(struct model *model, uint32_t key, uint32_t *ret_lines)
{
    struct index_probe probe;
    uint64_t *slot;

    index_probe_begin(&model->index, &model->table, model->hashes[key], &probe);
    while ((slot = index_probe_next(&model->index, &probe)) != NULL) {
        if (index_payload(*slot) == key) {
            break;
        }
    }
    if (ret_lines != NULL) {
        *ret_lines += probe.lines;
    }
    return slot;
}

static void insert(struct model *model, uint32_t key)
{
    cr_assert(index_insert(&model->index, &model->table, model->hashes[key], key));
    model->present[key] = true;
}

static void delete_key(struct model *model, uint32_t key)
{
    uint64_t *const slot = find(model, key, NULL);

    cr_assert_neq(slot, NULL, "key %u is lost", key);
    index_remove(&model->index, &model->table, model->hashes[key], slot);
    model->present[key] = false;
}

static void check(struct model *model)
{
    index_verify(&model->index, &model->table);
    for (uint32_t key = 0; key < model->keys; key++) {
        cr_assert_eq(find(model, key, NULL) != NULL, model->present[key], "key %u", key);
    }
}

// Random steps of which `percent` are insertions.
static void walk(struct model *model, uint32_t steps, uint32_t percent)
{
    for (uint32_t i = 0; i < steps; i++) {
        const uint32_t key = (uint32_t)random_below(&model->random, model->keys);

        if (random_below(&model->random, 100) < percent) {
            if (!model->present[key]) {
                insert(model, key);
            }
        } else if (model->present[key]) {
            delete_key(model, key);
        }
    }
}

static void drain(struct model *model)
{
    for (uint32_t key = 0; key < model->keys; key++) {
        if (model->present[key]) {
            delete_key(model, key);
        }
    }
    cr_assert_eq(model->table.entries, 0);
    cr_assert_eq(model->index.overflow_lines, 0);
    cr_assert_eq(model->table.buckets, UINT32_C(1) << model->index.base_bits);
}

Test(engines_index, follows_the_model)
{
    static const uint32_t tables[] = {1, 16, 256, 100000};

    for (uint32_t i = 0; i < 4; i++) {
        struct model model;

        model_open(&model, i + 1, 60000, tables[i]);
        for (uint32_t round = 0; round < 3; round++) {
            walk(&model, 150000, 80);
            check(&model);
            walk(&model, 150000, 15);
            check(&model);
        }
        drain(&model);
        check(&model);
        model_close(&model);
    }
}

// Up to a million keys in one table, and down to none.
Test(engines_index, grows_to_a_million_and_shrinks_to_nothing)
{
    struct model model;
    double bytes = 0;
    uint32_t points = 0;

    model_open(&model, 7, 1000000, 256);
    for (uint32_t key = 0; key < model.keys; key++) {
        insert(&model, key);
        if (key > model.keys / 2 && key % 4096 == 0) {
            bytes += (double)index_bytes(&model.index) / key;
            points++;
        }
    }
    check(&model);
    uint32_t lines = 0;

    for (uint32_t key = 0; key < model.keys; key++) {
        cr_assert_neq(find(&model, key, &lines), NULL);
    }
    uint32_t lines_missed = 0;

    for (uint32_t i = 0; i < model.keys; i++) {
        struct index_probe probe;

        index_probe_begin(&model.index, &model.table, random_u64(&model.random), &probe);
        while (index_probe_next(&model.index, &probe) != NULL) {
        }
        lines_missed += probe.lines;
    }
    fprintf(stderr, "%.2f bytes a key over a cycle of growth, lines read: %.3f found, %.3f not\n",
            bytes / points, (double)lines / model.keys, (double)lines_missed / model.keys);
    cr_assert_lt(bytes / points, 12.0);
    cr_assert_lt((double)lines / model.keys, 1.3);
    drain(&model);
    index_verify(&model.index, &model.table);
    model_close(&model);
}

// Crafted hashes: few buckets, few fingerprints, long chains.
Test(engines_index, keeps_entries_with_equal_fingerprints_apart)
{
    static const uint64_t masks[] = {
        0,                              // one hash for all
        UINT64_C(1) << 20,              // two
        UINT64_C(0xf) << 8,             // 16, in the bits that split
        UINT64_C(0x3) << 33 | 0xff,     // buckets differ, fingerprints hardly
        UINT64_C(0xffffffff) << 32 | 3, // fingerprints differ, buckets hardly
    };

    for (uint32_t i = 0; i < sizeof masks / sizeof masks[0]; i++) {
        struct model model;

        model_open(&model, 20 + i, 2000, 16);
        for (uint32_t key = 0; key < model.keys; key++) {
            model.hashes[key] &= masks[i];
        }
        for (uint32_t round = 0; round < 4; round++) {
            walk(&model, 4000, 85);
            check(&model);
            walk(&model, 4000, 30);
            check(&model);
        }
        drain(&model);
        model_close(&model);
    }
}

struct seen {
    struct model *model;
    uint32_t *counts;
};

static void see(void *context, uint64_t entry)
{
    const struct seen *const seen = context;

    seen->counts[index_payload(entry)]++;
}

// What is there from the first call to the last is seen, however the table changes in between; and
// only once, since what was passed before a merge is left out.
static void scan_while(uint64_t seed, uint32_t percent)
{
    struct model model;

    model_open(&model, seed, 40000, 16);
    walk(&model, 40000, percent > 50 ? 20 : 90);

    struct seen seen = {&model, model.seen};
    bool *const steady = malloc(model.keys * sizeof steady[0]);
    uint64_t position = 0;
    uint32_t calls = 0;

    memcpy(steady, model.present, model.keys * sizeof steady[0]);
    do {
        position = index_scan(&model.index, &model.table, position, see, &seen);
        calls++;
        for (uint32_t i = 0; i < 30; i++) {
            const uint32_t key = (uint32_t)random_below(&model.random, model.keys);
            const bool in = random_below(&model.random, 100) < percent;

            if (in && !model.present[key]) {
                insert(&model, key);
            } else if (!in && model.present[key]) {
                delete_key(&model, key);
                steady[key] = false;
                model.seen[key] = 0; // may come again
            }
        }
    } while (position != 0);
    for (uint32_t key = 0; key < model.keys; key++) {
        cr_assert_leq(model.seen[key], 1);
        cr_assert(!steady[key] || model.seen[key] == 1, "key %u was not seen", key);
    }
    cr_assert_gt(calls, 300);
    free(steady);
    model_close(&model);
}

Test(engines_index, scans_survive_growth)
{
    scan_while(31, 95);
}

Test(engines_index, scans_survive_shrinking)
{
    scan_while(32, 5);
}

// Splits and merges to and fro under one scan.
Test(engines_index, scans_survive_both)
{
    struct model model;

    model_open(&model, 33, 30000, 64);
    // The first 3,000 stay.
    for (uint32_t key = 0; key < model.keys; key++) {
        insert(&model, key);
    }
    struct seen seen = {&model, model.seen};
    uint64_t position = 0;
    uint32_t calls = 0;

    do {
        position = index_scan(&model.index, &model.table, position, see, &seen);
        calls++;
        if (calls % 100 == 50 || calls % 100 == 0) {
            for (uint32_t key = 3000; key < model.keys; key++) {
                if (calls % 100 == 50) {
                    delete_key(&model, key);
                } else {
                    insert(&model, key);
                }
            }
        }
    } while (position != 0);
    for (uint32_t key = 0; key < 3000; key++) {
        cr_assert_eq(model.seen[key], 1, "key %u was seen %u times", key, model.seen[key]);
    }
    model_close(&model);
}

Test(engines_index, a_position_orders_hashes_as_the_scan_does)
{
    struct model model;

    model_open(&model, 34, 20000, 16);
    walk(&model, 40000, 100);
    struct seen seen = {&model, model.seen};
    uint64_t position = 0;

    do {
        position = index_scan(&model.index, &model.table, position, see, &seen);
        for (uint32_t key = 0; key < model.keys && position != 0; key += 97) {
            if (model.present[key]) {
                const bool passed = index_position(&model.index, model.hashes[key]) < position;

                cr_assert_eq(model.seen[key] == 1, passed);
            }
        }
    } while (position != 0);
    model_close(&model);
}

Test(engines_index, samples_evenly)
{
    struct model model;
    uint64_t squares = 0;
    const uint32_t rounds = 50;

    model_open(&model, 35, 1000, 1024); // far beyond the smallest size
    for (uint32_t key = 0; key < model.keys; key++) {
        insert(&model, key);
    }
    for (uint32_t i = 0; i < model.keys * rounds; i++) {
        const uint64_t entry = index_sample(&model.index, &model.table, random_u64(&model.random));

        cr_assert_neq(entry, 0);
        model.seen[index_payload(entry)]++;
    }
    for (uint32_t key = 0; key < model.keys; key++) {
        const int64_t off = (int64_t)model.seen[key] - rounds;

        cr_assert_gt(model.seen[key], 0);
        squares += (uint64_t)(off * off);
    }
    // Chi-squared with 999 degrees of freedom: 1,000 expected, with a deviation of 45.
    fprintf(stderr, "chi-squared %llu\n", (unsigned long long)(squares / rounds));
    cr_assert_lt(squares / rounds, 1250);
    model_close(&model);
}

Test(engines_index, finds_a_sample_when_there_is_hardly_any)
{
    struct model model;

    model_open(&model, 36, 10000, 16);
    cr_assert_eq(index_sample(&model.index, &model.table, 5), 0);
    insert(&model, 17);
    for (uint64_t i = 0; i < 100; i++) {
        const uint64_t entry = index_sample(&model.index, &model.table, i);

        cr_assert_eq(index_payload(entry), 17);
    }
    model_close(&model);
}

// Bucket by bucket, and what is left can still be found until its bucket goes.
Test(engines_index, sheds_a_dropped_table)
{
    struct model model;

    model_open(&model, 37, 50000, 256);
    walk(&model, 100000, 100);

    struct seen seen = {&model, model.seen};
    uint64_t entries = model.table.entries;
    uint32_t calls = 0;

    while (model.table.buckets != 0) {
        entries -= index_shed(&model.index, &model.table, see, &seen);
        cr_assert_eq(entries, model.table.entries);
        calls++;
        if (calls % 500 == 0) {
            for (uint32_t key = 0; key < model.keys; key++) {
                const bool left = model.present[key] && model.seen[key] == 0;

                cr_assert_eq(find(&model, key, NULL) != NULL, left);
            }
        }
    }
    for (uint32_t key = 0; key < model.keys; key++) {
        cr_assert_eq(model.seen[key], model.present[key] ? 1 : 0);
    }
    cr_assert_eq(model.index.pool.taken, model.index.lines_partial != 0 ? 1 : 0);
    cr_assert_eq(model.index.directory_bytes, 0);
    model_close(&model);
}

// No more memory: an insertion says so and changes nothing, and removals go on.
Test(engines_index, refuses_without_memory)
{
    struct model model;
    uint32_t refused = 0;

    model_open(&model, 38, 400000, 4096);
    // Blocks for 32 MiB at most, of which other things take all but one.
    model.arena.run_count = 2;
    for (uint32_t key = 0; key < model.keys; key++) {
        if (index_insert(&model.index, &model.table, model.hashes[key], key)) {
            model.present[key] = true;
        } else {
            refused++;
        }
    }
    cr_assert_gt(refused, 0);
    cr_assert_gt(model.table.entries, 300000);
    check(&model);
    drain(&model);
    check(&model);
    model_close(&model);
}
