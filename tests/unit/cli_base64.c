#include "cli/base64.h"
#include "cli/output.h"

#include <criterion/criterion.h>
#include <errno.h>

// The vectors of RFC 4648, section 10, and the letters beyond the alphabet's.
static const struct {
    const char *plain;
    const char *encoded;
} VECTORS[] = {
    {"", ""},
    {"f", "Zg=="},
    {"fo", "Zm8="},
    {"foo", "Zm9v"},
    {"foob", "Zm9vYg=="},
    {"fooba", "Zm9vYmE="},
    {"foobar", "Zm9vYmFy"},
    {"\xfb\xff\xbf", "+/+/"},
};

Test(cli_base64, vectors_both_ways)
{
    for (size_t i = 0; i < sizeof VECTORS / sizeof VECTORS[0]; i++) {
        struct text encoded = output_text();
        struct text decoded = output_text();

        base64_encode(VECTORS[i].plain, strlen(VECTORS[i].plain), &encoded);
        cr_assert_str_eq(text_c(&encoded), VECTORS[i].encoded);
        cr_assert_eq(base64_decode(encoded.bytes, encoded.size, &decoded), 0);
        cr_assert_str_eq(text_c(&decoded), VECTORS[i].plain);
        text_free(&encoded);
        text_free(&decoded);
    }
}

Test(cli_base64, all_lengths_of_all_bytes_come_back)
{
    unsigned char bytes[256];

    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (unsigned char)(i * 167 + 13);
    }
    for (size_t size = 0; size <= sizeof bytes; size++) {
        struct text encoded = output_text();
        struct text decoded = output_text();

        base64_encode(bytes, size, &encoded);
        cr_assert_eq(encoded.size, (size + 2) / 3 * 4);
        cr_assert_eq(base64_decode(encoded.bytes, encoded.size, &decoded), 0);
        cr_assert_eq(decoded.size, size);
        cr_assert(size == 0 || memcmp(decoded.bytes, bytes, size) == 0);
        text_free(&encoded);
        text_free(&decoded);
    }
}

Test(cli_base64, what_is_not_strict_is_refused_and_leaves_the_output)
{
    static const char *const wrong[] = {"Zg",   "Zg=",  "Zg==Zg==", "Z===", "====",  "Zm9v\n",
                                        "Zh==", "Zm9=", "Zm 9v",    "Zm-_", "Zm9vZ", "Zg==x"};

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct text decoded = output_text();

        text_string(&decoded, "kept");
        cr_assert_eq(base64_decode(wrong[i], strlen(wrong[i]), &decoded), -EINVAL, "%s", wrong[i]);
        cr_assert_eq(decoded.size, 4);
        text_free(&decoded);
    }
}
