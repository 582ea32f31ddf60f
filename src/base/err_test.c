/*
 * Goal: errors say the first thing that went wrong, fit their fields whatever is put in, and the
 * status table keeps its frozen numbers.
 */

#include <stdlib.h>

#include "base/err.h"
#include "test.h"

TEST(status_numbers_and_sqlstates_are_unique_and_well_formed)
{
    static const struct {
        tdbplus_status status;
        int number;
    } table[] = {
#define ROW(name, number, sqlstate, text) {name, number},
        TDBPLUS_STATUS_LIST(ROW)
#undef ROW
    };
    size_t count = sizeof table / sizeof table[0];
    for (size_t i = 0; i < count; i++) {
        CHECK((int)table[i].status == table[i].number);
        CHECK(strlen(tdbplus_status_sqlstate(table[i].status)) == 5);
        CHECK(strlen(tdbplus_status_text(table[i].status)) > 0);
        for (size_t j = 0; j < i; j++) {
            CHECK(table[i].number != table[j].number);
            CHECK(strcmp(tdbplus_status_text(table[i].status),
                         tdbplus_status_text(table[j].status)) != 0);
        }
    }
}

TEST(status_functions_answer_for_numbers_of_a_newer_library)
{
    tdbplus_status newer = (tdbplus_status)63;
    CHECK(strcmp(tdbplus_status_text(newer), "unknown status") == 0);
    CHECK(strcmp(tdbplus_status_sqlstate(newer), "XX000") == 0);
}

TEST(frozen_numbers_stay)
{
    CHECK(TDBPLUS_OK == 0);
    CHECK(TDBPLUS_E_CONFLICT == 11);
    CHECK(TDBPLUS_E_CORRUPT == 30);
    CHECK(TDBPLUS_E_NOMEM == 40);
    CHECK(TDBPLUS_E_INTERNAL == 50);
}

TEST(err_set_keeps_the_innermost_failure)
{
    struct err err = {0};
    CHECK(err_set(&err, TDBPLUS_E_IO, "inner %d", 7) == TDBPLUS_E_IO);
    CHECK(err_set(&err, TDBPLUS_E_CORRUPT, "outer") == TDBPLUS_E_CORRUPT);
    CHECK(err.status == TDBPLUS_E_IO);
    CHECK(strcmp(err.text, "inner 7") == 0);
    CHECK(strcmp(err.sqlstate, "58030") == 0);
    err_clear(&err);
    CHECK(err.status == TDBPLUS_OK && err.text[0] == '\0');
    CHECK(err_set(&err, TDBPLUS_E_CORRUPT, "outer") == TDBPLUS_E_CORRUPT);
    CHECK(strcmp(err.text, "outer") == 0);
}

TEST(err_set_state_carries_the_finer_sqlstate)
{
    struct err err = {0};
    CHECK(err_set_state(&err, TDBPLUS_E_SQL, "42P01", "no table %s", "t") == TDBPLUS_E_SQL);
    CHECK(strcmp(err.sqlstate, "42P01") == 0);
    CHECK(strcmp(err.text, "no table t") == 0);
}

TEST(err_functions_accept_null)
{
    CHECK(err_set(NULL, TDBPLUS_E_IO, "lost") == TDBPLUS_E_IO);
    CHECK(err_set_state(NULL, TDBPLUS_E_IO, "58030", "lost") == TDBPLUS_E_IO);
    err_hint(NULL, "nothing");
    err_detail(NULL, "nothing");
    err_clear(NULL);
}

TEST(err_cuts_long_texts_and_terminates_them)
{
    char text[2 * ERR_TEXT_SIZE];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    struct err err = {0};
    CHECK(err_set(&err, TDBPLUS_E_IO, "%s", text) == TDBPLUS_E_IO);
    err_hint(&err, "%s", text);
    err_detail(&err, "%s", text);
    CHECK(strlen(err.text) == ERR_TEXT_SIZE - 1);
    CHECK(strlen(err.hint) == ERR_HINT_SIZE - 1);
    CHECK(strlen(err.detail) == ERR_HINT_SIZE - 1);
}

TEST(hint_and_detail_need_an_error_and_keep_the_first)
{
    struct err err = {0};
    err_hint(&err, "too early");
    err_detail(&err, "too early");
    CHECK(err.hint[0] == '\0' && err.detail[0] == '\0');
    CHECK(err_set(&err, TDBPLUS_E_FULL, "full") == TDBPLUS_E_FULL);
    err_hint(&err, "free %s", "space");
    err_hint(&err, "another");
    err_detail(&err, "one");
    err_detail(&err, "two");
    CHECK(strcmp(err.hint, "free space") == 0);
    CHECK(strcmp(err.detail, "one") == 0);
}

static tdbplus_status leave_at_once(tdbplus_status status, bool *reached_out)
{
    TRY(status);
    *reached_out = true;
    return TDBPLUS_OK;
}

static tdbplus_status leave_through_done(tdbplus_status result, bool *reached_out, int *cleaned_out)
{
    tdbplus_status status = TDBPLUS_OK;
    TRY_OR(done, result);
    *reached_out = true;
done:
    (*cleaned_out)++;
    return status;
}

TEST(try_macros_leave_on_failure_only)
{
    bool reached = false;
    CHECK(leave_at_once(TDBPLUS_E_IO, &reached) == TDBPLUS_E_IO && !reached);
    CHECK(leave_at_once(TDBPLUS_OK, &reached) == TDBPLUS_OK && reached);
    reached = false;
    int cleaned = 0;
    CHECK(leave_through_done(TDBPLUS_E_FULL, &reached, &cleaned) == TDBPLUS_E_FULL && !reached);
    CHECK(leave_through_done(TDBPLUS_OK, &reached, &cleaned) == TDBPLUS_OK && reached);
    CHECK(cleaned == 2);
}
