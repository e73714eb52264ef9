#include "core/config_value.h"

#include "core/check.h"
#include "core/io.h"

#include <errno.h>
#include <string.h>

enum {
    NAME_BYTES_MAX = LIMIT_CONFIG_NAME_BYTES - 1,
    PATH_BYTES_MAX = LIMIT_CONFIG_PATH_BYTES - 1,
    HOST_BYTES_MAX = LIMIT_CONFIG_HOST_BYTES - 1,
    PORT_MAX = 65535,
};

static void *config_field(struct config *config, const struct config_key *key)
{
    return (char *)config + key->offset;
}

bool config_value_is_list(const struct config_key *key)
{
    return key->type == CONFIG_LISTENERS || key->type == CONFIG_SEEDS || key->type == CONFIG_SHARDS;
}

// Digits and a unit. NULL, or what is wrong. `units` empty: digits alone.
static const char *config_parse_number(struct slice text, const struct config_unit *units,
                                       uint64_t *ret_value)
{
    uint64_t value = 0;
    size_t i = 0;

    for (; i < text.size && text.bytes[i] >= '0' && text.bytes[i] <= '9'; i++) {
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(text.bytes[i] - '0'), &value)) {
            return "is out of range";
        }
    }
    if (i == 0 || (i > 1 && text.bytes[0] == '0')) {
        return "is not a number";
    }
    const struct slice suffix = slice_of(text.bytes + i, text.size - i);
    if (suffix.size == 0) {
        if (units == config_time_units && value != 0) {
            return "has no unit (ns, us, ms, s, m or h)";
        }
        *ret_value = value;
        return NULL;
    }
    for (const struct config_unit *unit = units; unit->name != NULL; unit++) {
        if (slice_equal(suffix, slice_from_text(unit->name))) {
            if (__builtin_mul_overflow(value, unit->factor, &value)) {
                return "is out of range";
            }
            *ret_value = value;
            return NULL;
        }
    }
    return units == config_size_units   ? "has an unknown unit (B, KiB, MiB, GiB or TiB)"
           : units == config_time_units ? "has an unknown unit (ns, us, ms, s, m or h)"
                                        : "is not a number";
}

static const char *config_parse_range(const struct config_key *key, struct slice text,
                                      uint64_t *ret_value)
{
    uint64_t value = 0;
    const char *problem = config_parse_number(text, config_units(key), &value);

    if (problem != NULL) {
        return problem;
    }
    const bool zero = value == 0 && (key->flags & CONFIG_ZERO) != 0;
    if (!zero && (value < key->min || value > key->max)) {
        return "is out of range";
    }
    *ret_value = value;
    return NULL;
}

static bool config_is(struct slice text, const char *word)
{
    return slice_equal(text, slice_from_text(word));
}

static const char *config_parse_switch(const struct config_scalar *scalar, bool *ret_value)
{
    const bool on = config_is(scalar->text, "on") || config_is(scalar->text, "true");

    if (scalar->quoted ||
        (!on && !config_is(scalar->text, "off") && !config_is(scalar->text, "false"))) {
        return "is not a switch";
    }
    *ret_value = on;
    return NULL;
}

static const char *config_parse_choice(const struct config_key *key, struct slice text,
                                       unsigned *ret_value)
{
    for (unsigned i = 0; key->choices[i] != NULL; i++) {
        if (config_is(text, key->choices[i])) {
            *ret_value = i;
            return NULL;
        }
    }
    return "is unknown";
}

// Copies a text of 1 to size_max bytes, terminated. `extra` are the bytes allowed beside those of a
// name; NULL allows all.
static const char *config_parse_text(struct slice text, size_t size_max, const char *extra,
                                     char *ret_value)
{
    if (text.size == 0) {
        return "is empty";
    }
    if (text.size > size_max) {
        return "is too long";
    }
    for (size_t i = 0; extra != NULL && i < text.size; i++) {
        if (!config_is_name_byte(text.bytes[i]) && strchr(extra, text.bytes[i]) == NULL) {
            return "has a character that is not allowed";
        }
    }
    memcpy(ret_value, text.bytes, text.size);
    ret_value[text.size] = '\0';
    return NULL;
}

// What an address means: is it everywhere, is it here only.
static void config_address_of(const struct io_address *from, struct config_address *address)
{
    struct in_addr in = {0};

    io_address_format(from, address->text);
    if (from->u.any.sa_family == AF_UNIX) {
        address->loopback = true;
        return;
    }
    if (from->u.any.sa_family == AF_INET6) {
        const struct in6_addr *in6 = &from->u.in6.sin6_addr;
        address->port = ntohs(from->u.in6.sin6_port);
        address->wildcard = IN6_IS_ADDR_UNSPECIFIED(in6);
        address->loopback = IN6_IS_ADDR_LOOPBACK(in6);
        if (!IN6_IS_ADDR_V4MAPPED(in6)) {
            return;
        }
        memcpy(&in, &in6->s6_addr[12], sizeof(in));
    } else {
        address->port = ntohs(from->u.in.sin_port);
        in = from->u.in.sin_addr;
    }
    address->wildcard = in.s_addr == htonl(INADDR_ANY);
    address->loopback = ntohl(in.s_addr) >> 24 == 127;
}

static const char *config_parse_address(struct slice text, bool unix_too,
                                        struct config_address *ret_address)
{
    static const char localhost[] = "localhost:";
    char buffer[sizeof(ret_address->text)];
    struct text spelled;
    struct io_address parsed;
    struct config_address address = {0};
    const size_t prefix = sizeof(localhost) - 1;

    text_init_fixed(&spelled, buffer, sizeof(buffer));
    if (text.size > prefix && memcmp(text.bytes, localhost, prefix) == 0) {
        text_string(&spelled, "127.0.0.1:");
        text = slice_of(text.bytes + prefix, text.size - prefix);
    }
    text_append(&spelled, text.bytes, text.size);
    if (text_error(&spelled) != 0 || io_address_parse(buffer, &parsed) != 0) {
        return "is not an address";
    }
    if (parsed.u.any.sa_family == AF_UNIX && !unix_too) {
        return "is a unix socket";
    }
    config_address_of(&parsed, &address);
    if (parsed.u.any.sa_family != AF_UNIX && address.port == 0) {
        return "has no port";
    }
    *ret_address = address;
    return NULL;
}

// host:port, the last ':' being the one between them; [::1]:port for IPv6.
static const char *config_parse_seed(struct slice text, struct config_seed *ret_seed)
{
    struct config_seed seed = {0};
    uint64_t port = 0;
    size_t end = text.size;

    while (end > 0 && text.bytes[end - 1] != ':') {
        end--;
    }
    if (end == 0) {
        return "has no port";
    }
    const struct slice digits = slice_of(text.bytes + end, text.size - end);
    if (config_parse_number(digits, config_no_units, &port) != NULL || port == 0 ||
        port > PORT_MAX) {
        return "has no port from 1 to 65535";
    }
    struct slice host = slice_of(text.bytes, end - 1);
    const bool bracketed =
        host.size > 2 && host.bytes[0] == '[' && host.bytes[host.size - 1] == ']';
    if (bracketed) {
        host = slice_of(host.bytes + 1, host.size - 2);
    }
    const char *problem = config_parse_text(host, HOST_BYTES_MAX, bracketed ? ":%" : "", seed.host);
    if (problem == NULL) {
        seed.port = (uint16_t)port;
        *ret_seed = seed;
    }
    return problem;
}

static const char *config_parse_shards(const struct config_key *key, struct slice text,
                                       bool in_list, struct config_shards *shards)
{
    uint64_t value = 0;

    if (!in_list) {
        const char *problem = config_parse_range(key, text, &value);
        if (problem == NULL) {
            *shards = (struct config_shards){.count = (uint32_t)value};
        }
        return problem;
    }
    const char *problem = config_parse_number(text, config_no_units, &value);
    if (problem != NULL) {
        return problem;
    }
    if (value >= LIMIT_CPUS) {
        return "is no CPU";
    }
    for (uint32_t i = 0; i < shards->cpus.count; i++) {
        if (shards->cpus.ids[i] == value) {
            return "is given twice";
        }
    }
    if (shards->cpus.count == LIMIT_SHARDS) {
        return "is one CPU too many";
    }
    shards->cpus.ids[shards->cpus.count] = (uint16_t)value;
    shards->cpus.count++;
    return NULL;
}

static const char *config_add_listener(struct config_listeners *listeners, struct slice text)
{
    if (listeners->count == LIMIT_CONFIG_LISTENERS) {
        return "is one address too many";
    }
    const char *problem = config_parse_address(text, true, &listeners->at[listeners->count]);
    listeners->count += problem == NULL ? 1 : 0;
    return problem;
}

static const char *config_add_seed(struct config_seeds *seeds, struct slice text)
{
    if (seeds->count == LIMIT_CONFIG_SEEDS) {
        return "is one address too many";
    }
    const char *problem = config_parse_seed(text, &seeds->at[seeds->count]);
    seeds->count += problem == NULL ? 1 : 0;
    return problem;
}

// A value that stands for none: 0 or "", whatever the type.
static void config_value_none(struct config *config, const struct config_key *key)
{
    void *field = config_field(config, key);

    switch (key->type) {
    case CONFIG_SIZE:
    case CONFIG_TIME:
        *(uint64_t *)field = 0;
        break;
    case CONFIG_PORT:
        *(uint16_t *)field = 0;
        break;
    case CONFIG_ADDRESS:
        *(struct config_address *)field = (struct config_address){.loopback = true};
        break;
    case CONFIG_SHARDS:
        *(struct config_shards *)field = (struct config_shards){0};
        break;
    default:
        *(char *)field = '\0';
    }
}

// The types of one plain number or word.
static const char *config_value_plain(void *field, const struct config_key *key,
                                      const struct config_scalar *scalar)
{
    uint64_t number = 0;
    const char *problem;

    if (key->type == CONFIG_SWITCH) {
        return config_parse_switch(scalar, field);
    }
    if (key->type == CONFIG_CHOICE) {
        return config_parse_choice(key, scalar->text, field);
    }
    if (scalar->quoted && (key->type == CONFIG_COUNT || key->type == CONFIG_PORT)) {
        return "is a text";
    }
    problem = config_parse_range(key, scalar->text, &number);
    if (problem != NULL) {
        return problem;
    }
    if (key->type == CONFIG_PORT) {
        *(uint16_t *)field = (uint16_t)number;
    } else if (key->type == CONFIG_SIZE || key->type == CONFIG_TIME) {
        *(uint64_t *)field = number;
    } else {
        *(uint32_t *)field = (uint32_t)number;
    }
    return NULL;
}

static const char *config_value_parse(struct config *config, const struct config_key *key,
                                      const struct config_scalar *scalar, bool in_list)
{
    void *field = config_field(config, key);
    const struct slice text = scalar->text;
    const bool off = config_is(text, "off") && (key->flags & CONFIG_OFF) != 0;
    const bool none = off || (config_is(text, "auto") && (key->flags & CONFIG_AUTO) != 0) ||
                      (text.size == 0 && scalar->quoted && (key->flags & CONFIG_EMPTY) != 0);

    if (off && key->type == CONFIG_SIZE && !in_list) {
        *(uint64_t *)field = CONFIG_SIZE_OFF;
        return NULL;
    }
    if (none && !in_list) {
        config_value_none(config, key);
        return NULL;
    }
    if (text.size == 0 && !scalar->quoted) {
        return "is missing";
    }
    switch (key->type) {
    case CONFIG_NAME:
        return config_parse_text(text, NAME_BYTES_MAX, "", field);
    case CONFIG_PATH:
        return config_parse_text(text, PATH_BYTES_MAX, NULL, field);
    case CONFIG_HOST:
        return config_parse_text(text, HOST_BYTES_MAX, ":", field);
    case CONFIG_ADDRESS:
        return config_parse_address(text, false, field);
    case CONFIG_LISTENERS:
        return config_add_listener(field, text);
    case CONFIG_SEEDS:
        return config_add_seed(field, text);
    case CONFIG_SHARDS:
        return scalar->quoted ? "is a text" : config_parse_shards(key, text, in_list, field);
    default:
        return config_value_plain(field, key, scalar);
    }
}

void config_value_begin(struct config *config, const struct config_key *key)
{
    void *field = config_field(config, key);

    if (key->type == CONFIG_LISTENERS) {
        *(struct config_listeners *)field = (struct config_listeners){0};
    } else if (key->type == CONFIG_SEEDS) {
        *(struct config_seeds *)field = (struct config_seeds){0};
    } else if (key->type == CONFIG_SHARDS) {
        *(struct config_shards *)field = (struct config_shards){0};
    }
}

static int config_value_problem(const struct config_key *key, struct slice value,
                                const char *problem, struct text *ret_problem)
{
    text_printf(ret_problem, "%s: ", key->path);
    if (value.size == 0) {
        text_string(ret_problem, "the value");
    } else {
        config_value_quote(ret_problem, value);
    }
    text_printf(ret_problem, " %s, expected ", problem);
    config_value_expected(key, ret_problem);
    return -EINVAL;
}

int config_value_scalar(struct config *config, const struct config_key *key,
                        const struct config_scalar *scalar, bool in_list, struct text *ret_problem)
{
    CHECK(!in_list || config_value_is_list(key));
    for (size_t i = 0; i < scalar->text.size; i++) {
        if (scalar->text.bytes[i] < ' ' || scalar->text.bytes[i] == 0x7f) {
            return config_value_problem(key, scalar->text, "has a control character", ret_problem);
        }
    }
    const char *problem = config_value_parse(config, key, scalar, in_list);
    if (problem != NULL) {
        return config_value_problem(key, scalar->text, problem, ret_problem);
    }
    return 0;
}

int config_value_list_end(struct config *config, const struct config_key *key,
                          struct text *ret_problem)
{
    void *field = config_field(config, key);

    if (key->type == CONFIG_SHARDS) {
        struct config_shards *shards = field;
        shards->listed = true;
        shards->count = shards->cpus.count;
        if (shards->count != 0) {
            return 0;
        }
    } else if (key->type == CONFIG_SEEDS || ((struct config_listeners *)field)->count != 0) {
        return 0;
    }
    text_printf(ret_problem, "%s: the list is empty, expected ", key->path);
    config_value_expected(key, ret_problem);
    return -EINVAL;
}
