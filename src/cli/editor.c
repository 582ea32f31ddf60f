/* Keys, and what they do to the text. */

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "cli/editor_internal.h"
#include "cli/shell_print.h"

#define ESCAPE_WAIT_MS 50 /* For what follows an escape that is no key of its own. */
#define QUERY_SIZE_MAX 64

/* Keys that are no character, beside control characters. */
enum key {
    KEY_END_OF_INPUT = 0x110000,
    KEY_RESIZED,
    KEY_UP,
    KEY_DOWN,
    KEY_LEFT,
    KEY_RIGHT,
    KEY_HOME,
    KEY_END,
    KEY_DELETE,
    KEY_WORD_LEFT,
    KEY_WORD_RIGHT,
    KEY_WORD_DELETE,
    KEY_WORD_BACKSPACE,
    KEY_NEWLINE,
    KEY_PASTE,
    KEY_NONE,
};

#define CONTROL(letter) ((letter) - '@')
#define KEY_ESCAPE      27
#define KEY_BACKSPACE   127

// ---- the terminal ----

bool editor_can(void)
{
    const char *name = getenv("TERM");
    return isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1 && name != NULL &&
           name[0] != '\0' && strcmp(name, "dumb") != 0;
}

bool editor_has_colours(void)
{
    const char *unwanted = getenv("NO_COLOR");
    return unwanted == NULL || unwanted[0] == '\0';
}

static void set_raw(const struct editor *editor, bool raw)
{
    struct termios wanted = editor->cooked;
    if (raw) {
        wanted.c_iflag &= ~(tcflag_t)(BRKINT | ICRNL | INPCK | ISTRIP | IXON);
        wanted.c_oflag &= ~(tcflag_t)OPOST;
        wanted.c_lflag &= ~(tcflag_t)(ECHO | ICANON | IEXTEN | ISIG);
        wanted.c_cc[VMIN] = 1;
        wanted.c_cc[VTIME] = 0;
    }
    // Pasted texts come marked, so that their newlines are not Enter.
    (void)fputs(raw ? "\033[?2004h" : "\033[?2004l", editor->screen);
    (void)fflush(editor->screen);
    (void)tcsetattr(STDIN_FILENO, TCSADRAIN, &wanted); // What was typed ahead stays.
}

static int next_byte(void)
{
    errno = 0;
    const int byte = getchar();
    if (byte == EOF) {
        const bool resized = errno == EINTR;
        clearerr(stdin);
        return resized ? KEY_RESIZED : KEY_END_OF_INPUT;
    }
    return byte;
}

static bool has_byte(int wait_ms)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    return poll(&input, 1, wait_ms) == 1;
}

/* After ESC [ or ESC O: numbers with semicolons, then a letter or a tilde. */
static int read_sequence(void)
{
    static const struct {
        const char *text;
        enum key key;
    } known[] = {
        {"A", KEY_UP},           {"B", KEY_DOWN},
        {"C", KEY_RIGHT},        {"D", KEY_LEFT},
        {"H", KEY_HOME},         {"F", KEY_END},
        {"1~", KEY_HOME},        {"7~", KEY_HOME},
        {"4~", KEY_END},         {"8~", KEY_END},
        {"3~", KEY_DELETE},      {"1;5C", KEY_WORD_RIGHT},
        {"1;5D", KEY_WORD_LEFT}, {"1;3C", KEY_WORD_RIGHT},
        {"1;3D", KEY_WORD_LEFT}, {"3;5~", KEY_WORD_DELETE},
        {"200~", KEY_PASTE},
    };
    char text[16] = "";
    for (size_t size = 0; size + 1 < sizeof text && has_byte(ESCAPE_WAIT_MS);) {
        const int byte = next_byte();
        if (byte > 127) {
            break;
        }
        text[size++] = (char)byte;
        text[size] = '\0';
        if ((byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') || byte == '~') {
            break;
        }
    }
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(text, known[i].text) == 0) {
            return known[i].key;
        }
    }
    return KEY_NONE;
}

static int read_escape(void)
{
    if (!has_byte(ESCAPE_WAIT_MS)) {
        return KEY_ESCAPE;
    }
    const int byte = next_byte();
    switch (byte) {
    case '[':
    case 'O':
        return read_sequence();
    case 'b':
        return KEY_WORD_LEFT;
    case 'f':
        return KEY_WORD_RIGHT;
    case 'd':
        return KEY_WORD_DELETE;
    case KEY_BACKSPACE:
    case CONTROL('H'):
        return KEY_WORD_BACKSPACE;
    case '\r':
    case '\n':
        return KEY_NEWLINE;
    default:
        return KEY_NONE;
    }
}

// ---- the text ----

static bool is_continuation(uint8_t byte)
{
    return (byte & 0xC0) == 0x80;
}

static bool is_word_byte(uint8_t byte)
{
    return (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= 'a' && byte <= 'z') || byte == '_' || byte >= 0x80;
}

static void insert(struct editor *editor, const void *data, size_t size)
{
    struct buffer *text = &editor->text;
    if (size == 0 || text->size + size > EDITOR_TEXT_SIZE_MAX || !buffer_reserve(text, size)) {
        return;
    }
    memmove(text->data + editor->cursor + size, text->data + editor->cursor,
            text->size - editor->cursor);
    memcpy(text->data + editor->cursor, data, size);
    text->size += size;
    editor->cursor += size;
}

/* Takes away the bytes from `from` up to `to`, for Ctrl-Y when `is_kept`. */
static void erase(struct editor *editor, size_t from, size_t to, bool is_kept)
{
    struct buffer *text = &editor->text;
    if (from >= to) {
        return;
    }
    if (is_kept) {
        buffer_clear(&editor->killed);
        buffer_put(&editor->killed, text->data + from, to - from);
    }
    memmove(text->data + from, text->data + to, text->size - to);
    text->size -= to - from;
    editor->cursor = from;
}

static void set_text(struct editor *editor, const void *data, size_t size)
{
    buffer_clear(&editor->text);
    editor->cursor = 0;
    insert(editor, data, size);
}

static size_t before(const struct editor *editor, size_t at)
{
    if (at > 0) {
        at--;
    }
    while (at > 0 && is_continuation(editor->text.data[at])) {
        at--;
    }
    return at;
}

static size_t after(const struct editor *editor, size_t at)
{
    if (at < editor->text.size) {
        at++;
    }
    while (at < editor->text.size && is_continuation(editor->text.data[at])) {
        at++;
    }
    return at;
}

static size_t word_before(const struct editor *editor)
{
    size_t at = editor->cursor;
    while (at > 0 && !is_word_byte(editor->text.data[at - 1])) {
        at--;
    }
    while (at > 0 && is_word_byte(editor->text.data[at - 1])) {
        at--;
    }
    return at;
}

static size_t word_after(const struct editor *editor)
{
    size_t at = editor->cursor;
    while (at < editor->text.size && !is_word_byte(editor->text.data[at])) {
        at++;
    }
    while (at < editor->text.size && is_word_byte(editor->text.data[at])) {
        at++;
    }
    return at;
}

static size_t line_start(const struct editor *editor, size_t at)
{
    while (at > 0 && editor->text.data[at - 1] != '\n') {
        at--;
    }
    return at;
}

static size_t line_end(const struct editor *editor, size_t at)
{
    while (at < editor->text.size && editor->text.data[at] != '\n') {
        at++;
    }
    return at;
}

/* To the same place of another line that begins at `target`. */
static void move_to_line(struct editor *editor, size_t target)
{
    const char *text = (const char *)editor->text.data;
    const size_t start = line_start(editor, editor->cursor);
    const uint32_t wanted = print_width(text + start, editor->cursor - start);
    const size_t end = line_end(editor, target);
    uint32_t column = 0;
    while (target < end && column < wanted) {
        uint32_t width = 0;
        target += print_take_character(text + target, end - target, &width);
        column += width;
    }
    editor->cursor = target;
}

// ---- history ----

static void show_history(struct editor *editor, size_t number)
{
    if (editor->history_at == editor->history.count) {
        buffer_clear(&editor->draft);
        buffer_put(&editor->draft, editor->text.data, editor->text.size);
    }
    editor->history_at = number;
    if (number == editor->history.count) {
        set_text(editor, editor->draft.data, editor->draft.size);
    } else {
        set_text(editor, editor->history.items[number], strlen(editor->history.items[number]));
    }
}

static void go_up(struct editor *editor)
{
    const size_t start = line_start(editor, editor->cursor);
    if (start > 0) {
        move_to_line(editor, line_start(editor, start - 1));
    } else if (editor->history_at > 0) {
        show_history(editor, editor->history_at - 1);
    }
}

static void go_down(struct editor *editor)
{
    const size_t end = line_end(editor, editor->cursor);
    if (end < editor->text.size) {
        move_to_line(editor, end + 1);
    } else if (editor->history_at < editor->history.count) {
        show_history(editor, editor->history_at + 1);
    }
}

/* Ctrl-R: entries that contain what is typed, the newest first. Enter and other keys take what is
 * shown, Ctrl-C and Ctrl-G go back. Returns the key that ended it, or KEY_NONE. */
static int search(struct editor *editor)
{
    char query[QUERY_SIZE_MAX] = "";
    char note[QUERY_SIZE_MAX + 32];
    size_t size = 0;
    size_t found = editor->history.count;
    for (;;) {
        (void)snprintf(note, sizeof note, "search \"%s\": ", query);
        editor->note = note;
        editor_paint(editor);
        const int key = next_byte();
        size_t from = found + 1 < editor->history.count ? found + 1 : editor->history.count;
        if (key == CONTROL('R')) {
            from = found;
        } else if ((key == KEY_BACKSPACE || key == CONTROL('H')) && size > 0) {
            query[--size] = '\0';
            from = editor->history.count;
        } else if (key >= ' ' && key < 256 && key != KEY_BACKSPACE && size + 1 < sizeof query) {
            query[size++] = (char)key;
            query[size] = '\0';
        } else if (key != KEY_RESIZED) {
            editor->note = NULL;
            if (key == CONTROL('C') || key == CONTROL('G')) {
                show_history(editor, editor->history.count);
                return KEY_NONE;
            }
            return key == KEY_ESCAPE ? read_escape() : key;
        }
        const size_t next =
            history_find(&editor->history, (struct span){(const uint8_t *)query, size}, from);
        if (next != SIZE_MAX && size > 0) {
            found = next;
            show_history(editor, found);
        }
    }
}

// ---- completion ----

void editor_choices_add(struct editor_choices *choices, const char *text, size_t size)
{
    buffer_put(&choices->texts, text, size);
    buffer_put(&choices->texts, "", 1);
    choices->count++;
}

/* Bytes that all choices begin with, without regard to ASCII case. */
static size_t common_size(const struct editor_choices *choices)
{
    const char *first = (const char *)choices->texts.data;
    const char *end = first + choices->texts.size;
    size_t size = strlen(first);
    for (const char *text = first; text < end; text += strlen(text) + 1) {
        size_t same = 0;
        while (same < size && (text[same] | 0x20) == (first[same] | 0x20)) {
            same++;
        }
        size = same;
    }
    while (size > 0 && is_continuation((uint8_t)first[size])) {
        size--;
    }
    return size;
}

static void complete(struct editor *editor)
{
    struct editor_choices choices = {0};
    buffer_init(&choices.texts, &alloc_system);
    buffer_put(&editor->text, "", 1); // The host may read it as a string.
    editor->text.size -= editor->text.failed ? 0 : 1;
    editor->host.complete(editor->host.context, (const char *)editor->text.data, editor->cursor,
                          &choices);
    if (choices.count > 0 && !choices.texts.failed && choices.word_size <= editor->cursor) {
        const size_t size = common_size(&choices);
        const char *text = (const char *)choices.texts.data;
        if (size > choices.word_size || choices.count == 1) {
            const bool goes_on = size > 0 && strchr("/.(", text[size - 1]) != NULL;
            erase(editor, editor->cursor - choices.word_size, editor->cursor, false);
            insert(editor, text, size);
            if (choices.count == 1 && !goes_on) {
                insert(editor, " ", 1);
            }
        } else if (editor->was_tab) {
            editor_paint_choices(editor, &choices);
        }
    }
    editor->was_tab = choices.count > 1;
    buffer_deinit(&choices.texts);
}

// ---- reading ----

/* A pasted text up to its closing mark, ESC [ 201 ~. */
static void paste(struct editor *editor)
{
    static const char mark[] = "\033[201~";
    size_t matched = 0;
    while (matched < sizeof mark - 1) {
        const int byte = next_byte();
        if (byte == KEY_END_OF_INPUT) {
            return;
        }
        if (byte == mark[matched]) {
            matched++;
            continue;
        }
        matched = byte == mark[0] ? 1 : 0; // An escape that begins no mark is left out,
        const char c = byte == '\r' ? '\n' : (char)byte;
        if (byte < 256 && (byte >= ' ' || c == '\n' || c == '\t') && byte != KEY_BACKSPACE) {
            insert(editor, &c, 1); // as other control characters are.
        }
    }
}

/* The rest of a character of several bytes comes with it. */
static void insert_character(struct editor *editor, int first)
{
    char bytes[4] = {(char)first};
    size_t size = 1;
    const size_t wanted = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : first >= 0xC0 ? 2 : 1;
    while (size < wanted && has_byte(ESCAPE_WAIT_MS)) {
        bytes[size++] = (char)next_byte();
    }
    insert(editor, bytes, size);
}

static void move(struct editor *editor, int key)
{
    switch (key) {
    case KEY_UP:
    case CONTROL('P'):
        go_up(editor);
        break;
    case KEY_DOWN:
    case CONTROL('N'):
        go_down(editor);
        break;
    case KEY_LEFT:
    case CONTROL('B'):
        editor->cursor = before(editor, editor->cursor);
        break;
    case KEY_RIGHT:
    case CONTROL('F'):
        editor->cursor = after(editor, editor->cursor);
        break;
    case KEY_HOME:
    case CONTROL('A'):
        editor->cursor = line_start(editor, editor->cursor);
        break;
    case KEY_END:
    case CONTROL('E'):
        editor->cursor = line_end(editor, editor->cursor);
        break;
    case KEY_WORD_LEFT:
        editor->cursor = word_before(editor);
        break;
    case KEY_WORD_RIGHT:
        editor->cursor = word_after(editor);
        break;
    default:
        break;
    }
}

static void edit(struct editor *editor, int key)
{
    const size_t cursor = editor->cursor;
    switch (key) {
    case KEY_BACKSPACE:
    case CONTROL('H'):
        erase(editor, before(editor, cursor), cursor, false);
        break;
    case KEY_DELETE:
    case CONTROL('D'):
        erase(editor, cursor, after(editor, cursor), false);
        break;
    case CONTROL('K'):
        erase(editor, cursor, line_end(editor, cursor), true);
        break;
    case CONTROL('U'):
        erase(editor, line_start(editor, cursor), cursor, true);
        break;
    case CONTROL('W'):
    case KEY_WORD_BACKSPACE:
        erase(editor, word_before(editor), cursor, true);
        break;
    case KEY_WORD_DELETE:
        erase(editor, cursor, word_after(editor), true);
        break;
    case CONTROL('Y'):
        insert(editor, editor->killed.data, editor->killed.size);
        break;
    case KEY_NEWLINE:
        insert(editor, "\n", 1);
        break;
    case KEY_PASTE:
        paste(editor);
        break;
    default:
        move(editor, key);
        break;
    }
}

static void suspend(struct editor *editor)
{
    set_raw(editor, false);
    (void)raise(SIGTSTP);
    set_raw(editor, true);
    editor->cursor_row = 0;
}

/* What a key does beside editing; true: *status_out says how the reading ends. */
static bool take_key(struct editor *editor, int key, enum editor_status *status_out)
{
    const bool was_tab = editor->was_tab;
    editor->was_tab = false;
    if (key == KEY_END_OF_INPUT || (key == CONTROL('D') && editor->text.size == 0)) {
        *status_out = EDITOR_END;
        return true;
    }
    if (key == CONTROL('C')) {
        *status_out = EDITOR_INTERRUPT;
        return true;
    }
    if (key == '\r' || key == '\n') {
        if (editor->host.is_complete(editor->host.context, (const char *)editor->text.data,
                                     editor->text.size)) {
            *status_out = EDITOR_TEXT;
            return true;
        }
        insert(editor, "\n", 1);
    } else if (key == '\t') {
        editor->was_tab = was_tab;
        complete(editor);
    } else if (key == CONTROL('R')) {
        const int last = search(editor);
        return last != KEY_NONE && last != CONTROL('R') && take_key(editor, last, status_out);
    } else if (key == CONTROL('L')) {
        (void)fputs("\033[H\033[2J", editor->screen);
        editor->cursor_row = 0;
    } else if (key == CONTROL('Z')) {
        suspend(editor);
    } else if (key >= ' ' && key < 256 && key != KEY_BACKSPACE) {
        insert_character(editor, key);
    } else {
        edit(editor, key);
    }
    return false;
}

static const struct termios *volatile cooked_while_reading;

/* The terminal is left as it was found. */
static void on_end(int number)
{
    if (cooked_while_reading != NULL) {
        (void)tcsetattr(STDIN_FILENO, TCSANOW, cooked_while_reading);
    }
    (void)signal(number, SIG_DFL);
    (void)raise(number);
}

static void on_resize(int number)
{
    (void)number; // That reading is interrupted is all there is to it.
}

enum editor_status editor_read(struct editor *editor, struct span *text_out)
{
    const struct sigaction resized = {.sa_handler = on_resize};
    enum editor_status status = EDITOR_END;
    (void)fflush(stdout);
    (void)sigaction(SIGWINCH, &resized, NULL);
    cooked_while_reading = &editor->cooked;
    (void)signal(SIGTERM, on_end);
    (void)signal(SIGHUP, on_end);
    set_raw(editor, true);
    editor->history_at = editor->history.count;
    editor->cursor_row = 0;
    editor->cursor = editor->text.size;
    for (bool is_ended = false; !is_ended;) {
        if (!has_byte(0)) {
            editor_paint(editor); // Not for each key of what was typed ahead.
        }
        int key = next_byte();
        if (key == KEY_ESCAPE) {
            key = read_escape();
        }
        is_ended = take_key(editor, key, &status);
    }
    editor_leave(editor);
    set_raw(editor, false);
    (void)signal(SIGWINCH, SIG_DFL);
    (void)signal(SIGTERM, SIG_DFL);
    (void)signal(SIGHUP, SIG_DFL);
    cooked_while_reading = NULL;
    if (status == EDITOR_TEXT) {
        history_add(editor, (const char *)editor->text.data, editor->text.size);
    }
    buffer_clear(&editor->draft);
    buffer_put(&editor->draft, editor->text.data, editor->text.size);
    buffer_clear(&editor->text);
    *text_out = buffer_span(&editor->draft);
    return status;
}

void editor_prefill(struct editor *editor, struct span text)
{
    set_text(editor, text.data, text.size);
}

// ---- its life ----

struct editor *editor_create(const struct editor_host *host, const char *path)
{
    struct editor *editor = alloc_array(&alloc_system, 1, sizeof *editor);
    if (editor == NULL) {
        return NULL;
    }
    *editor = (struct editor){.host = *host, .path = path};
    struct buffer *buffers[] = {&editor->draft, &editor->text, &editor->killed, &editor->frame,
                                &editor->styles};
    for (size_t i = 0; i < sizeof buffers / sizeof buffers[0]; i++) {
        buffer_init(buffers[i], &alloc_system);
    }
    // A descriptor of its own: standard output may be sent elsewhere.
    const int terminal = dup(STDOUT_FILENO);
    editor->screen = terminal < 0 ? NULL : fdopen(terminal, "w");
    if (editor->screen == NULL || tcgetattr(STDIN_FILENO, &editor->cooked) != 0) {
        editor_destroy(editor);
        return NULL;
    }
    editor->has_colours = editor_has_colours();
    (void)setvbuf(stdin, NULL, _IONBF, 0); // poll() must know what is left to read.
    history_load(editor);
    return editor;
}

void editor_destroy(struct editor *editor)
{
    if (editor == NULL) {
        return;
    }
    if (editor->history.count > 0) {
        history_save(editor);
    }
    history_clear(&editor->history);
    struct buffer *buffers[] = {&editor->draft, &editor->text, &editor->killed, &editor->frame,
                                &editor->styles};
    for (size_t i = 0; i < sizeof buffers / sizeof buffers[0]; i++) {
        buffer_deinit(buffers[i]);
    }
    if (editor->screen != NULL) {
        (void)fclose(editor->screen);
    }
    alloc_free(&alloc_system, editor, 1, sizeof *editor);
}
