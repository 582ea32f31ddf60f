/* Catalog objects: values that are shared, never changed, and swapped as a whole. */

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "storage/store/store_internal.h"

static tdbplus_status no_memory(struct err *err)
{
    return err_set(err, TDBPLUS_E_NOMEM, "catalog: an object does not fit the memory limit");
}

/* Reads what stands in front of a part's properties. */
static tdbplus_status read_part_header(struct object *object, struct err *err)
{
    object->parent = 0;
    object->other = 0;
    if (!object_kind_is_part(object->kind)) {
        return TDBPLUS_OK;
    }
    if (object->properties.size < OBJECT_PART_HEADER_SIZE) {
        return err_set(err, TDBPLUS_E_CORRUPT, "catalog: object \"%s\" names no collection",
                       object->name);
    }
    object->parent = load_u64(object->properties.data);
    object->other = load_u64(object->properties.data + 8);
    return TDBPLUS_OK;
}

tdbplus_status object_create(struct store *store, const struct object *description,
                             struct object_ref **object_out, struct err *err)
{
    struct object object = *description;
    TRY(read_part_header(&object, err));
    struct object_ref *ref = alloc_array(store->alloc, 1, sizeof *ref);
    if (ref == NULL) {
        return no_memory(err);
    }
    arena_init(&ref->arena, store->alloc, 256);
    const char *name = arena_text(&ref->arena, span_from_text(description->name));
    uint8_t *properties = arena_bytes(&ref->arena, description->properties.size);
    if (name == NULL || properties == NULL) {
        arena_deinit(&ref->arena);
        alloc_free(store->alloc, ref, 1, sizeof *ref);
        return no_memory(err);
    }
    if (description->properties.size > 0) {
        memcpy(properties, description->properties.data, description->properties.size);
    }
    atomic_init(&ref->refs, 1);
    ref->store = store;
    ref->object = object;
    ref->object.revision = atomic_fetch_add(&store->object_revision_next, 1);
    ref->object.name = name;
    ref->object.properties.data = properties;
    if (description->collection != NULL) {
        collection_retain(description->collection);
    }
    *object_out = ref;
    return TDBPLUS_OK;
}

void object_retain(struct object_ref *object)
{
    atomic_fetch_add_explicit(&object->refs, 1, memory_order_relaxed);
}

void object_release(struct object_ref *object)
{
    if (object == NULL || atomic_fetch_sub_explicit(&object->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    schema_destroy(object->schema_pending);
    collection_release(object->object.collection);
    arena_deinit(&object->arena);
    alloc_free(object->store->alloc, object, 1, sizeof *object);
}

/* ---- bytes ---- */

/* kind, name, properties, and for a collection every schema it ever had: old log records need the
 * one they were written by. */
void object_encode(const struct object *object, const struct list *schemas, struct buffer *buffer)
{
    buffer_put_u8(buffer, object->kind);
    buffer_put_sized(buffer, span_from_text(object->name));
    buffer_put_sized(buffer, object->properties);
    size_t count = schemas == NULL ? 0 : schemas->count;
    bool pending = object->schema != NULL;
    for (size_t i = 0; i < count; i++) {
        pending = pending && *(const struct schema **)list_at(schemas, i) != object->schema;
    }
    buffer_put_varint(buffer, count + (pending ? 1 : 0));
    struct buffer encoded = {.alloc = buffer->alloc};
    for (size_t i = 0; i < count + (pending ? 1 : 0); i++) {
        buffer_clear(&encoded);
        schema_encode(i < count ? *(const struct schema **)list_at(schemas, i) : object->schema,
                      &encoded);
        buffer_put_sized(buffer, buffer_span(&encoded));
        buffer->failed = buffer->failed || encoded.failed;
    }
    buffer_deinit(&encoded);
}

static tdbplus_status decode_schemas(struct store *store, struct reader *reader,
                                     struct list *schemas_out, struct err *err)
{
    uint64_t count = reader_varint(reader);
    for (uint64_t i = 0; i < count && !reader->overrun; i++) {
        struct span encoded = reader_sized(reader);
        if (reader->overrun) {
            break;
        }
        struct schema *schema = NULL;
        TRY(schema_decode(encoded, store->alloc, &schema, err));
        if (list_push(schemas_out, &schema) == NULL) {
            schema_destroy(schema);
            return no_memory(err);
        }
    }
    return TDBPLUS_OK;
}

tdbplus_status object_decode(struct store *store, uint64_t id, struct span encoded,
                             struct object_ref **object_out, struct list *schemas_out,
                             struct err *err)
{
    struct reader reader = reader_of(encoded);
    struct object object = {.id = id, .kind = reader_u8(&reader)};
    struct span name = reader_sized(&reader);
    object.properties = reader_sized(&reader);
    char text[COLLECTION_NAME_SIZE_MAX];
    if (reader.overrun || name.size == 0 || name.size >= sizeof text ||
        memchr(name.data, 0, name.size) != NULL) {
        return err_set(err, TDBPLUS_E_CORRUPT, "catalog: object %llu has no valid name",
                       (unsigned long long)id);
    }
    memcpy(text, name.data, name.size);
    text[name.size] = 0;
    object.name = text;
    size_t before = schemas_out->count;
    TRY(decode_schemas(store, &reader, schemas_out, err));
    bool has_schema = schemas_out->count > before;
    if (reader.overrun || reader.rest.size > 0 ||
        has_schema != (object.kind == OBJECT_COLLECTION)) {
        return err_set(err, TDBPLUS_E_CORRUPT, "catalog: object \"%s\" is cut short", text);
    }
    return object_create(store, &object, object_out, err);
}

/* ---- the catalog ---- */

static int compare_names(uint8_t kind, const char *name, const struct object *object)
{
    if (kind != object->kind) {
        return kind < object->kind ? -1 : 1;
    }
    return strcmp(name, object->name);
}

uint32_t catalog_lower_bound(const struct catalog *catalog, uint8_t kind, const char *name)
{
    uint32_t low = 0;
    uint32_t high = catalog->object_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (compare_names(kind, name, &catalog->objects[middle]->object) > 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

const struct object *catalog_find(const struct catalog *catalog, uint8_t kind, const char *name)
{
    uint32_t at = catalog_lower_bound(catalog, kind, name);
    if (at == catalog->object_count) {
        return NULL;
    }
    const struct object *object = &catalog->objects[at]->object;
    return compare_names(kind, name, object) == 0 ? object : NULL;
}

struct object_ref *catalog_find_id(const struct catalog *catalog, uint64_t id)
{
    uint32_t low = 0;
    uint32_t high = catalog->object_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (catalog->by_id[middle]->object.id < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < catalog->object_count && catalog->by_id[low]->object.id == id ? catalog->by_id[low]
                                                                               : NULL;
}

uint64_t catalog_version(const struct catalog *catalog)
{
    return catalog->version;
}

const struct object *catalog_part_at(const struct catalog *catalog, uint64_t collection,
                                     uint32_t number)
{
    uint32_t low = 0;
    uint32_t high = catalog->part_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (catalog->parts[middle].collection < collection) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    bool there =
        number < catalog->part_count - low && catalog->parts[low + number].collection == collection;
    return there ? catalog->parts[low + number].object : NULL;
}

const struct object *catalog_by_id(const struct catalog *catalog, uint64_t id)
{
    struct object_ref *ref = catalog_find_id(catalog, id);
    return ref == NULL ? NULL : &ref->object;
}

uint32_t catalog_count(const struct catalog *catalog)
{
    return catalog->object_count;
}

const struct object *catalog_at(const struct catalog *catalog, uint32_t number)
{
    ASSERT(number < catalog->object_count);
    return &catalog->objects[number]->object;
}

bool store_has_parts(struct store *store, uint64_t collection)
{
    struct epoch_ticket ticket = epoch_enter(&store->epoch);
    const struct catalog *catalog = atomic_load_explicit(&store->catalog, memory_order_acquire);
    bool has = catalog->part_count > 0 && catalog_part_at(catalog, collection, 0) != NULL;
    epoch_exit(&store->epoch, ticket);
    return has;
}

static void catalog_free(struct catalog *catalog)
{
    catalog_release(atomic_load(&catalog->before)); // One that never became visible.
    for (uint32_t i = 0; i < catalog->object_count; i++) {
        object_release(catalog->objects[i]);
    }
    const struct alloc *alloc = catalog->store->alloc;
    alloc_free(alloc, catalog->objects, 2 * (size_t)catalog->object_count, sizeof(void *));
    alloc_free(alloc, catalog->parts, catalog->part_count, sizeof *catalog->parts);
    alloc_free(alloc, catalog, 1, sizeof *catalog);
}

struct catalog *catalog_visible(struct store *store)
{
    struct catalog *catalog = atomic_load_explicit(&store->catalog, memory_order_acquire);
    if (catalog->timestamp > store_visible_timestamp(store)) {
        // NULL: it has become visible meanwhile.
        struct catalog *before = atomic_load_explicit(&catalog->before, memory_order_acquire);
        catalog = before == NULL ? catalog : before;
    }
    return catalog;
}

struct catalog *catalog_acquire(struct store *store)
{
    struct epoch_ticket ticket = epoch_enter(&store->epoch);
    struct catalog *catalog = catalog_visible(store);
    atomic_fetch_add_explicit(&catalog->refs, 1, memory_order_relaxed);
    epoch_exit(&store->epoch, ticket);
    return catalog;
}

struct catalog *catalog_at_timestamp(struct store *store, uint64_t timestamp)
{
    // The latch keeps both in place: publishing and settling take it.
    struct catalog *catalog = atomic_load_explicit(&store->catalog, memory_order_acquire);
    if (catalog->timestamp > timestamp) {
        catalog = atomic_load_explicit(&catalog->before, memory_order_acquire);
        ASSERT(catalog != NULL); // It settles after its timestamp is visible.
    }
    return catalog_retain(catalog);
}

struct catalog *catalog_retain(struct catalog *catalog)
{
    atomic_fetch_add_explicit(&catalog->refs, 1, memory_order_relaxed);
    return catalog;
}

void catalog_release(struct catalog *catalog)
{
    if (catalog != NULL &&
        atomic_fetch_sub_explicit(&catalog->refs, 1, memory_order_acq_rel) == 1) {
        catalog_free(catalog);
    }
}

static void release_retired(struct epoch_garbage *garbage)
{
    struct catalog *catalog =
        (struct catalog *)(void *)((uint8_t *)garbage - offsetof(struct catalog, garbage));
    catalog_release(catalog);
}

void catalog_publish(struct store *store, struct catalog *catalog)
{
    struct catalog *before =
        atomic_exchange_explicit(&store->catalog, catalog, memory_order_acq_rel);
    if (before != NULL) {
        epoch_retire(&store->epoch, &before->garbage, release_retired);
    }
}

void catalog_publish_pending(struct store *store, struct catalog *catalog, uint64_t timestamp)
{
    latch_lock(&store->snapshot_latch);
    catalog->timestamp = timestamp;
    struct catalog *before = atomic_load_explicit(&store->catalog, memory_order_relaxed);
    ASSERT(atomic_load_explicit(&before->before, memory_order_relaxed) == NULL);
    atomic_store_explicit(&catalog->before, before, memory_order_release);
    atomic_store_explicit(&store->catalog, catalog, memory_order_release);
    latch_unlock(&store->snapshot_latch);
}

void catalog_settle(struct store *store)
{
    latch_lock(&store->snapshot_latch);
    struct catalog *catalog = atomic_load_explicit(&store->catalog, memory_order_relaxed);
    ASSERT(store_visible_timestamp(store) >= catalog->timestamp);
    struct catalog *before = atomic_exchange(&catalog->before, NULL);
    latch_unlock(&store->snapshot_latch);
    if (before != NULL) {
        epoch_retire(&store->epoch, &before->garbage, release_retired);
    }
}

static const struct catalog_change *find_change(const struct catalog_change *changes,
                                                uint32_t change_count, uint64_t id)
{
    for (uint32_t i = 0; i < change_count; i++) {
        if (changes[i].id == id) {
            return &changes[i];
        }
    }
    return NULL;
}

/* Puts `object` where its name belongs among the `count` sorted ones; names stay unique. */
static tdbplus_status insert_sorted(struct object_ref **objects, uint32_t count,
                                    struct object_ref *object, struct err *err)
{
    uint32_t at = count;
    while (at > 0) {
        int order =
            compare_names(object->object.kind, object->object.name, &objects[at - 1]->object);
        if (order == 0) {
            return err_set_state(err, TDBPLUS_E_EXISTS,
                                 object->object.kind == OBJECT_COLLECTION ? "42P07" : "42710",
                                 "\"%s\" already exists", object->object.name);
        }
        if (order > 0) {
            break;
        }
        objects[at] = objects[at - 1];
        at--;
    }
    objects[at] = object;
    object_retain(object);
    return TDBPLUS_OK;
}

static int compare_ids(const void *left, const void *right)
{
    const struct object_ref *const *one = left;
    const struct object_ref *const *other = right;
    return ((*one)->object.id > (*other)->object.id) - ((*one)->object.id < (*other)->object.id);
}

static int compare_parts(const void *left, const void *right)
{
    const struct catalog_part *one = left;
    const struct catalog_part *other = right;
    if (one->collection != other->collection) {
        return one->collection > other->collection ? 1 : -1;
    }
    return (one->object->id > other->object->id) - (one->object->id < other->object->id);
}

/* A part of a collection that refers to itself is listed once. */
static uint32_t places_of(const struct object *object)
{
    if (!object_kind_is_part(object->kind)) {
        return 0;
    }
    return object->kind == OBJECT_FOREIGN_KEY && object->other != object->parent ? 2 : 1;
}

/* The orders of the catalog beside that by name. */
static tdbplus_status sort_catalog(struct catalog *catalog, struct err *err)
{
    uint32_t parts = 0;
    for (uint32_t i = 0; i < catalog->object_count; i++) {
        catalog->by_id[i] = catalog->objects[i];
        parts += places_of(&catalog->objects[i]->object);
    }
    if (catalog->object_count > 0) {
        qsort(catalog->by_id, catalog->object_count, sizeof(void *), compare_ids);
    }
    if (parts == 0) {
        return TDBPLUS_OK;
    }
    catalog->parts = alloc_array(catalog->store->alloc, parts, sizeof *catalog->parts);
    if (catalog->parts == NULL) {
        return no_memory(err);
    }
    catalog->part_count = parts;
    parts = 0;
    for (uint32_t i = 0; i < catalog->object_count; i++) {
        const struct object *object = &catalog->objects[i]->object;
        uint32_t places = places_of(object);
        for (uint32_t p = 0; p < places; p++) {
            catalog->parts[parts++] = (struct catalog_part){
                .collection = p == 0 ? object->parent : object->other, .object = object};
        }
    }
    qsort(catalog->parts, parts, sizeof *catalog->parts, compare_parts);
    return TDBPLUS_OK;
}

static uint32_t count_after(const struct catalog *base, const struct catalog_change *changes,
                            uint32_t change_count)
{
    uint32_t count = 0;
    for (uint32_t i = 0; base != NULL && i < base->object_count; i++) {
        count += find_change(changes, change_count, base->objects[i]->object.id) == NULL;
    }
    for (uint32_t i = 0; i < change_count; i++) {
        count += changes[i].after != NULL;
    }
    return count;
}

tdbplus_status catalog_create(struct store *store, const struct catalog *base,
                              const struct catalog_change *changes, uint32_t change_count,
                              struct catalog **catalog_out, struct err *err)
{
    uint32_t base_count = base == NULL ? 0 : base->object_count;
    uint32_t capacity = count_after(base, changes, change_count);
    struct catalog *catalog = alloc_array(store->alloc, 1, sizeof *catalog);
    struct object_ref **objects =
        capacity == 0 ? NULL : alloc_array(store->alloc, 2 * (size_t)capacity, sizeof(void *));
    tdbplus_status status = TDBPLUS_OK;
    uint32_t count = 0;
    if (catalog == NULL || (capacity > 0 && objects == NULL)) {
        status = no_memory(err);
        goto done;
    }
    for (uint32_t i = 0; i < base_count; i++) {
        if (find_change(changes, change_count, base->objects[i]->object.id) == NULL) {
            object_retain(base->objects[i]);
            objects[count++] = base->objects[i];
        }
    }
    for (uint32_t i = 0; i < change_count; i++) {
        if (changes[i].after != NULL) {
            TRY_OR(done, insert_sorted(objects, count, changes[i].after, err));
            count++;
        }
    }
    atomic_init(&catalog->refs, 1);
    catalog->store = store;
    catalog->version = atomic_fetch_add(&store->object_revision_next, 1);
    catalog->object_count = count;
    catalog->objects = objects;
    catalog->by_id = objects + count;
    TRY_OR(done, sort_catalog(catalog, err));
    *catalog_out = catalog;
    return TDBPLUS_OK;

done:
    for (uint32_t i = 0; i < count; i++) {
        object_release(objects[i]);
    }
    alloc_free(store->alloc, objects, 2 * (size_t)capacity, sizeof(void *));
    alloc_free(store->alloc, catalog, 1, sizeof *catalog);
    return status;
}

/* ---- objects for transactions ---- */

static tdbplus_status check_name(const char *name, struct err *err)
{
    size_t size = strlen(name);
    if (size == 0 || size >= COLLECTION_NAME_SIZE_MAX) {
        return err_set_state(err, TDBPLUS_E_INVALID, "42602",
                             "a name has 1 to %u bytes, this one %zu", COLLECTION_NAME_SIZE_MAX - 1,
                             size);
    }
    return TDBPLUS_OK;
}

/* A copy of `schema` with that version number, owned by the caller. */
static tdbplus_status copy_schema(struct store *store, const struct schema *schema,
                                  uint32_t version, struct schema **schema_out, struct err *err)
{
    struct schema description = *schema;
    description.version = version;
    return schema_create(&description, store->alloc, schema_out, err);
}

tdbplus_status store_object_create(struct store *store, uint8_t kind, const char *name,
                                   const struct schema *schema, struct span properties,
                                   struct object_ref **object_out, struct err *err)
{
    TRY(check_name(name, err));
    if ((kind == OBJECT_COLLECTION) != (schema != NULL)) {
        return err_set(err, TDBPLUS_E_INVALID,
                       "catalog: collections, and only they, have a schema");
    }
    struct object object = {
        .id = atomic_fetch_add(&store->object_id_next, 1),
        .kind = kind,
        .name = name,
        .properties = properties,
    };
    tdbplus_status status = TDBPLUS_OK;
    struct schema *own_schema = NULL;
    struct table_ref *table = NULL;
    struct version *version = NULL;
    struct object_ref *ref = NULL;
    if (schema != NULL) {
        TRY_OR(done, copy_schema(store, schema, 1, &own_schema, err));
        TRY_OR(done, collection_create(store, object.id, &object.collection, err));
        TRY_OR(done, table_ref_create(store, own_schema, &table, err));
        TRY_OR(done, version_create(object.collection, &table, 1, NULL, 0, &version, err));
        version_publish(object.collection, version);
        if (list_push(&object.collection->schemas, &own_schema) == NULL) {
            status = no_memory(err);
            goto done;
        }
        object.schema = own_schema;
        own_schema = NULL;
    }
    TRY_OR(done, object_create(store, &object, &ref, err));
    *object_out = ref;
done:
    table_ref_release(table);
    collection_release(object.collection); // The object has its own reference.
    schema_destroy(own_schema);
    return status;
}

tdbplus_status store_object_change(struct store *store, const struct object *base, const char *name,
                                   const struct schema *schema, const struct span *properties,
                                   struct object_ref **object_out, struct err *err)
{
    struct object object = *base;
    if (name != NULL && name[0] != '\0') {
        TRY(check_name(name, err));
        object.name = name;
    }
    if (properties != NULL) {
        object.properties = *properties;
    }
    struct schema *own_schema = NULL;
    if (schema != NULL) {
        if (base->kind != OBJECT_COLLECTION) {
            return err_set(err, TDBPLUS_E_INVALID, "catalog: \"%s\" has no schema", base->name);
        }
        TRY(copy_schema(store, schema, base->schema->version + 1, &own_schema, err));
        object.schema = own_schema;
    }
    tdbplus_status status = object_create(store, &object, object_out, err);
    if (status != TDBPLUS_OK) {
        schema_destroy(own_schema);
        return status;
    }
    (*object_out)->schema_pending = own_schema;
    return TDBPLUS_OK;
}

const struct object *store_object_get(const struct object_ref *object)
{
    return &object->object;
}

void store_object_release(struct object_ref *object)
{
    object_release(object);
}
