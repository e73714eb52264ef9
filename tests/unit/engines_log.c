// The log engine against a plain model, over the simulated disk, with crashes at any moment.
#include "tests/unit/engines_log_model.h"

Test(engines_log, follows_the_model)
{
    struct model model;

    model_begin(&model, 1, 2000, small);
    for (int phase = 0; phase < 4; phase++) {
        work(&model, 12000, phase % 2 == 0 ? 60 : 20);
        drain(&model);
        check_all(&model);
    }
    cr_assert_gt(model.reads_checked, 1000);
    end_engine(&model, END_CLOSE);
    open_engine(&model);
    check_all(&model);
    end_engine(&model, END_CLOSE);
    model_end(&model);
}

Test(engines_log, keeps_what_was_acknowledged)
{
    for (uint64_t seed = 1; seed <= 4; seed++) {
        struct model model;

        model_begin(&model, seed, 300, small);
        for (int run = 0; run < 5; run++) {
            work(&model, 500 + (uint32_t)random_below(&model.random, 2000), 60);
            end_engine(&model, (enum end)random_below(&model.random, 3));
            open_engine(&model);
            check_all(&model);
        }
        end_engine(&model, END_CLOSE);
        model_end(&model);
    }
}
