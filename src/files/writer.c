#include "files/writer.h"

#include <stdio.h>
#include <string.h>

#include "files/ndjson.h"
#include "files/parquet_writer.h"
#include "files/pgcopy.h"
#include "types/arrow_ipc.h"

struct file_writer {
    const struct alloc *alloc;
    const struct file_spec *spec;
    const struct text_style *style;
    struct csv_writer csv;
    struct parquet_writer *parquet;
    struct arrow_writer *arrow;
    struct charset_encoder *encoder; /* NULL: texts go out in UTF-8. */
    struct buffer plain;             /* What it is given. */
};

/* A stream where the bytes go on to somebody (STDOUT) or the name ends in .arrows; else a file. */
static bool is_arrow_stream(const struct file_spec *spec)
{
    static const char end[] = ".arrows";
    size_t size = spec->path_count == 0 ? 0 : strlen(spec->paths[0]);
    return spec->path_count == 0 ||
           (size >= sizeof end && strcmp(spec->paths[0] + size - (sizeof end - 1), end) == 0);
}

static tdbplus_status create_arrow(struct file_writer *writer, struct err *err)
{
    const struct file_spec *spec = writer->spec;
    struct arrow_write_options options = {
        .is_file = !is_arrow_stream(spec), .codec = ARROW_CODEC_NONE, .style = writer->style};
    const char *codec = spec->compression == NULL ? "none" : spec->compression;
    if (strcmp(codec, "lz4") == 0) {
        options.codec = ARROW_CODEC_LZ4;
    } else if (strcmp(codec, "zstd") == 0) {
        options.codec = ARROW_CODEC_ZSTD;
    } else if (strcmp(codec, "none") != 0) {
        tdbplus_status status = err_set_state(err, TDBPLUS_E_INVALID, "22023",
                                              "compression \"%s\" not recognized", codec);
        err_hint(err, "Arrow knows lz4, zstd and none.");
        return status;
    }
    struct arrow_column *columns =
        alloc_array(writer->alloc, spec->column_count + 1u, sizeof *columns);
    if (columns == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "no memory to write a file");
    }
    for (uint32_t i = 0; i < spec->column_count; i++) {
        columns[i] =
            (struct arrow_column){.name = spec->columns[i].name, .type = spec->columns[i].type};
    }
    tdbplus_status status = arrow_writer_create(columns, spec->column_count, &options,
                                                writer->alloc, &writer->arrow, err);
    alloc_free(writer->alloc, columns, spec->column_count + 1u, sizeof *columns);
    return status;
}

tdbplus_status file_writer_create(const struct file_spec *spec, const struct text_style *style,
                                  const struct alloc *alloc, struct file_writer **writer_out,
                                  struct err *err)
{
    struct file_writer *writer = alloc_array(alloc, 1, sizeof *writer);
    if (writer == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "no memory to write a file");
    }
    writer->alloc = alloc;
    writer->spec = spec;
    csv_writer_init(&writer->csv, &spec->csv, spec->columns, spec->column_count, alloc);
    writer->csv.style = style;
    writer->style = style;
    buffer_init(&writer->plain, alloc);
    tdbplus_status status = TDBPLUS_OK;
    if (spec->format == FILE_PARQUET) {
        status = parquet_writer_create(spec->columns, spec->column_count, spec->compression, style,
                                       alloc, &writer->parquet, err);
    } else if (spec->format == FILE_ARROW) {
        status = create_arrow(writer, err);
    } else if (spec->encoding != NULL) {
        status = charset_encoder_create(spec->encoding, alloc, &writer->encoder, err);
    }
    if (status != TDBPLUS_OK) {
        file_writer_destroy(writer);
        return status;
    }
    *writer_out = writer;
    return TDBPLUS_OK;
}

void file_writer_destroy(struct file_writer *writer)
{
    if (writer != NULL) {
        csv_writer_deinit(&writer->csv);
        parquet_writer_destroy(writer->parquet);
        arrow_writer_destroy(writer->arrow);
        charset_encoder_destroy(writer->encoder);
        buffer_deinit(&writer->plain);
        alloc_free(writer->alloc, writer, 1, sizeof *writer);
    }
}

static tdbplus_status check_out(const struct buffer *out, struct err *err)
{
    return out->failed ? err_set(err, TDBPLUS_E_NOMEM, "no memory to write a file") : TDBPLUS_OK;
}

/* Texts are written to where the encoder takes them from, or straight out. */
static struct buffer *text_out(struct file_writer *writer, struct buffer *out)
{
    return writer->encoder != NULL ? &writer->plain : out;
}

static tdbplus_status finish_text(struct file_writer *writer, struct buffer *out, struct err *err)
{
    if (writer->encoder != NULL) {
        TRY(check_out(&writer->plain, err));
        TRY(charset_encoder_put(writer->encoder, buffer_span(&writer->plain), out, err));
        buffer_clear(&writer->plain);
    }
    return check_out(out, err);
}

tdbplus_status file_writer_begin(struct file_writer *writer, struct buffer *out, struct err *err)
{
    if (writer->parquet != NULL) {
        TRY(parquet_writer_begin(writer->parquet, out, err));
    }
    if (writer->arrow != NULL) {
        TRY(arrow_writer_begin(writer->arrow, out, err));
    }
    if (writer->spec->format == FILE_TEXT || writer->spec->format == FILE_CSV) {
        csv_write_header(&writer->csv, text_out(writer, out));
    } else if (writer->spec->format == FILE_BINARY) {
        pgcopy_write_header(out);
    }
    return finish_text(writer, out, err);
}

tdbplus_status file_writer_put(struct file_writer *writer, const struct batch *batch,
                               struct buffer *out, struct err *err)
{
    if (writer->parquet != NULL) {
        TRY(parquet_writer_put(writer->parquet, batch, out, err));
    } else if (writer->arrow != NULL) {
        TRY(arrow_writer_put(writer->arrow, batch, out, err));
    } else if (writer->spec->format == FILE_NDJSON) {
        ndjson_write_batch(writer->spec->columns, writer->spec->column_count, writer->style, batch,
                           text_out(writer, out));
    } else if (writer->spec->format == FILE_BINARY) {
        pgcopy_write_batch(writer->spec->column_count, writer->style, batch, out);
    } else {
        csv_write_batch(&writer->csv, batch, text_out(writer, out));
    }
    return finish_text(writer, out, err);
}

tdbplus_status file_writer_end(struct file_writer *writer, struct buffer *out, struct err *err)
{
    if (writer->parquet != NULL) {
        TRY(parquet_writer_end(writer->parquet, out, err));
    } else if (writer->arrow != NULL) {
        TRY(arrow_writer_end(writer->arrow, out, err));
    } else if (writer->spec->format == FILE_BINARY) {
        pgcopy_write_trailer(out);
    }
    return check_out(out, err);
}

/* ---- where the bytes go ---- */

/* Devices and pipes are no names to be taken over. */
static bool has_temporary(const char *path)
{
    return strncmp(path, "/dev/", 5) != 0 && strncmp(path, "/proc/", 6) != 0;
}

tdbplus_status file_output_open(struct file_output *output, const char *path, struct err *err)
{
    *output = (struct file_output){.path = path};
    int size = snprintf(output->temporary, sizeof output->temporary, "%s%s", path,
                        has_temporary(path) ? ENV_TEMPORARY_SUFFIX : "");
    if (size < 0 || (size_t)size >= sizeof output->temporary) {
        return err_set_state(err, TDBPLUS_E_INVALID, "22023", "the name of the file is too long");
    }
    struct err reason = {0};
    uint32_t flags = ENV_OPEN_READ | ENV_OPEN_WRITE | ENV_OPEN_CREATE;
    tdbplus_status status =
        env_open(env_real(), output->temporary, has_temporary(path) ? flags : ENV_OPEN_WRITE,
                 &output->file, &reason);
    if (status != TDBPLUS_OK) {
        return err_set_state(err, status, status == TDBPLUS_E_NOT_FOUND ? "58P01" : "58030",
                             "could not open file \"%s\" for writing: %s", path,
                             status == TDBPLUS_E_NOT_FOUND ? "No such file or directory"
                                                           : reason.text);
    }
    return has_temporary(path) ? env_truncate(env_real(), output->file, 0, err) : TDBPLUS_OK;
}

tdbplus_status file_output_write(struct file_output *output, struct span bytes, struct err *err)
{
    if (bytes.size > 0) {
        TRY(env_write(env_real(), output->file, output->size, bytes.data, bytes.size, err));
        output->size += bytes.size;
    }
    return TDBPLUS_OK;
}

tdbplus_status file_output_finish(struct file_output *output, struct err *err)
{
    env_close(env_real(), output->file);
    output->file = NULL;
    if (has_temporary(output->path)) {
        TRY(env_rename(env_real(), output->temporary, output->path, err));
    }
    output->path = NULL;
    return TDBPLUS_OK;
}

void file_output_abandon(struct file_output *output)
{
    if (output->path == NULL) {
        return;
    }
    env_close(env_real(), output->file);
    if (has_temporary(output->path)) {
        // Nobody can do anything about one that stays.
        tdbplus_status ignored = env_unlink(env_real(), output->temporary, NULL);
        (void)ignored;
    }
    *output = (struct file_output){0};
}
