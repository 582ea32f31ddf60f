#include <limits.h>

#include "sql/parse/ast_session.h"
#include "sql/parse/pg_copy.h"

static struct ast *copy_declare_cursor(struct copier *copier, const DeclareCursorStmt *source)
{
    COPY_MAKE(ast_declare_cursor, AST_DECLARE_CURSOR, -1)
    int options = source->options;
    node->name = copy_text(copier, source->portalname);
    copy_want(copier, source->query, &node->query);
    node->scroll = AST_SCROLL_UNSAID;
    if ((options & CURSOR_OPT_SCROLL) != 0) {
        node->scroll = AST_SCROLL;
    } else if ((options & CURSOR_OPT_NO_SCROLL) != 0) {
        node->scroll = AST_NO_SCROLL;
    }
    node->binary = (options & CURSOR_OPT_BINARY) != 0;
    node->insensitive = (options & CURSOR_OPT_INSENSITIVE) != 0;
    node->hold = (options & CURSOR_OPT_HOLD) != 0;
    return &node->ast;
}

static struct ast *copy_fetch(struct copier *copier, const FetchStmt *source)
{
    static const uint8_t directions[] = {
        [FETCH_FORWARD] = AST_FETCH_FORWARD,
        [FETCH_BACKWARD] = AST_FETCH_BACKWARD,
        [FETCH_ABSOLUTE] = AST_FETCH_ABSOLUTE,
        [FETCH_RELATIVE] = AST_FETCH_RELATIVE,
    };
    COPY_MAKE(ast_fetch, AST_FETCH, -1)
    node->name = copy_text(copier, source->portalname);
    node->direction = directions[source->direction];
    node->count = source->howMany == FETCH_ALL ? AST_FETCH_ALL : source->howMany;
    node->move = source->ismove;
    return &node->ast;
}

static struct ast *copy_close(struct copier *copier, const ClosePortalStmt *source)
{
    COPY_MAKE(ast_close_cursor, AST_CLOSE_CURSOR, -1)
    node->name = copy_text(copier, source->portalname);
    return &node->ast;
}

static struct ast *copy_discard(struct copier *copier, const DiscardStmt *source)
{
    static const uint8_t kinds[] = {
        [DISCARD_ALL] = AST_DISCARD_ALL,
        [DISCARD_PLANS] = AST_DISCARD_PLANS,
        [DISCARD_SEQUENCES] = AST_DISCARD_SEQUENCES,
        [DISCARD_TEMP] = AST_DISCARD_TEMP,
    };
    COPY_MAKE(ast_discard, AST_DISCARD, -1)
    node->discard_kind = kinds[source->target];
    return &node->ast;
}

static struct ast *copy_listen(struct copier *copier, const char *channel, bool stop)
{
    COPY_MAKE(ast_listen, AST_LISTEN, -1)
    node->channel = copy_text(copier, channel);
    node->stop = stop;
    return &node->ast;
}

static struct ast *copy_notify(struct copier *copier, const NotifyStmt *source)
{
    COPY_MAKE(ast_notify, AST_NOTIFY, -1)
    node->channel = copy_text(copier, source->conditionname);
    node->payload = copy_text(copier, source->payload);
    return &node->ast;
}

static struct ast *copy_extension(struct copier *copier, const CreateExtensionStmt *source)
{
    COPY_MAKE(ast_create_extension, AST_CREATE_EXTENSION, -1)
    node->name = copy_text(copier, source->extname);
    node->if_not_exists = source->if_not_exists;
    return &node->ast;
}

static struct ast *copy_lock(struct copier *copier, const LockStmt *source)
{
    COPY_MAKE(ast_lock_table, AST_LOCK_TABLE, -1)
    copy_want_list(copier, source->relations, &node->tables);
    node->mode = (uint8_t)source->mode;
    node->nowait = source->nowait;
    return &node->ast;
}

/* A list of one table, or none. */
static void copy_only_table(struct copier *copier, const RangeVar *source, struct ast_list *tables)
{
    if (source == NULL) {
        return;
    }
    tables->items = arena_array(copier->arena, 1, sizeof *tables->items);
    if (tables->items == NULL) {
        copier->status = TDBPLUS_E_NOMEM;
        return;
    }
    tables->count = 1;
    copy_want(copier, source, &tables->items[0]);
}

static struct ast *copy_vacuum(struct copier *copier, const VacuumStmt *source)
{
    COPY_MAKE(ast_maintain, AST_MAINTAIN, -1)
    node->maintain_kind = source->is_vacuumcmd ? AST_MAINTAIN_VACUUM : AST_MAINTAIN_ANALYZE;
    copy_want_list(copier, source->options, &node->options);
    uint32_t count = source->rels == NULL ? 0 : (uint32_t)source->rels->length;
    node->tables.items = arena_array(copier->arena, (size_t)count + 1, sizeof *node->tables.items);
    if (node->tables.items == NULL) {
        copier->status = TDBPLUS_E_NOMEM;
        return NULL;
    }
    node->tables.count = count;
    for (uint32_t i = 0; i < count; i++) {
        const VacuumRelation *relation = source->rels->elements[i].ptr_value;
        copy_want(copier, relation->relation, &node->tables.items[i]);
    }
    return &node->ast;
}

static struct ast *copy_cluster(struct copier *copier, const ClusterStmt *source)
{
    COPY_MAKE(ast_maintain, AST_MAINTAIN, -1)
    node->maintain_kind = AST_MAINTAIN_CLUSTER;
    copy_only_table(copier, source->relation, &node->tables);
    return &node->ast;
}

static struct ast *copy_reindex(struct copier *copier, const ReindexStmt *source)
{
    COPY_MAKE(ast_maintain, AST_MAINTAIN, -1)
    node->maintain_kind = AST_MAINTAIN_REINDEX;
    node->index = source->kind == REINDEX_OBJECT_INDEX;
    copy_only_table(copier, source->relation, &node->tables);
    return &node->ast;
}

static struct ast *copy_checkpoint(struct copier *copier)
{
    COPY_MAKE(ast_maintain, AST_MAINTAIN, -1)
    node->maintain_kind = AST_MAINTAIN_CHECKPOINT;
    return &node->ast;
}

bool copy_about_session(struct copier *copier, const Node *source, struct ast **node_out)
{
    switch ((int)nodeTag(source)) {
    case T_DeclareCursorStmt:
        *node_out = copy_declare_cursor(copier, (const DeclareCursorStmt *)source);
        return true;
    case T_FetchStmt:
        *node_out = copy_fetch(copier, (const FetchStmt *)source);
        return true;
    case T_ClosePortalStmt:
        *node_out = copy_close(copier, (const ClosePortalStmt *)source);
        return true;
    case T_DiscardStmt:
        *node_out = copy_discard(copier, (const DiscardStmt *)source);
        return true;
    case T_ListenStmt:
        *node_out = copy_listen(copier, ((const ListenStmt *)source)->conditionname, false);
        return true;
    case T_UnlistenStmt:
        *node_out = copy_listen(copier, ((const UnlistenStmt *)source)->conditionname, true);
        return true;
    case T_NotifyStmt:
        *node_out = copy_notify(copier, (const NotifyStmt *)source);
        return true;
    case T_CreateExtensionStmt:
        *node_out = copy_extension(copier, (const CreateExtensionStmt *)source);
        return true;
    case T_LockStmt:
        *node_out = copy_lock(copier, (const LockStmt *)source);
        return true;
    case T_VacuumStmt:
        *node_out = copy_vacuum(copier, (const VacuumStmt *)source);
        return true;
    case T_ClusterStmt:
        *node_out = copy_cluster(copier, (const ClusterStmt *)source);
        return true;
    case T_ReindexStmt:
        *node_out = copy_reindex(copier, (const ReindexStmt *)source);
        return true;
    case T_CheckPointStmt:
        *node_out = copy_checkpoint(copier);
        return true;
    default:
        return false;
    }
}
