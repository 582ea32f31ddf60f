/* The C data interface coming in, and streams going out. */

#include <errno.h>
#include <string.h>

#include "base/assert.h"
#include "types/arrow_internal.h"

#define METADATA_PAIR_COUNT_MAX 1024
#define METADATA_SIZE_MAX       (1 << 20)
#define FIELD_DEPTH_MAX         4u
#define VARIADIC_COUNT_MAX      65536

/* ---- schemas ---- */

static int32_t take_int32(const char **at)
{
    int32_t value = 0;
    memcpy(&value, *at, sizeof value);
    *at += sizeof value;
    return value;
}

/* The name of the field's extension type, or nothing. */
static struct span find_extension(const char *metadata)
{
    static const char key[] = "ARROW:extension:name";
    if (metadata == NULL) {
        return (struct span){0};
    }
    int32_t pairs = take_int32(&metadata);
    for (int32_t i = 0; i < pairs && pairs <= METADATA_PAIR_COUNT_MAX; i++) {
        int32_t key_size = take_int32(&metadata);
        if (key_size < 0 || key_size > METADATA_SIZE_MAX) {
            break;
        }
        bool found =
            key_size == (int32_t)strlen(key) && memcmp(metadata, key, (size_t)key_size) == 0;
        metadata += key_size;
        int32_t size = take_int32(&metadata);
        if (size < 0 || size > METADATA_SIZE_MAX) {
            break;
        }
        if (found) {
            return (struct span){.data = (const uint8_t *)metadata, .size = (size_t)size};
        }
        metadata += size;
    }
    return (struct span){0};
}

static TDBPLUS_CHECKED tdbplus_status no_memory(struct err *err)
{
    return err_set(err, TDBPLUS_E_NOMEM, "arrow: no memory for the schema");
}

static tdbplus_status read_field(const struct ArrowSchema *schema, struct arena *arena,
                                 uint32_t depth, struct arrow_field *field, struct err *err);

static tdbplus_status read_inner(const struct ArrowSchema *schema, struct arena *arena,
                                 uint32_t depth, struct arrow_field **field_out, struct err *err)
{
    struct arrow_field *inner = arena_array(arena, 1, sizeof *inner);
    if (inner == NULL) {
        return no_memory(err);
    }
    TRY(read_field(schema, arena, depth, inner, err));
    *field_out = inner;
    return TDBPLUS_OK;
}

/* A list of vectors of dictionaries is three deep, and nothing that is supported is deeper. */
static tdbplus_status read_field(const struct ArrowSchema *schema, struct arena *arena,
                                 uint32_t depth, struct arrow_field *field, struct err *err)
{
    if (schema == NULL || schema->release == NULL || schema->format == NULL || depth == 0) {
        return err_set(err, TDBPLUS_E_INVALID, "arrow: a field is missing, or nested too deep");
    }
    const char *name = schema->name == NULL ? "" : schema->name;
    field->name = arena_text(arena, span_from_text(name));
    if (field->name == NULL) {
        return no_memory(err);
    }
    field->nullable = (schema->flags & ARROW_FLAG_NULLABLE) != 0;
    TRY(arrow_field_of_format(schema->format, find_extension(schema->metadata), field, err));
    if (schema->dictionary != NULL) {
        TRY(read_inner(schema->dictionary, arena, depth - 1, &field->dictionary, err));
    }
    if (field->kind == ARROW_KIND_LIST || field->kind == ARROW_KIND_VECTOR) {
        if (schema->n_children != 1) {
            return err_set(err, TDBPLUS_E_INVALID, "arrow: a list without one child");
        }
        TRY(read_inner(schema->children[0], arena, depth - 1, &field->child, err));
    }
    return arrow_field_finish(field, err);
}

static tdbplus_status read_fields(const struct ArrowSchema *schema, struct arena *arena,
                                  struct arrow_field **fields_out, struct err *err)
{
    if (schema->release == NULL || schema->format == NULL || strcmp(schema->format, "+s") != 0 ||
        schema->n_children < 0 || schema->n_children > ARROW_FIELD_COUNT_MAX) {
        return err_set(err, TDBPLUS_E_INVALID,
                       "arrow: the schema is not a struct of 0 to %u fields",
                       ARROW_FIELD_COUNT_MAX);
    }
    struct arrow_field *fields = arena_array(arena, (size_t)schema->n_children, sizeof *fields);
    if (fields == NULL) {
        return no_memory(err);
    }
    for (int64_t i = 0; i < schema->n_children; i++) {
        TRY(read_field(schema->children[i], arena, FIELD_DEPTH_MAX, &fields[i], err));
    }
    *fields_out = fields;
    return TDBPLUS_OK;
}

tdbplus_status arrow_import_schema(const struct ArrowSchema *schema, struct arena *arena,
                                   struct arrow_column **columns_out, uint32_t *column_count_out,
                                   struct err *err)
{
    struct arrow_field *fields = NULL;
    TRY(read_fields(schema, arena, &fields, err));
    uint32_t count = (uint32_t)schema->n_children;
    struct arrow_column *columns = arena_array(arena, count, sizeof *columns);
    if (columns == NULL) {
        return no_memory(err);
    }
    for (uint32_t i = 0; i < count; i++) {
        columns[i] = (struct arrow_column){
            .name = fields[i].name, .type = fields[i].type, .not_null = !fields[i].nullable};
    }
    *columns_out = columns;
    *column_count_out = count;
    return TDBPLUS_OK;
}

/* ---- arrays ---- */

/* Buffers of the interface come without sizes; the offsets are then believed, but not their order.
 */
static struct span buffer_of(const struct ArrowArray *array, int64_t index)
{
    const void *data = index < array->n_buffers ? array->buffers[index] : NULL;
    return (struct span){.data = data, .size = data == NULL ? 0 : ARROW_SIZE_UNKNOWN};
}

static TDBPLUS_CHECKED tdbplus_status bad_array(const struct arrow_field *field, struct err *err)
{
    return err_set(err, TDBPLUS_E_INVALID,
                   "arrow: the array of field '%.100s' does not follow its schema", field->name);
}

static int64_t buffers_wanted(const struct arrow_field *field)
{
    switch ((enum arrow_kind)field->kind) {
    case ARROW_KIND_NULL:
        return 0;
    case ARROW_KIND_VECTOR:
        return 1;
    case ARROW_KIND_BYTES:
        return 3;
    case ARROW_KIND_VIEWS:
        return 3; // Validity, views, the sizes of the data buffers; those stand in between.
    case ARROW_KIND_BOOL:
    case ARROW_KIND_INTEGER:
    case ARROW_KIND_SCALED:
    case ARROW_KIND_FLOAT:
    case ARROW_KIND_DECIMAL:
    case ARROW_KIND_FIXED:
    case ARROW_KIND_INTERVAL_MONTHS:
    case ARROW_KIND_INTERVAL_DAYS:
    case ARROW_KIND_INTERVAL_ALL:
    case ARROW_KIND_LIST:
    default:
        return 2;
    }
}

static tdbplus_status set_variadic(const struct ArrowArray *array, struct arena *arena,
                                   struct arrow_node *node, struct err *err)
{
    int64_t count = array->n_buffers - 3;
    const int64_t *sizes = array->buffers[array->n_buffers - 1];
    if (count > VARIADIC_COUNT_MAX || (count > 0 && sizes == NULL)) {
        return err_set(err, TDBPLUS_E_INVALID, "arrow: an array of views without sizes");
    }
    struct span *variadic = arena_array(arena, (size_t)count, sizeof *variadic);
    if (variadic == NULL) {
        return no_memory(err);
    }
    for (int64_t i = 0; i < count; i++) {
        variadic[i] = buffer_of(array, i + 2);
        variadic[i].size = sizes[i] < 0 || variadic[i].data == NULL ? 0 : (size_t)sizes[i];
    }
    node->variadic = variadic;
    node->variadic_count = (uint32_t)count;
    return TDBPLUS_OK;
}

static tdbplus_status read_node(const struct arrow_field *field, const struct ArrowArray *array,
                                struct arena *arena, struct arrow_node *node, struct err *err);

static tdbplus_status read_inner_node(const struct arrow_field *field,
                                      const struct ArrowArray *array, struct arena *arena,
                                      struct arrow_node **node_out, struct err *err)
{
    struct arrow_node *inner = arena_array(arena, 1, sizeof *inner);
    if (inner == NULL) {
        return no_memory(err);
    }
    TRY(read_node(field, array, arena, inner, err));
    *node_out = inner;
    return TDBPLUS_OK;
}

/* As deep as the fields, whose depth was limited. */
static tdbplus_status read_node(const struct arrow_field *field, const struct ArrowArray *array,
                                struct arena *arena, struct arrow_node *node, struct err *err)
{
    int64_t wanted = buffers_wanted(field);
    if (array == NULL || array->n_buffers < wanted || (wanted > 0 && array->buffers == NULL) ||
        (field->child != NULL && array->n_children != 1) ||
        (field->dictionary != NULL && array->dictionary == NULL)) {
        return bad_array(field, err);
    }
    *node = (struct arrow_node){.length = array->length,
                                .offset = array->offset,
                                .null_count = array->null_count,
                                .validity = buffer_of(array, 0),
                                .first = buffer_of(array, 1),
                                .second = buffer_of(array, 2)};
    if (field->kind == ARROW_KIND_VIEWS) {
        TRY(set_variadic(array, arena, node, err));
    }
    if (field->dictionary != NULL) {
        TRY(read_inner_node(field->dictionary, array->dictionary, arena, &node->dictionary, err));
    }
    if (field->child != NULL) {
        TRY(read_inner_node(field->child, array->children[0], arena, &node->child, err));
    }
    return TDBPLUS_OK;
}

static void release_held(void *held)
{
    struct ArrowArray *array = held;
    array->release(array);
}

static tdbplus_status import_columns(const struct arrow_field *fields, uint32_t count,
                                     const struct ArrowArray *array, struct batch *batch,
                                     struct err *err)
{
    struct column *columns = arena_array(&batch->arena, count, sizeof *columns);
    if (columns == NULL) {
        return no_memory(err);
    }
    for (uint32_t i = 0; i < count; i++) {
        struct arrow_node node = {0};
        TRY(read_node(&fields[i], array->children[i], &batch->arena, &node, err));
        // The struct's own offset and length cut every child.
        if (node.length < 0 || array->offset < 0 || array->length < 0 ||
            array->length > node.length - array->offset) {
            return bad_array(&fields[i], err);
        }
        bool is_cut = array->length != node.length;
        node.null_count = is_cut && node.null_count != 0 ? -1 : node.null_count;
        node.offset += array->offset;
        node.length = array->length;
        TRY(arrow_import_column(&fields[i], &node, &batch->arena, &columns[i], err));
    }
    batch->columns = columns;
    batch->column_count = count;
    batch->row_count = (uint32_t)array->length;
    return TDBPLUS_OK;
}

tdbplus_status arrow_import_batch(const struct ArrowSchema *schema, struct ArrowArray *array,
                                  struct batch *batch, struct err *err)
{
    struct arrow_field *fields = NULL;
    TRY(read_fields(schema, &batch->arena, &fields, err));
    if (array->release == NULL || array->n_children != schema->n_children ||
        array->length > ARROW_ROW_COUNT_MAX) {
        return err_set(err, TDBPLUS_E_INVALID, "arrow: the array does not follow its schema");
    }
    if (array->null_count > 0) {
        return err_set(err, TDBPLUS_E_UNSUPPORTED, "arrow: rows that are null as a whole");
    }
    // What keeps the array is made before anything points into it, so that nothing fails after.
    struct ArrowArray *held = arena_array(&batch->arena, 1, sizeof *held);
    if (held == NULL) {
        return no_memory(err);
    }
    TRY(import_columns(fields, (uint32_t)schema->n_children, array, batch, err));
    if (!batch_pin(batch, held, release_held)) {
        batch->columns = NULL;
        batch->column_count = 0;
        batch->row_count = 0;
        return no_memory(err);
    }
    *held = *array;
    array->release = NULL;
    return TDBPLUS_OK;
}

/* ---- streams ---- */

struct stream {
    struct arena arena;
    const struct alloc *alloc;
    const struct text_style *style;
    struct arrow_column *columns;
    uint32_t column_count;
    struct arrow_source source;
    struct batch batch;
    struct err err;
    bool ended;
};

static int errno_of(tdbplus_status status)
{
    return status == TDBPLUS_E_NOMEM         ? ENOMEM
           : status == TDBPLUS_E_CANCELLED   ? ECANCELED
           : status == TDBPLUS_E_UNSUPPORTED ? ENOSYS
           : status == TDBPLUS_E_INVALID     ? EINVAL
                                             : EIO;
}

static int stream_get_schema(struct ArrowArrayStream *out, struct ArrowSchema *schema_out)
{
    struct stream *stream = out->private_data;
    err_clear(&stream->err);
    tdbplus_status status =
        arrow_export_schema(stream->columns, stream->column_count, stream->style, stream->alloc,
                            schema_out, &stream->err);
    return status == TDBPLUS_OK ? 0 : errno_of(status);
}

static int stream_get_next(struct ArrowArrayStream *out, struct ArrowArray *array_out)
{
    struct stream *stream = out->private_data;
    err_clear(&stream->err);
    *array_out = (struct ArrowArray){0};
    tdbplus_status status = TDBPLUS_END;
    if (!stream->ended) {
        batch_reset(&stream->batch);
        status = stream->source.next(stream->source.ctx, &stream->batch, &stream->err);
    }
    if (status == TDBPLUS_END) {
        stream->ended = true; // An array without a release says so.
        return 0;
    }
    if (status == TDBPLUS_OK) {
        status = arrow_export_batch(&stream->batch, stream->style, stream->alloc, array_out,
                                    &stream->err);
    }
    return status == TDBPLUS_OK ? 0 : errno_of(status);
}

static const char *stream_get_last_error(struct ArrowArrayStream *out)
{
    struct stream *stream = out->private_data;
    return stream->err.status == TDBPLUS_OK ? NULL : stream->err.text;
}

static void stream_release(struct ArrowArrayStream *out)
{
    struct stream *stream = out->private_data;
    batch_deinit(&stream->batch);
    if (stream->source.close != NULL) {
        stream->source.close(stream->source.ctx);
    }
    arena_deinit(&stream->arena);
    alloc_free(stream->alloc, stream, 1, sizeof *stream);
    out->release = NULL;
}

static bool copy_columns(struct stream *stream, const struct arrow_column *columns, uint32_t count)
{
    stream->columns = arena_array(&stream->arena, count, sizeof *stream->columns);
    if (stream->columns == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        stream->columns[i] = columns[i];
        stream->columns[i].name = arena_text(&stream->arena, span_from_text(columns[i].name));
        if (stream->columns[i].name == NULL) {
            return false;
        }
    }
    stream->column_count = count;
    return true;
}

tdbplus_status arrow_export_stream(const struct arrow_column *columns, uint32_t column_count,
                                   const struct text_style *style,
                                   const struct arrow_source *source, const struct alloc *alloc,
                                   struct ArrowArrayStream *stream_out, struct err *err)
{
    struct stream *stream = alloc_array(alloc, 1, sizeof *stream);
    if (stream == NULL) {
        return no_memory(err);
    }
    stream->alloc = alloc;
    stream->style = style;
    arena_init(&stream->arena, alloc, 0);
    if (!copy_columns(stream, columns, column_count)) {
        arena_deinit(&stream->arena);
        alloc_free(alloc, stream, 1, sizeof *stream);
        return no_memory(err);
    }
    stream->source = *source;
    batch_init(&stream->batch, alloc);
    *stream_out = (struct ArrowArrayStream){.get_schema = stream_get_schema,
                                            .get_next = stream_get_next,
                                            .get_last_error = stream_get_last_error,
                                            .release = stream_release,
                                            .private_data = stream};
    return TDBPLUS_OK;
}
