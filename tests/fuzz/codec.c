// A program of reads, one a byte up to the first 0xff, over the bytes behind it. What is read must
// lie inside the input, and writing it again must give the very bytes that were read.
#include "core/codec.h"
#include "core/check.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

// Reads one field as `kind` says, and writes it.
static void copy_field(struct codec_reader *reader, struct codec_writer *writer, uint8_t kind)
{
    struct slice view = {0};

    switch (kind % 7) {
    case 0:
        codec_write_u8(writer, codec_read_u8(reader));
        break;
    case 1:
        codec_write_u16(writer, codec_read_u16(reader));
        break;
    case 2:
        codec_write_u32(writer, codec_read_u32(reader));
        break;
    case 3:
        codec_write_u64(writer, codec_read_u64(reader));
        break;
    case 4:
        codec_write_varint(writer, codec_read_varint(reader));
        break;
    case 5:
        view = codec_read_sized(reader);
        codec_write_sized(writer, view);
        break;
    default:
        view = codec_read_bytes(reader, kind);
        codec_write_bytes(writer, view.bytes, view.size);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const uint8_t *const end = memchr(bytes, 0xff, size);
    const size_t program_size = end != NULL ? (size_t)(end - bytes) : size;
    const struct slice input =
        end != NULL ? slice_of(end + 1, size - program_size - 1) : slice_of(NULL, 0);
    uint8_t *const output = malloc(input.size + 1);
    struct codec_reader reader = codec_reader_of(input);
    struct codec_writer writer = codec_writer_of(output, input.size);

    CHECK(output != NULL);
    for (size_t i = 0; i < program_size; i++) {
        const size_t before = codec_reader_left(&reader);
        const size_t written = codec_writer_size(&writer);

        copy_field(&reader, &writer, bytes[i]);
        CHECK(codec_reader_left(&reader) <= before);
        if (reader.failed) {
            // What failed is not written back, but as the zeros that were read.
            writer.at = output + written;
            writer.failed = false;
            break;
        }
        CHECK(!writer.failed);
        CHECK(codec_writer_size(&writer) + codec_reader_left(&reader) == input.size);
    }
    CHECK(codec_writer_size(&writer) == 0 ||
          memcmp(output, input.bytes, codec_writer_size(&writer)) == 0);
    CHECK(!reader.failed || codec_read_u8(&reader) == 0);
    free(output);
    return 0;
}
