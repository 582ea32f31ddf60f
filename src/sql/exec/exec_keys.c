/* Rows as bytes: for equality (hash tables) and for order (sorting). */

#include <string.h>

#include "base/codec.h"
#include "base/hash.h"
#include "sql/exec/exec_internal.h"
#include "types/catalog_type.h"
#include "types/numeric.h"
#include "types/packed.h"

#define MICROSECONDS_PER_DAY ((int64_t)86400 * 1000000)

__extension__ typedef __int128 wide_int;

static wide_int interval_length(const struct interval *interval)
{
    wide_int days = (wide_int)interval->months * 30 + interval->days;
    return days * MICROSECONDS_PER_DAY + interval->microseconds;
}

static double normal_double(double value)
{
    return value != value ? (double)__builtin_nan("") : value == 0 ? 0.0 : value;
}

/* Numbers that are equal differ at most in the bytes of the display scale, 2 and 3. */
#define NUMERIC_SCALE_AT 2u

/* ---- equality ---- */

/* True for values that always take eight bytes, so that their nulls do too. */
static bool is_word_type(struct type type)
{
    enum physical physical = type_physical(type);
    return physical != PHYSICAL_VIEW && physical != PHYSICAL_FIXED && physical != PHYSICAL_16;
}

static size_t equal_size(const struct datum *value)
{
    if (value->is_null) {
        return is_word_type(value->type) ? 1 + 8 : 1;
    }
    switch (type_physical(value->type)) {
    case PHYSICAL_VIEW:
    case PHYSICAL_FIXED:
        return 1 + 4 + packed_significant(value->type, value->bytes).size;
    case PHYSICAL_16:
        return 1 + 16;
    case PHYSICAL_1:
    case PHYSICAL_2:
    case PHYSICAL_4:
    case PHYSICAL_8:
        break;
    }
    return 1 + 8;
}

static uint8_t *equal_store(const struct datum *value, uint8_t *at)
{
    *at++ = value->is_null ? 0 : 1;
    if (value->is_null && is_word_type(value->type)) {
        memset(at, 0, 8);
        return at + 8;
    }
    if (value->is_null) {
        return at;
    }
    switch (type_physical(value->type)) {
    case PHYSICAL_VIEW:
    case PHYSICAL_FIXED: {
        struct span bytes = packed_significant(value->type, value->bytes);
        store_u32(at, (uint32_t)bytes.size);
        if (bytes.size > 0) {
            memcpy(at + 4, bytes.data, bytes.size);
        }
        if (value->type.id == TYPE_NUMERIC) {
            memset(at + 4 + NUMERIC_SCALE_AT, 0, 2);
        }
        return at + 4 + bytes.size;
    }
    case PHYSICAL_16:
        if (value->type.id == TYPE_INTERVAL) {
            wide_int length = interval_length(&value->interval);
            memcpy(at, &length, 16);
        } else if (value->type.id == TYPE_UUID) {
            memcpy(at, value->uuid, 16);
        } else {
            memcpy(at, &value->wide, 16);
        }
        return at + 16;
    case PHYSICAL_1:
    case PHYSICAL_2:
    case PHYSICAL_4:
    case PHYSICAL_8:
        break;
    }
    if (value->type.id == TYPE_BOOL) {
        store_u64(at, value->boolean);
    } else if (value->type.id == TYPE_FLOAT4 || value->type.id == TYPE_FLOAT8) {
        double real = normal_double(value->real);
        memcpy(at, &real, sizeof real);
    } else {
        store_u64(at, (uint64_t)value->integer);
    }
    return at + 8;
}

/* ---- equality of columns of up to 8 bytes: a column at a time into keys of one size ---- */

#define WORD_KEY_SIZE 9u /* A null flag and eight bytes. */

static bool is_word(const struct column *column)
{
    return column->form != COLUMN_DICTIONARY && is_word_type(column->type);
}

static uint64_t double_bits(double value)
{
    uint64_t bits = 0;
    value = normal_double(value);
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

#define STORE_WORDS(CTYPE, WORD)                                                    \
    for (uint32_t i = 0; i < rows->count; i++, at += stride) {                      \
        const CTYPE value = ((const CTYPE *)column->data)[rows_at(rows, i) & mask]; \
        at[0] = 1;                                                                  \
        store_u64(at + 1, (uint64_t)(WORD));                                        \
    }

/* Fills one column's part of all keys; `at` is where it lies in the first. */
static void store_words(const struct column *column, const struct func_rows *rows, uint8_t *at,
                        size_t stride)
{
    uint32_t mask = column->form == COLUMN_CONSTANT ? 0 : UINT32_MAX;
    switch (type_physical(column->type)) {
    case PHYSICAL_1:
        STORE_WORDS(uint8_t, value)
        return;
    case PHYSICAL_2:
        STORE_WORDS(int16_t, (int64_t)value)
        return;
    case PHYSICAL_4:
        if (column->type.id == TYPE_FLOAT4) {
            STORE_WORDS(float, double_bits((double)value))
        } else {
            STORE_WORDS(int32_t, (int64_t)value)
        }
        return;
    case PHYSICAL_8:
        if (column->type.id == TYPE_FLOAT8) {
            STORE_WORDS(double, double_bits(value))
        } else {
            STORE_WORDS(int64_t, value)
        }
        return;
    case PHYSICAL_16:
    case PHYSICAL_VIEW:
    case PHYSICAL_FIXED:
        return;
    }
}

/* A null's eight bytes must not tell nulls apart. */
static void mark_nulls(const struct column *column, const struct func_rows *rows, uint8_t *at,
                       size_t stride, bool *has_null)
{
    for (uint32_t i = 0; column->validity != NULL && i < rows->count; i++, at += stride) {
        if (column_is_null(column, rows_at(rows, i))) {
            memset(at, 0, WORD_KEY_SIZE);
            has_null[i] = true;
        }
    }
}

static bool word_keys(const struct column *columns, uint32_t column_count,
                      const struct func_rows *rows, struct arena *arena, struct row_keys *keys)
{
    size_t stride = (size_t)column_count * WORD_KEY_SIZE;
    uint8_t *bytes = arena_bytes(arena, stride * rows->count + 1);
    if (bytes == NULL) {
        return false;
    }
    for (uint32_t c = 0; c < column_count; c++) {
        uint8_t *at = bytes + (size_t)c * WORD_KEY_SIZE;
        store_words(&columns[c], rows, at, stride);
        mark_nulls(&columns[c], rows, at, stride, keys->has_null);
    }
    for (uint32_t i = 0; i < rows->count; i++) {
        keys->keys[i] = (struct span){.data = bytes + stride * i, .size = stride};
    }
    return true;
}

static bool any_keys(const struct column *columns, uint32_t column_count,
                     const struct func_rows *rows, struct arena *arena, struct row_keys *keys)
{
    for (uint32_t i = 0; i < rows->count; i++) {
        uint32_t row = rows_at(rows, i);
        size_t size = 0;
        for (uint32_t c = 0; c < column_count; c++) {
            struct datum value;
            column_get(&columns[c], row, &value);
            size += equal_size(&value);
            keys->has_null[i] = keys->has_null[i] || value.is_null;
        }
        uint8_t *at = arena_bytes(arena, size + 1);
        if (at == NULL) {
            return false;
        }
        keys->keys[i] = (struct span){.data = at, .size = size};
        for (uint32_t c = 0; c < column_count; c++) {
            struct datum value;
            column_get(&columns[c], row, &value);
            at = equal_store(&value, at);
        }
    }
    return true;
}

tdbplus_status row_keys_make(struct exec *exec, const struct column *columns, uint32_t column_count,
                             const struct func_rows *rows, struct arena *arena,
                             struct row_keys *keys_out)
{
    struct row_keys keys = {.keys = arena_array(arena, rows->count + 1u, sizeof *keys.keys),
                            .has_null = arena_array(arena, rows->count + 1u, sizeof(bool))};
    if (keys.keys == NULL || keys.has_null == NULL) {
        return exec_no_memory(exec);
    }
    bool words = true;
    for (uint32_t c = 0; c < column_count; c++) {
        // Both ways give the same bytes: sides of a join may come in different forms.
        words = words && is_word(&columns[c]);
    }
    bool made = words ? word_keys(columns, column_count, rows, arena, &keys)
                      : any_keys(columns, column_count, rows, arena, &keys);
    if (!made) {
        return exec_no_memory(exec);
    }
    *keys_out = keys;
    return TDBPLUS_OK;
}

/* ---- order ---- */

static void order_integer(uint64_t value, struct buffer *buffer)
{
    uint8_t bytes[8];
    store_u64_be(bytes, value);
    buffer_put(buffer, bytes, sizeof bytes);
}

static void order_double(double value, struct buffer *buffer)
{
    uint64_t bits = 0;
    value = normal_double(value);
    memcpy(&bits, &value, sizeof bits);
    // NaN after everything; negative numbers backwards.
    bits = value != value ? UINT64_MAX : (bits >> 63) != 0 ? ~bits : bits | (uint64_t)1 << 63;
    order_integer(bits, buffer);
}

static void order_bytes(struct span bytes, struct buffer *buffer)
{
    for (size_t i = 0; i < bytes.size; i++) {
        buffer_put_u8(buffer, bytes.data[i]);
        if (bytes.data[i] == 0) {
            buffer_put_u8(buffer, 0xFF);
        }
    }
    buffer_put_u8(buffer, 0);
    buffer_put_u8(buffer, 0);
}

/* A class byte, then weight and limbs of positive numbers; those of negative ones inverted. */
static void order_numeric(struct span bytes, struct buffer *buffer)
{
    static const uint8_t classes[] = {
        [NUMERIC_POSITIVE] = 3, [NUMERIC_NEGATIVE] = 1,       [NUMERIC_NAN] = 5,
        [NUMERIC_INFINITY] = 4, [NUMERIC_MINUS_INFINITY] = 0,
    };
    uint8_t kind = bytes.data[0];
    bool zero = bytes.size == NUMERIC_HEADER_SIZE && kind <= NUMERIC_NEGATIVE;
    buffer_put_u8(buffer, zero ? 2 : classes[kind]);
    if (zero || kind > NUMERIC_NEGATIVE) {
        return;
    }
    size_t from = buffer->size;
    uint16_t weight = (uint16_t)(load_u16(bytes.data + 4) ^ 0x8000u);
    buffer_put_u8(buffer, (uint8_t)(weight >> 8));
    buffer_put_u8(buffer, (uint8_t)weight);
    for (size_t at = NUMERIC_HEADER_SIZE; at + 2 <= bytes.size; at += 2) {
        uint16_t limb = (uint16_t)(load_u16(bytes.data + at) + 1);
        buffer_put_u8(buffer, (uint8_t)(limb >> 8));
        buffer_put_u8(buffer, (uint8_t)limb);
    }
    buffer_put_u8(buffer, 0);
    buffer_put_u8(buffer, 0);
    for (size_t at = from; kind == NUMERIC_NEGATIVE && at < buffer->size; at++) {
        buffer->data[at] = (uint8_t)~buffer->data[at];
    }
}

static void order_wide(wide_int value, struct buffer *buffer)
{
    __extension__ unsigned __int128 bits = (unsigned __int128)value ^ (unsigned __int128)1 << 127;
    order_integer((uint64_t)(bits >> 64), buffer);
    order_integer((uint64_t)bits, buffer);
}

bool order_value(const struct datum *value, struct buffer *buffer)
{
    switch (value->type.id) {
    case TYPE_BOOL:
        buffer_put_u8(buffer, value->boolean);
        return true;
    case TYPE_FLOAT4:
    case TYPE_FLOAT8:
        order_double(value->real, buffer);
        return true;
    case TYPE_TEXT:
    case TYPE_BYTEA:
        order_bytes(value->bytes, buffer);
        return true;
    case TYPE_INTERVAL:
        order_wide(interval_length(&value->interval), buffer);
        return true;
    case TYPE_UUID:
        buffer_put(buffer, value->uuid, sizeof value->uuid);
        return true;
    case TYPE_NUMERIC:
        if (type_physical(value->type) == PHYSICAL_VIEW) {
            order_numeric(value->bytes, buffer);
        } else if (type_physical(value->type) == PHYSICAL_16) {
            order_wide(value->wide, buffer);
        } else {
            order_integer((uint64_t)value->integer ^ (uint64_t)1 << 63, buffer);
        }
        return true;
    case TYPE_INT2:
    case TYPE_INT4:
    case TYPE_INT8:
    case TYPE_DATE:
    case TYPE_TIME:
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMPTZ:
    case TYPE_ENUM:
        order_integer((uint64_t)value->integer ^ (uint64_t)1 << 63, buffer);
        return true;
    case TYPE_JSON:
    case TYPE_ARRAY:
    case TYPE_VECTOR:
        return order_nested(value, buffer);
    case TYPE_NONE:
        return false;
    default:
        if (value->type.id == TYPE_MONEY || catalog_number_type(value->type)) {
            order_integer((uint64_t)value->integer ^ (uint64_t)1 << 63, buffer);
        } else {
            order_bytes(packed_significant(value->type, value->bytes), buffer);
        }
        return true;
    }
}

static tdbplus_status sort_key_one(struct exec *exec, const struct column *columns,
                                   const struct sort_order *orders, uint32_t column_count,
                                   uint32_t row, struct buffer *buffer)
{
    for (uint32_t c = 0; c < column_count; c++) {
        struct datum value;
        column_get(&columns[c], row, &value);
        buffer_put_u8(buffer, value.is_null != orders[c].nulls_first ? 1 : 0);
        if (value.is_null) {
            continue;
        }
        size_t from = buffer->size;
        if (!order_value(&value, buffer)) {
            char name[64];
            func_type_name(value.type, name);
            return err_set(exec->call->err, TDBPLUS_E_UNSUPPORTED,
                           "ORDER BY of type %s is not supported", name);
        }
        for (size_t at = from; orders[c].descending && at < buffer->size; at++) {
            buffer->data[at] = (uint8_t)~buffer->data[at];
        }
    }
    return buffer->failed ? exec_no_memory(exec) : TDBPLUS_OK;
}

/* ---- order of integers: a column at a time into keys of one size ---- */

#define WORD_ORDER_SIZE 9u /* Whether it is null, and eight bytes. */
#define SIGN_BIT        ((uint64_t)1 << 63)

static bool is_ordered_word(const struct column *column)
{
    struct type type = column->type;
    bool number = type.id == TYPE_INT2 || type.id == TYPE_INT4 || type.id == TYPE_INT8 ||
                  type.id == TYPE_DATE || type.id == TYPE_TIME || type.id == TYPE_TIMESTAMP ||
                  type.id == TYPE_TIMESTAMPTZ ||
                  (type.id == TYPE_NUMERIC && type_physical(type) == PHYSICAL_8);
    return number && column->form != COLUMN_DICTIONARY && column->validity == NULL;
}

/* Of a column that is_ordered_word(). */
static int64_t word_at(const struct column *column, uint32_t row)
{
    row = column->form == COLUMN_CONSTANT ? 0 : row;
    switch ((int)type_physical(column->type)) {
    case PHYSICAL_2:
        return ((const int16_t *)column->data)[row];
    case PHYSICAL_4:
        return ((const int32_t *)column->data)[row];
    default:
        return ((const int64_t *)column->data)[row];
    }
}

static bool order_words(const struct column *columns, const struct sort_order *orders,
                        uint32_t column_count, const struct func_rows *rows, struct arena *arena,
                        struct span *keys)
{
    size_t stride = (size_t)column_count * WORD_ORDER_SIZE;
    uint8_t *bytes = arena_bytes(arena, stride * rows->count + 1);
    if (bytes == NULL) {
        return false;
    }
    for (uint32_t c = 0; c < column_count; c++) {
        uint8_t *at = bytes + (size_t)c * WORD_ORDER_SIZE;
        uint64_t flip = orders[c].descending ? ~SIGN_BIT : SIGN_BIT;
        for (uint32_t i = 0; i < rows->count; i++, at += stride) {
            at[0] = orders[c].nulls_first;
            store_u64_be(at + 1, (uint64_t)word_at(&columns[c], rows_at(rows, i)) ^ flip);
        }
    }
    for (uint32_t i = 0; i < rows->count; i++) {
        keys[i] = (struct span){.data = bytes + stride * i, .size = stride};
    }
    return true;
}

tdbplus_status sort_keys_limit(struct exec *exec, const struct column *column,
                               const struct sort_order *order, struct span last,
                               const struct func_rows *rows, struct arena *arena,
                               struct func_rows *rows_out)
{
    *rows_out = *rows;
    if (!is_ordered_word(column) || last.size < WORD_ORDER_SIZE ||
        last.data[0] != order->nulls_first) {
        return TDBPLUS_OK;
    }
    uint16_t *kept = arena_alloc(arena, (rows->count + 1u) * sizeof *kept);
    if (kept == NULL) {
        return exec_no_memory(exec);
    }
    uint64_t flip = order->descending ? ~SIGN_BIT : SIGN_BIT;
    int64_t most = (int64_t)(load_u64_be(last.data + 1) ^ flip);
    uint32_t count = 0;
    if (order->descending) {
        for (uint32_t i = 0; i < rows->count; i++) {
            kept[count] = (uint16_t)rows_at(rows, i);
            count += word_at(column, kept[count]) >= most;
        }
    } else {
        for (uint32_t i = 0; i < rows->count; i++) {
            kept[count] = (uint16_t)rows_at(rows, i);
            count += word_at(column, kept[count]) <= most;
        }
    }
    *rows_out = (struct func_rows){kept, count, rows->row_count};
    return TDBPLUS_OK;
}

tdbplus_status sort_keys_make(struct exec *exec, const struct column *columns,
                              const struct sort_order *orders, uint32_t column_count,
                              const struct func_rows *rows, struct arena *arena,
                              struct span *keys_out)
{
    tdbplus_status status = TDBPLUS_OK;
    struct buffer buffer;
    bool words = column_count > 0;
    for (uint32_t c = 0; c < column_count; c++) {
        words = words && is_ordered_word(&columns[c]);
    }
    if (words) {
        return order_words(columns, orders, column_count, rows, arena, keys_out)
                   ? TDBPLUS_OK
                   : exec_no_memory(exec);
    }
    buffer_init(&buffer, exec->call->alloc);
    for (uint32_t i = 0; i < rows->count; i++) {
        buffer_clear(&buffer);
        TRY_OR(done, sort_key_one(exec, columns, orders, column_count, rows_at(rows, i), &buffer));
        uint8_t *copy = arena_bytes(arena, buffer.size + 1);
        if (copy == NULL) {
            status = exec_no_memory(exec);
            goto done;
        }
        if (buffer.size > 0) {
            memcpy(copy, buffer.data, buffer.size);
        }
        keys_out[i] = (struct span){.data = copy, .size = buffer.size};
    }
done:
    buffer_deinit(&buffer);
    return status;
}

/* ---- the hash table ---- */

void key_table_init(struct key_table *table, struct arena *arena, const struct alloc *alloc)
{
    *table = (struct key_table){.arena = arena, .alloc = alloc};
}

void key_table_deinit(struct key_table *table)
{
    if (table->alloc != NULL) {
        alloc_free(table->alloc, table->slots, table->slot_count, sizeof *table->slots);
        alloc_free(table->alloc, table->hashes, table->capacity, sizeof *table->hashes);
        alloc_free(table->alloc, table->keys, table->capacity, sizeof *table->keys);
    }
    *table = (struct key_table){0};
}

static bool same_key(struct span left, struct span right)
{
    return left.size == right.size && memcmp(left.data, right.data, left.size) == 0;
}

/* The slot where the key is, or the free one where it would go. */
static uint32_t slot_of(const struct key_table *table, struct span key, uint64_t hash)
{
    uint32_t mask = table->slot_count - 1;
    for (uint32_t slot = (uint32_t)hash & mask;; slot = (slot + 1) & mask) {
        uint32_t number = table->slots[slot];
        if (number == 0) {
            return slot;
        }
        if (table->hashes[number - 1] == hash && same_key(table->keys[number - 1], key)) {
            return slot;
        }
    }
}

static bool grow_slots(struct key_table *table)
{
    uint32_t slot_count = table->slot_count == 0 ? 256 : table->slot_count * 2;
    uint32_t *slots = alloc_array(table->alloc, slot_count, sizeof *slots);
    if (slots == NULL || slot_count == 0) {
        return false;
    }
    for (uint32_t i = 0; i < table->count; i++) {
        uint32_t slot = (uint32_t)table->hashes[i] & (slot_count - 1);
        while (slots[slot] != 0) {
            slot = (slot + 1) & (slot_count - 1);
        }
        slots[slot] = i + 1;
    }
    alloc_free(table->alloc, table->slots, table->slot_count, sizeof *table->slots);
    table->slots = slots;
    table->slot_count = slot_count;
    return true;
}

static bool grow_keys(struct key_table *table)
{
    uint32_t capacity = table->capacity == 0 ? 128 : table->capacity * 2;
    uint64_t *hashes = alloc_raw(table->alloc, capacity * sizeof *hashes);
    struct span *keys = alloc_raw(table->alloc, capacity * sizeof *keys);
    if (hashes == NULL || keys == NULL) {
        alloc_free(table->alloc, hashes, capacity, sizeof *hashes);
        alloc_free(table->alloc, keys, capacity, sizeof *keys);
        return false;
    }
    if (table->count > 0) {
        memcpy(hashes, table->hashes, table->count * sizeof *hashes);
        memcpy(keys, table->keys, table->count * sizeof *keys);
    }
    alloc_free(table->alloc, table->hashes, table->capacity, sizeof *table->hashes);
    alloc_free(table->alloc, table->keys, table->capacity, sizeof *table->keys);
    table->hashes = hashes;
    table->keys = keys;
    table->capacity = capacity;
    return true;
}

uint32_t key_table_find(const struct key_table *table, struct span key)
{
    if (table->count == 0) {
        return KEY_NONE;
    }
    uint32_t number = table->slots[slot_of(table, key, hash_bytes(key, 0))];
    return number == 0 ? KEY_NONE : number - 1;
}

uint32_t key_table_add(struct key_table *table, struct span key, bool *added_out)
{
    if ((uint64_t)table->count * 4 >= (uint64_t)table->slot_count * 3 && !grow_slots(table)) {
        return KEY_NONE;
    }
    uint64_t hash = hash_bytes(key, 0);
    uint32_t slot = slot_of(table, key, hash);
    *added_out = table->slots[slot] == 0;
    if (!*added_out) {
        return table->slots[slot] - 1;
    }
    if (table->count == table->capacity && !grow_keys(table)) {
        return KEY_NONE;
    }
    uint8_t *copy = arena_bytes(table->arena, key.size + 1);
    if (copy == NULL) {
        return KEY_NONE;
    }
    memcpy(copy, key.data, key.size);
    table->keys[table->count] = (struct span){.data = copy, .size = key.size};
    table->hashes[table->count] = hash;
    table->slots[slot] = ++table->count;
    return table->count - 1;
}
