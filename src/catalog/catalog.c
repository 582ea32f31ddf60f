#include "catalog/catalog.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"

#define SCHEMA_MARK      '\x1f' /* Between schema and name; the grammar lets no name have it. */
#define HIDDEN_MARK      '\x01' /* In front of names that nobody should meet. */
#define ENTRY_VERSION    2u     /* 1: without dependencies. */
#define DEPENDENCY_SIZE  12u
#define OWNED_COUNT_MAX  (1u << 20)
#define FULL_NAME_FORMAT "%s\x1f%s"

/* ---- names ---- */

tdbplus_status catalog_full_name(const char *schema, const char *name,
                                 char full_out[CATALOG_FULL_NAME_SIZE], struct err *err)
{
    bool plain = schema == NULL || strcmp(schema, CATALOG_SCHEMA_DEFAULT) == 0;
    size_t schema_size = plain ? 1 : strlen(schema);
    size_t name_size = strlen(name);
    if (name_size == 0 || name_size > CATALOG_NAME_SIZE_MAX || schema_size == 0 ||
        schema_size > CATALOG_NAME_SIZE_MAX) {
        return err_set_state(err, TDBPLUS_E_INVALID, "42622",
                             "a name has 1 to %u bytes, this one %zu", CATALOG_NAME_SIZE_MAX,
                             name_size == 0 || name_size > CATALOG_NAME_SIZE_MAX ? name_size
                                                                                 : schema_size);
    }
    if (strchr(name, SCHEMA_MARK) != NULL || name[0] == HIDDEN_MARK ||
        (!plain && strchr(schema, SCHEMA_MARK) != NULL)) {
        return err_set_state(err, TDBPLUS_E_INVALID, "42602",
                             "a name has no control characters in it");
    }
    (void)snprintf(full_out, CATALOG_FULL_NAME_SIZE, plain ? "%.0s%s" : FULL_NAME_FORMAT,
                   plain ? "" : schema, name);
    return TDBPLUS_OK;
}

const char *catalog_own_name(const char *full_name)
{
    const char *mark = strchr(full_name, SCHEMA_MARK);
    return mark == NULL ? full_name : mark + 1;
}

bool catalog_hidden(const struct object *object)
{
    return object->kind == OBJECT_COLLECTION && object->name[0] == HIDDEN_MARK;
}

/* Longer names, which only collections of the C API can have, are cut: they are for people. */
static void split_name(const char *full, struct catalog_entry *entry)
{
    const char *mark = strchr(full, SCHEMA_MARK);
    const char *schema = mark == NULL ? CATALOG_SCHEMA_DEFAULT : full;
    int schema_size = mark == NULL ? (int)strlen(schema) : (int)(mark - full);
    (void)snprintf(entry->schema, sizeof entry->schema, "%.*s", schema_size, schema);
    (void)snprintf(entry->name, sizeof entry->name, "%s", mark == NULL ? full : mark + 1);
}

/* ---- bytes ---- */

static void encode_entry(const struct catalog_entry *entry, struct buffer *buffer)
{
    buffer_put_u8(buffer, ENTRY_VERSION);
    buffer_put_varint(buffer, entry->owner);
    if (entry->dependencies == NULL) {
        buffer_put_varint(buffer, entry->encoded_dependencies.size / DEPENDENCY_SIZE);
        buffer_put_span(buffer, entry->encoded_dependencies);
    } else {
        buffer_put_varint(buffer, entry->dependency_count);
        for (uint32_t i = 0; i < entry->dependency_count; i++) {
            buffer_put_u64(buffer, entry->dependencies[i].oid);
            buffer_put_u32(buffer, entry->dependencies[i].column_id);
        }
    }
    buffer_put_span(buffer, entry->definition);
}

/* Parts and tables have properties of their own. What cannot be read has no definition: whoever
 * wants one says what is wrong with an empty one. */
static void read_object(const struct object *object, struct catalog_entry *entry)
{
    *entry = (struct catalog_entry){
        .oid = object->id, .revision = object->revision, .kind = object->kind, .object = object};
    split_name(object->name, entry);
    if (object->kind == OBJECT_COLLECTION) {
        entry->definition = object->properties;
        return;
    }
    struct reader reader = reader_of(object->properties);
    if (object_kind_is_part(object->kind)) {
        (void)reader_span(&reader, OBJECT_PART_HEADER_SIZE);
        entry->owner = object->parent;
    } else {
        uint8_t version = reader_u8(&reader);
        if (version == 0 || version > ENTRY_VERSION) {
            return;
        }
        entry->owner = reader_varint(&reader);
        uint64_t count = version == 1 ? 0 : reader_varint(&reader);
        if (count > reader.rest.size / DEPENDENCY_SIZE) {
            return;
        }
        entry->encoded_dependencies = reader_span(&reader, (size_t)count * DEPENDENCY_SIZE);
    }
    if (!reader.overrun) {
        entry->definition = reader.rest;
    }
}

/* ---- reading ---- */

bool catalog_entry_find(struct txn *txn, uint8_t kind, const char *schema, const char *name,
                        struct catalog_entry *entry_out)
{
    char full[CATALOG_FULL_NAME_SIZE];
    if (catalog_full_name(schema, name, full, NULL) != TDBPLUS_OK) {
        return false;
    }
    const struct object *object = txn_object(txn, kind, full);
    if (object == NULL) {
        return false;
    }
    read_object(object, entry_out);
    return true;
}

bool catalog_entry_by_oid(struct txn *txn, uint64_t oid, struct catalog_entry *entry_out)
{
    const struct object *object = txn_object_by_id(txn, oid);
    if (object == NULL) {
        return false;
    }
    read_object(object, entry_out);
    return true;
}

static bool is_relation(uint8_t kind)
{
    return kind == CATALOG_TABLE || kind == CATALOG_INDEX || kind == CATALOG_VIEW ||
           kind == CATALOG_SEQUENCE;
}

bool catalog_relation_find(struct txn *txn, const char *schema, const char *name,
                           struct catalog_entry *entry_out)
{
    for (uint8_t kind = CATALOG_TABLE; kind <= CATALOG_KIND_LAST; kind++) {
        if (is_relation(kind) && catalog_entry_find(txn, kind, schema, name, entry_out)) {
            return true;
        }
    }
    return false;
}

bool catalog_entry_next(struct txn *txn, uint8_t kind, struct catalog_entry *entry)
{
    const struct object *object = entry->object;
    do {
        object = txn_object_next(txn, kind, object);
    } while (object != NULL && catalog_hidden(object));
    if (object == NULL) {
        return false;
    }
    read_object(object, entry);
    return true;
}

bool catalog_dependency_at(const struct catalog_entry *entry, uint32_t number,
                           struct catalog_dependency *dependency_out)
{
    struct span encoded = entry->encoded_dependencies;
    if (number >= encoded.size / DEPENDENCY_SIZE) {
        return false;
    }
    const uint8_t *at = encoded.data + (size_t)number * DEPENDENCY_SIZE;
    *dependency_out =
        (struct catalog_dependency){.oid = load_u64(at), .column_id = load_u32(at + 8)};
    return true;
}

bool catalog_depends(const struct catalog_entry *entry, uint64_t oid, uint32_t column_id)
{
    struct catalog_dependency dependency;
    for (uint32_t i = 0; catalog_dependency_at(entry, i, &dependency); i++) {
        if (dependency.oid == oid && (column_id == 0 || dependency.column_id == column_id)) {
            return true;
        }
    }
    return false;
}

static tdbplus_status push_oid(struct list *oids, uint64_t oid, struct err *err)
{
    if (list_push(oids, &oid) == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "the catalog's entries do not fit in memory");
    }
    return TDBPLUS_OK;
}

tdbplus_status catalog_owned(struct txn *txn, uint64_t oid, struct list *oids, struct err *err)
{
    const struct object *object = NULL;
    for (uint32_t i = 0; (object = txn_part_at(txn, oid, i)) != NULL; i++) {
        if (object->parent == oid) {
            TRY(push_oid(oids, object->id, err));
        }
    }
    for (uint8_t kind = CATALOG_SCHEMA; kind <= CATALOG_KIND_LAST; kind++) {
        struct catalog_entry entry = {0};
        while (catalog_entry_next(txn, kind, &entry)) {
            if (entry.owner == oid) {
                TRY(push_oid(oids, entry.oid, err));
            }
        }
    }
    return TDBPLUS_OK;
}

static int compare_oids(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left;
    uint64_t b = *(const uint64_t *)right;
    return a < b ? -1 : a > b;
}

tdbplus_status catalog_dependents(struct txn *txn, uint64_t oid, uint32_t column_id,
                                  struct list *oids, struct err *err)
{
    size_t first = oids->count;
    for (uint8_t kind = CATALOG_SCHEMA; kind <= CATALOG_KIND_LAST; kind++) {
        struct catalog_entry entry = {0};
        while (catalog_entry_next(txn, kind, &entry)) {
            if (catalog_depends(&entry, oid, column_id)) {
                bool owned = kind == CATALOG_MATERIALIZED;
                TRY(push_oid(oids, owned ? entry.owner : entry.oid, err));
            }
        }
    }
    if (oids->count - first > 1) {
        qsort(list_at(oids, first), oids->count - first, sizeof(uint64_t), compare_oids);
    }
    return TDBPLUS_OK;
}

bool catalog_entry_unchanged(struct txn *txn, uint64_t oid, uint64_t revision)
{
    const struct object *object = txn_object_by_id(txn, oid);
    return object != NULL && object->revision == revision;
}

void catalog_comment_name(uint64_t oid, uint32_t column_id,
                          char name_out[CATALOG_NAME_SIZE_MAX + 1])
{
    (void)snprintf(name_out, CATALOG_NAME_SIZE_MAX + 1, "%" PRIu64 ".%u", oid, column_id);
}

void catalog_privileges_name(uint64_t oid, char name_out[CATALOG_NAME_SIZE_MAX + 1])
{
    (void)snprintf(name_out, CATALOG_NAME_SIZE_MAX + 1, "%" PRIu64, oid);
}

/* ---- changing ---- */

/* `oid`: the entry that may have the name already. */
static tdbplus_status check_free(struct txn *txn, const struct catalog_entry *entry, uint64_t oid,
                                 struct err *err)
{
    struct catalog_entry other = {0};
    if (is_relation(entry->kind)) {
        if (catalog_relation_find(txn, entry->schema, entry->name, &other) && other.oid != oid) {
            return err_set_state(err, TDBPLUS_E_EXISTS, "42P07", "relation \"%s\" already exists",
                                 entry->name);
        }
    } else if (catalog_entry_find(txn, entry->kind, entry->schema, entry->name, &other) &&
               other.oid != oid) {
        bool schema = entry->kind == CATALOG_SCHEMA;
        return err_set_state(err, TDBPLUS_E_EXISTS, schema ? "42P06" : "42710",
                             "%s \"%s\" already exists",
                             schema                        ? "schema"
                             : entry->kind == CATALOG_TYPE ? "type"
                                                           : "entry",
                             entry->name);
    }
    return TDBPLUS_OK;
}

static tdbplus_status check_kind(uint8_t kind, struct err *err)
{
    if (kind < CATALOG_SCHEMA || kind > CATALOG_KIND_LAST) {
        return err_set(err, TDBPLUS_E_INVALID, "catalog: kind %u is not for this function", kind);
    }
    return TDBPLUS_OK;
}

tdbplus_status catalog_entry_create(struct txn *txn, const struct catalog_entry *entry,
                                    uint64_t *oid_out, struct err *err)
{
    TRY(check_kind(entry->kind, err));
    char full[CATALOG_FULL_NAME_SIZE];
    TRY(catalog_full_name(entry->schema[0] == 0 ? NULL : entry->schema, entry->name, full, err));
    TRY(check_free(txn, entry, 0, err));
    struct buffer properties = {.alloc = store_alloc(txn_store(txn))};
    encode_entry(entry, &properties);
    tdbplus_status status =
        properties.failed
            ? err_set(err, TDBPLUS_E_NOMEM, "a definition does not fit the memory limit")
            : txn_object_create(txn, entry->kind, full, NULL, buffer_span(&properties), oid_out,
                                err);
    buffer_deinit(&properties);
    return status;
}

tdbplus_status catalog_entry_alter(struct txn *txn, uint64_t oid, const struct catalog_entry *entry,
                                   struct err *err)
{
    TRY(check_kind(entry->kind, err));
    char full[CATALOG_FULL_NAME_SIZE];
    TRY(catalog_full_name(entry->schema[0] == 0 ? NULL : entry->schema, entry->name, full, err));
    TRY(check_free(txn, entry, oid, err));
    struct buffer properties = {.alloc = store_alloc(txn_store(txn))};
    encode_entry(entry, &properties);
    struct span span = buffer_span(&properties);
    tdbplus_status status =
        properties.failed
            ? err_set(err, TDBPLUS_E_NOMEM, "a definition does not fit the memory limit")
            : txn_object_alter(txn, oid, full, NULL, &span, err);
    buffer_deinit(&properties);
    return status;
}

/* The entry with `to` where `from` was. */
static tdbplus_status replace_in(struct txn *txn, const struct catalog_entry *entry, uint64_t from,
                                 uint64_t to, struct err *err)
{
    struct catalog_entry changed = *entry;
    const struct alloc *alloc = store_alloc(txn_store(txn));
    uint32_t count = (uint32_t)(entry->encoded_dependencies.size / DEPENDENCY_SIZE);
    struct catalog_dependency *all = alloc_array(alloc, count + 1u, sizeof *all);
    if (all == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "the catalog's entries do not fit in memory");
    }
    for (uint32_t i = 0; catalog_dependency_at(entry, i, &all[i]); i++) {
        all[i].oid = all[i].oid == from ? to : all[i].oid;
    }
    changed.dependencies = all;
    changed.dependency_count = count;
    changed.owner = entry->owner == from ? to : entry->owner;
    if (entry->kind == CATALOG_PRIVILEGES) {
        catalog_privileges_name(to, changed.name);
    }
    tdbplus_status status = catalog_entry_alter(txn, entry->oid, &changed, err);
    alloc_free(alloc, all, count + 1u, sizeof *all);
    return status;
}

tdbplus_status catalog_entry_replace(struct txn *txn, uint64_t from, uint64_t to, struct err *err)
{
    struct list oids;
    tdbplus_status status = TDBPLUS_OK;
    list_init(&oids, store_alloc(txn_store(txn)), sizeof(uint64_t));
    for (uint8_t kind = CATALOG_SCHEMA; kind <= CATALOG_KIND_LAST; kind++) {
        struct catalog_entry entry = {0};
        while (catalog_entry_next(txn, kind, &entry)) {
            if (entry.owner == from || catalog_depends(&entry, from, 0)) {
                TRY_OR(done, push_oid(&oids, entry.oid, err));
            }
        }
    }
    for (size_t i = 0; i < oids.count; i++) {
        struct catalog_entry entry;
        if (catalog_entry_by_oid(txn, *(const uint64_t *)list_at(&oids, i), &entry)) {
            TRY_OR(done, replace_in(txn, &entry, from, to, err));
        }
    }
done:
    list_deinit(&oids);
    return status;
}

/* A foreign key cannot be without the table it refers to. */
static tdbplus_status push_references(struct txn *txn, uint64_t oid, struct list *oids,
                                      struct err *err)
{
    const struct object *part = NULL;
    for (uint32_t i = 0; (part = txn_part_at(txn, oid, i)) != NULL; i++) {
        if (part->kind == OBJECT_FOREIGN_KEY && part->other == oid && part->parent != oid) {
            TRY(push_oid(oids, part->id, err));
        }
    }
    return TDBPLUS_OK;
}

/* What is owned goes first: the list grows while it is walked, so no recursion is needed. An index
 * takes the collection of its entries along. */
tdbplus_status catalog_entry_drop(struct txn *txn, uint64_t oid, struct err *err)
{
    struct list oids;
    tdbplus_status status = TDBPLUS_OK;
    list_init(&oids, store_alloc(txn_store(txn)), sizeof(uint64_t));
    TRY_OR(done, push_oid(&oids, oid, err));
    for (size_t i = 0; i < oids.count; i++) {
        if (oids.count > OWNED_COUNT_MAX) {
            status = err_set(err, TDBPLUS_E_LIMIT, "more than %u entries to drop", OWNED_COUNT_MAX);
            goto done;
        }
        uint64_t next = *(const uint64_t *)list_at(&oids, i);
        const struct object *object = txn_object_by_id(txn, next);
        if (object != NULL && object->kind == OBJECT_INDEX) {
            TRY_OR(done, push_oid(&oids, object->other, err));
        }
        struct catalog_entry entry;
        if (object != NULL && object->kind == CATALOG_SEQUENCE) {
            read_object(object, &entry);
            if (entry.definition.size >= sizeof(uint64_t)) {
                TRY_OR(done, push_oid(&oids, load_u64(entry.definition.data), err));
            }
        }
        TRY_OR(done, push_references(txn, next, &oids, err));
        TRY_OR(done, catalog_owned(txn, next, &oids, err));
    }
    for (size_t i = oids.count; i > 0; i--) {
        uint64_t next = *(const uint64_t *)list_at(&oids, i - 1);
        // One that two others own is in the list twice.
        if (i == 1 || txn_object_by_id(txn, next) != NULL) {
            TRY_OR(done, txn_object_drop(txn, next, err));
        }
    }
done:
    list_deinit(&oids);
    return status;
}
