/* tdbplus_recover(): the one function about databases that do not open. */

#include <string.h>

#include "engine/engine_internal.h"
#include "simd/simd.h"
#include "storage/store/store_recover.h"

struct recover_args {
    const char *source;
    const char *target;
    size_t memory_limit_bytes;
    void (*report)(void *context, const tdbplus_loss *loss);
    void *report_context;
    tdbplus_recovered *recovered_out;
};

static void pass_loss(void *ctx, const struct store_loss *loss)
{
    const struct recover_args *args = ctx;
    tdbplus_loss told = {
        .struct_size = sizeof told,
        .file = loss->file,
        .offset = loss->offset,
        .size = loss->size,
        .what = loss->what,
        .collection = loss->collection,
        .rows_known = loss->rows_known,
        .row_count = loss->row_count,
        .key_from = loss->key_from,
        .key_to = loss->key_to,
        .keys_outside = loss->keys_outside,
    };
    args->report(args->report_context, &told);
}

static tdbplus_status recover_work(void *arg, const struct call *call)
{
    struct recover_args *args = arg;
    if (args->source == NULL || args->target == NULL || args->source[0] == '\0' ||
        args->target[0] == '\0') {
        return err_set(call->err, TDBPLUS_E_INVALID, "recover: two directories are needed");
    }
    simd_init();
    struct store_recover_options options = {
        .env = env_real(),
        .alloc = &alloc_system,
        .source = args->source,
        .target = args->target,
        .memory_limit_bytes = args->memory_limit_bytes,
        .report = args->report == NULL ? NULL : pass_loss,
        .report_ctx = args,
    };
    struct store_recovered recovered = {0};
    TRY(store_recover(&options, &recovered, call));
    tdbplus_recovered told = {
        .struct_size = sizeof told,
        .collections = recovered.collection_count,
        .objects = recovered.object_count,
        .rows = recovered.row_count,
        .segments = recovered.segment_count,
        .log_records = recovered.log_record_count,
        .losses = recovered.loss_count,
        .lost_rows = recovered.lost_rows,
        .lost_bytes = recovered.lost_bytes,
        .rows_uncertain = recovered.rows_uncertain,
    };
    if (args->recovered_out != NULL) {
        uint32_t size = args->recovered_out->struct_size;
        size = size < sizeof told ? size : (uint32_t)sizeof told;
        told.struct_size = size;
        memcpy(args->recovered_out, &told, size);
    }
    return TDBPLUS_OK;
}

tdbplus_status tdbplus_recover(const char *source, const char *target,
                               const tdbplus_options *options,
                               void (*report)(void *context, const tdbplus_loss *loss),
                               void *report_context, tdbplus_recovered *recovered_out,
                               tdbplus_call *call)
{
    tdbplus_options own = {0};
    if (options != NULL) {
        size_t size = options->struct_size < sizeof own ? options->struct_size : sizeof own;
        memcpy(&own, options, size);
    }
    struct recover_args args = {.source = source,
                                .target = target,
                                .memory_limit_bytes = own.memory_limit_bytes,
                                .report = report,
                                .report_context = report_context,
                                .recovered_out = recovered_out};
    return engine_run_here(&alloc_system, env_real(), call, recover_work, &args);
}
