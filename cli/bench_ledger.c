#include "cli/bench_ledger.h"

#include "cli/verb.h"
#include "core/check.h"
#include "core/memory.h"

void bench_ledger_init(struct bench_ledger *ledger, uint64_t keys)
{
    ledger->keys = keys;
    ledger->entries = cli_allocate(keys * sizeof *ledger->entries);
    for (size_t i = 0; i < BENCH_LEDGER_STRIPES; i++) {
        pthread_mutex_init(&ledger->stripes[i], NULL);
    }
}

void bench_ledger_free(struct bench_ledger *ledger)
{
    for (size_t i = 0; i < BENCH_LEDGER_STRIPES; i++) {
        pthread_mutex_destroy(&ledger->stripes[i]);
    }
    memory_free(ledger->entries);
    ledger->entries = NULL;
}

static pthread_mutex_t *ledger_lock(struct bench_ledger *ledger, uint64_t key)
{
    pthread_mutex_t *const lock = &ledger->stripes[key % BENCH_LEDGER_STRIPES];

    CHECK(key < ledger->keys);
    pthread_mutex_lock(lock);
    return lock;
}

uint32_t bench_ledger_issue(struct bench_ledger *ledger, uint64_t key)
{
    pthread_mutex_t *const lock = ledger_lock(ledger, key);
    struct bench_ledger_entry *const entry = &ledger->entries[key];

    if (entry->issued == entry->answered) {
        entry->candidate = entry->issued + 1;
    }
    const uint32_t version = ++entry->issued;

    pthread_mutex_unlock(lock);
    return version;
}

void bench_ledger_answer(struct bench_ledger *ledger, uint64_t key, uint32_t version)
{
    pthread_mutex_t *const lock = ledger_lock(ledger, key);
    struct bench_ledger_entry *const entry = &ledger->entries[key];

    CHECK(version <= entry->issued && entry->answered < entry->issued);
    entry->answered++;
    if (version == entry->candidate) {
        entry->floor = version;
        entry->candidate = 0;
    }
    pthread_mutex_unlock(lock);
}

uint32_t bench_ledger_floor(struct bench_ledger *ledger, uint64_t key)
{
    pthread_mutex_t *const lock = ledger_lock(ledger, key);
    const uint32_t floor = ledger->entries[key].floor;

    pthread_mutex_unlock(lock);
    return floor;
}

uint32_t bench_ledger_issued(struct bench_ledger *ledger, uint64_t key)
{
    pthread_mutex_t *const lock = ledger_lock(ledger, key);
    const uint32_t issued = ledger->entries[key].issued;

    pthread_mutex_unlock(lock);
    return issued;
}
