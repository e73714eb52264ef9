#include "cli/bench_request.h"

#include "core/check.h"
#include "core/number.h"

#include <stdio.h>
#include <string.h>

enum {
    REQUEST_FRAME_BYTES = 160, // headers of a SET with its TTL
    REQUEST_KEY_FRAME_BYTES = 16,
    REQUEST_VALUE_TIMES_MEAN = 10, // the largest of exponential sizes, see bench_values.h
};

static size_t request_template(int size)
{
    CHECK(size > 0 && size < BENCH_TEMPLATE_SIZE);
    return (size_t)size;
}

void bench_request_init(struct bench_request *request, const struct bench_plan *plan,
                        const struct bench_values *values)
{
    char digits[24];

    *request = (struct bench_request){.plan = plan, .values = values};
    request->get_size = request_template(snprintf((char *)request->get, sizeof request->get,
                                                  "*2\r\n$3\r\nGET\r\n$%u\r\n", plan->key_bytes));
    request->set_size = request_template(snprintf((char *)request->set, sizeof request->set,
                                                  "*%d\r\n$3\r\nSET\r\n$%u\r\n",
                                                  plan->ttl_ms != 0 ? 5 : 3, plan->key_bytes));
    request->key_size = request_template(
        snprintf((char *)request->key, sizeof request->key, "$%u\r\n", plan->key_bytes));
    if (plan->ttl_ms != 0) {
        const int size = snprintf(digits, sizeof digits, "%llu", (unsigned long long)plan->ttl_ms);

        request->ttl_size = request_template(snprintf((char *)request->ttl, sizeof request->ttl,
                                                      "$2\r\nPX\r\n$%d\r\n%s\r\n", size, digits));
    }
}

size_t bench_request_bytes_max(const struct bench_plan *plan)
{
    const size_t value =
        plan->size_kind == BENCH_SIZE_EXPONENTIAL
            ? (size_t)plan->value_bytes_mean * REQUEST_VALUE_TIMES_MEAN + plan->value_bytes_min
            : plan->value_bytes_max;
    const size_t set = REQUEST_FRAME_BYTES + plan->key_bytes + value;
    const size_t scan = REQUEST_FRAME_BYTES +
                        (size_t)plan->scan_length_max * (plan->key_bytes + REQUEST_KEY_FRAME_BYTES);

    return plan->mix[BENCH_SCAN] > 0 && scan > set ? scan : set;
}

static uint8_t *request_crlf(uint8_t *at)
{
    memcpy(at, "\r\n", 2);
    return at + 2;
}

static uint8_t *request_set(const struct bench_request *request, const struct bench_item *item,
                            uint8_t *at)
{
    const uint32_t size = bench_value_size(request->values, item->key, item->version);

    memcpy(at, request->set, request->set_size);
    at += request->set_size;
    bench_key_write(request->plan, item->key, at);
    at = request_crlf(at + request->plan->key_bytes);
    *at++ = '$';
    at = request_crlf(number_write_u64(at, size));
    bench_value_write(request->values, item->key, item->version, size, at);
    at = request_crlf(at + size);
    memcpy(at, request->ttl, request->ttl_size);
    return at + request->ttl_size;
}

static uint8_t *request_get(const struct bench_request *request, const struct bench_item *item,
                            uint8_t *at)
{
    memcpy(at, request->get, request->get_size);
    at += request->get_size;
    bench_key_write(request->plan, item->key, at);
    return request_crlf(at + request->plan->key_bytes);
}

static uint8_t *request_mget(const struct bench_request *request, const struct bench_item *item,
                             uint8_t *at)
{
    static const char name[] = "\r\n$4\r\nMGET\r\n";

    CHECK(item->length > 0);
    *at++ = '*';
    at = number_write_u64(at, (uint64_t)item->length + 1);
    memcpy(at, name, sizeof name - 1);
    at += sizeof name - 1;
    for (uint32_t i = 0; i < item->length; i++) {
        memcpy(at, request->key, request->key_size);
        at += request->key_size;
        bench_key_write(request->plan, item->key + i, at);
        at = request_crlf(at + request->plan->key_bytes);
    }
    return at;
}

uint8_t *bench_request_write(const struct bench_request *request, const struct bench_item *item,
                             uint8_t *at)
{
    if (bench_item_writes(item)) {
        return request_set(request, item, at);
    }
    return item->operation == BENCH_SCAN ? request_mget(request, item, at)
                                         : request_get(request, item, at);
}
