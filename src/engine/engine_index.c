/* Indexes and checks of a collection whose columns change. */

#include "engine/engine_internal.h"
#include "index/am/index_def.h"
#include "sql/bind/bind.h"
#include "sql/plan/expr.h"

/* Columns of a table's text are numbered by position from one. */
static bool is_other(void *ctx, struct expr **node)
{
    const uint32_t *number = ctx;
    return (*node)->kind != EXPR_COLUMN || (*node)->number != *number;
}

static tdbplus_status look_into(struct index_reads *reads, const char *text, struct err *err)
{
    struct expr *expr = NULL;
    uint32_t number = reads->position + 1;
    TRY(bind_table_text(reads->txn, reads->table, text, reads->arena, &expr, err));
    reads->found = reads->found || !expr_walk(&expr, is_other, &number);
    return TDBPLUS_OK;
}

tdbplus_status engine_index_texts(struct index_reads *reads, const struct index_def *def,
                                  struct err *err)
{
    for (uint32_t i = 0; i < def->column_count; i++) {
        if (def->columns[i].column_id == 0) {
            TRY(look_into(reads, def->columns[i].expression, err));
        }
    }
    return def->predicate == NULL ? TDBPLUS_OK : look_into(reads, def->predicate, err);
}

tdbplus_status engine_check_texts(struct index_reads *reads, struct err *err)
{
    struct table_info info = {0};
    TRY(table_info_decode(reads->table->properties, reads->arena, &info, err));
    for (uint32_t i = 0; i < info.check_count; i++) {
        TRY(look_into(reads, info.checks[i].text, err));
        if (reads->found) {
            return err_set(err, TDBPLUS_E_UNSUPPORTED,
                           "dropping or renaming column \"%s\", which check \"%s\" names, is not "
                           "supported",
                           reads->table->schema->columns[reads->position].name,
                           info.checks[i].name);
        }
    }
    return TDBPLUS_OK;
}
