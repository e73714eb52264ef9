// Contexts: whatever the text, it is refused. What is under the right MAC is what we made
// ourselves; so the input is tried twice, as it is, and as the body of a context with a good MAC:
// that one may be taken, and then it is what comes out when it is encoded again.

#include "cluster/context.h"

#include "core/check.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

static const struct context_secret secret = {.mac_key = {7}, .cluster_id = {8}};

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

// As cluster/context.h has it, for the key "k".
static size_t make_signed(const uint8_t *body, size_t size, char *text)
{
    static const char domain[] = "rldb context";
    static const uint8_t key_size[] = {1, 0, 0, 0};
    uint8_t bytes[CONTEXT_BYTES_MAX];
    crypto_generichash_state state;

    CHECK(size + CONTEXT_MAC_BYTES <= sizeof bytes);
    memcpy(bytes, body, size);
    crypto_generichash_init(&state, secret.mac_key, sizeof secret.mac_key, CONTEXT_MAC_BYTES);
    crypto_generichash_update(&state, (const uint8_t *)domain, sizeof domain);
    crypto_generichash_update(&state, secret.cluster_id, sizeof secret.cluster_id);
    crypto_generichash_update(&state, key_size, sizeof key_size);
    crypto_generichash_update(&state, (const uint8_t *)"k", 1);
    crypto_generichash_update(&state, body, size);
    crypto_generichash_final(&state, bytes + size, CONTEXT_MAC_BYTES);
    sodium_bin2base64(text, CONTEXT_TEXT_MAX, bytes, size + CONTEXT_MAC_BYTES,
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    return strlen(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const struct slice key = slice_from_text("k");
    char text[CONTEXT_TEXT_MAX];
    struct actor_table actors;
    struct causal_history history;
    struct causal_history again;

    actor_table_init(&actors);
    CHECK(context_decode(&secret, key, slice_of(bytes, size), &actors, &history) == -EINVAL);
    CHECK(actors.count == 0);
    if (size + CONTEXT_MAC_BYTES <= CONTEXT_BYTES_MAX) {
        const size_t signed_size = make_signed(bytes, size, text);
        const int error =
            context_decode(&secret, key, slice_of(text, signed_size), &actors, &history);

        CHECK(error == 0 || error == -EINVAL);
        if (error == 0) {
            const size_t text_size = context_encode(&secret, key, &history, &actors, text);

            CHECK(context_decode(&secret, key, slice_of(text, text_size), &actors, &again) == 0);
            CHECK(again.versions_count == history.versions_count);
            CHECK(again.dots_count == history.dots_count);
            for (uint32_t i = 0; i < history.versions_count; i++) {
                CHECK(dot_equal(again.versions[i], history.versions[i]));
            }
            for (uint32_t i = 0; i < history.dots_count; i++) {
                CHECK(dot_equal(again.dots[i], history.dots[i]));
            }
        }
    }
    actor_table_free(&actors);
    return 0;
}
