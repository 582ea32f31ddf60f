#include "sql/system/system.h"

#include <string.h>

#include "sql/system/system_internal.h"
#include "types/array.h"

/* ---- relations ---- */

const struct plan_system *system_find_table(const char *schema, const char *name)
{
    if (schema != NULL && strcmp(schema, "pg_catalog") != 0) {
        return NULL;
    }
    for (const struct plan_system *table = system_tables; table->name != NULL; table++) {
        if (strcmp(table->name, name) == 0) {
            return table;
        }
    }
    return NULL;
}

const char *system_find_view(const char *schema, const char *name)
{
    for (const struct system_view *view = system_views; view->name != NULL; view++) {
        if (strcmp(view->name, name) == 0 &&
            strcmp(view->schema, schema == NULL ? "pg_catalog" : schema) == 0) {
            return view->query;
        }
    }
    return NULL;
}

static struct type type_of_letter(char letter)
{
    switch (letter) {
    case 'o':
        return type_of(TYPE_OID);
    case 'n':
        return type_of(TYPE_NAME);
    case 'c':
        return type_of(TYPE_CHAR1);
    case 'b':
        return type_of(TYPE_BOOL);
    case '2':
        return type_of(TYPE_INT2);
    case '4':
        return type_of(TYPE_INT4);
    case '8':
        return type_of(TYPE_INT8);
    case 'f':
        return type_of(TYPE_FLOAT4);
    case 'd':
        return type_of(TYPE_FLOAT8);
    case 'z':
        return type_of(TYPE_TIMESTAMPTZ);
    case 'r':
        return type_of(TYPE_REGPROC);
    case 'x':
        return type_of(TYPE_XID);
    case 'y':
        return type_of(TYPE_BYTEA);
    case 'T':
        return (struct type){.id = TYPE_ARRAY, .element = TYPE_TEXT};
    case 'C':
        return (struct type){.id = TYPE_ARRAY, .element = TYPE_CHAR1};
    case 'S':
        return (struct type){.id = TYPE_ARRAY, .element = TYPE_INT2};
    case 'V':
        return (struct type){.id = TYPE_ARRAY, .element = TYPE_INT2, .form = ARRAY_SPACED};
    case 'O':
        return (struct type){.id = TYPE_ARRAY, .element = TYPE_OID};
    case 'W':
        return (struct type){.id = TYPE_ARRAY, .element = TYPE_OID, .form = ARRAY_SPACED};
    default:
        return type_of(TYPE_TEXT);
    }
}

uint32_t system_column_count(const struct plan_system *table)
{
    uint32_t count = 0;
    for (const char *at = table->columns; *at != 0; at++) {
        count += *at == ':';
    }
    return count;
}

/* The column's letter and name. */
static char column_letter(const struct plan_system *table, uint32_t number, struct span *name_out)
{
    const char *at = table->columns;
    for (uint32_t i = 0; i < number; i++) {
        at = strchr(at, ' ') + 1;
    }
    const char *colon = strchr(at, ':');
    *name_out = (struct span){.data = (const uint8_t *)at, .size = (size_t)(colon - at)};
    return colon[1];
}

struct type system_column(const struct plan_system *table, uint32_t number, struct span *name_out)
{
    return type_of_letter(column_letter(table, number, name_out));
}

/* ---- rows ---- */

tdbplus_status system_fill(struct system_rows *rows)
{
    rows->column_count = system_column_count(rows->table);
    if (rows->table->fill == NULL) {
        return TDBPLUS_OK;
    }
    TRY(rows->table->fill(rows));
    return rows->failed ? err_set(rows->err, TDBPLUS_E_NOMEM, "out of memory for the catalog")
                        : TDBPLUS_OK;
}

static bool grow(struct system_rows *rows)
{
    uint32_t capacity = rows->row_capacity == 0 ? 64 : rows->row_capacity * 2;
    struct datum *cells =
        arena_array(rows->arena, (size_t)capacity * rows->column_count, sizeof *cells);
    if (cells == NULL) {
        rows->failed = true;
        return false;
    }
    if (rows->row_count > 0) {
        memcpy(cells, rows->cells, (size_t)rows->row_count * rows->column_count * sizeof *cells);
    }
    rows->cells = cells;
    rows->row_capacity = capacity;
    return true;
}

void system_row(struct system_rows *rows)
{
    if (rows->failed || (rows->row_count == rows->row_capacity && !grow(rows))) {
        return;
    }
    struct datum *cells = rows->cells + (size_t)rows->row_count * rows->column_count;
    for (uint32_t i = 0; i < rows->column_count; i++) {
        struct span name;
        char letter = column_letter(rows->table, i, &name);
        bool empty = strchr("tTCSOVWyz", letter) != NULL;
        cells[i] = (struct datum){.type = type_of_letter(letter), .is_null = empty};
        cells[i].bytes = letter == 'n' || letter == 'c'
                             ? (struct span){.data = (const uint8_t *)"", .size = 0}
                             : cells[i].bytes;
    }
    rows->row_count++;
    rows->hint = 0;
}

/* Cells are mostly set in order, so the search begins behind the last one. */
static struct datum *cell_of(struct system_rows *rows, const char *column)
{
    size_t size = strlen(column);
    for (uint32_t i = 0; i < rows->column_count; i++) {
        uint32_t at = (rows->hint + i) % rows->column_count;
        struct span name;
        (void)column_letter(rows->table, at, &name);
        if (name.size == size && memcmp(name.data, column, size) == 0) {
            rows->hint = at + 1;
            return rows->cells + (size_t)(rows->row_count - 1) * rows->column_count + at;
        }
    }
    return NULL;
}

static struct datum *begin_cell(struct system_rows *rows, const char *column)
{
    struct datum *cell = rows->failed ? NULL : cell_of(rows, column);
    if (cell != NULL) {
        cell->is_null = false;
    }
    return cell;
}

void system_put(struct system_rows *rows, const char *column, int64_t value)
{
    struct datum *cell = begin_cell(rows, column);
    if (cell == NULL) {
        return;
    }
    if (cell->type.id == TYPE_BOOL) {
        cell->boolean = value != 0;
    } else if (cell->type.id == TYPE_FLOAT4 || cell->type.id == TYPE_FLOAT8) {
        cell->real = (double)value;
    } else if (cell->type.id == TYPE_CHAR1) {
        char *byte = arena_alloc(rows->arena, 1);
        rows->failed = rows->failed || byte == NULL;
        if (byte != NULL) {
            *byte = (char)value;
            cell->bytes = (struct span){.data = (const uint8_t *)byte, .size = value != 0};
        }
    } else {
        cell->integer = value;
    }
}

void system_put_span(struct system_rows *rows, const char *column, struct span text)
{
    struct datum *cell = begin_cell(rows, column);
    char *copy = cell == NULL ? NULL : arena_text(rows->arena, text);
    rows->failed = rows->failed || (cell != NULL && copy == NULL);
    if (copy != NULL) {
        cell->bytes = (struct span){.data = (const uint8_t *)copy, .size = text.size};
    }
}

void system_put_text(struct system_rows *rows, const char *column, const char *text)
{
    system_put_span(rows, column, span_from_text(text));
}

void system_put_null(struct system_rows *rows, const char *column)
{
    struct datum *cell = begin_cell(rows, column);
    if (cell != NULL) {
        cell->is_null = true;
    }
}

static void put_items(struct system_rows *rows, struct datum *cell, const struct datum *items,
                      uint32_t count, int32_t lower)
{
    struct array_dimension dimension = {.length = count, .lower = lower};
    struct buffer buffer;
    buffer_init(&buffer, rows->arena->alloc);
    bool good = array_encode(type_of((enum type_id)cell->type.element), items, &dimension,
                             count > 0, &buffer, NULL) == TDBPLUS_OK;
    uint8_t *copy = good ? arena_bytes(rows->arena, buffer.size) : NULL;
    rows->failed = rows->failed || copy == NULL;
    if (copy != NULL) {
        memcpy(copy, buffer.data, buffer.size);
        cell->bytes = (struct span){.data = copy, .size = buffer.size};
    }
    buffer_deinit(&buffer);
}

void system_put_array(struct system_rows *rows, const char *column, const int64_t *items,
                      uint32_t count)
{
    struct datum *cell = begin_cell(rows, column);
    struct datum *data = cell == NULL ? NULL : arena_array(rows->arena, count + 1u, sizeof *data);
    rows->failed = rows->failed || (cell != NULL && data == NULL);
    if (data == NULL) {
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        data[i] =
            (struct datum){.type = type_of((enum type_id)cell->type.element), .integer = items[i]};
    }
    struct span name;
    char letter = column_letter(rows->table, rows->hint - 1, &name);
    put_items(rows, cell, data, count, letter == 'V' || letter == 'W' ? 0 : 1);
}

void system_put_texts(struct system_rows *rows, const char *column, const struct span *items,
                      uint32_t count)
{
    struct datum *cell = begin_cell(rows, column);
    struct datum *data = cell == NULL ? NULL : arena_array(rows->arena, count + 1u, sizeof *data);
    rows->failed = rows->failed || (cell != NULL && data == NULL);
    if (data == NULL) {
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        data[i] =
            (struct datum){.type = type_of((enum type_id)cell->type.element), .bytes = items[i]};
    }
    put_items(rows, cell, data, count, 1);
}
