#include "core/codec.h"

#include "core/random.h"

#include <criterion/criterion.h>
#include <stdlib.h>

Test(core_codec, is_little_endian)
{
    uint8_t bytes[15];
    struct codec_writer writer = codec_writer_of(bytes, sizeof bytes);

    codec_write_u8(&writer, 0x01);
    codec_write_u16(&writer, 0x0203);
    codec_write_u32(&writer, 0x04050607);
    codec_write_u64(&writer, UINT64_C(0x08090a0b0c0d0e0f));
    cr_assert_not(writer.failed);
    cr_assert_eq(codec_writer_size(&writer), 15);
    cr_assert_eq(memcmp(bytes, "\x01\x03\x02\x07\x06\x05\x04\x0f\x0e\x0d\x0c\x0b\x0a\x09\x08", 15),
                 0);
    struct codec_reader reader = codec_reader_of(slice_of(bytes, sizeof bytes));

    cr_assert_eq(codec_read_u8(&reader), 0x01);
    cr_assert_eq(codec_read_u16(&reader), 0x0203);
    cr_assert_eq(codec_read_u32(&reader), 0x04050607);
    cr_assert_not(codec_reader_done(&reader));
    cr_assert_eq(codec_read_u64(&reader), UINT64_C(0x08090a0b0c0d0e0f));
    cr_assert(codec_reader_done(&reader));
}

Test(core_codec, a_reader_that_failed_gives_zeros_for_ever)
{
    struct codec_reader reader = codec_reader_of(slice_of("\x01\x02\x03", 3));

    cr_assert_eq(codec_read_u32(&reader), 0);
    cr_assert(reader.failed);
    cr_assert_eq(codec_read_u8(&reader), 0);
    cr_assert_eq(codec_read_varint(&reader), 0);
    cr_assert_eq(codec_read_bytes(&reader, 1).size, 0);
    cr_assert_eq(codec_read_sized(&reader).size, 0);
    cr_assert_not(codec_reader_done(&reader));
}

Test(core_codec, a_writer_that_failed_writes_nothing_more)
{
    uint8_t bytes[4] = {9, 9, 9, 9};
    struct codec_writer writer = codec_writer_of(bytes, 3);

    codec_write_u16(&writer, 0);
    codec_write_u16(&writer, 0);
    codec_write_u8(&writer, 0);
    cr_assert(writer.failed);
    cr_assert_eq(codec_writer_size(&writer), 2);
    cr_assert_eq(memcmp(bytes, "\0\0\x09\x09", 4), 0);
}

Test(core_codec, empty_input_may_be_null)
{
    struct codec_reader reader = codec_reader_of(slice_of(NULL, 0));

    cr_assert(codec_reader_done(&reader));
    cr_assert_eq(codec_read_bytes(&reader, 0).size, 0);
    cr_assert(codec_reader_done(&reader));
    cr_assert_eq(codec_read_u8(&reader), 0);
    cr_assert(reader.failed);
}

static void expect_varint(uint64_t value, size_t size)
{
    uint8_t bytes[CODEC_VARINT_BYTES_MAX];
    struct codec_writer writer = codec_writer_of(bytes, sizeof bytes);

    codec_write_varint(&writer, value);
    cr_assert_not(writer.failed);
    cr_assert_eq(codec_writer_size(&writer), size);
    cr_assert_eq(codec_varint_size(value), size);
    struct codec_reader reader = codec_reader_of(slice_of(bytes, size));

    cr_assert_eq(codec_read_varint(&reader), value);
    cr_assert(codec_reader_done(&reader));
    reader = codec_reader_of(slice_of(bytes, size - 1));
    cr_assert_eq(codec_read_varint(&reader), 0);
    cr_assert(reader.failed);
}

Test(core_codec, varints_have_seven_bits_a_byte)
{
    expect_varint(0, 1);
    for (unsigned bits = 1; bits < 64; bits++) {
        expect_varint(UINT64_C(1) << bits, bits / 7 + 1);
        expect_varint((UINT64_C(1) << bits) - 1, (bits - 1) / 7 + 1);
    }
    expect_varint(UINT64_MAX, 10);
}

static void expect_no_varint(const char *bytes, size_t size)
{
    struct codec_reader reader = codec_reader_of(slice_of(bytes, size));

    cr_assert_eq(codec_read_varint(&reader), 0);
    cr_assert(reader.failed);
}

Test(core_codec, only_the_shortest_form_of_a_varint_is_read)
{
    expect_no_varint("\x80\x00", 2);
    expect_no_varint("\xff\x80\x00", 3);
    expect_no_varint("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10);
    expect_no_varint("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x81\x00", 11);
    expect_no_varint("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 11);
}

Test(core_codec, sizes_beyond_the_input_are_refused)
{
    struct codec_reader reader = codec_reader_of(slice_of("\x03"
                                                          "ab",
                                                          3));

    cr_assert_eq(codec_read_sized(&reader).size, 0);
    cr_assert(reader.failed);
    reader = codec_reader_of(slice_of("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10));
    cr_assert_eq(codec_read_sized(&reader).size, 0);
    cr_assert(reader.failed);
    reader = codec_reader_of(slice_of("\x02"
                                      "abc",
                                      4));
    cr_assert(slice_equal(codec_read_sized(&reader), slice_from_text("ab")));
    cr_assert_eq(codec_reader_left(&reader), 1);
}

// Writes a random series of fields and reads them back, from blocks cut at every byte: what is
// there is read right, and what is not fails, in place (ASan watches the block's end).
static void round_trip(uint64_t seed)
{
    enum { FIELDS = 12 };
    uint8_t bytes[FIELDS * CODEC_VARINT_BYTES_MAX];
    uint8_t kinds[FIELDS];
    uint64_t values[FIELDS];
    size_t ends[FIELDS];
    struct codec_writer writer = codec_writer_of(bytes, sizeof bytes);
    struct random random;

    random_seed(&random, seed);
    for (size_t i = 0; i < FIELDS; i++) {
        kinds[i] = (uint8_t)random_below(&random, 3);
        values[i] = random_u64(&random) >> random_below(&random, 64);
        if (kinds[i] == 0) {
            codec_write_u64(&writer, values[i]);
        } else if (kinds[i] == 1) {
            codec_write_varint(&writer, values[i]);
        } else {
            values[i] = (uint8_t)values[i];
            codec_write_u8(&writer, (uint8_t)values[i]);
        }
        ends[i] = codec_writer_size(&writer);
    }
    for (size_t cut = 0; cut <= ends[FIELDS - 1]; cut++) {
        uint8_t *const part = malloc(cut != 0 ? cut : 1);

        memcpy(part, bytes, cut);
        struct codec_reader reader = codec_reader_of(slice_of(part, cut));

        for (size_t i = 0; i < FIELDS; i++) {
            const uint64_t value = kinds[i] == 0   ? codec_read_u64(&reader)
                                   : kinds[i] == 1 ? codec_read_varint(&reader)
                                                   : codec_read_u8(&reader);

            cr_assert_eq(reader.failed, ends[i] > cut, "seed %llu", (unsigned long long)seed);
            cr_assert_eq(value, reader.failed ? 0 : values[i], "seed %llu",
                         (unsigned long long)seed);
        }
        free(part);
    }
}

Test(core_codec, reads_what_was_written_and_no_further)
{
    for (uint64_t seed = 1; seed <= 200; seed++) {
        round_trip(seed);
    }
}
