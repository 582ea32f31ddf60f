/*
 * Goal: a script of the tour is cut into its statements, each with the title, comments and mark
 * that stand right before it.
 */

#include <string.h>

#include "cli/demo.h"
#include "test.h"

static bool is(struct span span, const char *text)
{
    return span.size == strlen(text) && memcmp(span.data, text, span.size) == 0;
}

static struct span span_of(const char *text)
{
    return (struct span){(const uint8_t *)text, strlen(text)};
}

TEST(steps_have_what_stands_before_them)
{
    struct span script =
        span_of("-- about the file\n\n--# One\n-- first\n-- second\nSELECT\n';--';\n"
                "--@ second fails\nSELECT 2;\n\n-- of nobody\n\nSELECT 3;\n");
    struct demo_step step = {0};
    CHECK(demo_next(&script, &step));
    CHECK(is(step.title, "One") && is(step.text, "-- first\n-- second\n"));
    CHECK(is(step.sql, "SELECT\n';--';") && step.mark.size == 0);
    CHECK(demo_next(&script, &step));
    CHECK(step.title.size == 0 && step.text.size == 0 && is(step.sql, "SELECT 2;"));
    CHECK(demo_is_marked(&step, "second") && demo_is_marked(&step, "fails"));
    CHECK(!demo_is_marked(&step, "first"));
    CHECK(demo_next(&script, &step));
    CHECK(step.text.size == 0 && step.mark.size == 0 && is(step.sql, "SELECT 3;"));
    CHECK(!demo_next(&script, &step));
}

TEST(a_script_may_end_anywhere)
{
    static const char text[] = "--# One\n-- first\n--@ fails\nSELECT 'a';\n--\n";
    for (size_t size = 0; size < sizeof text; size++) {
        struct span script = {(const uint8_t *)text, size};
        struct demo_step step = {0};
        int count = 0;
        while (demo_next(&script, &step)) {
            CHECK(step.sql.size > 0 && ++count < 3);
        }
        CHECK(script.size == 0);
    }
}
