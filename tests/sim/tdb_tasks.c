/* Who works on the database while it lives: writers, watchers that hold snapshots, and a keeper. */

#include <stdio.h>
#include <string.h>

#include "locks/lock_table.h"
#include "txn/bulk.h"

#include "tdb_life.h"

/* ---- writers: rows ---- */

/* What a transaction makes of its writer's keys, as far as it has got. */
struct draft {
    struct writer *writer;
    struct txn *txn;
    uint32_t values[KEYS_PER_WRITER];
};

/* What the statement at hand sees of a row, which may have expired. */
static bool shows(const struct draft *draft, uint32_t value)
{
    return life_shows(draft->writer->life, value, timestamp_us(txn_snapshot_timestamp(draft->txn)));
}

static tdbplus_status write_value(struct draft *draft, const struct change *change, uint8_t mode,
                                  struct call *call)
{
    char text[32];
    uint8_t bytes[8192];
    uint8_t document[8192];
    model_make_key(draft->writer->number, change->key, text);
    const struct object *table = txn_object(draft->txn, OBJECT_COLLECTION, "t");
    if (table == NULL) {
        return err_set(call->err, TDBPLUS_E_INTERNAL, "the table is gone");
    }
    struct datum key = {.type = {.id = TYPE_TEXT}, .bytes = span_from_text(text)};
    if (change->value == 0) {
        bool existed = false;
        tdbplus_status status = txn_delete(draft->txn, table, &key, &existed, call);
        if (status == TDBPLUS_OK && existed != shows(draft, draft->values[change->key])) {
            life_fail(draft->writer->life, "a delete misjudged whether the row was there");
        }
        return status;
    }
    struct datum values[8] = {
        key,
        {.type = {.id = TYPE_INT8}, .integer = change->value},
        {.type = {.id = TYPE_BYTEA}, .bytes = model_make_body(change->value, bytes)},
        {.type = {.id = TYPE_JSON}, .bytes = model_make_document(change->value, document)},
        model_make_time(draft->writer->life, change->value),
    };
    for (uint32_t i = COLUMN_COUNT; i < table->schema->column_count; i++) {
        values[i] = (struct datum){.type = table->schema->columns[i].type, .integer = EXTRA_VALUE};
    }
    return txn_write(draft->txn, table, mode, values, NULL, call);
}

/* Now and then by a mode that must refuse, to see that it does. */
static tdbplus_status write_change(struct draft *draft, const struct change *change,
                                   struct call *call)
{
    struct writer *writer = draft->writer;
    bool exists = shows(draft, draft->values[change->key]);
    uint8_t mode = TXN_UPSERT;
    if (change->value != 0 && sim_random_below(&writer->random, 3) == 0) {
        mode = sim_random_below(&writer->random, 2) == 0 ? TXN_INSERT : TXN_UPDATE;
        tdbplus_status refusal = mode == TXN_INSERT ? TDBPLUS_E_UNIQUE : TDBPLUS_E_NOT_FOUND;
        bool refuses = mode == TXN_INSERT ? exists : !exists;
        tdbplus_status status = write_value(draft, change, mode, call);
        if (!refuses || status != refusal) {
            if (refuses && status == TDBPLUS_OK) {
                life_fail(writer->life, mode == TXN_INSERT ? "a key was inserted twice"
                                                           : "a row was updated that is not there");
            }
            draft->values[change->key] = change->value;
            return status;
        }
        err_clear(call->err);
        mode = TXN_UPSERT;
    }
    tdbplus_status status = write_value(draft, change, mode, call);
    draft->values[change->key] = change->value;
    return status;
}

/* ---- writers: loads ---- */

/* One row of a load as a batch. */
static tdbplus_status add_row(struct draft *draft, struct bulk *bulk, const struct object *table,
                              const struct change *change, struct call *call)
{
    char text[32];
    uint8_t bytes[8192];
    uint8_t document[8192];
    struct batch batch;
    struct column columns[8];
    batch_init(&batch, call->alloc);
    model_make_key(draft->writer->number, change->key, text);
    struct datum values[8] = {
        {.type = {.id = TYPE_TEXT}, .bytes = span_from_text(text)},
        {.type = {.id = TYPE_INT8}, .integer = change->value},
        {.type = {.id = TYPE_BYTEA}, .bytes = model_make_body(change->value, bytes)},
        {.type = {.id = TYPE_JSON}, .bytes = model_make_document(change->value, document)},
        model_make_time(draft->writer->life, change->value),
    };
    bool good = true;
    for (uint32_t i = 0; i < table->schema->column_count && good; i++) {
        if (i >= COLUMN_COUNT) {
            values[i] =
                (struct datum){.type = table->schema->columns[i].type, .integer = EXTRA_VALUE};
        }
        good = column_make(&columns[i], values[i].type, 1, values[i].is_null, &batch.arena);
        if (good) {
            column_set(&columns[i], 0, &values[i]);
        }
    }
    batch.columns = columns;
    batch.column_count = table->schema->column_count;
    batch.row_count = 1;
    tdbplus_status status = good ? bulk_add(bulk, &batch, call) : TDBPLUS_E_NOMEM;
    batch_deinit(&batch);
    return status;
}

static tdbplus_status run_load(struct draft *draft, const struct change *changes, uint32_t count,
                               uint8_t mode, struct call *call)
{
    struct writer *writer = draft->writer;
    struct bulk *bulk = NULL;
    const struct object *table = txn_object(draft->txn, OBJECT_COLLECTION, "t");
    if (table == NULL) {
        return err_set(call->err, TDBPLUS_E_INTERNAL, "the table is gone");
    }
    struct bulk_options options = {.mode = mode,
                                   .direct_rows = 1 + sim_random_below(&writer->random, 4)};
    TRY(bulk_begin(draft->txn, table, &options, &bulk, call->err));
    tdbplus_status status = TDBPLUS_OK;
    writer->load_phase = LOAD_ADD;
    for (uint32_t i = 0; i < count && status == TDBPLUS_OK; i++) {
        status = add_row(draft, bulk, table, &changes[i], call);
        env_yield(sim_env(writer->life->sim));
    }
    if (status != TDBPLUS_OK) {
        bulk_abort(bulk);
        return status;
    }
    writer->load_phase = LOAD_END;
    return bulk_end(bulk, NULL, call);
}

/* Deletes all keys of the writer. */
static tdbplus_status delete_all(struct draft *draft, struct call *call)
{
    struct writer *writer = draft->writer;
    char texts[2][32];
    const struct object *table = txn_object(draft->txn, OBJECT_COLLECTION, "t");
    if (table == NULL) {
        return err_set(call->err, TDBPLUS_E_INTERNAL, "the table is gone");
    }
    (void)snprintf(texts[0], sizeof texts[0], "%u/", writer->number);
    (void)snprintf(texts[1], sizeof texts[1], "%u0", writer->number); // '0' follows '/'.
    struct datum bounds[2] = {{.type = {.id = TYPE_TEXT}, .bytes = span_from_text(texts[0])},
                              {.type = {.id = TYPE_TEXT}, .bytes = span_from_text(texts[1])}};
    struct scan_bound lower = {.values = &bounds[0], .value_count = 1};
    struct scan_bound upper = {.values = &bounds[1], .value_count = 1, .exclusive = true};
    uint64_t count = 0;
    uint64_t expected = 0;
    bool counts = sim_random_below(&writer->random, 2) == 0;
    tdbplus_status status =
        txn_delete_range(draft->txn, table, &lower, &upper, counts ? &count : NULL, call);
    for (uint32_t i = 0; i < KEYS_PER_WRITER; i++) {
        expected += shows(draft, draft->values[i]) ? 1 : 0; // The range took a new snapshot.
    }
    if (status == TDBPLUS_OK && counts && count != expected) {
        life_fail(writer->life, "a range counted other rows than there were");
    }
    memset(draft->values, 0, sizeof draft->values);
    writer->life->totals->ranges++;
    writer->life->operations++;
    return status;
}

/* A row that is loaded as new was there. One that has expired since need not have been. */
static bool must_refuse(const struct draft *draft, const struct commit *commit)
{
    uint32_t after[KEYS_PER_WRITER];
    memcpy(after, draft->values, sizeof after);
    for (uint32_t i = 0; i < commit->load_count; i++) {
        const struct change *change = &commit->changes[i];
        if (shows(draft, after[change->key])) {
            return true;
        }
        after[change->key] = change->value;
    }
    return false;
}

/* Loads the first changes of a commit. Now and then by a mode that must refuse. */
static tdbplus_status load_changes(struct draft *draft, const struct commit *commit,
                                   struct call *call)
{
    struct writer *writer = draft->writer;
    struct life *life = writer->life;
    uint32_t count = commit->load_count;
    bool may_refuse = false;
    uint32_t after[KEYS_PER_WRITER];
    memcpy(after, draft->values, sizeof after);
    for (uint32_t i = 0; i < count; i++) {
        may_refuse = may_refuse || after[commit->changes[i].key] != 0;
        after[commit->changes[i].key] = commit->changes[i].value;
    }
    struct txn_savepoint before = txn_savepoint_set(draft->txn);
    bool insert = sim_random_below(&writer->random, 3) == 0;
    tdbplus_status status =
        run_load(draft, commit->changes, count, insert ? TXN_INSERT : TXN_UPSERT, call);
    if (insert && status == TDBPLUS_OK && must_refuse(draft, commit)) {
        life_fail(life, "a load inserted a key twice");
    }
    bool again = insert && may_refuse && status == TDBPLUS_E_UNIQUE;
    if (status == TDBPLUS_OK && sim_random_below(&writer->random, 5) == 0) {
        txn_savepoint_rollback(draft->txn, before);
        again = true;
    }
    if (again) {
        err_clear(call->err);
        status = run_load(draft, commit->changes, count, TXN_UPSERT, call);
    }
    if (status != TDBPLUS_OK && life->faults_on) {
        life->totals->load_faults[writer->load_phase]++;
    }
    writer->load_phase = LOAD_NONE;
    memcpy(draft->values, after, sizeof after);
    life->totals->loads++;
    life->operations += count;
    return status;
}

/* Changes that are taken back at once. */
static tdbplus_status write_and_roll_back(struct draft *draft, struct call *call)
{
    struct writer *writer = draft->writer;
    struct txn_savepoint savepoint = txn_savepoint_set(draft->txn);
    struct draft scratch = *draft;
    tdbplus_status status = TDBPLUS_OK;
    for (uint32_t i = 0; i < 2 && status == TDBPLUS_OK; i++) {
        struct change change = {.key = (uint32_t)sim_random_below(&writer->random, KEYS_PER_WRITER),
                                .value = life_new_value(writer->life)};
        status = write_change(&scratch, &change, call);
    }
    if (status == TDBPLUS_OK) {
        txn_savepoint_rollback(draft->txn, savepoint);
    }
    return status;
}

/* Raises the counter that every writer raises. In READ COMMITTED the row is locked before it is
 * read; in REPEATABLE READ whoever comes second must be refused. */
static tdbplus_status count_up(struct draft *draft, bool repeatable, struct call *call)
{
    static const uint32_t position = 1;
    struct datum values[2] = {{.type = {.id = TYPE_INT8}}, {.type = {.id = TYPE_INT8}}};
    const struct object *table = txn_object(draft->txn, OBJECT_COLLECTION, "c");
    bool locked = repeatable;
    for (uint32_t attempt = 0; !locked; attempt++) {
        tdbplus_status status =
            txn_lock_row(draft->txn, table, values, LOCK_ROW_UPDATE, false, call);
        locked = status == TDBPLUS_OK;
        if (!locked && (status != TDBPLUS_E_CONFLICT || attempt == 50)) {
            return status;
        }
        if (!locked) {
            err_clear(call->err);
            TRY(txn_statement(draft->txn, call->err));
        }
    }
    struct batch batch;
    batch_init(&batch, call->alloc);
    bool found = false;
    tdbplus_status status =
        txn_get(draft->txn, table, values, &position, 1, &batch, &values[1], &found, call);
    batch_deinit(&batch);
    env_yield(sim_env(draft->writer->life->sim));
    if (status == TDBPLUS_OK) {
        values[1].integer++;
        status = txn_write(draft->txn, table, TXN_UPDATE, values, NULL, call);
    }
    return status;
}

static void plan_commit(struct writer *writer, struct commit *commit)
{
    *commit = (struct commit){.started = ++writer->life->events};
    uint32_t count = 1 + (uint32_t)sim_random_below(&writer->random, CHANGE_COUNT_MAX);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t key = (uint32_t)sim_random_below(&writer->random, KEYS_PER_WRITER);
        bool erase = sim_random_below(&writer->random, 4) == 0;
        commit->changes[commit->change_count++] =
            (struct change){.key = key, .value = erase ? 0 : life_new_value(writer->life)};
    }
    commit->emptied = sim_random_below(&writer->random, 12) == 0;
    if (sim_random_below(&writer->random, 6) == 0) {
        commit->load_count = 1 + (uint32_t)sim_random_below(&writer->random, count);
    }
    for (uint32_t i = 0; i < commit->load_count; i++) {
        commit->changes[i].value = life_new_value(writer->life);
    }
    commit->full = sim_random_below(&writer->random, 30) < (writer->life->lazy ? 1 : 20);
    commit->counted = sim_random_below(&writer->random, 4) == 0;
}

/* The transaction's next statement sees what the ones before did, in scans too. */
static tdbplus_status check_own_reads(struct draft *draft, struct call *call)
{
    struct life *life = draft->writer->life;
    struct state state;
    TRY(txn_statement(draft->txn, call->err));
    TRY(model_read(life, draft->txn, false, &state, call));
    const uint32_t *seen = state.values + (size_t)draft->writer->number * KEYS_PER_WRITER;
    for (uint32_t i = 0; i < KEYS_PER_WRITER; i++) {
        uint32_t expected = shows(draft, draft->values[i]) ? draft->values[i] : 0;
        life->totals->expired += draft->values[i] != 0 && expected == 0 ? 1 : 0;
        if (seen[i] != expected) {
            life_fail(life, "a transaction does not see its own writes");
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status do_changes(struct draft *draft, const struct commit *commit, bool repeatable,
                                 struct call *call)
{
    struct writer *writer = draft->writer;
    if (commit->emptied) {
        TRY(delete_all(draft, call));
    }
    if (commit->load_count > 0) {
        TRY(load_changes(draft, commit, call));
    }
    for (uint32_t i = commit->load_count; i < commit->change_count; i++) {
        if (sim_random_below(&writer->random, 16) == 0) {
            TRY(write_and_roll_back(draft, call));
        }
        TRY(write_change(draft, &commit->changes[i], call));
        writer->life->operations++;
    }
    if (commit->counted) {
        TRY(count_up(draft, repeatable, call));
    }
    if (sim_random_below(&writer->random, 6) == 0) {
        TRY(check_own_reads(draft, call));
    }
    return TDBPLUS_OK;
}

static void finish_commit(struct draft *draft, struct commit *commit, struct call *call)
{
    struct writer *writer = draft->writer;
    struct life *life = writer->life;
    commit->effective = txn_has_changes(draft->txn);
    writer->commit_count++; // From here on a crash may have kept it.
    writer->load_phase = commit->load_count > 0 ? LOAD_COMMIT : LOAD_NONE;
    tdbplus_status status = txn_commit(draft->txn, call);
    if (status != TDBPLUS_OK && life->faults_on && commit->load_count > 0) {
        life->totals->load_faults[LOAD_COMMIT]++;
    }
    writer->load_phase = LOAD_NONE;
    if (status == TDBPLUS_OK) {
        commit->acked = ++life->events;
        life->totals->commits++;
        memcpy(writer->current, draft->values, sizeof writer->current);
    } else if (status == TDBPLUS_E_STOPPED) {
        writer->stopped = true; // Only the next open can tell.
    } else {
        commit->failed = true;
        if (!life_excuses(life, status)) {
            life_fail(life, call->err->text);
        }
    }
}

static void run_commit(struct writer *writer)
{
    struct life *life = writer->life;
    struct commit *commit = &writer->commits[writer->commit_count];
    struct err err = {0};
    struct call call = {.alloc = sim_alloc(life->sim), .err = &err};
    plan_commit(writer, commit);
    struct txn_options options = {
        .isolation = (uint8_t)sim_random_below(&writer->random, 2),
        .durability =
            (int16_t)(commit->full ? DURABILITY_FULL : 1 + sim_random_below(&writer->random, 2))};
    if (sim_random_below(&writer->random, 4) == 0) {
        options.change_bytes_max = 1 + sim_random_below(&writer->random, 400); // A few rows.
        life->totals->spills++;
    }
    struct draft draft = {.writer = writer};
    memcpy(draft.values, writer->current, sizeof draft.values);
    tdbplus_status status = txn_begin(life->store, &options, call.alloc, &draft.txn, &err);
    if (status == TDBPLUS_OK) {
        status = do_changes(&draft, commit, options.isolation == TXN_REPEATABLE_READ, &call);
    }
    if (status != TDBPLUS_OK) {
        txn_abort(draft.txn);
        if (!life_excuses(life, status)) {
            life_fail(life, err.text);
        }
        writer->stopped = status == TDBPLUS_E_STOPPED;
        return;
    }
    err_clear(&err);
    if (sim_random_below(&writer->random, 10) == 0) {
        txn_abort(draft.txn); // Never happened.
        return;
    }
    finish_commit(&draft, commit, &call);
}

void writer_main(void *arg)
{
    struct writer *writer = arg;
    struct life *life = writer->life;
    while (!life->wind_down && !writer->stopped && life->broken[0] == '\0' &&
           life->operations < life->until && writer->commit_count < COMMIT_COUNT_MAX) {
        run_commit(writer);
        if (sim_random_below(&writer->random, 8) == 0) {
            env_sleep_us(sim_env(life->sim), sim_random_below(&writer->random, 2000));
        }
    }
}

/* ---- watchers ---- */

/* Reads all there is, waits while the world goes on, and must find the same again. */
static tdbplus_status read_twice(struct watcher *watcher, struct txn *txn,
                                 const uint32_t bounds[WRITER_COUNT], struct call *call)
{
    struct life *life = watcher->life;
    struct state first;
    struct state again;
    TRY(model_read(life, txn, false, &first, call));
    model_check(life, &first, bounds, true);
    for (uint32_t i = 0; i < 3 && !life->wind_down; i++) {
        env_sleep_us(sim_env(life->sim), sim_random_below(&watcher->random, 4000));
        TRY(model_read(life, txn, false, &again, call));
        if (memcmp(&first, &again, sizeof first) != 0) {
            life_fail(life, "a snapshot changed while it was held");
        }
    }
    life->totals->snapshots++;
    return TDBPLUS_OK;
}

void watcher_main(void *arg)
{
    struct watcher *watcher = arg;
    struct life *life = watcher->life;
    while (!life->wind_down && life->broken[0] == '\0' && life->operations < life->until) {
        struct err err = {0};
        struct call call = {.alloc = sim_alloc(life->sim), .err = &err};
        struct txn_options options = {.isolation = TXN_REPEATABLE_READ, .read_only = true};
        struct txn *txn = NULL;
        uint32_t bounds[WRITER_COUNT];
        model_bounds(life, false, bounds);
        tdbplus_status status = txn_begin(life->store, &options, call.alloc, &txn, &err);
        if (status == TDBPLUS_OK) {
            status = read_twice(watcher, txn, bounds, &call);
        }
        txn_abort(txn);
        if (status != TDBPLUS_OK && !life_excuses(life, status)) {
            life_fail(life, err.text);
        }
        env_sleep_us(sim_env(life->sim), sim_random_below(&watcher->random, 3000));
    }
}

/* ---- the keeper: everything that is not a row ---- */

static tdbplus_status add_column(struct life *life, struct call *call)
{
    struct txn *txn = NULL;
    TRY(txn_begin(life->store, NULL, call->alloc, &txn, call->err));
    const struct object *table = txn_object(txn, OBJECT_COLLECTION, "t");
    struct schema schema = *table->schema;
    if (schema.column_count >= COLUMN_COUNT + 3) {
        txn_abort(txn);
        return TDBPLUS_OK;
    }
    struct schema_column wide[8];
    memcpy(wide, schema.columns, schema.column_count * sizeof *wide);
    char name[32];
    (void)snprintf(name, sizeof name, "extra%u", schema.column_id_next);
    wide[schema.column_count] =
        (struct schema_column){.id = schema.column_id_next,
                               .type = {.id = TYPE_INT4},
                               .name = name,
                               .missing = {.type = {.id = TYPE_INT4}, .integer = EXTRA_VALUE}};
    schema.columns = wide;
    schema.column_count++;
    schema.column_id_next++;
    tdbplus_status status = txn_object_alter(txn, table->id, NULL, &schema, NULL, call->err);
    if (status != TDBPLUS_OK) {
        txn_abort(txn);
        return status;
    }
    life->totals->alters++;
    return txn_commit(txn, call);
}

/* The copy holds everything that was acknowledged when it began. */
static tdbplus_status check_copy(struct life *life, struct store *copy,
                                 const uint32_t bounds[WRITER_COUNT], struct call *call)
{
    TRY(store_verify(copy, NULL, NULL, call));
    struct txn *txn = NULL;
    struct state state;
    TRY(txn_begin(copy, NULL, call->alloc, &txn, call->err));
    tdbplus_status status = model_read(life, txn, true, &state, call);
    if (status == TDBPLUS_OK) {
        model_check(life, &state, bounds, false);
    }
    txn_abort(txn);
    return status;
}

static tdbplus_status backup(struct life *life, struct call *call)
{
    char directory[64];
    uint32_t bounds[WRITER_COUNT];
    (void)snprintf(directory, sizeof directory, "backup%u", life->backups++);
    model_bounds(life, false, bounds);
    TRY(store_backup(life->store, directory, call));
    life->totals->backups++;
    struct store *copy = NULL;
    TRY(life_open(life, directory, true, &copy, call));
    tdbplus_status status = check_copy(life, copy, bounds, call);
    store_close(copy);
    return status;
}

void keeper_step(struct life *life)
{
    struct err err = {0};
    struct call call = {.alloc = sim_alloc(life->sim), .err = &err};
    tdbplus_status status = TDBPLUS_OK;
    switch (life_below(life, 8)) {
    case 0:
        status = store_flush(life->store, &call);
        life->totals->flushes++;
        break;
    case 1:
        status = store_optimize(life->store, 0, &call);
        life->totals->merges++;
        break;
    case 2:
        status = life_below(life, 4) == 0 ? backup(life, &call) : TDBPLUS_OK;
        break;
    case 3:
        status = life_below(life, 4) == 0 ? add_column(life, &call) : TDBPLUS_OK;
        break;
    case 4:
        status = store_verify(life->store, NULL, NULL, &call);
        break;
    case 5:
        life_note_time(life);
        sim_wall_jump_us(life->sim, (int64_t)life_below(life, 20000000) - 10000000);
        break;
    default:
        env_sleep_us(sim_env(life->sim), life_below(life, 5000));
        break;
    }
    if (status != TDBPLUS_OK && !life_excuses(life, status)) {
        life_fail(life, err.text);
    }
}
