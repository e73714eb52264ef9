#include "cli/bench_zipf.h"

#include "core/check.h"

#include <math.h>

enum { ZETA_SUMMED = 10000 }; // terms before the formula, whose next term is then below 1e-16

// The sum of i^-theta for i = from+1..to, from >= ZETA_SUMMED: the integral, the ends, the first
// derivative's term.
static double zeta_tail(double from, double to, double theta)
{
    const double integral = (pow(to, 1 - theta) - pow(from, 1 - theta)) / (1 - theta);
    const double ends = (pow(to, -theta) - pow(from, -theta)) / 2;
    const double slopes = theta / 12 * (pow(from, -theta - 1) - pow(to, -theta - 1));

    return integral + ends + slopes;
}

double bench_zeta(uint64_t items, double theta)
{
    const uint64_t summed = items < ZETA_SUMMED ? items : ZETA_SUMMED;
    double sum = 0;

    // From the smallest term on, so that none is lost beside the larger ones.
    for (uint64_t i = summed; i > 0; i--) {
        sum += pow((double)i, -theta);
    }
    return items > summed ? sum + zeta_tail((double)summed, (double)items, theta) : sum;
}

static void zipf_derive(struct bench_zipf *zipf)
{
    zipf->eta =
        (1 - pow(2 / (double)zipf->items, 1 - zipf->theta)) / (1 - zipf->zeta_2 / zipf->zeta);
}

void bench_zipf_init(struct bench_zipf *zipf, uint64_t items, double theta)
{
    CHECK(items > 0);
    CHECK(theta > 0 && theta < 1);
    *zipf = (struct bench_zipf){
        .items = items,
        .theta = theta,
        .zeta = bench_zeta(items, theta),
        .zeta_2 = bench_zeta(2, theta),
        .alpha = 1 / (1 - theta),
        .second = 1 + pow(0.5, theta),
    };
    zipf_derive(zipf);
}

void bench_zipf_grow(struct bench_zipf *zipf, uint64_t items)
{
    CHECK(items >= zipf->items);
    for (uint64_t i = zipf->items + 1; i <= items; i++) {
        zipf->zeta += pow((double)i, -zipf->theta);
    }
    zipf->items = items;
    zipf_derive(zipf);
}

double bench_unit(struct random *random)
{
    return (double)(random_u64(random) >> 11) * 0x1p-53;
}

uint64_t bench_zipf_next(const struct bench_zipf *zipf, struct random *random)
{
    const double u = bench_unit(random);
    const double scaled = u * zipf->zeta;

    if (scaled < 1 || zipf->items == 1) {
        return 0;
    }
    if (scaled < zipf->second || zipf->items == 2) {
        return 1;
    }
    const uint64_t number =
        (uint64_t)((double)zipf->items * pow(zipf->eta * u - zipf->eta + 1, zipf->alpha));

    return number < zipf->items ? number : zipf->items - 1;
}

uint64_t bench_zipf_scramble(uint64_t rank, uint64_t range)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    CHECK(range > 0);
    // FNV-1a over the eight bytes, the lowest first (Fowler, Noll and Vo).
    for (int i = 0; i < 8; i++) {
        hash ^= rank & 0xff;
        hash *= UINT64_C(0x100000001b3);
        rank >>= 8;
    }
    return hash % range;
}
