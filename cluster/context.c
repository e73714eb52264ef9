#include "cluster/context.h"

#include "core/codec.h"

#include <errno.h>
#include <sodium.h>

enum {
    CONTEXT_VERSION = 1,
    CONTEXT_TEXT_VARIANT = sodium_base64_VARIANT_URLSAFE_NO_PADDING,
};

// So that no other MAC with the same key can be taken for one of a context.
static const char context_domain[] = "rldb context";

static_assert(CONTEXT_MAC_KEY_BYTES >= crypto_generichash_KEYBYTES_MIN &&
                  CONTEXT_MAC_KEY_BYTES <= crypto_generichash_KEYBYTES_MAX,
              "what BLAKE2b takes for a key");
static_assert(CONTEXT_MAC_BYTES >= crypto_generichash_BYTES_MIN, "BLAKE2b's shortest");
static_assert((int)CONTEXT_TEXT_MAX >=
                  (int)sodium_base64_ENCODED_LEN(CONTEXT_BYTES_MAX, CONTEXT_TEXT_VARIANT),
              "libsodium writes a terminator too");

static void context_mac(const struct context_secret *secret, struct slice key, struct slice body,
                        uint8_t *ret_mac)
{
    crypto_generichash_state state;
    uint8_t size[sizeof(uint32_t)];
    struct codec_writer writer = codec_writer_of(size, sizeof size);

    CHECK(key.size <= UINT32_MAX);
    codec_write_u32(&writer, (uint32_t)key.size);
    crypto_generichash_init(&state, secret->mac_key, sizeof secret->mac_key, CONTEXT_MAC_BYTES);
    crypto_generichash_update(&state, (const uint8_t *)context_domain, sizeof context_domain);
    crypto_generichash_update(&state, secret->cluster_id, sizeof secret->cluster_id);
    crypto_generichash_update(&state, size, sizeof size);
    crypto_generichash_update(&state, key.bytes, key.size);
    crypto_generichash_update(&state, body.bytes, body.size);
    crypto_generichash_final(&state, ret_mac, CONTEXT_MAC_BYTES);
}

static void write_dots(struct codec_writer *writer, const struct dot *dots, uint32_t count,
                       const struct actor_table *actors)
{
    codec_write_varint(writer, count);
    for (uint32_t i = 0; i < count; i++) {
        const struct actor_id *const id = actor_table_id(actors, dots[i].actor);

        codec_write_u64(writer, id->vnode_id);
        codec_write_u32(writer, id->incarnation);
        codec_write_u64(writer, dots[i].hlc);
    }
}

size_t context_encode(const struct context_secret *secret, struct slice key,
                      const struct causal_history *history, const struct actor_table *actors,
                      char *ret_text)
{
    uint8_t bytes[CONTEXT_BYTES_MAX];
    struct codec_writer writer = codec_writer_of(bytes, sizeof bytes);
    uint8_t mac[CONTEXT_MAC_BYTES];

    codec_write_u8(&writer, CONTEXT_VERSION);
    write_dots(&writer, history->versions, history->versions_count, actors);
    write_dots(&writer, history->dots, history->dots_count, actors);
    context_mac(secret, key, slice_of(bytes, codec_writer_size(&writer)), mac);
    codec_write_bytes(&writer, mac, sizeof mac);
    CHECK(!writer.failed); // CONTEXT_BYTES_MAX has room for all

    const size_t size = codec_writer_size(&writer);

    sodium_bin2base64(ret_text, CONTEXT_TEXT_MAX, bytes, size, CONTEXT_TEXT_VARIANT);
    return sodium_base64_encoded_len(size, CONTEXT_TEXT_VARIANT) - 1;
}

// One event. 0, -EINVAL when it is none, or why its actor cannot be entered.
static int read_dot(struct codec_reader *reader, struct actor_table *actors, struct dot *ret_dot)
{
    const struct actor_id id = {.vnode_id = codec_read_u64(reader),
                                .incarnation = codec_read_u32(reader)};

    ret_dot->hlc = codec_read_u64(reader);
    if (reader->failed || ret_dot->hlc == 0 || ret_dot->hlc > DOT_HLC_MAX) {
        return -EINVAL;
    }
    return actor_table_enter(actors, &id, &ret_dot->actor);
}

static int read_history(struct codec_reader *reader, struct actor_table *actors,
                        struct causal_history *history)
{
    const uint8_t version = codec_read_u8(reader);
    const uint64_t versions = codec_read_varint(reader);
    struct dot dot;

    causal_history_init(history);
    if (version != CONTEXT_VERSION || versions > LIMIT_OBJECT_VERSIONS) {
        return -EINVAL;
    }
    for (uint64_t i = 0; i < versions; i++) {
        const int error = read_dot(reader, actors, &dot);

        if (error != 0) {
            return error;
        }
        CHECK(causal_history_add_version(history, dot)); // no more than there is room for
    }
    const uint64_t dots = codec_read_varint(reader);

    if (dots > LIMIT_HISTORY_DOTS) {
        return -EINVAL;
    }
    for (uint64_t i = 0; i < dots; i++) {
        const int error = read_dot(reader, actors, &dot);

        if (error != 0) {
            return error;
        }
        causal_history_add_dot(history, dot);
    }
    return codec_reader_done(reader) ? 0 : -EINVAL;
}

int context_decode(const struct context_secret *secret, struct slice key, struct slice text,
                   struct actor_table *actors, struct causal_history *ret_history)
{
    uint8_t bytes[CONTEXT_BYTES_MAX];
    uint8_t mac[CONTEXT_MAC_BYTES];
    struct causal_history history;
    size_t size = 0;

    // libsodium refuses padding, other alphabets and bits set beyond the last byte: a context has
    // one text.
    if (text.size >= CONTEXT_TEXT_MAX || text.size == 0 ||
        sodium_base642bin(bytes, sizeof bytes, (const char *)text.bytes, text.size, NULL, &size,
                          NULL, CONTEXT_TEXT_VARIANT) != 0 ||
        size < CONTEXT_MAC_BYTES) {
        return -EINVAL;
    }
    const struct slice body = slice_of(bytes, size - CONTEXT_MAC_BYTES);

    context_mac(secret, key, body, mac);
    if (sodium_memcmp(mac, bytes + body.size, CONTEXT_MAC_BYTES) != 0) {
        return -EINVAL;
    }
    struct codec_reader reader = codec_reader_of(body);
    const int error = read_history(&reader, actors, &history);

    if (error == 0) {
        *ret_history = history;
    }
    return error;
}
