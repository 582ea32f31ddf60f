/* Rows and errors on the screen; boxes are in print_box.c. */

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include "cli/shell_print.h"
#include "cli/ticker.h"

#define LINE_SHOWN 76

static const char *const mode_names[] = {
    [PRINT_BOX] = "box",   [PRINT_TABLE] = "table",      [PRINT_CSV] = "csv",
    [PRINT_JSON] = "json", [PRINT_NDJSON] = "ndjson",    [PRINT_MARKDOWN] = "markdown",
    [PRINT_LINE] = "line", [PRINT_EXPANDED] = "expanded"};

#define MODE_COUNT (sizeof mode_names / sizeof mode_names[0])

bool print_mode_of(const char *name, enum print_mode *mode_out)
{
    for (size_t i = 0; i < MODE_COUNT; i++) {
        if (strcmp(name, mode_names[i]) == 0) {
            *mode_out = (enum print_mode)i;
            return true;
        }
    }
    return false;
}

const char *print_mode_name(enum print_mode mode)
{
    return mode_names[mode];
}

const char *const *print_mode_names(size_t *count_out)
{
    *count_out = MODE_COUNT;
    return mode_names;
}

/* Takes one character off a text; its width on the screen in *width_out. Returns its bytes. */
size_t print_take_character(const char *text, size_t size, uint32_t *width_out)
{
    wchar_t wide = 0;
    mbstate_t state;
    memset(&state, 0, sizeof state);
    const size_t taken = mbrtowc(&wide, text, size, &state);
    if (taken == 0 || taken > size) {
        *width_out = 1;
        return 1;
    }
    const int width = wcwidth(wide);
    *width_out = width < 0 ? 1 : (uint32_t)width; // Control characters are shown as a mark.
    return taken;
}

uint32_t print_width(const char *text, size_t size)
{
    uint32_t width = 0;
    for (size_t at = 0; at < size;) {
        uint32_t step = 0;
        at += print_take_character(text + at, size - at, &step);
        width += step;
    }
    return width;
}

uint32_t print_terminal_width(void)
{
    struct winsize size = {0};
    if (isatty(STDOUT_FILENO) == 1 && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0) {
        return size.ws_col;
    }
    return 0;
}

static void put_csv(const char *text, size_t size)
{
    const bool quoted = size == 0 || memchr(text, '"', size) != NULL ||
                        memchr(text, ',', size) != NULL || memchr(text, '\n', size) != NULL ||
                        memchr(text, '\r', size) != NULL;
    if (!quoted) {
        (void)fwrite(text, 1, size, stdout);
        return;
    }
    (void)putchar('"');
    for (size_t i = 0; i < size; i++) {
        (void)fputs(text[i] == '"' ? "\"" : "", stdout);
        (void)putchar(text[i]);
    }
    (void)putchar('"');
}

static void put_markdown(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '|' || text[i] == '\\') {
            (void)putchar('\\');
        }
        (void)putchar(text[i] == '\n' ? ' ' : text[i]);
    }
}

/* Whether a number's text is JSON's too; NaN and Infinity are not. */
static bool is_json_number(const char *text, size_t size)
{
    return size > 0 && ((text[0] >= '0' && text[0] <= '9') ||
                        (text[0] == '-' && size > 1 && text[1] >= '0' && text[1] <= '9'));
}

/* Documents may be laid out over lines; outside of strings a newline is a blank like another. */
static void put_json(struct client_column column, const char *text, size_t size)
{
    if (column.json == CLIENT_JSON_BOOL) {
        (void)fputs(size > 0 && text[0] == 't' ? "true" : "false", stdout);
    } else if (column.json == CLIENT_JSON_RAW) {
        for (size_t i = 0; i < size; i++) {
            (void)putchar(text[i] == '\n' || text[i] == '\r' ? ' ' : text[i]);
        }
    } else if (column.json == CLIENT_JSON_NUMBER && is_json_number(text, size)) {
        (void)fwrite(text, 1, size, stdout);
    } else {
        json_write_text(stdout, text, size);
    }
}

static void put_field(const struct print_style *style, struct client_column column, uint32_t number,
                      struct span text)
{
    const bool is_null = text.data == NULL;
    const char *null = style->has_null ? style->null : style->mode == PRINT_CSV ? "" : "NULL";
    const char *bytes = is_null ? null : (const char *)text.data;
    const size_t size = is_null ? strlen(null) : text.size;
    switch (style->mode) {
    case PRINT_CSV:
        (void)fputs(number == 0 ? "" : ",", stdout);
        if (is_null) {
            (void)fputs(null, stdout);
        } else {
            put_csv(bytes, size);
        }
        break;
    case PRINT_MARKDOWN:
        (void)fputs(number == 0 ? "| " : " | ", stdout);
        put_markdown(bytes, size);
        break;
    case PRINT_JSON:
    case PRINT_NDJSON:
        (void)putchar(number == 0 ? '{' : ',');
        json_write_text(stdout, column.name, strlen(column.name));
        (void)putchar(':');
        if (is_null) {
            (void)fputs("null", stdout);
        } else {
            put_json(column, bytes, size);
        }
        break;
    case PRINT_LINE:
    case PRINT_BOX:
    case PRINT_TABLE:
    case PRINT_EXPANDED:
        (void)printf("%s = ", column.name);
        (void)fwrite(bytes, 1, size, stdout);
        (void)putchar('\n');
        break;
    }
}

static tdbplus_status print_row(const struct print_style *style, struct answer *answer,
                                uint64_t row, tdbplus_call *call)
{
    static const char *const before[] = {[PRINT_JSON] = ",\n", [PRINT_LINE] = "\n"};
    static const char *const after[] = {[PRINT_CSV] = "\n",
                                        [PRINT_JSON] = "}",
                                        [PRINT_NDJSON] = "}\n",
                                        [PRINT_MARKDOWN] = " |\n",
                                        [PRINT_LINE] = ""};
    const uint32_t count = answer_column_count(answer);
    if (row > 0 && (style->mode == PRINT_JSON || style->mode == PRINT_LINE)) {
        (void)fputs(before[style->mode], stdout);
    }
    for (uint32_t i = 0; i < count; i++) {
        struct span text = {0};
        const tdbplus_status status = answer_text(answer, i, &text, call);
        if (status != TDBPLUS_OK) {
            return status;
        }
        put_field(style, answer_column(answer, i), i, text);
    }
    (void)fputs(after[style->mode], stdout);
    return TDBPLUS_OK;
}

static void print_names(const struct print_style *style, const struct answer *answer)
{
    const uint32_t count = answer_column_count(answer);
    if (style->mode == PRINT_JSON) {
        (void)putchar('[');
    }
    if (style->mode != PRINT_CSV && style->mode != PRINT_MARKDOWN) {
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct client_column column = answer_column(answer, i);
        put_field(style, column, i,
                  (struct span){(const uint8_t *)column.name, strlen(column.name)});
    }
    (void)fputs(style->mode == PRINT_MARKDOWN ? " |\n" : "\n", stdout);
    for (uint32_t i = 0; style->mode == PRINT_MARKDOWN && i < count; i++) {
        const bool is_right = answer_column(answer, i).is_number;
        (void)printf("%s%s", is_right ? "| ---: " : "| --- ", i + 1 == count ? "|\n" : "");
    }
}

static tdbplus_status print_rows(const struct print_style *style, struct answer *answer,
                                 tdbplus_call *call)
{
    tdbplus_status status = TDBPLUS_OK;
    for (uint64_t row = 0; status == TDBPLUS_OK; row++) {
        status = answer_next(answer, call);
        if (row == 0) {
            ticker_hide();
            print_names(style, answer);
        }
        if (status == TDBPLUS_OK) {
            status = print_row(style, answer, row, call);
        }
    }
    if (style->mode == PRINT_JSON && status == TDBPLUS_END) {
        (void)fputs("]\n", stdout);
    }
    return status;
}

tdbplus_status print_answer(const struct print_style *style, struct answer *answer,
                            tdbplus_call *call)
{
    const bool is_framed = style->mode == PRINT_BOX || style->mode == PRINT_TABLE;
    if (answer_column_count(answer) == 0) {
        const char *tag = answer_tag(answer);
        ticker_hide();
        if ((is_framed || style->mode == PRINT_EXPANDED) && tag[0] != '\0') {
            (void)printf("%s\n", tag);
        }
        return TDBPLUS_OK;
    }
    const tdbplus_status status = is_framed ? print_box(style, answer, call)
                                  : style->mode == PRINT_EXPANDED
                                      ? print_expanded(style, answer, call)
                                      : print_rows(style, answer, call);
    return status == TDBPLUS_END ? TDBPLUS_OK : status;
}

// ---- errors ----

/* The line of `sql` that holds its `position`-th character, and a caret below that. */
static void point_at(const char *sql, size_t size, uint32_t position)
{
    size_t at = 0;
    size_t line_start = 0;
    unsigned line = 1;
    for (uint32_t i = 1; i < position && at < size; i++) {
        if (sql[at] == '\n') {
            line++;
            line_start = at + 1;
        }
        uint32_t width = 0;
        at += print_take_character(sql + at, size - at, &width);
    }
    const char *end = memchr(sql + line_start, '\n', size - line_start);
    size_t line_end = end == NULL ? size : (size_t)(end - sql);
    // Of a long line only what stands around the place.
    const char *dots = "";
    while (print_width(sql + line_start, at - line_start) > LINE_SHOWN - 20) {
        uint32_t width = 0;
        line_start += print_take_character(sql + line_start, size - line_start, &width);
        dots = "...";
    }
    size_t shown = line_start;
    for (uint32_t used = 0; shown < line_end && used < LINE_SHOWN;) {
        uint32_t width = 0;
        shown += print_take_character(sql + shown, line_end - shown, &width);
        used += width;
    }
    char head[32];
    const int head_size = snprintf(head, sizeof head, "LINE %u: %s", line, dots);
    (void)fprintf(stderr, "%s%.*s%s\n%*s^\n", head, (int)(shown - line_start), sql + line_start,
                  shown < line_end ? "..." : "",
                  head_size + (int)print_width(sql + line_start, at - line_start), "");
}

void print_error(const tdbplus_error *error, const char *sql, size_t size)
{
    (void)fflush(stdout);
    (void)fprintf(stderr, "ERROR:  %s\n", error->message);
    if (error->position > 0 && size > 0) {
        point_at(sql, size, error->position);
    }
    if (error->detail[0] != '\0') {
        (void)fprintf(stderr, "DETAIL:  %s\n", error->detail);
    }
    if (error->hint[0] != '\0') {
        (void)fprintf(stderr, "HINT:  %s\n", error->hint);
    }
    if (error->context[0] != '\0') {
        (void)fprintf(stderr, "CONTEXT:  %s\n", error->context);
    }
}
