/* Drawing: each frame goes to the terminal in one piece, over the one before. */

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/editor_internal.h"
#include "cli/shell_print.h"

#define COLUMNS_DEFAULT 80
#define ROWS_DEFAULT    24
#define TAB_WIDTH       4

static const char *const colours[] = {
    [EDITOR_PLAIN] = "\033[0m",      [EDITOR_KEYWORD] = "\033[0;1;34m",
    [EDITOR_STRING] = "\033[0;32m",  [EDITOR_NUMBER] = "\033[0;36m",
    [EDITOR_COMMENT] = "\033[0;90m", [EDITOR_COMMAND] = "\033[0;35m",
};

/* Where a frame stands while it is laid out, and which of its rows are drawn. */
struct layout {
    struct editor *editor;
    size_t columns;
    size_t row;
    size_t column;
    size_t cursor_row;
    size_t cursor_column;
    size_t first; /* Rows before are above the screen; */
    size_t last;  /* rows from here on below. SIZE_MAX while measuring: draws nothing. */
    int style;    /* The one in force; -1: none yet. */
};

static struct winsize screen_size(const struct editor *editor)
{
    struct winsize size = {0};
    if (ioctl(fileno(editor->screen), TIOCGWINSZ, &size) != 0 || size.ws_col == 0 ||
        size.ws_row == 0) {
        size.ws_col = size.ws_col == 0 ? COLUMNS_DEFAULT : size.ws_col;
        size.ws_row = size.ws_row == 0 ? ROWS_DEFAULT : size.ws_row;
    }
    return size;
}

static bool is_drawn(const struct layout *layout)
{
    return layout->last != SIZE_MAX && layout->row >= layout->first && layout->row < layout->last;
}

static void put(struct layout *layout, const char *text, size_t size)
{
    if (is_drawn(layout)) {
        buffer_put(&layout->editor->frame, text, size);
    }
}

static void put_style(struct layout *layout, int style)
{
    if (layout->editor->has_colours && style != layout->style && is_drawn(layout)) {
        buffer_put_text(&layout->editor->frame, colours[style]);
        layout->style = style;
    }
}

static void next_row(struct layout *layout)
{
    if (layout->column < layout->columns) {
        put(layout, "\033[K", 3);
    }
    const bool was_drawn = is_drawn(layout);
    layout->row++;
    layout->column = 0;
    if (was_drawn && is_drawn(layout)) {
        buffer_put_text(&layout->editor->frame, "\r\n");
    }
}

static void put_character(struct layout *layout, const char *text, size_t size, uint32_t width)
{
    const unsigned char c = (unsigned char)text[0];
    width = c == '\t' ? TAB_WIDTH : width;
    if (layout->column + width > layout->columns) {
        next_row(layout);
    }
    if (c == '\t') {
        put(layout, "    ", TAB_WIDTH);
    } else if (c < 0x20 || c == 0x7f || (size == 1 && c >= 0x80)) {
        put(layout, "·", strlen("·"));
    } else {
        put(layout, text, size);
    }
    layout->column += width;
}

static void put_prompt(struct layout *layout, bool is_first)
{
    const struct editor *editor = layout->editor;
    const char *prompt = is_first && editor->note != NULL
                             ? editor->note
                             : editor->host.prompt(editor->host.context, is_first);
    put_style(layout, EDITOR_PLAIN);
    for (size_t at = 0, size = strlen(prompt); at < size;) {
        uint32_t width = 0;
        const size_t taken = print_take_character(prompt + at, size - at, &width);
        put_character(layout, prompt + at, taken, width);
        at += taken;
    }
}

static void lay_out(struct layout *layout)
{
    const struct editor *editor = layout->editor;
    const char *text = (const char *)editor->text.data;
    const size_t size = editor->text.size;
    layout->row = 0;
    layout->column = 0;
    layout->style = -1;
    put_prompt(layout, true);
    for (size_t at = 0; at <= size;) {
        if (at == editor->cursor) {
            if (layout->column == layout->columns) {
                next_row(layout);
            }
            layout->cursor_row = layout->row;
            layout->cursor_column = layout->column;
        }
        if (at == size) {
            break;
        }
        if (text[at] == '\n') {
            next_row(layout);
            put_prompt(layout, false);
            at++;
            continue;
        }
        uint32_t width = 0;
        const size_t taken = print_take_character(text + at, size - at, &width);
        put_style(layout, editor->styles.size > at ? editor->styles.data[at] : EDITOR_PLAIN);
        put_character(layout, text + at, taken, width);
        at += taken;
    }
    put_style(layout, EDITOR_PLAIN);
    if (layout->column < layout->columns) {
        put(layout, "\033[K", 3);
    }
}

static void take_styles(struct editor *editor)
{
    buffer_clear(&editor->styles);
    if (!editor->has_colours || editor->text.size == 0 ||
        !buffer_reserve(&editor->styles, editor->text.size)) {
        return;
    }
    editor->styles.size = editor->text.size;
    memset(editor->styles.data, EDITOR_PLAIN, editor->text.size);
    editor->host.style(editor->host.context, (const char *)editor->text.data, editor->text.size,
                       editor->styles.data);
}

/* Of a text that is higher than the screen, the rows around the cursor. */
static void choose_rows(struct layout *layout, size_t rows)
{
    const size_t total = layout->row + 1;
    layout->first = 0;
    layout->last = total;
    if (total > rows) {
        layout->first = layout->cursor_row + 1 > rows ? layout->cursor_row + 1 - rows : 0;
        layout->last = layout->first + rows;
    }
}

void editor_paint(struct editor *editor)
{
    const struct winsize size = screen_size(editor);
    struct layout layout = {.editor = editor, .columns = size.ws_col, .last = SIZE_MAX};
    struct buffer *frame = &editor->frame;
    take_styles(editor);
    lay_out(&layout);
    choose_rows(&layout, size.ws_row);
    buffer_clear(frame);
    buffer_put_text(frame, "\r");
    if (editor->cursor_row > 0) {
        buffer_printf(frame, "\033[%zuA", editor->cursor_row);
    }
    lay_out(&layout);
    buffer_put_text(frame, "\033[J\r");
    const size_t below =
        (layout.row < layout.last ? layout.row : layout.last - 1) - layout.cursor_row;
    if (below > 0) {
        buffer_printf(frame, "\033[%zuA", below);
    }
    if (layout.cursor_column > 0) {
        buffer_printf(frame, "\033[%zuC", layout.cursor_column);
    }
    editor->cursor_row = layout.cursor_row - layout.first;
    (void)fwrite(frame->data, 1, frame->size, editor->screen);
    (void)fflush(editor->screen);
}

void editor_leave(struct editor *editor)
{
    editor->cursor = editor->text.size;
    editor_paint(editor);
    (void)fputs("\r\n", editor->screen);
    (void)fflush(editor->screen);
    editor->cursor_row = 0;
}

void editor_paint_choices(struct editor *editor, const struct editor_choices *choices)
{
    const struct winsize size = screen_size(editor);
    const char *first = (const char *)choices->texts.data;
    const char *end = first + choices->texts.size;
    const size_t cursor = editor->cursor;
    uint32_t widest = 1;
    for (const char *text = first; text < end; text += strlen(text) + 1) {
        const uint32_t width = print_width(text, strlen(text));
        widest = width > widest ? width : widest;
    }
    const size_t across = size.ws_col > widest + 2 ? size.ws_col / (widest + 2) : 1;
    const size_t shown_max = across * (size.ws_row > 6 ? size.ws_row - 4u : 2u);
    size_t number = 0;
    editor_leave(editor);
    editor->cursor = cursor;
    for (const char *text = first; text < end && number < shown_max; text += strlen(text) + 1) {
        number++;
        const bool ends = number % across == 0 || number == choices->count || number == shown_max;
        const uint32_t gap = widest + 2 - print_width(text, strlen(text));
        (void)fprintf(editor->screen, "%s%*s", text, ends ? 0 : (int)gap, "");
        (void)fputs(ends ? "\r\n" : "", editor->screen);
    }
    if (choices->count > number) {
        (void)fprintf(editor->screen, "... and %zu more\r\n", choices->count - number);
    }
    editor_paint(editor);
}
