/* recover: what is readable of a damaged database goes into a new one, and the rest is named. */

#include <inttypes.h>
#include <string.h>

#include "cli/cli.h"

struct recover {
    bool json;
};

static void write_rows(const tdbplus_loss *loss)
{
    if (!loss->rows_known || loss->row_count == 0) {
        return;
    }
    (void)printf("; %" PRIu64 " %s lost", loss->row_count, loss->row_count == 1 ? "row" : "rows");
    const char *from = loss->key_from;
    const char *to = loss->key_to;
    if (loss->keys_outside && (from != NULL || to != NULL)) {
        (void)printf(", with keys");
        if (from != NULL) {
            (void)printf(" after %s", from);
        }
        if (to != NULL) {
            (void)printf("%s before %s", from != NULL ? " and" : "", to);
        }
    } else if (from != NULL && to != NULL) {
        (void)printf(strcmp(from, to) == 0 ? ", with key %s" : ", with keys from %s", from);
        if (strcmp(from, to) != 0) {
            (void)printf(" to %s", to);
        }
    }
}

static void write_loss(const tdbplus_loss *loss)
{
    if (loss->file[0] != '\0') {
        (void)printf("%s", loss->file);
        if (loss->size > 0) {
            (void)printf(", offset %" PRIu64 ", %" PRIu64 " bytes", loss->offset, loss->size);
        }
        (void)printf(": ");
    }
    if (loss->collection != NULL) {
        (void)printf("collection %s: ", loss->collection);
    }
    (void)printf("%s", loss->what);
    write_rows(loss);
    (void)printf("\n");
}

static void write_text(const char *name, const char *text)
{
    (void)printf(",\"%s\":", name);
    if (text == NULL) {
        (void)printf("null");
    } else {
        json_write_text(stdout, text, strlen(text));
    }
}

static void write_loss_json(const tdbplus_loss *loss)
{
    (void)printf("{\"loss\":");
    json_write_text(stdout, loss->what, strlen(loss->what));
    write_text("file", loss->file[0] == '\0' ? NULL : loss->file);
    (void)printf(",\"offset\":%" PRIu64 ",\"size\":%" PRIu64, loss->offset, loss->size);
    write_text("collection", loss->collection);
    if (loss->rows_known) {
        (void)printf(",\"rows\":%" PRIu64, loss->row_count);
    } else {
        (void)printf(",\"rows\":null");
    }
    write_text(loss->keys_outside ? "key_after" : "key_from", loss->key_from);
    write_text(loss->keys_outside ? "key_before" : "key_to", loss->key_to);
    (void)printf("}\n");
}

static void report(void *context, const tdbplus_loss *loss)
{
    const struct recover *recover = context;
    cli_progress_end();
    if (recover->json) {
        write_loss_json(loss);
    } else {
        write_loss(loss);
    }
}

static void write_summary(const struct recover *recover, const tdbplus_recovered *recovered)
{
    if (recover->json) {
        (void)printf(
            "{\"collections\":%" PRIu64 ",\"objects\":%" PRIu64 ",\"rows\":%" PRIu64
            ",\"segments\":%" PRIu64 ",\"log_records\":%" PRIu64 ",\"losses\":%" PRIu64
            ",\"lost_rows\":%" PRIu64 ",\"lost_bytes\":%" PRIu64 ",\"rows_uncertain\":%s}\n",
            recovered->collections, recovered->objects, recovered->rows, recovered->segments,
            recovered->log_records, recovered->losses, recovered->lost_rows, recovered->lost_bytes,
            recovered->rows_uncertain ? "true" : "false");
        return;
    }
    (void)printf("saved: %" PRIu64 " %s with %" PRIu64 " %s, %" PRIu64 " other %s\n",
                 recovered->collections, recovered->collections == 1 ? "collection" : "collections",
                 recovered->rows, recovered->rows == 1 ? "row" : "rows", recovered->objects,
                 recovered->objects == 1 ? "object" : "objects");
    if (recovered->losses == 0) {
        (void)printf("lost: nothing\n");
        return;
    }
    (void)printf("lost: %" PRIu64 " rows that are known of, in %" PRIu64 " %s of %" PRIu64
                 " bytes%s\n",
                 recovered->lost_rows, recovered->losses,
                 recovered->losses == 1 ? "place" : "places", recovered->lost_bytes,
                 recovered->rows_uncertain ? "; some of them may have cost more rows, or changes "
                                             "of rows, than can be told"
                                           : "");
}

int command_recover(int count, char **arguments)
{
    struct recover recover = {0};
    const char *directories[2] = {NULL, NULL};
    int found = 0;
    for (int i = 0; i < count; i++) {
        if (strcmp(arguments[i], "--json") == 0) {
            recover.json = true;
        } else if (found < 2) {
            directories[found++] = arguments[i];
        }
    }
    if (found != 2 || count != found + (recover.json ? 1 : 0)) {
        (void)fprintf(stderr, "usage: tdb recover DIR TARGET [--json]\n");
        return CLI_USAGE;
    }
    tdbplus_call call = cli_call("recover");
    tdbplus_recovered recovered = {.struct_size = sizeof recovered};
    const tdbplus_status status =
        tdbplus_recover(directories[0], directories[1], NULL, report, &recover, &recovered, &call);
    cli_progress_end();
    if (status != TDBPLUS_OK) {
        cli_complain("recover", &call.error);
        return CLI_FAILED;
    }
    write_summary(&recover, &recovered);
    if (!cli_flushed()) {
        return CLI_FAILED;
    }
    return recovered.losses == 0 ? CLI_OK : CLI_LOST;
}
