/* CREATE TYPE ... AS ENUM, ALTER TYPE ... ADD VALUE, RENAME VALUE. */

#include <string.h>

#include "sql/bind/bind_internal.h"
#include "sql/bind/type_info.h"

static tdbplus_status check_label(struct binder *binder, const char *label)
{
    if (label[0] == 0 || strlen(label) > TYPE_LABEL_SIZE_MAX) {
        tdbplus_status status =
            bind_fail(binder, TDBPLUS_E_INVALID, "42602", 0, "invalid enum label \"%s\"", label);
        err_detail(binder->err, "Labels must be %u bytes or less, and not empty.",
                   TYPE_LABEL_SIZE_MAX);
        return status;
    }
    return TDBPLUS_OK;
}

/* The place of a label; their number: it has none of that name. */
static uint32_t find_label(const struct type_info *info, const char *label)
{
    uint32_t at = 0;
    while (at < info->label_count && strcmp(info->labels[at].label, label) != 0) {
        at++;
    }
    return at;
}

/* Puts a label before the one at `at`. */
static tdbplus_status insert_label(struct binder *binder, struct type_info *info, uint32_t at,
                                   const char *label)
{
    const struct type_label *before = at > 0 ? &info->labels[at - 1] : NULL;
    const struct type_label *after = at < info->label_count ? &info->labels[at] : NULL;
    struct type_label added = {.label = label};
    if (info->label_count == TYPE_LABEL_COUNT_MAX) {
        return bind_fail(binder, TDBPLUS_E_LIMIT, "54000", 0, "an enum has at most %u values",
                         TYPE_LABEL_COUNT_MAX);
    }
    if (!type_ordinal_between(before, after, &added.ordinal)) {
        tdbplus_status status = bind_fail(binder, TDBPLUS_E_LIMIT, "54000", 0,
                                          "there is no room for \"%s\" at that place", label);
        err_hint(binder->err, "Make another type with the values in their order, and give it to "
                              "the columns by ALTER TABLE ... ALTER COLUMN ... TYPE.");
        return status;
    }
    memmove(&info->labels[at + 1], &info->labels[at],
            (info->label_count - at) * sizeof *info->labels);
    info->labels[at] = added;
    info->label_count++;
    return TDBPLUS_OK;
}

tdbplus_status bind_create_enum(struct binder *binder, const struct ast_create_enum *ast,
                                struct bound *bound)
{
    struct bound_action action = {.kind = ACTION_CREATE};
    struct type_info info = {.kind = TYPE_INFO_ENUM};
    bound->kind = BOUND_ACTIONS;
    TRY(bind_new_type(binder, ast->name, &action.entry));
    info.labels = arena_array(binder->arena, (size_t)ast->labels.count + 1, sizeof *info.labels);
    if (info.labels == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = 0; i < ast->labels.count; i++) {
        const char *label = ast->labels.items[i];
        TRY(check_label(binder, label));
        if (find_label(&info, label) < info.label_count) {
            return bind_fail(binder, TDBPLUS_E_EXISTS, "23505", 0,
                             "enum label \"%s\" stands twice in type \"%s\"", label,
                             ast->name->name);
        }
        TRY(insert_label(binder, &info, i, label));
    }
    TRY(bind_encode_type(binder, &info, &action.entry.definition));
    return bind_add_action(binder, bound, &action);
}

static tdbplus_status no_such_label(struct binder *binder, const char *label)
{
    return bind_fail(binder, TDBPLUS_E_INVALID, "22023", 0, "\"%s\" is not an existing enum label",
                     label);
}

static tdbplus_status label_taken(struct binder *binder, const char *label)
{
    return bind_fail(binder, TDBPLUS_E_EXISTS, "42710", 0, "enum label \"%s\" already exists",
                     label);
}

static tdbplus_status add_value(struct binder *binder, const struct ast_alter_enum *ast,
                                struct type_info *info, bool *changed_out)
{
    uint32_t at = info->label_count;
    *changed_out = find_label(info, ast->new_label) == info->label_count;
    if (!*changed_out) {
        return ast->if_not_exists ? TDBPLUS_OK : label_taken(binder, ast->new_label);
    }
    if (ast->neighbor != NULL) {
        at = find_label(info, ast->neighbor);
        if (at == info->label_count) {
            return no_such_label(binder, ast->neighbor);
        }
        at += ast->after;
    }
    return insert_label(binder, info, at, ast->new_label);
}

/* Views, defaults and checks are kept as texts, in which the label has the name it had. */
static void keep_former(struct type_info *info, const struct type_label *label,
                        const char *new_label)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < info->former_count; i++) {
        // A name that is given again means the value that has it now.
        if (strcmp(info->former[i].label, new_label) != 0 &&
            strcmp(info->former[i].label, label->label) != 0) {
            info->former[kept++] = info->former[i];
        }
    }
    uint32_t first = kept == TYPE_FORMER_COUNT_MAX; // The oldest one goes.
    memmove(info->former, info->former + first, (kept - first) * sizeof *info->former);
    info->former[kept - first] = *label;
    info->former_count = kept - first + 1;
}

static tdbplus_status rename_value(struct binder *binder, const struct ast_alter_enum *ast,
                                   struct type_info *info)
{
    uint32_t at = find_label(info, ast->old_label);
    if (at == info->label_count) {
        return no_such_label(binder, ast->old_label);
    }
    if (find_label(info, ast->new_label) < info->label_count) {
        return label_taken(binder, ast->new_label);
    }
    keep_former(info, &info->labels[at], ast->new_label);
    info->labels[at].label = ast->new_label;
    return TDBPLUS_OK;
}

tdbplus_status bind_alter_enum(struct binder *binder, const struct ast_alter_enum *ast,
                               struct bound *bound)
{
    struct bound_action action = {.kind = ACTION_ALTER};
    struct type_info info = {0};
    bool changed = true;
    bound->kind = BOUND_ACTIONS;
    TRY(bind_find_type(binder, ast->name, &action.entry));
    TRY(bind_check_owner(binder, &action.entry));
    action.oid = action.entry.oid;
    TRY(type_info_decode(action.entry.definition, binder->arena, &info, binder->err));
    if (info.kind != TYPE_INFO_ENUM) {
        return bind_fail(binder, TDBPLUS_E_SQL, "42809", 0, "%s is not an enum", action.entry.name);
    }
    TRY(check_label(binder, ast->new_label));
    TRY(ast->old_label == NULL ? add_value(binder, ast, &info, &changed)
                               : rename_value(binder, ast, &info));
    if (!changed) {
        return TDBPLUS_OK;
    }
    TRY(bind_encode_type(binder, &info, &action.entry.definition));
    return bind_add_action(binder, bound, &action);
}
