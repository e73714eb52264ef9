// The main of a fuzz target where libFuzzer is not: replays every file of the corpus folder given,
// and of each a fixed number of mutations made from a fixed seed, so that a build by gcc runs the
// decoders too. A failure is a crash or a sanitizer's report, and prints the file and the mutation
// it came from.
//
//     fuzz_NAME CORPUS_FOLDER [MUTATIONS]

#include "core/check.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    INPUT_BYTES_MAX = 1 << 20, // larger files of a corpus are mistakes
    INPUT_BYTES_GROWTH = 8,    // a mutation adds at most this
    MUTATIONS_DEFAULT = 2000,  // of each file; fractions of a second for a decoder
    EDITS_MAX = 4,             // in one mutation
};

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

// What is being run, for the report of a crash. Written by main's loop, read by on_abort.
static char running[4096 + 64];

static void on_abort(int signal_number)
{
    const ssize_t written = write(STDERR_FILENO, running, strlen(running));

    (void)written;
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

// xorshift64*: small, and the same everywhere. Source: Vigna, "An experimental exploration of
// Marsaglia's xorshift generators, scrambled", 2016.
static uint64_t replay_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(2685821657736338717);
}

// Changes one thing in `bytes`, which has room for one more than `size`, and returns the new size.
static size_t replay_edit(uint64_t *state, uint8_t *bytes, size_t size)
{
    static const uint8_t telling[] = {0, 1, 0x7f, 0x80, 0xff, '\r', '\n', '-', '0', '9', '$', '*'};
    const size_t at = size == 0 ? 0 : replay_random(state) % size;
    const uint8_t byte = telling[replay_random(state) % sizeof telling];

    switch (size == 0 ? 0 : replay_random(state) % 5) {
    case 0: // insert
        memmove(bytes + at + 1, bytes + at, size - at);
        bytes[at] = byte;
        return size + 1;
    case 1: // remove
        memmove(bytes + at, bytes + at + 1, size - at - 1);
        return size - 1;
    case 2: // flip a bit
        bytes[at] = (uint8_t)(bytes[at] ^ (1U << (replay_random(state) % 8)));
        return size;
    case 3: // cut
        return at;
    default: // overwrite
        bytes[at] = byte;
        return size;
    }
}

// Each input goes in a heap block of exactly its size, so that ASan sees a read past its end.
static void replay_run(const uint8_t *bytes, size_t size)
{
    uint8_t *const exact = malloc(size != 0 ? size : 1);

    CHECK(exact != NULL);
    memcpy(exact, bytes, size);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
}

static void replay_mutations(const char *path, const uint8_t *bytes, size_t size, long count)
{
    uint8_t *const mutated = malloc(size + INPUT_BYTES_GROWTH);

    static_assert(EDITS_MAX <= INPUT_BYTES_GROWTH, "an edit adds at most one byte");
    CHECK(mutated != NULL);
    for (long i = 0; i < count; i++) {
        uint64_t state = UINT64_C(0x9e3779b97f4a7c15) * ((uint64_t)i + 1);
        const uint64_t edits = 1 + replay_random(&state) % EDITS_MAX;
        size_t mutated_size = size;

        memcpy(mutated, bytes, size);
        for (uint64_t edit = 0; edit < edits; edit++) {
            mutated_size = replay_edit(&state, mutated, mutated_size);
        }
        snprintf(running, sizeof running, "running: %s, mutation %ld\n", path, i);
        replay_run(mutated, mutated_size);
    }
    free(mutated);
}

// 0, or -errno when the file cannot be read.
static int replay_file(const char *path, long mutations)
{
    FILE *const file = fopen(path, "rb");
    uint8_t *bytes = NULL;
    size_t size = 0;

    if (file == NULL) {
        return -errno;
    }
    bytes = malloc(INPUT_BYTES_MAX + 1);
    CHECK(bytes != NULL);
    size = fread(bytes, 1, INPUT_BYTES_MAX + 1, file);
    fclose(file);
    if (size > INPUT_BYTES_MAX) {
        free(bytes);
        return -EFBIG;
    }
    snprintf(running, sizeof running, "running: %s as it is\n", path);
    replay_run(bytes, size);
    replay_mutations(path, bytes, size, mutations);
    free(bytes);
    return 0;
}

int main(int argc, char **argv)
{
    const long mutations = argc > 2 ? strtol(argv[2], NULL, 10) : MUTATIONS_DEFAULT;
    DIR *const folder = argc > 1 ? opendir(argv[1]) : NULL;
    long count = 0;

    if (folder == NULL) {
        fprintf(stderr, "usage: %s CORPUS_FOLDER [MUTATIONS]; the folder must be there\n", argv[0]);
        return 2;
    }
    signal(SIGABRT, on_abort);
    signal(SIGSEGV, on_abort);
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        char path[4096];

        if (entry->d_name[0] == '.') {
            continue;
        }
        snprintf(path, sizeof path, "%s/%s", argv[1], entry->d_name);
        const int error = replay_file(path, mutations);

        if (error != 0) {
            fprintf(stderr, "%s: %s\n", path, strerror(-error));
            return 1;
        }
        count++;
    }
    closedir(folder);
    printf("replayed %ld inputs and %ld mutations of each\n", count, mutations);
    if (count == 0) {
        fprintf(stderr, "%s is empty: a decoder without a corpus is not tested\n", argv[1]);
    }
    return count == 0 ? 1 : 0;
}
