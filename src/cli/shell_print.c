/* Results and errors on the screen. */

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include "cli/shell.h"

#define CELL_NULL          UINT32_MAX
#define MEASURED_ROW_COUNT 10000 /* Rows that decide how wide the columns are. */
#define WIDTH_MIN          6
#define LINE_SHOWN         76

/* The rows of a box are kept until it is known how wide its columns are: of each cell its size and
 * its bytes. */
struct box {
    struct buffer cells;
    uint32_t *widths;
    uint32_t column_count;
    size_t row_count; /* In `cells`. */
};

/* Takes one character off a text; its width on the screen in *width_out. Returns its bytes. */
static size_t take_character(const char *text, size_t size, uint32_t *width_out)
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

static uint32_t width_of(const char *text, size_t size)
{
    uint32_t width = 0;
    for (size_t at = 0; at < size;) {
        uint32_t step = 0;
        at += take_character(text + at, size - at, &step);
        width += step;
    }
    return width;
}

static void put_times(const char *text, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        (void)fputs(text, stdout);
    }
}

/* Writes a cell into `width` columns; with `is_cut` a longer one loses its end. */
static void put_cell(const char *text, size_t size, uint32_t width, bool is_right, bool is_cut)
{
    const uint32_t whole = width_of(text, size);
    const bool cut = is_cut && whole > width;
    const uint32_t room = cut ? width - 1 : whole;
    const uint32_t gap = whole < width ? width - whole : 0;
    put_times(" ", is_right ? gap : 0);
    uint32_t used = 0;
    for (size_t at = 0; at < size;) {
        uint32_t step = 0;
        const size_t taken = take_character(text + at, size - at, &step);
        if (used + step > room) {
            break;
        }
        const unsigned char c = (unsigned char)text[at];
        if (c < 0x20 || c == 0x7f) {
            (void)fputs(c == '\n' ? "↵" : "·", stdout);
        } else {
            (void)fwrite(text + at, 1, taken, stdout);
        }
        used += step;
        at += taken;
    }
    if (cut) {
        (void)fputs("…", stdout);
        put_times(" ", width - 1 - used);
    }
    put_times(" ", is_right ? 0 : gap);
}

static bool is_number(tdbplus_type type)
{
    return type >= TDBPLUS_TYPE_INT2 && type <= TDBPLUS_TYPE_NUMERIC;
}

static uint32_t terminal_width(void)
{
    struct winsize size = {0};
    if (isatty(STDOUT_FILENO) == 1 && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0) {
        return size.ws_col;
    }
    return 0;
}

// ---- boxes ----

static void put_rule(const struct box *box, const char *left, const char *middle, const char *right)
{
    for (uint32_t i = 0; i < box->column_count; i++) {
        (void)fputs(i == 0 ? left : middle, stdout);
        put_times("─", box->widths[i] + 2);
    }
    (void)printf("%s\n", right);
}

static void put_head(const struct box *box, const tdbplus_result *result)
{
    put_rule(box, "┌", "┬", "┐");
    for (int line = 0; line < 2; line++) {
        for (uint32_t i = 0; i < box->column_count; i++) {
            const tdbplus_column column = tdbplus_result_column(result, i);
            const char *text = line == 0 ? column.name : cli_type_name(column.type);
            (void)fputs("│ ", stdout);
            put_cell(text, strlen(text), box->widths[i], is_number(column.type), true);
            (void)putchar(' ');
        }
        (void)fputs("│\n", stdout);
    }
    put_rule(box, "├", "┼", "┤");
}

/* Writes and forgets the rows that were kept. */
static void put_rows(struct box *box, const tdbplus_result *result, bool is_cut)
{
    const uint8_t *at = box->cells.data;
    for (size_t row = 0; row < box->row_count; row++) {
        for (uint32_t i = 0; i < box->column_count; i++) {
            uint32_t size = 0;
            memcpy(&size, at, sizeof size);
            at += sizeof size;
            const bool is_null = size == CELL_NULL;
            (void)fputs("│ ", stdout);
            put_cell(is_null ? "NULL" : (const char *)at, is_null ? 4 : size, box->widths[i],
                     is_number(tdbplus_result_column(result, i).type), is_cut);
            (void)putchar(' ');
            at += is_null ? 0 : size;
        }
        (void)fputs("│\n", stdout);
    }
    buffer_clear(&box->cells);
    box->row_count = 0;
}

static tdbplus_status keep_row(struct box *box, tdbplus_result *result, bool is_measured,
                               tdbplus_call *call)
{
    for (uint32_t i = 0; i < box->column_count; i++) {
        const char *text = NULL;
        size_t size = 0;
        const tdbplus_status status = tdbplus_result_text(result, i, &text, &size, call);
        if (status != TDBPLUS_OK) {
            return status;
        }
        const uint32_t kept = text == NULL ? CELL_NULL : (uint32_t)size;
        buffer_put(&box->cells, &kept, sizeof kept);
        buffer_put(&box->cells, text, size);
        const uint32_t width = text == NULL ? 4 : width_of(text, size);
        if (is_measured && width > box->widths[i]) {
            box->widths[i] = width;
        }
    }
    box->row_count++;
    if (box->cells.failed) {
        (void)snprintf(call->error.message, sizeof call->error.message,
                       "no memory to lay out the rows");
        return TDBPLUS_E_NOMEM;
    }
    return TDBPLUS_OK;
}

/* Takes from the widest column until the box fits the terminal, if it is one. */
static bool fit(struct box *box)
{
    const uint32_t room = terminal_width();
    uint32_t total = 1;
    for (uint32_t i = 0; i < box->column_count; i++) {
        total += box->widths[i] + 3;
    }
    for (; room > 0 && total > room; total--) {
        uint32_t widest = 0;
        for (uint32_t i = 1; i < box->column_count; i++) {
            widest = box->widths[i] > box->widths[widest] ? i : widest;
        }
        if (box->widths[widest] <= WIDTH_MIN) {
            break;
        }
        box->widths[widest]--;
    }
    return room > 0;
}

static tdbplus_status fill_box(struct box *box, tdbplus_result *result, tdbplus_call *call)
{
    tdbplus_status status = TDBPLUS_OK;
    uint64_t rows = 0;
    bool is_headed = false;
    bool is_cut = false;
    while (status == TDBPLUS_OK) {
        status = tdbplus_result_next(result, NULL, call);
        if (status == TDBPLUS_OK) {
            status = keep_row(box, result, !is_headed, call);
            rows++;
        }
        if (status != TDBPLUS_OK || box->row_count == MEASURED_ROW_COUNT) {
            if (!is_headed && (status == TDBPLUS_OK || status == TDBPLUS_END)) {
                is_cut = fit(box);
                put_head(box, result);
                is_headed = true;
            }
            if (is_headed) {
                put_rows(box, result, is_cut);
            }
        }
    }
    if (is_headed) {
        put_rule(box, "└", "┴", "┘");
    }
    if (status == TDBPLUS_END) {
        (void)printf("(%llu %s)\n", (unsigned long long)rows, rows == 1 ? "row" : "rows");
    }
    return status;
}

static tdbplus_status print_box(tdbplus_result *result, tdbplus_call *call)
{
    struct box box = {.column_count = tdbplus_result_column_count(result)};
    box.widths = alloc_array(&alloc_system, box.column_count, sizeof *box.widths);
    if (box.widths == NULL) {
        (void)snprintf(call->error.message, sizeof call->error.message,
                       "no memory to lay out the rows");
        return TDBPLUS_E_NOMEM;
    }
    buffer_init(&box.cells, &alloc_system);
    for (uint32_t i = 0; i < box.column_count; i++) {
        const tdbplus_column column = tdbplus_result_column(result, i);
        const char *type = cli_type_name(column.type);
        const uint32_t name_width = width_of(column.name, strlen(column.name));
        box.widths[i] = name_width > strlen(type) ? name_width : (uint32_t)strlen(type);
    }
    const tdbplus_status status = fill_box(&box, result, call);
    buffer_deinit(&box.cells);
    alloc_free(&alloc_system, box.widths, box.column_count, sizeof *box.widths);
    return status;
}

// ---- the other modes, a row at a time ----

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

/* JSON has numbers of any length, so a numeric is one, unless it is not a number. */
static void put_json(const tdbplus_value *value, const char *text, size_t size)
{
    const bool is_digits =
        value->type == TDBPLUS_TYPE_NUMERIC && size > 0 &&
        ((text[0] >= '0' && text[0] <= '9') || (text[0] == '-' && size > 1 && text[1] <= '9'));
    if (is_digits) {
        (void)fwrite(text, 1, size, stdout);
    } else if (value->type <= TDBPLUS_TYPE_FLOAT8 || value->type == TDBPLUS_TYPE_JSON ||
               value->type == TDBPLUS_TYPE_VECTOR) {
        json_write_value(stdout, value);
    } else {
        json_write_text(stdout, text, size);
    }
}

static void put_field(enum shell_mode mode, tdbplus_column column, uint32_t number,
                      const tdbplus_value *value, struct span text)
{
    const bool is_null = text.data == NULL;
    const char *bytes = (const char *)text.data;
    if (mode == SHELL_CSV) {
        (void)fputs(number == 0 ? "" : ",", stdout);
        if (!is_null) {
            put_csv(bytes, text.size);
        }
    } else if (mode == SHELL_MARKDOWN) {
        (void)fputs(number == 0 ? "| " : " | ", stdout);
        put_markdown(is_null ? "NULL" : bytes, is_null ? 4 : text.size);
    } else if (mode == SHELL_JSON) {
        (void)putchar(number == 0 ? '{' : ',');
        json_write_text(stdout, column.name, strlen(column.name));
        (void)putchar(':');
        if (is_null) {
            (void)fputs("null", stdout);
        } else {
            put_json(value, bytes, text.size);
        }
    } else {
        (void)printf("%s = ", column.name);
        (void)fwrite(is_null ? "NULL" : bytes, 1, is_null ? 4 : text.size, stdout);
        (void)putchar('\n');
    }
}

static tdbplus_status print_row(enum shell_mode mode, tdbplus_result *result,
                                const tdbplus_value *values, uint64_t row, tdbplus_call *call)
{
    static const char *const before[] = {[SHELL_JSON] = ",\n", [SHELL_LINE] = "\n"};
    static const char *const after[] = {
        [SHELL_CSV] = "\n", [SHELL_JSON] = "}", [SHELL_MARKDOWN] = " |\n", [SHELL_LINE] = ""};
    const uint32_t count = tdbplus_result_column_count(result);
    if (row > 0 && (mode == SHELL_JSON || mode == SHELL_LINE)) {
        (void)fputs(before[mode], stdout);
    }
    for (uint32_t i = 0; i < count; i++) {
        const char *text = NULL;
        size_t size = 0;
        const tdbplus_status status = tdbplus_result_text(result, i, &text, &size, call);
        if (status != TDBPLUS_OK) {
            return status;
        }
        put_field(mode, tdbplus_result_column(result, i), i, &values[i],
                  (struct span){(const uint8_t *)text, size});
    }
    (void)fputs(after[mode], stdout);
    return TDBPLUS_OK;
}

static void print_names(enum shell_mode mode, const tdbplus_result *result)
{
    const uint32_t count = tdbplus_result_column_count(result);
    if (mode == SHELL_JSON) {
        (void)putchar('[');
        return;
    }
    if (mode == SHELL_LINE) {
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        const tdbplus_column column = tdbplus_result_column(result, i);
        put_field(mode, column, i, NULL,
                  (struct span){(const uint8_t *)column.name, strlen(column.name)});
    }
    (void)fputs(mode == SHELL_MARKDOWN ? " |\n" : "\n", stdout);
    for (uint32_t i = 0; mode == SHELL_MARKDOWN && i < count; i++) {
        const bool is_right = is_number(tdbplus_result_column(result, i).type);
        (void)printf("%s%s", is_right ? "| ---: " : "| --- ", i + 1 == count ? "|\n" : "");
    }
}

tdbplus_status shell_print(enum shell_mode mode, tdbplus_result *result, tdbplus_call *call)
{
    tdbplus_status status = TDBPLUS_OK;
    if (tdbplus_result_column_count(result) == 0) {
        const char *tag = tdbplus_result_tag(result);
        if (mode == SHELL_BOX && tag[0] != '\0') {
            (void)printf("%s\n", tag);
        }
        return TDBPLUS_OK;
    }
    if (mode == SHELL_BOX) {
        status = print_box(result, call);
        return status == TDBPLUS_END ? TDBPLUS_OK : status;
    }
    print_names(mode, result);
    for (uint64_t row = 0; status == TDBPLUS_OK; row++) {
        const tdbplus_value *values = NULL;
        status = tdbplus_result_next(result, &values, call);
        if (status == TDBPLUS_OK) {
            status = print_row(mode, result, values, row, call);
        }
    }
    if (mode == SHELL_JSON && status == TDBPLUS_END) {
        (void)fputs("]\n", stdout);
    }
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
        at += take_character(sql + at, size - at, &width);
    }
    const char *end = memchr(sql + line_start, '\n', size - line_start);
    size_t line_end = end == NULL ? size : (size_t)(end - sql);
    // Of a long line only what stands around the place.
    const char *dots = "";
    while (width_of(sql + line_start, at - line_start) > LINE_SHOWN - 20) {
        uint32_t width = 0;
        line_start += take_character(sql + line_start, size - line_start, &width);
        dots = "...";
    }
    size_t shown = line_start;
    for (uint32_t used = 0; shown < line_end && used < LINE_SHOWN;) {
        uint32_t width = 0;
        shown += take_character(sql + shown, line_end - shown, &width);
        used += width;
    }
    char head[32];
    const int head_size = snprintf(head, sizeof head, "LINE %u: %s", line, dots);
    (void)fprintf(stderr, "%s%.*s%s\n%*s^\n", head, (int)(shown - line_start), sql + line_start,
                  shown < line_end ? "..." : "",
                  head_size + (int)width_of(sql + line_start, at - line_start), "");
}

void shell_print_error(const tdbplus_error *error, const char *sql, size_t size)
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
