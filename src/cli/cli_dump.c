/* dump: every row of a collection, or of all, as lines of JSON. */

#include <string.h>

#include "cli/cli.h"
#include "cli/dump_sql.h"

struct dump {
    tdbplus_db *db;
    tdbplus_txn *txn; // All collections as of one moment.
    bool has_headers;
    bool failed;
};

static void write_header(const char *name, const tdbplus_collection *collection)
{
    char type[CLI_TYPE_SIZE];
    (void)fputs("{\"$collection\":", stdout);
    json_write_text(stdout, name, strlen(name));
    (void)fputs(",\"columns\":[", stdout);
    const uint32_t count = tdbplus_collection_column_count(collection);
    for (uint32_t i = 0; i < count; i++) {
        const tdbplus_column column = tdbplus_collection_column(collection, i);
        (void)fputs(i == 0 ? "{\"name\":" : ",{\"name\":", stdout);
        json_write_text(stdout, column.name, strlen(column.name));
        cli_type_text(&column, type);
        (void)printf(",\"type\":\"%s\",\"not_null\":%s}", type, column.not_null ? "true" : "false");
    }
    (void)fputs("]}\n", stdout);
}

static void write_row(const tdbplus_collection *collection, const tdbplus_value *values)
{
    const uint32_t count = tdbplus_collection_column_count(collection);
    for (uint32_t i = 0; i < count; i++) {
        const tdbplus_column column = tdbplus_collection_column(collection, i);
        (void)putchar(i == 0 ? '{' : ',');
        json_write_text(stdout, column.name, strlen(column.name));
        (void)putchar(':');
        json_write_value(stdout, &values[i]);
    }
    (void)fputs("}\n", stdout);
}

/* A value this program cannot write must not look like null. */
static const char *unwritable_column(const tdbplus_collection *collection)
{
    const uint32_t count = tdbplus_collection_column_count(collection);
    for (uint32_t i = 0; i < count; i++) {
        const tdbplus_column column = tdbplus_collection_column(collection, i);
        if (column.type == TDBPLUS_TYPE_ARRAY || column.type > TDBPLUS_TYPE_DATEMULTIRANGE) {
            return column.name;
        }
    }
    return NULL;
}

static tdbplus_status write_rows(struct dump *dump, tdbplus_collection *collection,
                                 tdbplus_call *call)
{
    const tdbplus_scan_options options = {.struct_size = sizeof options,
                                          .order = TDBPLUS_ASCENDING};
    tdbplus_scan *scan = NULL;
    const tdbplus_value *values = NULL;
    tdbplus_status status = tdbplus_scan_open(collection, dump->txn, &options, &scan, call);
    while (status == TDBPLUS_OK && ferror(stdout) == 0) {
        status = tdbplus_scan_next(scan, &values, call);
        if (status == TDBPLUS_OK) {
            write_row(collection, values);
        }
    }
    tdbplus_scan_close(scan);
    return status == TDBPLUS_END ? TDBPLUS_OK : status;
}

static bool dump_collection(void *context, const char *name)
{
    struct dump *dump = context;
    tdbplus_call call = TDBPLUS_CALL_INIT;
    tdbplus_collection *collection = NULL;
    tdbplus_status status = tdbplus_collection_open(dump->db, dump->txn, name, &collection, &call);
    const char *unwritable = status == TDBPLUS_OK ? unwritable_column(collection) : NULL;
    if (unwritable != NULL) {
        (void)fprintf(stderr,
                      "tdb: dump: column \"%s\" of \"%s\" has a type that dump cannot write\n",
                      unwritable, name);
        dump->failed = true;
    } else if (status == TDBPLUS_OK) {
        if (dump->has_headers) {
            write_header(name, collection);
        }
        status = write_rows(dump, collection, &call);
    }
    tdbplus_collection_close(collection);
    if (status != TDBPLUS_OK) {
        cli_complain("dump", &call.error);
        dump->failed = true;
    }
    return !dump->failed;
}

/* --sql, --schema-only and --data-only stand anywhere; what is left stays in front. */
static int take_options(int count, char **arguments, bool *sql, struct dump_options *options)
{
    int kept = 0;
    for (int i = 0; i < count; i++) {
        if (strcmp(arguments[i], "--sql") == 0) {
            *sql = true;
        } else if (strcmp(arguments[i], "--schema-only") == 0) {
            *sql = options->schema_only = true;
        } else if (strcmp(arguments[i], "--data-only") == 0) {
            *sql = options->data_only = true;
        } else {
            arguments[kept++] = arguments[i];
        }
    }
    return kept;
}

int command_dump(int count, char **arguments)
{
    bool sql = false;
    struct dump_options sql_options = {0};
    count = take_options(count, arguments, &sql, &sql_options);
    if (count == 0 || count > (sql ? 1 : 2) || arguments[0][0] == '-' ||
        (sql_options.schema_only && sql_options.data_only)) {
        (void)fprintf(stderr, "usage: tdb dump DIR [COLLECTION]\n"
                              "       tdb dump --sql [--schema-only | --data-only] DIR | URL\n");
        return CLI_USAGE;
    }
    if (sql) {
        return dump_sql(arguments[0], &sql_options);
    }
    struct dump dump = {.db = cli_open("dump", arguments[0], true), .has_headers = count == 1};
    if (dump.db == NULL) {
        return CLI_FAILED;
    }
    tdbplus_call call = TDBPLUS_CALL_INIT;
    const tdbplus_txn_options options = {
        .struct_size = sizeof options, .isolation = TDBPLUS_REPEATABLE_READ, .read_only = true};
    tdbplus_status status = tdbplus_begin(dump.db, &options, &dump.txn, &call);
    if (status == TDBPLUS_OK && count == 2) {
        (void)dump_collection(&dump, arguments[1]);
    } else if (status == TDBPLUS_OK) {
        status = tdbplus_collections(dump.db, dump.txn, dump_collection, &dump, &call);
    }
    if (status != TDBPLUS_OK) {
        cli_complain("dump", &call.error);
        dump.failed = true;
    }
    tdbplus_rollback(dump.txn);
    tdbplus_close(dump.db);
    return cli_flushed() && !dump.failed ? CLI_OK : CLI_FAILED;
}
