// Hashing of keys and checksums of bytes: XXH3, 64 bits, of libxxhash.
//
// XXH3 is fast for the short keys that the index hashes on every request (it is inlined here, so a
// 16-byte key costs a few nanoseconds) and for the long blocks that frames checksum. It is not
// cryptographic: what a peer or a client could forge is authenticated elsewhere. Keys are hashed
// with a seed, so that a client who chooses keys cannot choose their places in the index.
//
// The values are part of formats on disk and on the wire. XXH3's output has been stable since
// version 0.8.0. Source: https://github.com/Cyan4973/xxHash, doc/xxhash_spec.md.
#pragma once

#include "core/slice.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

static inline uint64_t hash_key(uint64_t seed, struct slice key)
{
    return XXH3_64bits_withSeed(key.bytes, key.size, seed);
}

// Begins a checksum of bytes that come in pieces (XXH3_64bits_update(), XXH3_64bits_digest()). The
// state's memory is given a seed first: a reset compares it with the new one, and where chance has
// left the same there it takes what lies beside it for the secret that belongs to it.
static inline void hash_pieces_begin(XXH3_state_t *state, uint64_t seed)
{
    XXH3_INITSTATE(state);
    state->extSecret = NULL;
    (void)XXH3_64bits_reset_withSeed(state, seed);
}

// The checksum of `size` bytes. Bytes that are all zero do not have checksum 0, so neither a
// zeroed block nor an empty one passes for a sealed one.
static inline uint64_t hash_checksum(const void *bytes, size_t size)
{
    return XXH3_64bits(bytes, size);
}
