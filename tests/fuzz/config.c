// Any bytes as a configuration: refused with a message and a place, or taken; and then every value
// is written and read back as the same.
#include "core/config.h"
#include "core/check.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void value_text(const struct config *config, uint32_t key, struct text *text)
{
    config_value_text(config, &config_keys[key], text);
    CHECK(text_error(text) == 0);
}

static void check_round_trip(const struct config *config, uint32_t key)
{
    const char *path = config_keys[key].path;
    const int section = (int)(strchr(path, '.') - path);
    struct config again;
    struct config_error error;
    struct text yaml;
    struct text before;
    struct text after;

    text_init(&yaml, 1 << 16);
    text_init(&before, 1 << 16);
    text_init(&after, 1 << 16);
    value_text(config, key, &before);
    text_printf(&yaml, "%.*s:\n  %s: %s\n", section, path, path + section + 1, text_c(&before));
    CHECK(config_parse("again", text_c(&yaml), yaml.size, &again, &error) == 0);
    value_text(&again, key, &after);
    CHECK(strcmp(text_c(&before), text_c(&after)) == 0);
    text_free(&yaml);
    text_free(&before);
    text_free(&after);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct config config;
    struct config_error error = {0};

    if (config_parse("fuzz", (const char *)bytes, size, &config, &error) != 0) {
        const size_t length = strnlen(error.text, sizeof(error.text));
        CHECK(length > 0 && length < sizeof(error.text));
        CHECK(strncmp(error.text, "fuzz:", 5) == 0);
        for (size_t i = 0; i < length; i++) {
            CHECK((uint8_t)error.text[i] >= ' ');
        }
        return 0;
    }
    for (uint32_t key = 0; key < config_key_count; key++) {
        if (config.marks[key].line != 0) {
            check_round_trip(&config, key);
        }
    }
    return 0;
}
