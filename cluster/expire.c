#include "cluster/expire.h"

#include "cluster/shard.h"

enum expire_unit expire_word(const struct exec *x, uint32_t at)
{
    if (exec_word(x, at, "ex")) {
        return EXPIRE_SECONDS;
    }
    if (exec_word(x, at, "px")) {
        return EXPIRE_MS;
    }
    if (exec_word(x, at, "exat")) {
        return EXPIRE_AT_SECONDS;
    }
    return exec_word(x, at, "pxat") ? EXPIRE_AT_MS : EXPIRE_NONE;
}

bool expire_parse_positive(struct exec *x, uint32_t at, enum expire_unit unit,
                           uint64_t *ret_expire_ms)
{
    int64_t value;
    if (!exec_integer(x, at, &value)) {
        return false;
    }
    int64_t now_ms = (int64_t)x->shard->io->wall_ms;
    bool seconds = unit == EXPIRE_SECONDS || unit == EXPIRE_AT_SECONDS;
    bool relative = unit == EXPIRE_SECONDS || unit == EXPIRE_MS;
    bool valid = value > 0 && !(seconds && value > INT64_MAX / 1000);
    if (valid && seconds) {
        value *= 1000;
    }
    if (!valid || (relative && value > INT64_MAX - now_ms)) {
        exec_errorf(x, "ERR invalid expire time in '%s' command", x->command->name);
        return false;
    }
    *ret_expire_ms = (uint64_t)(relative ? value + now_ms : value);
    return true;
}
