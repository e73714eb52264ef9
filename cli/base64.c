#include "cli/base64.h"

#include "cli/output.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>

static const char BASE64_LETTERS[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static_assert(sizeof BASE64_LETTERS == 64 + 1, "a letter for each value of six bits");

void base64_encode(const void *bytes, size_t size, struct text *ret_text)
{
    const uint8_t *const from = bytes;

    for (size_t i = 0; i < size; i += 3) {
        const size_t count = size - i < 3 ? size - i : 3;
        const uint32_t group = (uint32_t)from[i] << 16 |
                               (count > 1 ? (uint32_t)from[i + 1] << 8 : 0) |
                               (count > 2 ? (uint32_t)from[i + 2] : 0);
        const char letters[4] = {
            BASE64_LETTERS[group >> 18],
            BASE64_LETTERS[group >> 12 & 63],
            count > 1 ? BASE64_LETTERS[group >> 6 & 63] : '=',
            count > 2 ? BASE64_LETTERS[group & 63] : '=',
        };

        text_append(ret_text, letters, sizeof letters);
    }
}

static int base64_value(char letter)
{
    if (letter >= 'A' && letter <= 'Z') {
        return letter - 'A';
    }
    if (letter >= 'a' && letter <= 'z') {
        return letter - 'a' + 26;
    }
    if (letter >= '0' && letter <= '9') {
        return letter - '0' + 52;
    }
    return letter == '+' ? 62 : letter == '/' ? 63 : -1;
}

int base64_decode(const char *encoded, size_t size, struct text *ret_text)
{
    size_t padding = 0;

    if (size % 4 != 0) {
        return -EINVAL;
    }
    while (padding < 2 && padding < size && encoded[size - 1 - padding] == '=') {
        padding++;
    }
    const size_t before = ret_text->size;

    for (size_t i = 0; i < size; i += 4) {
        const size_t letters = i + 4 == size ? 4 - padding : 4;
        uint32_t group = 0;

        for (size_t j = 0; j < 4; j++) {
            const int value = j < letters ? base64_value(encoded[i + j]) : 0;

            if (value < 0) {
                text_cut(ret_text, before);
                return -EINVAL;
            }
            group = group << 6 | (uint32_t)value;
        }
        if ((letters == 2 && (group & 0xffff) != 0) || (letters == 3 && (group & 0xff) != 0)) {
            text_cut(ret_text, before);
            return -EINVAL;
        }
        const uint8_t bytes[3] = {(uint8_t)(group >> 16), (uint8_t)(group >> 8), (uint8_t)group};

        text_append(ret_text, bytes, letters - 1);
    }
    return text_error(ret_text);
}
