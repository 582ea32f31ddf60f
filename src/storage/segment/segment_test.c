/*
 * Goal: a segment gives back what was written, whatever the schema, nulls and distribution; finds
 * keys as a brute-force search does; and notices every kind of damage. Method: random schemas and
 * rows in a plain model that everything is compared with.
 */

#include "storage/segment/segment.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/codec.h"
#include "base/epoch.h"
#include "base/hash.h"
#include "os/env.h"
#include "simd/simd.h"
#include "storage/segment/page_cache.h"
#include "storage/segment/segment_format.h"
#include "test.h"
#include "types/json.h"

#define PATH        "db/segment-1"
#define COLUMNS_MAX 8u

/* ---- a world of its own ---- */

struct world {
    struct env *env;
    struct epoch epoch;
    struct page_cache *cache;
    const struct alloc *alloc;
};

static void world_init(struct world *world, const struct alloc *alloc, size_t capacity)
{
    simd_init();
    *world = (struct world){.alloc = alloc};
    epoch_init(&world->epoch);
    CHECK(env_ram_create(&alloc_system, &world->env, NULL) == TDBPLUS_OK);
    CHECK(page_cache_create(capacity, &alloc_system, &world->epoch, &world->cache, NULL) ==
          TDBPLUS_OK);
}

static void world_deinit(struct world *world)
{
    page_cache_destroy(world->cache);
    epoch_deinit(&world->epoch);
    env_ram_destroy(world->env);
}

static uint64_t next_random(uint64_t *state)
{
    return hash_u64((*state)++);
}

/* ---- the model: rows as data ---- */

struct model_row {
    struct datum values[COLUMNS_MAX];
    struct bytes key;
    uint64_t begin;
};

struct model {
    struct schema *schema;
    struct schema_column columns[COLUMNS_MAX];
    uint32_t key_columns[COLUMNS_MAX];
    struct model_row *rows;
    uint32_t row_count;
    bool with_begin;
    struct arena arena; /* Bytes of values. */
};

/* How the values of a column are drawn. */
enum shape {
    SHAPE_RANDOM,
    SHAPE_CONSTANT,
    SHAPE_SMALL,
    SHAPE_ASCENDING,
    SHAPE_REGULAR,
    SHAPE_RUNS,
    SHAPE_FEW,
    SHAPE_NULL,
    SHAPE_COUNT,
};

static int64_t draw_word(enum shape shape, uint32_t row, uint64_t *state)
{
    uint64_t random = next_random(state);
    switch (shape) {
    case SHAPE_CONSTANT:
        return 77;
    case SHAPE_SMALL:
        return (int64_t)(random % 1000) - 500;
    case SHAPE_ASCENDING:
        return (int64_t)row * 1000 + (int64_t)(random % 900);
    case SHAPE_REGULAR:
        return 1000000 + (int64_t)row * (int64_t)row * 3 + (int64_t)(random % 3);
    case SHAPE_RUNS:
        return (int64_t)hash_u64(row / 300);
    case SHAPE_FEW:
        return (int64_t)hash_u64(random % 5);
    case SHAPE_RANDOM:
    case SHAPE_NULL:
    case SHAPE_COUNT:
    default:
        return (int64_t)random;
    }
}

static struct span draw_bytes(struct model *model, enum shape shape, uint64_t *state)
{
    uint64_t random = next_random(state);
    size_t size = random % 40;
    if (shape == SHAPE_CONSTANT || shape == SHAPE_REGULAR) {
        size = 24;
    } else if (shape == SHAPE_RANDOM && random % 97 == 0) {
        size = 1500;
    }
    uint64_t seed = shape == SHAPE_CONSTANT ? 1 : shape == SHAPE_FEW ? random % 6 : random;
    size = shape == SHAPE_FEW ? seed * 5 : size;
    uint8_t *bytes = arena_bytes(&model->arena, size);
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)(shape == SHAPE_RUNS ? 'a' : hash_u64(seed + i));
    }
    return (struct span){bytes, size};
}

/* A document that is a string. */
static struct span make_document(struct model *model, struct span bytes)
{
    struct json_builder builder;
    struct buffer document;
    uint8_t *text = arena_bytes(&model->arena, bytes.size);
    for (size_t i = 0; i < bytes.size; i++) {
        text[i] = (uint8_t)('a' + bytes.data[i] % 26);
    }
    json_builder_init(&builder, &alloc_system);
    buffer_init(&document, &alloc_system);
    json_builder_string(&builder, (struct span){text, bytes.size});
    CHECK(json_builder_finish(&builder, &document, NULL) == TDBPLUS_OK);
    uint8_t *copy = arena_bytes(&model->arena, document.size);
    memcpy(copy, document.data, document.size);
    struct span span = {copy, document.size};
    buffer_deinit(&document);
    json_builder_deinit(&builder);
    return span;
}

/* A numeric that is valid by construction: one limb. */
static struct span draw_numeric(struct model *model, uint64_t *state)
{
    uint8_t *bytes = arena_bytes(&model->arena, 8);
    memset(bytes, 0, 8);
    store_u16(bytes + 6, (uint16_t)(1 + next_random(state) % 9999));
    return (struct span){bytes, 8};
}

static void draw_value(struct model *model, struct type type, enum shape shape, uint32_t row,
                       uint64_t *state, struct datum *datum)
{
    *datum = (struct datum){.type = type};
    int64_t word = draw_word(shape, row, state);
    switch (type_physical(type)) {
    case PHYSICAL_1:
        datum->boolean = (word & 1) != 0;
        break;
    case PHYSICAL_2:
        datum->integer = (int16_t)word;
        break;
    case PHYSICAL_4:
    case PHYSICAL_8:
        if (type.id == TYPE_FLOAT4 || type.id == TYPE_FLOAT8) {
            datum->real = (double)(float)((double)(int32_t)word / 8);
        } else {
            datum->integer = type_width(type) == 4 ? (int32_t)word : word;
        }
        break;
    case PHYSICAL_16:
        if (type.id == TYPE_INTERVAL) {
            datum->interval = (struct interval){.months = (int32_t)word, .days = 3};
        } else {
            store_u64(datum->uuid, (uint64_t)word);
            store_u64(datum->uuid + 8, shape == SHAPE_FEW ? 1 : next_random(state));
        }
        break;
    case PHYSICAL_VIEW:
        datum->bytes =
            type.id == TYPE_NUMERIC ? draw_numeric(model, state) : draw_bytes(model, shape, state);
        if (type.id == TYPE_JSON) {
            datum->bytes = make_document(model, datum->bytes);
        }
        break;
    case PHYSICAL_FIXED:
    default: {
        uint8_t *bytes = arena_bytes(&model->arena, type_width(type));
        for (uint32_t i = 0; i < type.parameter; i++) {
            float item = (float)(word % 1000 + i);
            memcpy(bytes + i * sizeof item, &item, sizeof item);
        }
        datum->bytes = (struct span){bytes, type_width(type)};
    }
    }
}

static int compare_rows(const void *left, const void *right)
{
    const struct model_row *a = left;
    const struct model_row *b = right;
    int order = span_compare((struct span){a->key.data, a->key.size},
                             (struct span){b->key.data, b->key.size});
    return order != 0 ? order : (a->begin < b->begin) - (a->begin > b->begin);
}

static const uint8_t value_types[] = {TYPE_BOOL,   TYPE_INT2,   TYPE_INT4,    TYPE_INT8,
                                      TYPE_FLOAT4, TYPE_FLOAT8, TYPE_NUMERIC, TYPE_TEXT,
                                      TYPE_BYTEA,  TYPE_DATE,   TYPE_UUID,    TYPE_TIMESTAMP,
                                      TYPE_VECTOR, TYPE_JSON,   TYPE_INTERVAL};

static struct type draw_type(uint64_t *state)
{
    struct type type = type_of(value_types[next_random(state) % sizeof value_types]);
    if (type.id == TYPE_VECTOR) {
        type.parameter = 1 + (uint32_t)(next_random(state) % 40);
    } else if (type.id == TYPE_NUMERIC && next_random(state) % 2 == 0) {
        type.precision = next_random(state) % 2 == 0 ? 10 : 30;
        type.scale = 2;
    }
    return type;
}

/* Key columns by `kind`: 0 int8, 1 int4, 2 text, 3 (text, int8), 4 uuid, 5 (int2, text). */
static uint32_t choose_key(struct model *model, uint32_t kind)
{
    static const uint8_t firsts[] = {TYPE_INT8, TYPE_INT4, TYPE_TEXT,
                                     TYPE_TEXT, TYPE_UUID, TYPE_INT2};
    static const uint8_t seconds[] = {0, 0, 0, TYPE_INT8, 0, TYPE_TEXT};
    model->columns[0].type = type_of(firsts[kind]);
    if (seconds[kind] == 0) {
        return 1;
    }
    model->columns[1].type = type_of(seconds[kind]);
    return 2;
}

static void make_schema(struct model *model, uint32_t kind, uint32_t column_count, uint64_t *state)
{
    static char names[COLUMNS_MAX][4];
    uint32_t key_count = choose_key(model, kind);
    for (uint32_t i = 0; i < column_count; i++) {
        struct schema_column *column = &model->columns[i];
        if (i >= key_count) {
            column->type = draw_type(state);
        }
        column->id = i + 1;
        column->not_null = i < key_count;
        names[i][0] = 'c';
        names[i][1] = (char)('0' + i);
        column->name = names[i];
        column->missing = (struct datum){.type = column->type, .is_null = true};
        model->key_columns[i] = i;
    }
    struct schema description = {.version = 3,
                                 .column_count = column_count,
                                 .columns = model->columns,
                                 .key_count = key_count,
                                 .key_columns = model->key_columns,
                                 .column_id_next = column_count + 1};
    struct err err = {0};
    tdbplus_status status = schema_create(&description, &alloc_system, &model->schema, &err);
    if (status != TDBPLUS_OK) {
        fprintf(stderr, "%s\n", err.text);
    }
    CHECK(status == TDBPLUS_OK);
}

static void model_init(struct model *model, uint32_t kind, uint32_t column_count,
                       uint32_t row_count, uint64_t seed)
{
    uint64_t state = seed << 32;
    memset(model, 0, sizeof *model);
    arena_init(&model->arena, &alloc_system, 1 << 20);
    make_schema(model, kind, column_count, &state);
    model->rows = alloc_array(&alloc_system, row_count, sizeof *model->rows);
    model->row_count = row_count;
    model->with_begin = seed % 2 == 0;
    enum shape shapes[COLUMNS_MAX];
    uint32_t null_share[COLUMNS_MAX];
    for (uint32_t i = 0; i < column_count; i++) {
        shapes[i] = (enum shape)(next_random(&state) % SHAPE_COUNT);
        null_share[i] = (uint32_t)(next_random(&state) % 3) * 7;
    }
    shapes[0] = seed % 3 == 0 ? SHAPE_ASCENDING : seed % 3 == 1 ? SHAPE_SMALL : SHAPE_RANDOM;
    for (uint32_t r = 0; r < row_count; r++) {
        struct model_row *row = &model->rows[r];
        for (uint32_t i = 0; i < column_count; i++) {
            draw_value(model, model->columns[i].type, shapes[i], r, &state, &row->values[i]);
            bool may_be_null = i >= model->schema->key_count;
            if (may_be_null && (shapes[i] == SHAPE_NULL ||
                                (null_share[i] > 0 && next_random(&state) % null_share[i] == 0))) {
                row->values[i].is_null = true;
            }
        }
        row->begin = 1 + next_random(&state) % 100000;
        struct buffer key;
        buffer_init(&key, &alloc_system);
        CHECK(key_encode(row->values, model->schema->key_count, &key, NULL) == TDBPLUS_OK);
        if (key_is_integer(model->schema)) {
            buffer_clear(&key);
            uint8_t bytes[8];
            store_u64_be(bytes, key_code_of_integer(row->values[0].integer));
            buffer_put(&key, bytes, 8);
        }
        row->key.data = arena_bytes(&model->arena, key.size);
        row->key.size = key.size;
        if (key.size > 0) {
            memcpy(row->key.data, key.data, key.size);
        }
        buffer_deinit(&key);
    }
    qsort(model->rows, row_count, sizeof *model->rows, compare_rows);
}

static void model_deinit(struct model *model)
{
    alloc_free(&alloc_system, model->rows, model->row_count, sizeof *model->rows);
    schema_destroy(model->schema);
    arena_deinit(&model->arena);
}

static struct span row_key(const struct model *model, uint32_t row)
{
    return (struct span){model->rows[row].key.data, model->rows[row].key.size};
}

static struct segment_key lookup_key(struct span key)
{
    return (struct segment_key){.key = key, .code = key_code(key), .hash = key_hash(key)};
}

/* ---- writing the model ---- */

/* A batch of rows [first, first + count); every third batch has a selection, some columns another
 * form. */
static void fill_batch(const struct model *model, uint32_t first, uint32_t count,
                       struct batch *batch, uint16_t *selection)
{
    bool select = first % 3 == 1;
    uint32_t stride = select ? 2 : 1;
    batch->column_count = model->schema->column_count;
    batch->columns = arena_array(&batch->arena, batch->column_count, sizeof *batch->columns);
    batch->row_count = count * stride;
    for (uint32_t i = 0; i < batch->column_count; i++) {
        struct column *column = &batch->columns[i];
        CHECK(column_make(column, model->columns[i].type, batch->row_count, true, &batch->arena));
        for (uint32_t r = 0; r < batch->row_count; r++) {
            column_set(column, r, &model->rows[first + r / stride].values[i]);
        }
        if (first % 5 == 2) {
            // The same as a dictionary that turns the order around.
            struct column *dictionary = arena_array(&batch->arena, 1, sizeof *dictionary);
            uint32_t *codes = arena_alloc(&batch->arena, batch->row_count * sizeof *codes);
            *dictionary = *column;
            for (uint32_t r = 0; r < batch->row_count; r++) {
                codes[r] = r;
            }
            *column = (struct column){.type = column->type,
                                      .form = COLUMN_DICTIONARY,
                                      .row_count = batch->row_count,
                                      .codes = codes,
                                      .dictionary = dictionary};
        }
    }
    if (select) {
        for (uint32_t r = 0; r < count; r++) {
            selection[r] = (uint16_t)(r * stride);
        }
        batch->selection = selection;
        batch->selected_count = count;
    }
}

static struct segment_writer_options writer_options(const struct world *world,
                                                    const struct model *model)
{
    return (struct segment_writer_options){
        .env = world->env,
        .alloc = world->alloc,
        .path = PATH,
        .schema = model->schema,
        .segment_id = 1,
        .key_min = row_key(model, 0),
        .key_max = row_key(model, model->row_count - 1),
        .with_begin = model->with_begin,
    };
}

static tdbplus_status write_rows(struct segment_writer *writer, const struct model *model)
{
    uint16_t selection[BATCH_ROW_COUNT_MAX];
    struct span keys[BATCH_ROW_COUNT_MAX];
    uint64_t begins[BATCH_ROW_COUNT_MAX];
    struct batch batch;
    batch_init(&batch, &alloc_system);
    tdbplus_status status = TDBPLUS_OK;
    for (uint32_t first = 0; first < model->row_count && status == TDBPLUS_OK;) {
        uint32_t count = 1 + (first * 7 + 500) % 1000;
        count = count < model->row_count - first ? count : model->row_count - first;
        batch_reset(&batch);
        fill_batch(model, first, count, &batch, selection);
        for (uint32_t r = 0; r < count; r++) {
            keys[r] = row_key(model, first + r);
            begins[r] = model->rows[first + r].begin;
        }
        status = segment_writer_add(writer, &batch, keys, begins, NULL);
        first += count;
    }
    batch_deinit(&batch);
    return status;
}

static tdbplus_status write_model(const struct world *world, const struct model *model,
                                  uint8_t compression, struct segment_summary *summary)
{
    struct segment_writer_options options = writer_options(world, model);
    options.compression = compression;
    struct segment_writer *writer = NULL;
    TRY(segment_writer_create(&options, &writer, NULL));
    tdbplus_status status = write_rows(writer, model);
    if (status != TDBPLUS_OK) {
        segment_writer_abandon(writer);
        return status;
    }
    return segment_writer_finish(writer, summary, NULL);
}

static tdbplus_status open_segment(const struct world *world, struct segment **segment_out,
                                   struct err *err)
{
    struct segment_options options = {.env = world->env,
                                      .alloc = world->alloc,
                                      .cache = world->cache,
                                      .path = PATH,
                                      .segment_id = 1};
    return segment_open(&options, segment_out, err);
}

static struct segment *write_and_open(struct world *world, const struct model *model,
                                      uint8_t compression)
{
    struct segment_summary summary = {0};
    struct err err = {0};
    CHECK(write_model(world, model, compression, &summary) == TDBPLUS_OK);
    CHECK(summary.row_count == model->row_count);
    CHECK(span_compare((struct span){summary.key_min.data, summary.key_min.size},
                       row_key(model, 0)) == 0);
    CHECK(span_compare((struct span){summary.key_max.data, summary.key_max.size},
                       row_key(model, model->row_count - 1)) == 0);
    struct segment *segment = NULL;
    tdbplus_status status = open_segment(world, &segment, &err);
    if (status != TDBPLUS_OK) {
        fprintf(stderr, "%s\n", err.text);
    }
    CHECK(status == TDBPLUS_OK);
    CHECK(segment_file_size(segment) == summary.file_size);
    CHECK(segment_footer_crc(segment) == summary.footer_crc);
    segment_summary_deinit(&summary);
    return segment;
}

/* ---- comparing ---- */

static bool same_datum(const struct datum *left, const struct datum *right)
{
    if (left->is_null || right->is_null) {
        return left->is_null == right->is_null;
    }
    if (left->type.id == TYPE_INTERVAL) {
        return memcmp(&left->interval, &right->interval, sizeof left->interval) == 0;
    }
    return datum_compare(left, right) == 0;
}

static void check_windows(struct segment *segment, const struct model *model)
{
    uint32_t positions[COLUMNS_MAX];
    uint32_t count = model->schema->column_count;
    for (uint32_t i = 0; i < count; i++) {
        int32_t position = segment_find_column(segment, model->columns[i].id);
        CHECK(position >= 0);
        positions[i] = (uint32_t)position;
    }
    struct batch batch;
    batch_init(&batch, &alloc_system);
    uint64_t state = 5;
    for (uint32_t first = 0; first < model->row_count; first += SEGMENT_WINDOW_ROW_COUNT) {
        uint32_t end = first + SEGMENT_WINDOW_ROW_COUNT;
        end = end < model->row_count ? end : model->row_count;
        // The whole window, then a piece of it.
        for (uint32_t turn = 0; turn < 2; turn++) {
            uint32_t from = first;
            uint32_t rows = end - first;
            if (turn == 1) {
                from += (uint32_t)(next_random(&state) % rows);
                rows = 1 + (uint32_t)(next_random(&state) % (end - from));
            }
            struct column columns[COLUMNS_MAX];
            CHECK(segment_read(segment, from, rows, positions, count, &batch, columns, NULL) ==
                  TDBPLUS_OK);
            for (uint32_t i = 0; i < count; i++) {
                CHECK(columns[i].row_count == rows);
                for (uint32_t r = 0; r < rows; r++) {
                    struct datum datum;
                    column_get(&columns[i], r, &datum);
                    CHECK(same_datum(&datum, &model->rows[from + r].values[i]));
                }
            }
            batch_reset(&batch);
        }
    }
    batch_deinit(&batch);
}

/* Gathers up to 300 rows from `row` on, at most `step` apart: close together or far. */
static uint32_t check_gather(struct segment *segment, const struct model *model, uint64_t row,
                             uint32_t step, uint64_t rows[300], struct batch *batch,
                             uint64_t *state)
{
    uint32_t count = 0;
    while (count < 300 && row < model->row_count) {
        rows[count++] = row;
        row += 1 + next_random(state) % step;
    }
    uint32_t columns = model->schema->column_count;
    uint32_t positions[COLUMNS_MAX] = {0, 1, 2, 3, 4, 5, 6, 7};
    struct column gathered[COLUMNS_MAX];
    segment_window_prefetch(segment, rows[0], count, positions, columns);
    CHECK(segment_gather(segment, rows, count, positions, columns, batch, gathered, NULL) ==
          TDBPLUS_OK);
    for (uint32_t i = 0; i < columns; i++) {
        CHECK(gathered[i].form == COLUMN_FLAT);
        for (uint32_t r = 0; r < count; r++) {
            struct datum datum;
            column_get(&gathered[i], r, &datum);
            CHECK(same_datum(&datum, &model->rows[rows[r]].values[i]));
            CHECK(segment_value(segment, rows[r], i, batch, &datum, NULL) == TDBPLUS_OK);
            CHECK(same_datum(&datum, &model->rows[rows[r]].values[i]));
        }
    }
    return count;
}

static void check_rows(struct segment *segment, const struct model *model, uint64_t *state)
{
    struct batch batch;
    batch_init(&batch, &alloc_system);
    uint64_t rows[300];
    for (uint32_t step = 1; step < 9; step *= 2) {
        (void)check_gather(segment, model, next_random(state) % model->row_count, step, rows,
                           &batch, state);
    }
    uint32_t count =
        check_gather(segment, model, 0, model->row_count / 250 + 1, rows, &batch, state);
    for (uint32_t r = 0; r < count; r++) {
        uint64_t begin = 0;
        CHECK(segment_begin(segment, rows[r], &begin, NULL) == TDBPLUS_OK);
        CHECK(begin == (model->with_begin ? model->rows[rows[r]].begin : 0));
    }
    uint32_t window = model->row_count < 500 ? model->row_count : 500;
    const struct span *keys = NULL;
    CHECK(segment_read_keys(segment, 0, window, &batch, &keys, NULL) == TDBPLUS_OK);
    for (uint32_t r = 0; r < window; r++) {
        CHECK(span_compare(keys[r], row_key(model, r)) == 0);
    }
    if (key_is_integer(model->schema)) {
        uint64_t codes[500];
        CHECK(segment_read_codes(segment, 0, window, codes, NULL) == TDBPLUS_OK);
        for (uint32_t r = 0; r < window; r++) {
            CHECK(codes[r] == key_code(row_key(model, r)));
        }
    }
    batch_deinit(&batch);
}

/* Lower bound and number of equal keys, by looking at all. */
static void brute_force(const struct model *model, struct span key, uint64_t *row_out,
                        uint32_t *count_out)
{
    uint32_t low = 0;
    uint32_t high = model->row_count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (span_compare(row_key(model, middle), key) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    uint32_t end = low;
    while (end < model->row_count && span_compare(row_key(model, end), key) == 0) {
        end++;
    }
    *row_out = low;
    *count_out = end - low;
}

/* Keys that are there, and neighbours that perhaps are not. */
static struct span draw_key(const struct model *model, uint64_t *state, uint8_t *memory)
{
    struct span key = row_key(model, (uint32_t)(next_random(state) % model->row_count));
    uint64_t turn = next_random(state) % 4;
    if (turn < 2 || key.size == 0) {
        return key;
    }
    memcpy(memory, key.data, key.size);
    if (turn == 2 || key_is_integer(model->schema)) {
        memory[next_random(state) % key.size] ^= (uint8_t)(1u << next_random(state) % 8);
        return (struct span){memory, key.size};
    }
    return (struct span){memory, next_random(state) % key.size};
}

static void check_lookups(struct segment *segment, const struct model *model, uint64_t *state)
{
    enum { COUNT = 200 };
    static uint8_t memory[COUNT][KEY_SIZE_MAX];
    struct segment_key keys[COUNT];
    uint64_t rows[COUNT];
    uint64_t found[COUNT];
    uint32_t counts[COUNT];
    for (uint32_t i = 0; i < COUNT; i++) {
        struct span key = draw_key(model, state, memory[i]);
        uint64_t expected_row = 0;
        uint32_t expected_count = 0;
        brute_force(model, key, &expected_row, &expected_count);
        keys[i] = lookup_key(key);
        uint64_t row = 0;
        uint32_t count = 0;
        CHECK(segment_find(segment, &keys[i], &row, &count, NULL) == TDBPLUS_OK);
        CHECK(count == expected_count);
        CHECK(row == (count > 0 ? expected_row : SEGMENT_ROW_NONE));
        found[i] = row;
        CHECK(segment_lower_bound(segment, &keys[i], &row, NULL) == TDBPLUS_OK);
        CHECK(row == expected_row);
        rows[i] = i % 7 == 3 ? 12345 : SEGMENT_ROW_NONE;
        counts[i] = 99;
    }
    CHECK(segment_find_batch(segment, keys, COUNT, rows, counts, NULL) == TDBPLUS_OK);
    for (uint32_t i = 0; i < COUNT; i++) {
        CHECK(rows[i] == (i % 7 == 3 ? 12345 : found[i]));
        CHECK(i % 7 == 3 ? counts[i] == 99 : (counts[i] > 0) == (found[i] != SEGMENT_ROW_NONE));
    }
}

static void check_zones(struct segment *segment, const struct model *model, uint64_t *state)
{
    for (uint32_t turn = 0; turn < 20; turn++) {
        uint32_t column = (uint32_t)(next_random(state) % model->schema->column_count);
        uint32_t first = (uint32_t)(next_random(state) % model->row_count);
        uint32_t count = 1 + (uint32_t)(next_random(state) % (model->row_count - first));
        struct segment_zone zone;
        segment_zone(segment, column, first, count, &zone);
        uint64_t nulls = 0;
        for (uint32_t r = first; r < first + count; r++) {
            const struct datum *value = &model->rows[r].values[column];
            nulls += value->is_null;
            if (zone.has_bounds && !value->is_null) {
                CHECK(datum_compare(&zone.min, value) <= 0);
                CHECK(datum_compare(&zone.max, value) >= 0);
            }
        }
        CHECK(zone.null_count >= nulls);
        CHECK(count < model->row_count || zone.null_count == nulls);
    }
}

static void check_all(struct world *world, const struct model *model, uint8_t compression,
                      uint64_t seed)
{
    struct segment *segment = write_and_open(world, model, compression);
    uint64_t state = seed;
    check_windows(segment, model);
    check_rows(segment, model, &state);
    check_lookups(segment, model, &state);
    check_zones(segment, model, &state);
    struct err err = {0};
    struct call call = {.alloc = &alloc_system, .err = &err};
    tdbplus_status status = segment_verify(segment, &call);
    if (status != TDBPLUS_OK) {
        fprintf(stderr, "seed %llu: %s\n", (unsigned long long)seed, err.text);
    }
    CHECK(status == TDBPLUS_OK);
    segment_close(segment);
}

TEST(a_segment_gives_back_what_was_written)
{
    for (uint64_t seed = 1; seed <= 60; seed++) {
        uint64_t state = seed * 1000003;
        struct world world;
        // Some caches hold nothing but what is pinned.
        world_init(&world, &alloc_system, seed % 4 == 0 ? 0 : 64 << 20);
        struct model model;
        uint32_t rows = 1 + (uint32_t)(next_random(&state) % (seed % 10 == 0 ? 9000 : 3000));
        uint32_t columns = 2 + (uint32_t)(next_random(&state) % (COLUMNS_MAX - 2));
        model_init(&model, (uint32_t)(seed % 6), columns, rows, seed);
        check_all(&world, &model, (uint8_t)(seed % 4), seed);
        model_deinit(&model);
        world_deinit(&world);
    }
}

TEST(groups_after_the_first_are_found_too)
{
    struct world world;
    world_init(&world, &alloc_system, 64 << 20);
    struct model model;
    model_init(&model, 0, 3, 70000, 6);
    check_all(&world, &model, SEGMENT_COMPRESSION_AUTO, 6);
    model_deinit(&model);
    world_deinit(&world);
}

TEST(a_column_older_than_the_segment_is_not_found)
{
    struct world world;
    world_init(&world, &alloc_system, 64 << 20);
    struct model model;
    model_init(&model, 0, 3, 10, 1);
    struct segment *segment = write_and_open(&world, &model, 0);
    CHECK(segment_find_column(segment, 99) == -1);
    CHECK(segment_find_column(segment, SEGMENT_COLUMN_BEGIN) == -1);
    CHECK(!segment_has_begin(segment));
    segment_close(segment);
    model_deinit(&model);
    world_deinit(&world);
}

TEST(rows_out_of_order_are_refused_and_leave_no_file)
{
    struct world world;
    world_init(&world, &alloc_system, 0);
    for (uint32_t kind = 0; kind < 3; kind++) {
        struct model model;
        model_init(&model, kind, 2, 50, 9);
        struct model_row swap = model.rows[20];
        model.rows[20] = model.rows[21];
        model.rows[21] = swap;
        struct segment_summary summary = {0};
        CHECK(write_model(&world, &model, 0, &summary) == TDBPLUS_E_INVALID);
        struct env_file *file = NULL;
        CHECK(env_open(world.env, PATH, ENV_OPEN_READ, &file, NULL) == TDBPLUS_E_NOT_FOUND);
        CHECK(env_open(world.env, PATH ".tmp", ENV_OPEN_READ, &file, NULL) == TDBPLUS_E_NOT_FOUND);
        model_deinit(&model);
    }
    world_deinit(&world);
}

/* ---- damage ---- */

static struct bytes load_file(const struct world *world)
{
    struct bytes file = {0};
    CHECK(env_read_file(world->env, PATH, 1 << 24, &alloc_system, &file, NULL) == TDBPLUS_OK);
    return file;
}

static void store_file(const struct world *world, struct span content)
{
    CHECK(env_write_file(world->env, PATH, content, NULL) == TDBPLUS_OK);
}

static tdbplus_status open_and_verify(const struct world *world)
{
    struct segment *segment = NULL;
    TRY(open_segment(world, &segment, NULL));
    struct call call = {.alloc = &alloc_system};
    tdbplus_status status = segment_verify(segment, &call);
    segment_close(segment);
    return status;
}

TEST(every_truncation_and_every_flipped_bit_is_noticed)
{
    struct world world;
    world_init(&world, &alloc_system, 1 << 20);
    struct model model;
    model_init(&model, 3, 4, 20, 8);
    struct segment_summary summary = {0};
    CHECK(write_model(&world, &model, 0, &summary) == TDBPLUS_OK);
    segment_summary_deinit(&summary);
    struct bytes file = load_file(&world);
    CHECK(open_and_verify(&world) == TDBPLUS_OK);
    for (size_t size = 0; size < file.size; size += 1 + size / 100) {
        store_file(&world, (struct span){file.data, size});
        CHECK(open_and_verify(&world) == TDBPLUS_E_CORRUPT);
    }
    for (size_t at = 0; at < file.size; at++) {
        uint8_t bit = (uint8_t)(1u << (at % 8));
        file.data[at] ^= bit;
        store_file(&world, (struct span){file.data, file.size});
        CHECK(open_and_verify(&world) != TDBPLUS_OK);
        file.data[at] ^= bit;
    }
    bytes_deinit(&file);
    model_deinit(&model);
    world_deinit(&world);
}

/* Makes every checksum of a changed file hold again, as far as its parts can still be found. */
static void repair(struct bytes *file)
{
    struct segment_footer footer;
    uint8_t *end = file->data + file->size - sizeof footer;
    memcpy(&footer, end, sizeof footer);
    if (footer.metadata_offset <= file->size && footer.metadata_size <= file->size &&
        footer.metadata_offset + footer.metadata_size <= file->size) {
        footer.metadata_crc = crc32c(
            (struct span){file->data + footer.metadata_offset, (size_t)footer.metadata_size});
    }
    footer.crc = 0;
    footer.crc = crc32c((struct span){(const uint8_t *)&footer, sizeof footer});
    memcpy(end, &footer, sizeof footer);
    struct segment_header header;
    memcpy(&header, file->data, sizeof header);
    header.crc =
        crc32c((struct span){(const uint8_t *)&header, offsetof(struct segment_header, crc)});
    memcpy(file->data, &header, sizeof header);
}

TEST(sealed_lies_in_the_metadata_do_no_harm)
{
    struct world world;
    world_init(&world, &alloc_system, 1 << 20);
    struct model model;
    model_init(&model, 0, 4, 300, 4);
    struct segment_summary summary = {0};
    CHECK(write_model(&world, &model, 0, &summary) == TDBPLUS_OK);
    segment_summary_deinit(&summary);
    struct bytes good = load_file(&world);
    struct segment_footer footer;
    memcpy(&footer, good.data + good.size - sizeof footer, sizeof footer);
    uint32_t noticed = 0;
    uint32_t tried = 0;
    uint64_t state = 3;
    for (size_t at = (size_t)footer.metadata_offset; at < good.size; at += 3) {
        struct bytes bad = load_file(&world);
        memcpy(bad.data, good.data, good.size);
        bad.data[at] ^= (uint8_t)next_random(&state);
        repair(&bad);
        store_file(&world, (struct span){bad.data, bad.size});
        noticed += open_and_verify(&world) != TDBPLUS_OK;
        tried++;
        store_file(&world, (struct span){good.data, good.size});
        bytes_deinit(&bad);
    }
    CHECK(noticed > tried / 2); // Padding, names and slack in the index may change unnoticed.
    bytes_deinit(&good);
    model_deinit(&model);
    world_deinit(&world);
}

/* Changes one byte of a page and makes its checksum right. */
static void lie_in_page(struct bytes *file, uint64_t offset, size_t at, uint8_t value)
{
    struct page_header header;
    uint8_t *page = file->data + offset;
    page[at] ^= value;
    memcpy(&header, page, sizeof header);
    uint64_t segment_id = 1;
    struct page_header rest = header;
    rest.crc = 0;
    uint32_t crc = crc32c((struct span){(const uint8_t *)&segment_id, sizeof segment_id});
    crc = crc32c_extend(crc, (struct span){(const uint8_t *)&rest, sizeof rest});
    if (offset + sizeof header + header.stored_size <= file->size) {
        crc = crc32c_extend(crc, (struct span){page + sizeof header, header.stored_size});
    }
    store_u32(page, crc);
}

TEST(sealed_lies_in_pages_do_no_harm)
{
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct world world;
        world_init(&world, &alloc_system, 1 << 20);
        struct model model;
        model_init(&model, (uint32_t)(seed % 6), 6, 100, seed);
        struct segment_summary summary = {0};
        CHECK(write_model(&world, &model, (uint8_t)(seed % 4), &summary) == TDBPLUS_OK);
        segment_summary_deinit(&summary);
        struct bytes good = load_file(&world);
        struct segment_footer footer;
        memcpy(&footer, good.data + good.size - sizeof footer, sizeof footer);
        uint64_t state = seed;
        uint32_t noticed = 0;
        for (uint64_t offset = sizeof(struct segment_header); offset < footer.metadata_offset;) {
            struct page_header header;
            memcpy(&header, good.data + offset, sizeof header);
            size_t size = sizeof header + header.stored_size;
            for (size_t at = 4; at < size; at += 1 + next_random(&state) % 16) {
                struct bytes bad = load_file(&world);
                memcpy(bad.data, good.data, good.size);
                lie_in_page(&bad, offset, at, (uint8_t)(1 + next_random(&state) % 255));
                store_file(&world, (struct span){bad.data, bad.size});
                noticed += open_and_verify(&world) != TDBPLUS_OK;
                struct segment *segment = NULL;
                CHECK(open_segment(&world, &segment, NULL) == TDBPLUS_OK);
                struct segment_key key = lookup_key(row_key(&model, 50));
                uint64_t row = 0;
                uint32_t count = 0;
                (void)!segment_find(segment, &key, &row, &count, NULL);
                segment_close(segment);
                bytes_deinit(&bad);
            }
            offset += size;
        }
        CHECK(noticed > 0);
        bytes_deinit(&good);
        model_deinit(&model);
        world_deinit(&world);
    }
}

TEST(writing_and_opening_survive_every_failed_allocation)
{
    struct model model;
    model_init(&model, 3, 5, 120, 8);
    uint32_t fail_at = 0;
    for (;; fail_at++) {
        struct fault_alloc fault;
        fault_alloc_init(&fault, fail_at);
        struct world world;
        world_init(&world, &fault.alloc, 1 << 20);
        struct segment_summary summary = {0};
        struct segment *segment = NULL;
        tdbplus_status status = write_model(&world, &model, 0, &summary);
        if (status == TDBPLUS_OK) {
            status = open_segment(&world, &segment, NULL);
        }
        segment_close(segment);
        segment_summary_deinit(&summary);
        CHECK(fault.live_bytes == 0);
        world_deinit(&world);
        if (status == TDBPLUS_OK) {
            break;
        }
        CHECK(status == TDBPLUS_E_NOMEM);
    }
    CHECK(fail_at > 20);
    model_deinit(&model);
}

/* ---- large values, failing disks ---- */

#define LARGE_ROWS 260u
#define LARGE_SIZE ((size_t)400 << 10)

/* Row i's value; every 50th is larger than any ordinary page may be. */
static struct span large_value(uint8_t *memory, uint32_t row)
{
    size_t size = row % 50 == 7 ? 5 * LARGE_SIZE : LARGE_SIZE - row;
    for (size_t at = 0; at + 8 <= size; at += 512) {
        store_u64(memory + at, hash_u64(row + at));
    }
    return (struct span){memory, size};
}

static struct schema *large_schema(void)
{
    struct schema_column columns[2] = {
        {.id = 1, .not_null = true, .type = type_of(TYPE_INT4), .name = "id"},
        {.id = 2, .type = type_of(TYPE_BYTEA), .name = "value"},
    };
    for (uint32_t i = 0; i < 2; i++) {
        columns[i].missing = (struct datum){.type = columns[i].type, .is_null = true};
    }
    uint32_t key = 0;
    struct schema description = {.version = 1,
                                 .column_count = 2,
                                 .columns = columns,
                                 .key_count = 1,
                                 .key_columns = &key,
                                 .column_id_next = 3};
    struct schema *schema = NULL;
    CHECK(schema_create(&description, &alloc_system, &schema, NULL) == TDBPLUS_OK);
    return schema;
}

/* Writes the rows one batch each; returns the most memory the writer ever had. */
static size_t write_large(struct world *world, struct fault_alloc *watched,
                          const struct schema *schema, uint8_t *memory)
{
    struct segment_writer_options options = {.env = world->env,
                                             .alloc = &watched->alloc,
                                             .path = PATH,
                                             .schema = schema,
                                             .segment_id = 1};
    struct segment_writer *writer = NULL;
    CHECK(segment_writer_create(&options, &writer, NULL) == TDBPLUS_OK);
    struct batch batch;
    batch_init(&batch, &alloc_system);
    size_t most = 0;
    for (uint32_t row = 0; row < LARGE_ROWS; row++) {
        batch_reset(&batch);
        batch.columns = arena_array(&batch.arena, 2, sizeof *batch.columns);
        batch.column_count = 2;
        batch.row_count = 1;
        for (uint32_t i = 0; i < 2; i++) {
            CHECK(column_make(&batch.columns[i], schema->columns[i].type, 1, false, &batch.arena));
        }
        *(int32_t *)batch.columns[0].data = (int32_t)row;
        *(struct view *)batch.columns[1].data = view_of(large_value(memory, row));
        CHECK(segment_writer_add(writer, &batch, NULL, NULL, NULL) == TDBPLUS_OK);
        most = watched->live_bytes > most ? watched->live_bytes : most;
    }
    batch_deinit(&batch);
    struct segment_summary summary = {0};
    CHECK(segment_writer_finish(writer, &summary, NULL) == TDBPLUS_OK);
    segment_summary_deinit(&summary);
    return most;
}

TEST(large_values_become_pages_before_the_group_is_full)
{
    struct world world;
    world_init(&world, &alloc_system, 1 << 20);
    struct fault_alloc watched;
    fault_alloc_init(&watched, UINT32_MAX);
    struct schema *schema = large_schema();
    uint8_t *memory = alloc_array(&alloc_system, 5 * LARGE_SIZE, 1);
    size_t most = write_large(&world, &watched, schema, memory);
    CHECK(most < LARGE_ROWS * LARGE_SIZE); // It did not hold all of them.
    CHECK(watched.live_bytes == 0);
    struct segment *segment = NULL;
    CHECK(open_segment(&world, &segment, NULL) == TDBPLUS_OK);
    struct batch batch;
    batch_init(&batch, &alloc_system);
    for (uint32_t row = 0; row < LARGE_ROWS; row++) {
        struct datum datum;
        CHECK(segment_value(segment, row, 1, &batch, &datum, NULL) == TDBPLUS_OK);
        struct span expected = large_value(memory, row);
        CHECK(datum.bytes.size == expected.size);
        CHECK(load_u64(datum.bytes.data + 1024) == load_u64(expected.data + 1024));
        batch_reset(&batch);
    }
    struct call call = {.alloc = &alloc_system};
    CHECK(segment_verify(segment, &call) == TDBPLUS_OK);
    batch_deinit(&batch);
    segment_close(segment);
    alloc_free(&alloc_system, memory, 5 * LARGE_SIZE, 1);
    schema_destroy(schema);
    world_deinit(&world);
}

/* Counts down to the call that fails; for all operations that change something. */
static uint32_t calls_left;
static const struct env *honest;

static bool must_fail(void)
{
    return calls_left != UINT32_MAX && calls_left-- == 0;
}

static tdbplus_status bad_write(void *ctx, struct env_file *file, uint64_t offset, const void *data,
                                size_t size, struct err *err)
{
    return must_fail() ? TDBPLUS_E_FULL : honest->ops->write(ctx, file, offset, data, size, err);
}

static tdbplus_status bad_sync(void *ctx, struct env_file *file, struct err *err)
{
    return must_fail() ? TDBPLUS_E_IO : honest->ops->sync(ctx, file, err);
}

static tdbplus_status bad_rename(void *ctx, const char *from, const char *to, struct err *err)
{
    return must_fail() ? TDBPLUS_E_IO : honest->ops->rename(ctx, from, to, err);
}

static tdbplus_status bad_sync_directory(void *ctx, const char *path, struct err *err)
{
    return must_fail() ? TDBPLUS_E_IO : honest->ops->sync_directory(ctx, path, err);
}

TEST(a_failing_disk_leaves_no_file)
{
    struct model model;
    model_init(&model, 0, 3, 3000, 3);
    uint32_t fail_at = 0;
    for (;; fail_at++) {
        struct world world;
        world_init(&world, &alloc_system, 0);
        struct env_ops ops = *world.env->ops;
        ops.write = bad_write;
        ops.sync = bad_sync;
        ops.rename = bad_rename;
        ops.sync_directory = bad_sync_directory;
        struct env bad = *world.env;
        bad.ops = &ops;
        honest = world.env;
        calls_left = fail_at;
        struct segment_writer_options options = writer_options(&world, &model);
        options.env = &bad;
        struct segment_writer *writer = NULL;
        struct segment_summary summary = {0};
        CHECK(segment_writer_create(&options, &writer, NULL) == TDBPLUS_OK);
        tdbplus_status status = write_rows(writer, &model);
        CHECK(status == TDBPLUS_OK); // Too few rows for a write of their own.
        status = segment_writer_finish(writer, &summary, NULL);
        segment_summary_deinit(&summary);
        struct env_file *file = NULL;
        tdbplus_status found = env_open(world.env, PATH, ENV_OPEN_READ, &file, NULL);
        CHECK((found == TDBPLUS_OK) == (status == TDBPLUS_OK));
        env_close(world.env, file);
        file = NULL;
        CHECK(env_open(world.env, PATH ".tmp", ENV_OPEN_READ, &file, NULL) == TDBPLUS_E_NOT_FOUND);
        world_deinit(&world);
        if (status == TDBPLUS_OK) {
            break;
        }
        CHECK(status == TDBPLUS_E_IO || status == TDBPLUS_E_FULL);
    }
    CHECK(fail_at == 5); // Pages, metadata, sync, rename, directory.
    model_deinit(&model);
}
