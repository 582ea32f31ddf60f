#include "server/server_log.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>
#include <uv.h>

#define STANDARD_ERROR 2
#define FILE_MODE      0640

static const char *const level_names[] = {"debug", "info", "warning", "error", "off"};

bool server_log_level_parse(const char *text, uint8_t *level_out)
{
    for (uint8_t i = 0; i < sizeof level_names / sizeof *level_names; i++) {
        if (strcmp(text, level_names[i]) == 0) {
            *level_out = i;
            return true;
        }
    }
    return false;
}

/* ---- files ---- */

static int32_t open_file(const char *path)
{
    uv_fs_t request;
    int file = uv_fs_open(NULL, &request, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
                          FILE_MODE, NULL);
    uv_fs_req_cleanup(&request);
    return file;
}

static void close_file(int32_t file)
{
    uv_fs_t request;
    if (file >= 0 && file != STANDARD_ERROR) {
        (void)uv_fs_close(NULL, &request, file, NULL);
        uv_fs_req_cleanup(&request);
    }
}

static tdbplus_status open_or_say(const char *path, int32_t *file_out, struct err *err)
{
    int32_t file = open_file(path);
    if (file < 0) {
        return err_set(err, TDBPLUS_E_IO, "log: %s: %s", path, uv_strerror(file));
    }
    *file_out = file;
    return TDBPLUS_OK;
}

tdbplus_status server_log_open(struct server_log *log, const char *path, const char *audit_path,
                               struct err *err)
{
    int32_t file = STANDARD_ERROR;
    int32_t audit = -1;
    if (path != NULL) {
        TRY(open_or_say(path, &file, err));
    }
    if (audit_path != NULL) {
        tdbplus_status status = open_or_say(audit_path, &audit, err);
        if (status != TDBPLUS_OK) {
            close_file(file);
            return status;
        }
    }
    log->file = file;
    log->audit = audit;
    return TDBPLUS_OK;
}

static void replace(struct server_log *log, int32_t *file, const char *path)
{
    int32_t fresh = path == NULL ? -1 : open_file(path);
    if (fresh < 0) {
        return;
    }
    latch_lock(&log->latch);
    int32_t old = *file;
    *file = fresh;
    latch_unlock(&log->latch);
    close_file(old);
}

void server_log_reopen(struct server_log *log, const char *path, const char *audit_path)
{
    replace(log, &log->file, path);
    replace(log, &log->audit, audit_path);
}

void server_log_close(struct server_log *log)
{
    close_file(log->file);
    close_file(log->audit);
    log->file = -1;
    log->audit = -1;
}

/* ---- lines ---- */

static void put_escaped(struct span value, struct buffer *text)
{
    static const char digits[] = "0123456789abcdef";
    size_t size = value.size > SERVER_LOG_TEXT_SIZE_MAX ? SERVER_LOG_TEXT_SIZE_MAX : value.size;
    // Not within a character of UTF-8.
    while (size < value.size && size > 0 && (value.data[size] & 0xc0) == 0x80) {
        size--;
    }
    buffer_put_u8(text, '"');
    for (size_t i = 0; i < size; i++) {
        uint8_t byte = value.data[i];
        if (byte == '"' || byte == '\\') {
            buffer_put_u8(text, '\\');
            buffer_put_u8(text, byte);
        } else if (byte == '\n') {
            buffer_put_text(text, "\\n");
        } else if (byte < 0x20 || byte == 0x7f) {
            buffer_put_text(text, "\\u00");
            buffer_put_u8(text, (uint8_t)digits[byte >> 4]);
            buffer_put_u8(text, (uint8_t)digits[byte & 15]);
        } else {
            buffer_put_u8(text, byte);
        }
    }
    buffer_put_text(text, size < value.size ? "...\"" : "\"");
}

/* RFC 3339, in UTC. */
static void put_time(uint64_t us, struct buffer *text)
{
    // Days to civil dates by whole eras of 400 years, from March on.
    int64_t days = (int64_t)(us / 86400000000u) + 719468;
    uint64_t rest = us % 86400000000u;
    int64_t era = days / 146097;
    int64_t day_of_era = days % 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t shifted = (5 * day_of_year + 2) / 153;
    int64_t day = day_of_year - (153 * shifted + 2) / 5 + 1;
    int64_t month = shifted < 10 ? shifted + 3 : shifted - 9;
    int64_t year = year_of_era + era * 400 + (month <= 2);
    buffer_printf(text, "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ", (int)year, (int)month, (int)day,
                  (int)(rest / 3600000000u), (int)(rest / 60000000u % 60u),
                  (int)(rest / 1000000u % 60u), (int)(rest % 1000000u));
}

static void begin(struct server_log *log, enum server_log_level level, const char *event,
                  struct server_log_line *line)
{
    line->log = log;
    buffer_init(&line->text, log->alloc);
    buffer_put_text(&line->text, "{\"time\":\"");
    put_time(env_clock_wall_us(log->env), &line->text);
    buffer_printf(&line->text, "\",\"level\":\"%s\",\"event\":\"%s\"", level_names[level], event);
}

void server_log_begin(struct server_log *log, enum server_log_level level, const char *event,
                      struct server_log_line *line)
{
    *line = (struct server_log_line){0};
    if (level >= atomic_load_explicit(&log->level, memory_order_relaxed)) {
        begin(log, level, event, line);
    }
}

void server_log_begin_audit(struct server_log *log, const char *event, struct server_log_line *line)
{
    *line = (struct server_log_line){.audit = log->audit >= 0};
    if (line->audit || SERVER_LOG_INFO >= atomic_load_explicit(&log->level, memory_order_relaxed)) {
        begin(log, SERVER_LOG_INFO, event, line);
    }
}

void server_log_span(struct server_log_line *line, const char *name, struct span value)
{
    if (line->log != NULL) {
        buffer_printf(&line->text, ",\"%s\":", name);
        put_escaped(value, &line->text);
    }
}

void server_log_text(struct server_log_line *line, const char *name, const char *value)
{
    server_log_span(line, name, span_from_text(value));
}

void server_log_number(struct server_log_line *line, const char *name, int64_t value)
{
    if (line->log != NULL) {
        buffer_printf(&line->text, ",\"%s\":%" PRId64, name, value);
    }
}

void server_log_end(struct server_log_line *line)
{
    struct server_log *log = line->log;
    if (log == NULL) {
        return;
    }
    buffer_put_text(&line->text, "}\n");
    latch_lock(&log->latch);
    int32_t file = line->audit ? log->audit : log->file;
    latch_unlock(&log->latch);
    if (!line->text.failed && file >= 0) {
        // One write of a file opened for appending is one line, whoever writes beside us.
        uv_fs_t request;
        uv_buf_t bytes = uv_buf_init((char *)line->text.data, (unsigned)line->text.size);
        if (uv_fs_write(NULL, &request, file, &bytes, 1, -1, NULL) != (int)line->text.size) {
            atomic_fetch_add(&log->lost, 1);
        }
        uv_fs_req_cleanup(&request);
    } else {
        atomic_fetch_add(&log->lost, 1);
    }
    buffer_deinit(&line->text);
    line->log = NULL;
}

/* ---- secrets ---- */

static bool is_word_byte(uint8_t byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || byte == '_' || byte >= 0x80;
}

/* True when the word PASSWORD stands at `at`. */
static bool is_password(struct span text, size_t at)
{
    static const char word[] = "password";
    size_t size = sizeof word - 1;
    return text.size - at >= size && strncasecmp((const char *)text.data + at, word, size) == 0 &&
           (at == 0 || !is_word_byte(text.data[at - 1])) &&
           (at + size == text.size || !is_word_byte(text.data[at + size]));
}

/* Whatever stands in quotes or dollars after that word is taken for a secret, to the text's end if
 * need be. */
void server_log_redact(struct span text, struct buffer *redacted)
{
    bool secret = false;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t byte = text.data[i];
        secret = secret || is_password(text, i);
        if (secret && byte == '$') {
            buffer_put_text(redacted, "***");
            return;
        }
        buffer_put_u8(redacted, byte);
        if (secret && byte == '\'') {
            buffer_put_text(redacted, "***'");
            do {
                i++;
                // A doubled quote goes on; a backslash takes the next byte along.
                if (i < text.size && text.data[i] == '\\') {
                    i++;
                } else if (i + 1 < text.size && text.data[i] == '\'' && text.data[i + 1] == '\'') {
                    i++;
                } else if (i < text.size && text.data[i] == '\'') {
                    break;
                }
            } while (i < text.size);
            secret = false;
        }
    }
}
