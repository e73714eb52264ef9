// --verify: which versions of a key may be read.
//
// Versions of a key are numbered as they are issued. Writes that are on the way together may take
// effect in any order, so that one cannot just expect the newest. What is known for sure: when a
// write is issued while no other write of its key is on the way, then all earlier versions are over
// once it is answered. A read that begins after that must not return them. So for each key there is
//
//     issued      versions given out
//     answered    how many of these are answered
//     candidate   a write issued while none was on the way, not yet answered; 0: none
//     floor       the smallest version that may still be read
//
// and a read remembers the floor at its beginning. The rule finds lost writes and stale reads, and
// never blames a server that is right. Shared by all threads; each stripe of keys has a lock, which
// --verify can afford.
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

enum { BENCH_LEDGER_STRIPES = 1024 };

struct bench_ledger_entry {
    uint32_t issued;
    uint32_t answered;
    uint32_t candidate;
    uint32_t floor;
};

struct bench_ledger {
    uint64_t keys;
    struct bench_ledger_entry *entries;
    pthread_mutex_t stripes[BENCH_LEDGER_STRIPES];
};

void bench_ledger_init(struct bench_ledger *ledger, uint64_t keys);
void bench_ledger_free(struct bench_ledger *ledger);

// The version of a write that is about to be sent.
uint32_t bench_ledger_issue(struct bench_ledger *ledger, uint64_t key);

// That write was answered with success.
void bench_ledger_answer(struct bench_ledger *ledger, uint64_t key, uint32_t version);

// The smallest version that a read which begins now may return.
uint32_t bench_ledger_floor(struct bench_ledger *ledger, uint64_t key);

// The largest version that may have been written.
uint32_t bench_ledger_issued(struct bench_ledger *ledger, uint64_t key);
