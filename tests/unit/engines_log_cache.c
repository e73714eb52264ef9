// The log engine's cache: what stays, what goes, and that each move is told.
#include "core/memory.h"
#include "core/random.h"
#include "engines/log_cache.h"

#include <criterion/criterion.h>
#include <string.h>

enum { KEYS = 20000 };

struct owner {
    struct cache cache;
    uint64_t places[KEYS]; // CACHE_NONE: not cached
    uint64_t evicted;
};

static struct owner owner;

static uint32_t number_of(const struct cached *cached)
{
    uint32_t number;

    cr_assert_eq(cached->key.size, sizeof number);
    memcpy(&number, cached->key.bytes, sizeof number);
    return number;
}

static void moved(void *context, const struct cached *cached, uint64_t from, uint64_t to)
{
    struct owner *const told = context;
    const uint32_t number = number_of(cached);

    cr_assert_eq(told->places[number], from);
    cr_assert_eq(cached->location, number);
    told->places[number] = to;
    told->evicted += to == CACHE_NONE ? 1 : 0;
}

static void open_cache(uint64_t bytes)
{
    memset(&owner, 0, sizeof owner);
    memset(owner.places, 0xff, sizeof owner.places);
    cr_assert_eq(cache_open(&owner.cache, bytes, moved, &owner), 0);
}

static void insert(uint32_t number, uint32_t object_bytes)
{
    static uint8_t object[4096];
    const struct slice parts[2] = {slice_of(object, object_bytes / 2),
                                   slice_of(object, object_bytes - object_bytes / 2)};
    const struct cached cached = {
        .key = slice_of((const uint8_t *)&number, sizeof number),
        .location = number,
        .class = number % 32,
        .vnode = number % 7,
        .expire_ms = number % 3,
        .flags = number % 2,
    };
    const uint64_t place = cache_take(&owner.cache, CACHE_YOUNG,
                                      cached_bytes(sizeof number, object_bytes, cached.expire_ms));

    cr_assert_neq(place, CACHE_NONE);
    memset(object, (int)number, object_bytes);
    cached_write(cache_at(&owner.cache, place), &cached, parts);
    owner.places[number] = place;
}

static void check(uint32_t number, uint32_t object_bytes)
{
    struct cached cached;

    cached_read(cache_at(&owner.cache, owner.places[number]), &cached);
    cr_assert_eq(number_of(&cached), number);
    cr_assert_eq(cached.class, number % 32);
    cr_assert_eq(cached.vnode, number % 7);
    cr_assert_eq(cached.expire_ms, number % 3);
    cr_assert_eq(cached.flags & CACHED_TOMBSTONE, number % 2);
    cr_assert_eq(cached.object.size, object_bytes);
    for (uint32_t i = 0; i < object_bytes; i++) {
        cr_assert_eq(cached.object.bytes[i], (uint8_t)number);
    }
}

Test(engines_log_cache, evicts_nothing_while_there_is_room)
{
    open_cache(4 << 20);
    for (uint32_t number = 0; number < 10000; number++) {
        insert(number, 300); // 3.3 MB in all
    }
    cr_assert_eq(owner.evicted, 0);
    for (uint32_t number = 0; number < 10000; number++) {
        check(number, 300);
    }
    cache_close(&owner.cache);
}

Test(engines_log_cache, keeps_what_is_read_through_a_scan)
{
    enum { HOT = 1000 };
    uint32_t left = 0;

    open_cache(1 << 20);
    for (uint32_t number = 0; number < KEYS; number++) {
        insert(number, 300);
        for (uint32_t hot = 0; number % 64 == 0 && hot < HOT && hot < number; hot++) {
            if (owner.places[hot] != CACHE_NONE) {
                cached_touch(cache_at(&owner.cache, owner.places[hot]));
            }
        }
    }
    for (uint32_t hot = 0; hot < HOT; hot++) {
        if (owner.places[hot] != CACHE_NONE) {
            check(hot, 300);
            left++;
        }
    }
    // Six times the cache has gone through it; what was read all the while is still there.
    cr_assert_gt(left, HOT * 9 / 10);
    cache_close(&owner.cache);
}

Test(engines_log_cache, keeps_count_of_whatever_comes_and_goes)
{
    static uint32_t sizes[KEYS];
    struct random random;

    random_seed(&random, 7);
    open_cache(300 << 10);
    for (uint32_t step = 0; step < 200000; step++) {
        const uint32_t number = (uint32_t)random_below(&random, KEYS);

        if (owner.places[number] == CACHE_NONE) {
            sizes[number] =
                (uint32_t)random_below(&random, random_below(&random, 8) == 0 ? 3000 : 200);
            insert(number, sizes[number]);
        } else if (random_below(&random, 4) == 0) {
            cache_kill(&owner.cache, owner.places[number]);
            owner.places[number] = CACHE_NONE;
        } else {
            check(number, sizes[number]);
            cached_touch(cache_at(&owner.cache, owner.places[number]));
        }
    }
    cr_assert_eq(cache_take(&owner.cache, CACHE_YOUNG, 100 << 10), CACHE_NONE);
    cache_close(&owner.cache);
}
