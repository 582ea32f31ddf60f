/*
 * Goal: every optimiser rule does what it is for. Method: plans.txt has a statement a rule, with
 * the plan that EXPLAIN shows without that rule and the one with all rules. They differ, and each
 * rule of the optimiser has one.
 */

#include <stdlib.h>

#include "base/buffer.h"
#include "sql/opt/optimize.h"
#include "tdbplus/tdbplus.h"
#include "test.h"

struct fixture {
    tdbplus_db *db;
    tdbplus_session *session;
    tdbplus_call call;
};

#define OPT_NAME_SIZE 64

struct plan_case {
    char rule[OPT_NAME_SIZE];
    struct buffer statement;
    struct buffer plans[2]; /* Without the rule, with it. */
};

/* Runs a statement; its rows are appended, a line each. */
static void run(struct fixture *fixture, const char *sql, struct buffer *out)
{
    tdbplus_result *result = NULL;
    tdbplus_status status =
        tdbplus_execute(fixture->session, sql, strlen(sql), NULL, 0, NULL, &result, &fixture->call);
    if (status != TDBPLUS_OK) {
        (void)fprintf(stderr, "%s: %s\n", sql, fixture->call.error.message);
    }
    CHECK(status == TDBPLUS_OK);
    while (out != NULL && tdbplus_result_next(result, NULL, &fixture->call) == TDBPLUS_OK) {
        const char *text = NULL;
        size_t size = 0;
        CHECK(tdbplus_result_text(result, 0, &text, &size, &fixture->call) == TDBPLUS_OK);
        buffer_put(out, text, size);
        buffer_put_text(out, "\n");
    }
    tdbplus_result_close(result);
}

static bool same(const struct buffer *left, const struct buffer *right)
{
    return span_compare(buffer_span(left), buffer_span(right)) == 0;
}

static void check_plan(struct fixture *fixture, struct plan_case *wanted, bool with)
{
    char set[96];
    struct buffer plan;
    buffer_init(&plan, &alloc_system);
    (void)snprintf(set, sizeof set, "SET disabled_rules = '%s'", with ? "" : wanted->rule);
    run(fixture, set, NULL);
    run(fixture, (const char *)wanted->statement.data, &plan);
    if (!same(&plan, &wanted->plans[with])) {
        (void)fprintf(stderr, "rule %s, %s it:\n%.*s", wanted->rule, with ? "with" : "without",
                      (int)plan.size, (const char *)plan.data);
    }
    CHECK(same(&plan, &wanted->plans[with]));
    buffer_deinit(&plan);
}

static void check_case(struct fixture *fixture, struct plan_case *wanted, bool *seen)
{
    uint32_t rule = 0;
    while (rule < OPT_RULE_COUNT && strcmp(opt_rule_name(rule), wanted->rule) != 0) {
        rule++;
    }
    CHECK(rule < OPT_RULE_COUNT);
    seen[rule] = true;
    CHECK(!same(&wanted->plans[0], &wanted->plans[1]));
    buffer_put_u8(&wanted->statement, 0);
    check_plan(fixture, wanted, false);
    check_plan(fixture, wanted, true);
}

static void case_init(struct plan_case *wanted, const char *rule)
{
    CHECK(strlen(rule) < sizeof wanted->rule);
    (void)snprintf(wanted->rule, sizeof wanted->rule, "%.63s", rule);
    buffer_init(&wanted->statement, &alloc_system);
    buffer_init(&wanted->plans[0], &alloc_system);
    buffer_init(&wanted->plans[1], &alloc_system);
}

static void case_deinit(struct plan_case *wanted)
{
    buffer_deinit(&wanted->statement);
    buffer_deinit(&wanted->plans[0]);
    buffer_deinit(&wanted->plans[1]);
}

/* The lines of one rule; the empty line that ends it is taken. */
static void run_case(struct fixture *fixture, FILE *file, const char *rule, bool *seen)
{
    struct plan_case wanted;
    char line[1024];
    struct buffer *part = &wanted.statement;
    case_init(&wanted, rule);
    while (fgets(line, sizeof line, file) != NULL && strcmp(line, "\n") != 0) {
        if (strcmp(line, "---- without\n") == 0) {
            part = &wanted.plans[0];
        } else if (strcmp(line, "---- with\n") == 0) {
            part = &wanted.plans[1];
        } else {
            buffer_put_text(part, line);
        }
    }
    check_case(fixture, &wanted, seen);
    case_deinit(&wanted);
}

TEST(every_rule_changes_the_plan_that_it_is_for)
{
    char path[512];
    char line[1024];
    bool seen[OPT_RULE_COUNT] = {false};
    struct fixture f = {.call = TDBPLUS_CALL_INIT};
    (void)snprintf(path, sizeof path, "%s", __FILE__);
    (void)snprintf(strrchr(path, '/'), 16, "/plans.txt");
    CHECK(tdbplus_open(NULL, NULL, &f.db, &f.call) == TDBPLUS_OK);
    CHECK(tdbplus_session_open(f.db, &f.session, &f.call) == TDBPLUS_OK);
    FILE *file = fopen(path, "r");
    CHECK(file != NULL);
    while (fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, "rule ", 5) == 0) {
            run_case(&f, file, line + 5, seen);
        } else if (line[0] != '\0' && line[0] != '#') {
            run(&f, line, NULL);
        }
    }
    (void)fclose(file);
    for (uint32_t rule = 0; rule < OPT_RULE_COUNT; rule++) {
        if (!seen[rule]) {
            (void)fprintf(stderr, "no plan for rule %s\n", opt_rule_name(rule));
        }
        CHECK(seen[rule]);
    }
    tdbplus_session_close(f.session);
    tdbplus_close(f.db);
}
