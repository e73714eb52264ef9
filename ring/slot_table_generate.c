// Prints ring/slot_table.h: for k = 0..7 and each byte b the CRC-16/XMODEM of b followed by k zero
// bytes. CRCs are linear, so the CRC of eight bytes is the xor of eight look-ups, one a byte. Runs
// at build time, on the machine that builds.

#include <stdint.h>
#include <stdio.h>

enum { POLYNOMIAL = 0x1021, TABLES = 8 };

static uint16_t crc_of_byte(unsigned byte, unsigned zeros)
{
    uint32_t crc = byte << 8;

    for (unsigned bit = 0; bit < 8 * (zeros + 1); bit++) {
        crc = (crc & 0x8000) != 0 ? (crc << 1) ^ POLYNOMIAL : crc << 1;
    }
    return (uint16_t)crc;
}

int main(void)
{
    printf("// Made by ring/slot_table_generate.c.\n"
           "#pragma once\n\n"
           "#include <stdint.h>\n\n"
           "static const uint16_t slot_table[%d][256] = {\n",
           TABLES);
    for (unsigned zeros = 0; zeros < TABLES; zeros++) {
        printf("    {");
        for (unsigned byte = 0; byte < 256; byte++) {
            printf("%s0x%04x,", byte % 12 == 0 ? "\n        " : " ", crc_of_byte(byte, zeros));
        }
        printf("\n    },\n");
    }
    printf("};\n");
    return 0;
}
