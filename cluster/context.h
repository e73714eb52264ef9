// Contexts: what RLDB.GET and RLDB.PUT hand to a client, and it hands back with its next write, as
// one opaque word that survives shells, URLs and JSON.
//
// A context says which events of a key the client has read (a history, with actors by their whole
// identity, so that any replica understands it). It is bound to cluster and key by a keyed MAC: one
// that was made up, changed, cut, or given back for another key or cluster is refused, never
// believed. It tells no secret and does not expire.
//
// Format, little-endian, then base64url without padding (RFC 4648, section 5):
//
//     u8      version, 1
//     varint  versions, at most LIMIT_OBJECT_VERSIONS; then each:
//       u64     id of the vnode
//       u32     incarnation
//       u64     hlc
//     varint  dots, at most LIMIT_HISTORY_DOTS; then each alike
//     16      MAC: BLAKE2b-128, keyed, over a domain name, the cluster id, the size of the key
//     (u32),
//             the key, and all bytes before
//
// Source of the MAC: RFC 7693 (libsodium: crypto_generichash).
#pragma once

#include "cluster/actor.h"
#include "cluster/causal_history.h"
#include "core/slice.h"

enum {
    CONTEXT_MAC_KEY_BYTES = 32,
    CONTEXT_MAC_BYTES = 16,
    CONTEXT_CLUSTER_ID_BYTES = 20,
    CONTEXT_ENTRY_BYTES = 8 + 4 + 8, // vnode id, incarnation, hlc
    CONTEXT_BYTES_MAX = 1 + 2 + 1 +
                        CONTEXT_ENTRY_BYTES * (LIMIT_OBJECT_VERSIONS + LIMIT_HISTORY_DOTS) +
                        CONTEXT_MAC_BYTES,
    CONTEXT_TEXT_MAX = (CONTEXT_BYTES_MAX * 4 + 2) / 3 + 1,
};

// The cluster's: made from its secret, the same on all nodes; on a cluster of one random, kept with
// its data.
struct context_secret {
    uint8_t mac_key[CONTEXT_MAC_KEY_BYTES];
    uint8_t cluster_id[CONTEXT_CLUSTER_ID_BYTES];
};

// Writes the context into text (not terminated), whose room is CONTEXT_TEXT_MAX, and returns its
// length. The history's actors are indexes of the table.
size_t context_encode(const struct context_secret *secret, struct slice key,
                      const struct causal_history *history, const struct actor_table *actors,
                      char *ret_text);

// Reads one. Actors that the table does not know are entered. 0; -EINVAL: not a context of this key
// and cluster, malformed or forged; -ENOSPC, -ENOMEM: from actor_table_enter(). Takes no longer for
// a forgery that is nearly right.
int context_decode(const struct context_secret *secret, struct slice key, struct slice text,
                   struct actor_table *actors, struct causal_history *ret_history);
