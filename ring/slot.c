#include "ring/slot.h"

#include "ring/slot_table.h"

static inline uint16_t crc_step8(uint16_t crc, const uint8_t *at)
{
    return slot_table[7][at[0] ^ (crc >> 8)] ^ slot_table[6][at[1] ^ (crc & 0xff)] ^
           slot_table[5][at[2]] ^ slot_table[4][at[3]] ^ slot_table[3][at[4]] ^
           slot_table[2][at[5]] ^ slot_table[1][at[6]] ^ slot_table[0][at[7]];
}

static inline uint16_t crc_step4(uint16_t crc, const uint8_t *at)
{
    return slot_table[3][at[0] ^ (crc >> 8)] ^ slot_table[2][at[1] ^ (crc & 0xff)] ^
           slot_table[1][at[2]] ^ slot_table[0][at[3]];
}

static inline uint16_t crc_step1(uint16_t crc, uint8_t byte)
{
    return (uint16_t)((crc << 8) ^ slot_table[0][byte ^ (crc >> 8)]);
}

// Whether one of the eight bytes is '{': a byte of the xor is zero then, and only then does a
// borrow set its top bit where it was not set (Warren, "Hacker's Delight", 6-1).
static inline bool word_has_brace(const uint8_t *at)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t word = 0;

    memcpy(&word, at, sizeof word);
    word ^= ones * '{';
    return ((word - ones) & ~word & (ones << 7)) != 0;
}

// The CRC of all the bytes, and whether a '{' is among them: most keys have none, and are done
// then.
static inline uint16_t crc_looking_for_brace(struct slice bytes, bool *ret_brace)
{
    const uint8_t *at = bytes.bytes;
    size_t left = bytes.size;
    uint16_t crc = 0;
    bool brace = false;

    for (; left >= 8; left -= 8, at += 8) {
        brace |= word_has_brace(at);
        crc = crc_step8(crc, at);
    }
    if (left >= 4) {
        brace |= (at[0] == '{') | (at[1] == '{') | (at[2] == '{') | (at[3] == '{');
        crc = crc_step4(crc, at);
        left -= 4;
        at += 4;
    }
    for (; left != 0; left--, at++) {
        brace |= *at == '{';
        crc = crc_step1(crc, *at);
    }
    *ret_brace = brace;
    return crc;
}

uint16_t slot_crc16(struct slice bytes)
{
    bool brace = false;

    return crc_looking_for_brace(bytes, &brace);
}

struct slice slot_tag(struct slice key)
{
    // memchr must not be given NULL, which the empty slice may have.
    const uint8_t *const open = key.size == 0 ? NULL : memchr(key.bytes, '{', key.size);

    if (open == NULL) {
        return key;
    }
    const size_t left = (size_t)(key.bytes + key.size - (open + 1));
    const uint8_t *const close = left == 0 ? NULL : memchr(open + 1, '}', left);

    if (close == NULL || close == open + 1) {
        return key;
    }
    return slice_of(open + 1, (size_t)(close - (open + 1)));
}

uint16_t slot_of_key(struct slice key)
{
    bool brace = false;
    uint16_t crc = crc_looking_for_brace(key, &brace);

    if (__builtin_expect(brace, 0)) {
        crc = slot_crc16(slot_tag(key));
    }
    return crc % SLOT_COUNT;
}
