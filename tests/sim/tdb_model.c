/* What must be in the database, and whether it is. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tdb_life.h"
#include "types/json.h"

#define DOCUMENT_COLUMN 3u

/* ---- the tables ---- */

static struct schema_column row_columns[] = {
    {.id = 1, .not_null = true, .type = {.id = TYPE_TEXT}, .name = "key"},
    {.id = 2, .type = {.id = TYPE_INT8}, .name = "value", .missing = {.is_null = true}},
    {.id = 3, .type = {.id = TYPE_BYTEA}, .name = "body", .missing = {.is_null = true}},
    {.id = 4, .type = {.id = TYPE_JSON}, .name = "document", .missing = {.is_null = true}},
    {.id = 5, .type = {.id = TYPE_TIMESTAMPTZ}, .name = "time", .missing = {.is_null = true}},
};

static struct schema_column counter_columns[] = {
    {.id = 1, .not_null = true, .type = {.id = TYPE_INT8}, .name = "key"},
    {.id = 2, .type = {.id = TYPE_INT8}, .name = "value", .missing = {.is_null = true}},
};

static tdbplus_status fill_tables(struct txn *txn, struct call *call)
{
    static uint32_t key = 0;
    struct schema rows = {.version = 1,
                          .column_count = COLUMN_COUNT,
                          .columns = row_columns,
                          .key_count = 1,
                          .key_columns = &key,
                          .column_id_next = COLUMN_COUNT + 1};
    struct schema counters = rows;
    rows.ttl_column_id = 5;
    rows.ttl_us = TTL_US;
    counters.column_count = 2;
    counters.columns = counter_columns;
    counters.column_id_next = 3;
    struct datum values[2] = {{.type = {.id = TYPE_INT8}}, {.type = {.id = TYPE_INT8}}};
    uint64_t id = 0;
    TRY(txn_object_create(txn, OBJECT_COLLECTION, "t", &rows, (struct span){0}, &id, call->err));
    TRY(txn_object_create(txn, OBJECT_COLLECTION, "c", &counters, (struct span){0}, &id,
                          call->err));
    return txn_write(txn, txn_object_by_id(txn, id), TXN_INSERT, values, NULL, call);
}

tdbplus_status model_create_tables(struct life *life, struct call *call)
{
    struct txn *txn = NULL;
    TRY(txn_begin(life->store, NULL, call->alloc, &txn, call->err));
    if (txn_object(txn, OBJECT_COLLECTION, "t") != NULL) {
        txn_abort(txn);
        life->created = true;
        return TDBPLUS_OK;
    }
    if (life->created) {
        life_fail(life, "the tables are gone");
    }
    tdbplus_status status = fill_tables(txn, call);
    if (status != TDBPLUS_OK) {
        txn_abort(txn);
        return status;
    }
    status = txn_commit(txn, call);
    life->created = status == TDBPLUS_OK;
    return status;
}

void model_make_key(uint32_t writer, uint32_t key, char text[32])
{
    (void)snprintf(text, 32, "%u/%04u", writer, key * 13 % KEYS_PER_WRITER);
}

/* The number of the key among all writers', or KEY_COUNT if it is none of them. */
static uint32_t parse_key(struct span text)
{
    char copy[32] = {0};
    char *rest = copy;
    if (text.size >= sizeof copy) {
        return KEY_COUNT;
    }
    memcpy(copy, text.data, text.size);
    uint32_t writer = (uint32_t)strtoul(copy, &rest, 10);
    // 13 * 13 leaves 1 when divided by 24: the same again leads back.
    uint32_t key = *rest == '/' ? (uint32_t)strtoul(rest + 1, NULL, 10) * 13 % KEYS_PER_WRITER : 0;
    return *rest == '/' && writer < WRITER_COUNT ? writer * KEYS_PER_WRITER + key : KEY_COUNT;
}

struct span model_make_body(uint32_t value, uint8_t *bytes)
{
    size_t size = value % 7 == 0 ? 1500 + value % 3000 : value % 60;
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)(value * 31 + i * 7);
    }
    return (struct span){.data = bytes, .size = size};
}

struct span model_make_document(uint32_t value, uint8_t *bytes)
{
    struct json_builder builder;
    struct buffer text;
    struct buffer document;
    buffer_init(&text, &alloc_system);
    buffer_init(&document, &alloc_system);
    json_builder_init(&builder, &alloc_system);
    buffer_printf(&text, "{\"n\": %u, \"in\": {\"name\": \"row %u\", \"price\": %u.%02u}", value,
                  value % 17, value % 300, value % 100);
    if (value % 5 == 0) {
        buffer_printf(&text, ", \"odd\": [%u, null], \"even\": %s", value,
                      value % 2 == 0 ? "true" : "\"no\"");
    }
    if (value % 13 == 0) {
        buffer_put_text(&text, ", \"long\": \"");
        for (uint32_t i = 0; i < 130 + value % 40; i++) {
            buffer_printf(&text, "%08x", (value + i) * 2654435761u);
        }
        buffer_put_text(&text, "\"");
    }
    buffer_put_text(&text, "}");
    tdbplus_status status = json_parse(&builder, buffer_span(&text), &document, NULL);
    struct span span = {.data = bytes, .size = status == TDBPLUS_OK ? document.size : 0};
    memcpy(bytes, document.data, span.size);
    json_builder_deinit(&builder);
    buffer_deinit(&text);
    buffer_deinit(&document);
    return span;
}

/* ---- time ---- */

void life_note_time(struct life *life)
{
    uint64_t now_us = env_clock_wall_us(sim_env(life->sim));
    // Timestamps may run ahead of the clock, by one for each commit of a microsecond.
    now_us += COMMIT_COUNT_MAX;
    life->time_most = now_us > life->time_most ? now_us : life->time_most;
}

/* Every third row expires: at once, in a while of any length, or it has already. */
uint32_t life_new_value(struct life *life)
{
    static const int64_t offsets[] = {-1000000, 0, 1, 100, 5000, 100000, 3000000, 30000000};
    uint32_t value = ++life->value_next;
    if (value < VALUE_COUNT_MAX && life_below(life, 3) == 0) {
        int64_t offset = offsets[life_below(life, sizeof offsets / sizeof *offsets)];
        uint64_t now_us = env_clock_wall_us(sim_env(life->sim));
        life->expiries[value] = (uint64_t)((int64_t)now_us + offset);
        life->totals->expired_at_once += offset <= 0 ? 1 : 0;
    }
    return value;
}

static uint64_t expiry_of(const struct life *life, uint32_t value)
{
    return value < VALUE_COUNT_MAX ? life->expiries[value] : 0;
}

bool life_shows(const struct life *life, uint32_t value, uint64_t now_us)
{
    uint64_t expiry_us = expiry_of(life, value);
    return value != 0 && (expiry_us == 0 || expiry_us > now_us);
}

struct datum model_make_time(const struct life *life, uint32_t value)
{
    uint64_t expiry_us = expiry_of(life, value);
    return (struct datum){.type = {.id = TYPE_TIMESTAMPTZ},
                          .is_null = expiry_us == 0,
                          .integer = expiry_us == 0 ? 0 : (int64_t)expiry_us - TTL_US};
}

/* ---- reading ---- */

static void check_document(struct life *life, const struct batch *batch, uint32_t row,
                           uint32_t value)
{
    uint8_t bytes[8192];
    struct datum document;
    column_get(&batch->columns[DOCUMENT_COLUMN], row, &document);
    // Making documents is slow; their paths are looked at in every row.
    if ((value + row) % 8 == 0 &&
        span_compare(model_make_document(value, bytes), document.bytes) != 0) {
        life_fail(life, "a row's document is not its own");
    }
}

/* The last column is the member "n" of the document, as text. */
static void check_path(struct life *life, const struct batch *batch, uint32_t row, uint32_t value)
{
    char text[32];
    struct datum member;
    (void)snprintf(text, sizeof text, "%u", value);
    column_get(&batch->columns[batch->column_count - 1], row, &member);
    if (member.is_null || span_compare(member.bytes, span_from_text(text)) != 0) {
        life_fail(life, "a path of a document leads to another value");
    }
    life->totals->path_reads++;
}

static void check_time(struct life *life, const struct batch *batch, uint32_t row, uint32_t value,
                       uint64_t now_us)
{
    struct datum time;
    struct datum expected = model_make_time(life, value);
    column_get(&batch->columns[COLUMN_COUNT - 1], row, &time);
    if (time.is_null != expected.is_null || (!time.is_null && time.integer != expected.integer)) {
        life_fail(life, "a row's time is not its own");
    } else if (!life_shows(life, value, now_us)) {
        life_fail(life, "a row is seen that has expired");
    }
}

static void take_row(struct life *life, const struct batch *batch, uint32_t row,
                     struct state *state)
{
    struct datum key;
    struct datum value;
    struct datum body;
    uint8_t bytes[8192];
    column_get(&batch->columns[0], row, &key);
    column_get(&batch->columns[1], row, &value);
    column_get(&batch->columns[2], row, &body);
    if (span_compare(model_make_body((uint32_t)value.integer, bytes), body.bytes) != 0) {
        life_fail(life, "a row's body is not its own");
    }
    check_document(life, batch, row, (uint32_t)value.integer);
    check_path(life, batch, row, (uint32_t)value.integer);
    check_time(life, batch, row, (uint32_t)value.integer, state->now_us);
    for (uint32_t c = COLUMN_COUNT; c < batch->column_count - 1; c++) {
        struct datum extra;
        column_get(&batch->columns[c], row, &extra);
        if (extra.is_null || extra.integer != EXTRA_VALUE) {
            life_fail(life, "a column added later does not have its value");
        }
    }
    uint32_t number = parse_key(key.bytes);
    if (number == KEY_COUNT) {
        life_fail(life, "a key that nobody wrote");
    } else if (state->values[number] != 0) {
        life_fail(life, "a key is there twice");
    } else {
        state->values[number] = (uint32_t)value.integer;
    }
}

static tdbplus_status read_rows(struct life *life, struct txn *txn, const struct object *table,
                                struct state *state, struct call *call)
{
    static const struct span member = {.data = (const uint8_t *)"n", .size = 1};
    uint32_t positions[] = {0, 1, 2, 3, 4, 5, 6, 7, 8};
    struct scan_path paths[9] = {0};
    uint32_t last = table->schema->column_count;
    positions[last] = DOCUMENT_COLUMN;
    paths[last] = (struct scan_path){.keys = &member, .key_count = 1, .as_text = true};
    struct scan *scan = NULL;
    struct batch batch;
    batch_init(&batch, call->alloc);
    struct scan_options options = {
        .positions = positions, .paths = paths, .position_count = last + 1};
    options.order = (uint8_t)life_below(life, 3);
    tdbplus_status status = scan_open(txn, table, &options, &scan, call->err);
    while (status == TDBPLUS_OK) {
        status = scan_next(scan, &batch, call);
        for (uint32_t i = 0; status == TDBPLUS_OK && i < batch_live_count(&batch); i++) {
            take_row(life, &batch, batch.selection == NULL ? i : batch.selection[i], state);
        }
    }
    scan_close(scan);
    batch_deinit(&batch);
    return status == TDBPLUS_END ? TDBPLUS_OK : status;
}

/* Reading one key must find what the scan found. */
static tdbplus_status read_again(struct life *life, struct txn *txn, const struct object *table,
                                 const struct state *state, struct call *call)
{
    static const uint32_t position = 1;
    uint32_t number = (uint32_t)life_below(life, KEY_COUNT);
    char text[32];
    model_make_key(number / KEYS_PER_WRITER, number % KEYS_PER_WRITER, text);
    struct datum key = {.type = {.id = TYPE_TEXT}, .bytes = span_from_text(text)};
    struct datum value = {0};
    bool found = false;
    struct batch batch;
    batch_init(&batch, call->alloc);
    tdbplus_status status = txn_get(txn, table, &key, &position, 1, &batch, &value, &found, call);
    if (status == TDBPLUS_OK && (found ? value.integer : 0) != state->values[number]) {
        life_fail(life, "a scan and a point read disagree");
    }
    batch_deinit(&batch);
    return status;
}

static tdbplus_status read_counter(struct life *life, struct txn *txn, struct state *state,
                                   struct call *call)
{
    static const uint32_t position = 1;
    struct datum key = {.type = {.id = TYPE_INT8}};
    struct datum value = {0};
    bool found = false;
    struct batch batch;
    batch_init(&batch, call->alloc);
    const struct object *table = txn_object(txn, OBJECT_COLLECTION, "c");
    tdbplus_status status =
        table == NULL ? TDBPLUS_E_NOT_FOUND
                      : txn_get(txn, table, &key, &position, 1, &batch, &value, &found, call);
    if (status == TDBPLUS_OK && !found) {
        life_fail(life, "the counter is gone");
    }
    state->counter = (uint64_t)value.integer;
    batch_deinit(&batch);
    return status;
}

tdbplus_status model_read(struct life *life, struct txn *txn, bool doubt, struct state *state,
                          struct call *call)
{
    memset(state, 0, sizeof *state);
    state->now_us = timestamp_us(txn_snapshot_timestamp(txn));
    if (doubt) {
        life_note_time(life);
        state->doubt_us = life->time_most;
    }
    const struct object *table = txn_object(txn, OBJECT_COLLECTION, "t");
    if (table == NULL) {
        return err_set(call->err, TDBPLUS_E_NOT_FOUND, "the table is gone");
    }
    TRY(read_rows(life, txn, table, state, call));
    TRY(read_again(life, txn, table, state, call));
    return read_counter(life, txn, state, call);
}

/* ---- comparing ---- */

/* What a writer's keys hold after some of its commits. */
struct keys {
    uint32_t values[KEYS_PER_WRITER];
    bool replaced[KEYS_PER_WRITER]; /* Whatever was there before has ended. */
};

static void apply(struct keys *keys, const struct commit *commit)
{
    for (uint32_t k = 0; k < KEYS_PER_WRITER && commit->emptied; k++) {
        keys->values[k] = 0;
        keys->replaced[k] = true;
    }
    for (uint32_t i = 0; i < commit->change_count; i++) {
        const struct change *change = &commit->changes[i];
        keys->values[change->key] = change->value;
        // A delete that finds an expired row does nothing.
        keys->replaced[change->key] = keys->replaced[change->key] || change->value != 0;
    }
}

static bool is_ghost(const struct ghosts *ghosts, uint32_t value)
{
    for (uint32_t i = 0; i < ghosts->count && i < GHOST_COUNT_MAX; i++) {
        if (ghosts->values[i] == value) {
            return true;
        }
    }
    return ghosts->count > GHOST_COUNT_MAX;
}

static void add_ghost(struct ghosts *ghosts, uint32_t value)
{
    if (!is_ghost(ghosts, value)) {
        ghosts->values[ghosts->count < GHOST_COUNT_MAX ? ghosts->count : 0] = value;
        ghosts->count++;
    }
}

/* True when a key that holds `value` may look like `seen`. */
static bool may_look(const struct writer *writer, const struct keys *keys, uint32_t key,
                     const struct state *state, uint32_t seen)
{
    const struct life *life = writer->life;
    uint32_t value = keys->values[key];
    uint64_t until_us = state->now_us > state->doubt_us ? state->now_us : state->doubt_us;
    if (seen == value) {
        return seen == 0 || life_shows(life, value, state->now_us);
    }
    if (seen == 0) {
        return !life_shows(life, value, until_us);
    }
    bool reborn = state->doubt_us != 0 && !keys->replaced[key] &&
                  is_ghost(&writer->ghosts[key], seen) && life_shows(life, seen, state->now_us);
    // A row that had expired was deleted in vain, or the delete is not there.
    return reborn && (value == 0 || !life_shows(life, value, until_us));
}

static bool all_may_look(const struct writer *writer, const struct keys *keys,
                         const struct state *state)
{
    const uint32_t *seen = state->values + (size_t)writer->number * KEYS_PER_WRITER;
    for (uint32_t k = 0; k < KEYS_PER_WRITER; k++) {
        if (!may_look(writer, keys, k, state, seen[k])) {
            return false;
        }
    }
    return true;
}

/* How many of a writer's commits a state shows. Several numbers may fit. */
struct prefix {
    bool found;
    uint32_t least;
    uint32_t most;
    uint64_t counted_least;
    uint64_t counted_most;
};

static struct prefix find_prefix(const struct writer *writer, const struct state *state,
                                 uint32_t bound)
{
    struct keys keys = {0};
    memcpy(keys.values, writer->model, sizeof keys.values);
    struct prefix prefix = {0};
    uint64_t counted = 0;
    for (uint32_t n = 0; n <= writer->commit_count; n++) {
        if (n >= bound && all_may_look(writer, &keys, state)) {
            if (!prefix.found) {
                prefix.least = n;
                prefix.counted_least = counted;
            }
            prefix.found = true;
            prefix.most = n;
            prefix.counted_most = counted;
        }
        if (n < writer->commit_count && !writer->commits[n].failed) {
            apply(&keys, &writer->commits[n]);
            counted += writer->commits[n].counted ? 1 : 0;
        }
    }
    return prefix;
}

void model_bounds(const struct life *life, bool durable_only, uint32_t bounds[WRITER_COUNT])
{
    for (uint32_t w = 0; w < WRITER_COUNT; w++) {
        const struct writer *writer = &life->writers[w];
        bounds[w] = 0;
        for (uint32_t n = 0; n < writer->commit_count; n++) {
            const struct commit *commit = &writer->commits[n];
            bool kept = durable_only ? commit->full && (commit->acked != 0 || commit->seen)
                                     : commit->acked != 0;
            bounds[w] = kept && commit->effective ? n + 1 : bounds[w];
        }
    }
}

/* When the last commit that surely survived began; 0 if there is none. */
static uint64_t survivor_started(const struct writer *writer, uint32_t prefix)
{
    for (uint32_t n = prefix; n > 0; n--) {
        const struct commit *commit = &writer->commits[n - 1];
        if (commit->effective && !commit->failed) {
            return commit->started;
        }
    }
    return 0;
}

/* Something that is there began after something else was acknowledged: that is there too. */
static void check_order(struct life *life, const struct prefix *prefixes)
{
    uint64_t latest = 0;
    for (uint32_t w = 0; w < WRITER_COUNT; w++) {
        uint64_t started = survivor_started(&life->writers[w], prefixes[w].least);
        latest = started > latest ? started : latest;
    }
    for (uint32_t w = 0; w < WRITER_COUNT; w++) {
        const struct writer *writer = &life->writers[w];
        for (uint32_t n = prefixes[w].most; n < writer->commit_count; n++) {
            const struct commit *commit = &writer->commits[n];
            if (commit->acked != 0 && commit->effective && !commit->failed &&
                commit->acked < latest) {
                life_fail(life, "a commit is gone, a later one is there");
            }
        }
    }
}

static void fail_prefix(struct life *life, const struct writer *writer, const struct state *state,
                        uint32_t bound)
{
    struct prefix shorter = find_prefix(writer, state, 0);
    char text[160];
    if (shorter.found) {
        (void)snprintf(text, sizeof text,
                       "writer %u: a commit is gone that must be there (%u of %u, at least %u)",
                       writer->number, shorter.most, writer->commit_count, bound);
    } else {
        (void)snprintf(text, sizeof text, "what writer %u left is no prefix of what it did",
                       writer->number);
    }
    life_fail(life, text);
}

void model_check(struct life *life, const struct state *state, const uint32_t bounds[WRITER_COUNT],
                 bool seen)
{
    struct prefix prefixes[WRITER_COUNT];
    uint64_t counter_least = life->counter;
    uint64_t counter_most = life->counter;
    for (uint32_t w = 0; w < WRITER_COUNT; w++) {
        struct writer *writer = &life->writers[w];
        prefixes[w] = find_prefix(writer, state, bounds[w]);
        if (!prefixes[w].found) {
            fail_prefix(life, writer, state, bounds[w]);
            return;
        }
        counter_least += prefixes[w].counted_least;
        counter_most += prefixes[w].counted_most;
        for (uint32_t n = 0; seen && n < prefixes[w].least; n++) {
            writer->commits[n].seen = true;
        }
    }
    if (state->counter < counter_least || state->counter > counter_most) {
        char text[160];
        (void)snprintf(text, sizeof text, "the counter is %llu and should be %llu to %llu",
                       (unsigned long long)state->counter, (unsigned long long)counter_least,
                       (unsigned long long)counter_most);
        life_fail(life, text);
    }
    check_order(life, prefixes);
}

/* Rows that may still be there, although none is seen. */
static void note_ghosts(struct writer *writer, const struct state *state)
{
    const uint32_t *seen = state->values + (size_t)writer->number * KEYS_PER_WRITER;
    struct keys keys = {0};
    memcpy(keys.values, writer->model, sizeof keys.values);
    for (uint32_t n = 0; n <= writer->commit_count; n++) {
        for (uint32_t k = 0; k < KEYS_PER_WRITER; k++) {
            if (keys.values[k] != 0 && keys.values[k] != seen[k] &&
                expiry_of(writer->life, keys.values[k]) != 0) {
                add_ghost(&writer->ghosts[k], keys.values[k]);
            }
        }
        if (n < writer->commit_count) {
            apply(&keys, &writer->commits[n]);
        }
    }
    for (uint32_t k = 0; k < KEYS_PER_WRITER; k++) {
        bool reborn = seen[k] != 0 && is_ghost(&writer->ghosts[k], seen[k]);
        writer->life->totals->reborn += reborn ? 1 : 0;
        // A row that is seen has ended all that was before it, and ends itself another way.
        writer->ghosts[k].count = seen[k] != 0 ? 0 : writer->ghosts[k].count;
    }
}

bool model_settle(struct life *life, struct call *call)
{
    struct state state;
    struct txn *txn = NULL;
    tdbplus_status status = txn_begin(life->store, NULL, call->alloc, &txn, call->err);
    if (status == TDBPLUS_OK) {
        status = model_read(life, txn, true, &state, call);
    }
    txn_abort(txn);
    if (status != TDBPLUS_OK) {
        if (!life_excuses(life, status)) {
            life_fail(life, call->err->text);
        }
        return false;
    }
    uint32_t bounds[WRITER_COUNT];
    model_bounds(life, true, bounds);
    model_check(life, &state, bounds, false);
    for (uint32_t w = 0; w < WRITER_COUNT; w++) {
        struct writer *writer = &life->writers[w];
        note_ghosts(writer, &state);
        memcpy(writer->model, state.values + (size_t)w * KEYS_PER_WRITER, sizeof writer->model);
        memcpy(writer->current, writer->model, sizeof writer->current);
        writer->commit_count = 0; // History begins anew from the state found.
    }
    life->counter = state.counter;
    return life->broken[0] == '\0';
}

bool model_is_current(const struct life *life, const struct state *state)
{
    for (uint32_t w = 0; w < WRITER_COUNT; w++) {
        struct keys keys = {0};
        memcpy(keys.values, life->writers[w].model, sizeof keys.values);
        if (!all_may_look(&life->writers[w], &keys, state)) {
            return false;
        }
    }
    return state->counter == life->counter;
}
