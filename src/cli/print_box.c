/* Boxes and tables: columns as wide as what is in them. */

#include <string.h>

#include "base/buffer.h"
#include "cli/shell_print.h"
#include "cli/ticker.h"

#define CELL_NULL          UINT32_MAX
#define MEASURED_ROW_COUNT 10000 /* Rows that decide how wide the columns are. */
#define WIDTH_MIN          6

/* The lines a box is drawn with; "" where there is none. */
struct frame {
    const char *dash;
    const char *top[3]; /* Left, middle, right. */
    const char *middle[3];
    const char *bottom[3];
    const char *bar[3];
};

static const struct frame frames[] = {
    [PRINT_BOX] = {.dash = "─",
                   .top = {"┌", "┬", "┐"},
                   .middle = {"├", "┼", "┤"},
                   .bottom = {"└", "┴", "┘"},
                   .bar = {"│", "│", "│"}},
    [PRINT_TABLE] = {.dash = "-", .middle = {"", "+", ""}, .bar = {"", "|", ""}},
};

/* The rows of a box are kept until it is known how wide its columns are: of each cell its size and
 * its bytes. */
struct box {
    const struct print_style *style;
    const struct frame *frame;
    struct buffer cells;
    uint32_t *widths;
    uint32_t column_count;
    size_t row_count; /* In `cells`. */
};

static void put_times(const char *text, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        (void)fputs(text, stdout);
    }
}

/* Writes a cell into `width` columns; with `is_cut` a longer one loses its end. */
static void put_cell(const char *text, size_t size, uint32_t width, bool is_right, bool is_cut)
{
    const uint32_t whole = print_width(text, size);
    const bool cut = is_cut && whole > width;
    const uint32_t room = cut ? width - 1 : whole;
    const uint32_t gap = whole < width ? width - whole : 0;
    put_times(" ", is_right ? gap : 0);
    uint32_t used = 0;
    for (size_t at = 0; at < size;) {
        uint32_t step = 0;
        const size_t taken = print_take_character(text + at, size - at, &step);
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

static const char *null_text(const struct print_style *style)
{
    return style->has_null ? style->null : style->mode == PRINT_TABLE ? "" : "NULL";
}

static void put_rule(const struct box *box, const char *const corners[3])
{
    if (corners[0] == NULL) {
        return;
    }
    for (uint32_t i = 0; i < box->column_count; i++) {
        (void)fputs(corners[i == 0 ? 0 : 1], stdout);
        put_times(box->frame->dash, box->widths[i] + 2);
    }
    (void)printf("%s\n", corners[2]);
}

static void put_bar(const struct box *box, uint32_t column)
{
    (void)fputs(box->frame->bar[column == 0 ? 0 : 1], stdout);
    (void)putchar(' ');
}

static void put_title(const struct box *box)
{
    if (box->style->title != NULL) {
        uint32_t width = 1;
        for (uint32_t i = 0; i < box->column_count; i++) {
            width += box->widths[i] + 3;
        }
        const uint32_t taken = print_width(box->style->title, strlen(box->style->title));
        put_times(" ", taken < width ? (width - taken) / 2 : 0);
        (void)printf("%s\n", box->style->title);
    }
}

static void put_head(const struct box *box, const struct answer *answer)
{
    const bool has_types = box->style->mode == PRINT_BOX && !box->style->has_no_types;
    put_title(box);
    put_rule(box, box->frame->top);
    for (int line = 0; line < (has_types ? 2 : 1); line++) {
        for (uint32_t i = 0; i < box->column_count; i++) {
            const struct client_column column = answer_column(answer, i);
            const char *text = line == 0 ? column.name : column.type;
            put_bar(box, i);
            put_cell(text, strlen(text), box->widths[i], column.is_number, true);
            (void)putchar(' ');
        }
        (void)printf("%s\n", box->frame->bar[2]);
    }
    put_rule(box, box->frame->middle);
}

/* Writes and forgets the rows that were kept. */
static void put_rows(struct box *box, const struct answer *answer, bool is_cut)
{
    const char *null = null_text(box->style);
    const uint8_t *at = box->cells.data;
    for (size_t row = 0; row < box->row_count; row++) {
        for (uint32_t i = 0; i < box->column_count; i++) {
            uint32_t size = 0;
            memcpy(&size, at, sizeof size);
            at += sizeof size;
            const bool is_null = size == CELL_NULL;
            put_bar(box, i);
            put_cell(is_null ? null : (const char *)at, is_null ? strlen(null) : size,
                     box->widths[i], answer_column(answer, i).is_number, is_cut);
            (void)putchar(' ');
            at += is_null ? 0 : size;
        }
        (void)printf("%s\n", box->frame->bar[2]);
    }
    buffer_clear(&box->cells);
    box->row_count = 0;
}

static tdbplus_status keep_row(struct box *box, struct answer *answer, bool is_measured,
                               tdbplus_call *call)
{
    for (uint32_t i = 0; i < box->column_count; i++) {
        struct span text = {0};
        const tdbplus_status status = answer_text(answer, i, &text, call);
        if (status != TDBPLUS_OK) {
            return status;
        }
        const uint32_t kept = text.data == NULL ? CELL_NULL : (uint32_t)text.size;
        buffer_put(&box->cells, &kept, sizeof kept);
        buffer_put(&box->cells, text.data, text.size);
        const uint32_t width = text.data == NULL ? (uint32_t)strlen(null_text(box->style))
                                                 : print_width((const char *)text.data, text.size);
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
    const uint32_t room = print_terminal_width();
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

static void put_count(const struct box *box, uint64_t rows)
{
    const uint64_t shown = box->style->row_max;
    (void)printf("(%llu %s", (unsigned long long)rows, rows == 1 ? "row" : "rows");
    if (shown > 0 && rows > shown) {
        (void)printf(", the first %llu are shown; .maxrows 0 shows all", (unsigned long long)shown);
    }
    (void)printf(")\n");
}

static tdbplus_status fill_box(struct box *box, struct answer *answer, tdbplus_call *call)
{
    tdbplus_status status = TDBPLUS_OK;
    uint64_t rows = 0;
    bool is_headed = false;
    bool is_cut = false;
    while (status == TDBPLUS_OK) {
        status = answer_next(answer, call);
        if (status == TDBPLUS_OK) {
            rows++;
            if (box->style->row_max > 0 && rows > box->style->row_max) {
                continue;
            }
            status = keep_row(box, answer, !is_headed, call);
        }
        if (status != TDBPLUS_OK || box->row_count == MEASURED_ROW_COUNT) {
            if (!is_headed && (status == TDBPLUS_OK || status == TDBPLUS_END)) {
                ticker_hide();
                is_cut = fit(box);
                put_head(box, answer);
                is_headed = true;
            }
            if (is_headed) {
                put_rows(box, answer, is_cut);
            }
        }
    }
    if (is_headed) {
        put_rule(box, box->frame->bottom);
    }
    if (status == TDBPLUS_END && !box->style->has_no_footer) {
        put_count(box, rows);
    }
    return status;
}

tdbplus_status print_box(const struct print_style *style, struct answer *answer, tdbplus_call *call)
{
    struct box box = {
        .style = style, .frame = &frames[style->mode], .column_count = answer_column_count(answer)};
    box.widths = alloc_array(&alloc_system, box.column_count, sizeof *box.widths);
    if (box.widths == NULL) {
        (void)snprintf(call->error.message, sizeof call->error.message,
                       "no memory to lay out the rows");
        return TDBPLUS_E_NOMEM;
    }
    buffer_init(&box.cells, &alloc_system);
    for (uint32_t i = 0; i < box.column_count; i++) {
        const struct client_column column = answer_column(answer, i);
        const bool has_types = style->mode == PRINT_BOX && !style->has_no_types;
        const uint32_t name_width = print_width(column.name, strlen(column.name));
        const uint32_t type_width = has_types ? (uint32_t)strlen(column.type) : 0;
        box.widths[i] = name_width > type_width ? name_width : type_width;
    }
    const tdbplus_status status = fill_box(&box, answer, call);
    buffer_deinit(&box.cells);
    alloc_free(&alloc_system, box.widths, box.column_count, sizeof *box.widths);
    return status;
}

/* ---- a record for each row ---- */

/* A value under a heading keeps its lines; those after the first stand below it. */
static void put_value(struct span text, uint32_t indent)
{
    const char *bytes = (const char *)text.data;
    for (size_t i = 0; i < text.size; i++) {
        (void)putchar(bytes[i]);
        if (bytes[i] == '\n') {
            put_times(" ", indent);
            (void)fputs(" │ ", stdout);
        }
    }
    (void)putchar('\n');
}

tdbplus_status print_expanded(const struct print_style *style, struct answer *answer,
                              tdbplus_call *call)
{
    const uint32_t count = answer_column_count(answer);
    const char *null = style->has_null ? style->null : "NULL";
    uint32_t indent = 0;
    for (uint32_t i = 0; i < count; i++) {
        const char *name = answer_column(answer, i).name;
        const uint32_t width = print_width(name, strlen(name));
        indent = width > indent ? width : indent;
    }
    tdbplus_status status = TDBPLUS_OK;
    uint64_t rows = 0;
    for (; (status = answer_next(answer, call)) == TDBPLUS_OK; rows++) {
        ticker_hide();
        const int taken = printf("─[ RECORD %llu ]", (unsigned long long)rows + 1);
        put_times("─", taken - 2 < (int)indent + 20 ? indent + 20 - (uint32_t)(taken - 2) : 1);
        (void)putchar('\n');
        for (uint32_t i = 0; i < count; i++) {
            struct span text = {0};
            status = answer_text(answer, i, &text, call);
            if (status != TDBPLUS_OK) {
                return status;
            }
            const char *name = answer_column(answer, i).name;
            put_cell(name, strlen(name), indent, false, false);
            (void)fputs(" │ ", stdout);
            put_value(text.data == NULL ? (struct span){(const uint8_t *)null, strlen(null)} : text,
                      indent);
        }
    }
    if (status == TDBPLUS_END && rows == 0 && !style->has_no_footer) {
        (void)printf("(0 rows)\n");
    }
    return status;
}
