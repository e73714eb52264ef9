#include "tests/sim/sim_damage.h"

#include "core/hash.h"

#include <string.h>

struct sim_place sim_place_of(const char *path, uint64_t offset, uint64_t size)
{
    const char *const slash = strrchr(path, '/');
    const size_t above = slash == NULL ? 0 : (size_t)(slash - path);

    return (struct sim_place){.file = hash_key(0, slice_from_text(path)),
                              .directory = hash_key(0, slice_of(path, above)),
                              .offset = offset,
                              .size = size};
}

static uint32_t kept(const struct sim_damage *damage)
{
    return damage->write_count < SIM_DAMAGE_WRITES ? (uint32_t)damage->write_count
                                                   : SIM_DAMAGE_WRITES;
}

static bool overlap(const struct sim_place *a, const struct sim_place *b)
{
    return a->file == b->file && a->offset < b->offset + b->size && b->offset < a->offset + a->size;
}

uint64_t sim_damage_wrote(struct sim_damage *damage, const struct sim_place *place,
                          uint64_t begun_ns)
{
    damage->writes[damage->write_count % SIM_DAMAGE_WRITES] =
        (struct sim_damage_write){.place = *place, .begun_ns = begun_ns, .done_ns = UINT64_MAX};
    return damage->write_count++;
}

void sim_damage_durable(struct sim_damage *damage, uint64_t number, uint64_t now_ns)
{
    if (damage->write_count - number <= SIM_DAMAGE_WRITES) {
        damage->writes[number % SIM_DAMAGE_WRITES].done_ns = now_ns;
    }
}

void sim_damage_hit(struct sim_damage *damage, const struct sim_place *place)
{
    struct sim_damage_hit hit = {.directory = place->directory};

    for (uint32_t i = 0; i < kept(damage); i++) {
        struct sim_damage_write *const write = &damage->writes[i];

        if (overlap(&write->place, place)) {
            write->hit = true;
            hit.at_ns = write->done_ns > hit.at_ns ? write->done_ns : hit.at_ns;
        }
    }
    if (damage->hit_count < SIM_DAMAGE_HITS) {
        damage->hits[damage->hit_count] = hit;
    }
    damage->hit_count++;
}

static bool proves(const struct sim_damage_write *write, const struct sim_damage_hit *hit)
{
    return !write->hit && write->done_ns != UINT64_MAX &&
           write->place.directory == hit->directory && write->begun_ns > hit->at_ns;
}

bool sim_damage_shows(const struct sim_damage *damage)
{
    if (damage->hit_count > SIM_DAMAGE_HITS) {
        return false; // not all are known
    }
    for (uint32_t i = 0; i < damage->hit_count; i++) {
        bool proven = damage->hits[i].at_ns == 0; // it was written long ago, or is no frame

        for (uint32_t j = 0; j < kept(damage) && !proven; j++) {
            proven = proves(&damage->writes[j], &damage->hits[i]);
        }
        if (!proven) {
            return false;
        }
    }
    return true;
}
