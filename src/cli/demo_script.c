/* Scripts of the tour: SQL whose comments are told, and pictures in the terminal. */

#include <stdlib.h>
#include <string.h>

#include "cli/demo.h"

#define IMAGE_SIDE      28
#define IMAGE_COUNT_MAX 5
#define CELL_COLUMNS    (IMAGE_SIDE / 2) /* A character of Braille has 2 x 4 dots. */
#define CELL_ROWS       (IMAGE_SIDE / 4)
#define INK_MIN         96.0f /* Points as dark as this become dots. */
#define CAPTION_SIZE    64
#define GAP             "  "

static struct span take_line(struct span *script)
{
    const uint8_t *end = memchr(script->data, '\n', script->size);
    const size_t size = end == NULL ? script->size : (size_t)(end - script->data) + 1;
    const struct span line = {script->data, size};
    *script = (struct span){script->data + size, script->size - size};
    return line;
}

static bool starts_with(struct span text, const char *prefix)
{
    return text.size >= strlen(prefix) && memcmp(text.data, prefix, strlen(prefix)) == 0;
}

bool demo_next(struct span *script, struct demo_step *step_out)
{
    struct demo_step step = {0};
    bool found = false;
    while (script->size > 0) {
        const struct span at = *script;
        if (!starts_with(at, "--") && script->data[0] != '\n') {
            const size_t size = shell_statement_size((const char *)at.data, at.size);
            step.sql = (struct span){at.data, size == 0 ? at.size : size};
            *script = (struct span){at.data + step.sql.size, at.size - step.sql.size};
            found = true;
            break;
        }
        const struct span line = take_line(script);
        if (starts_with(line, "--#")) {
            step.title = (struct span){line.data + 4, line.size > 4 ? line.size - 5 : 0};
            step.text = (struct span){0};
        } else if (starts_with(line, "--@")) {
            step.mark = line;
        } else if (starts_with(line, "--")) {
            step.text.data = step.text.size == 0 ? line.data : step.text.data;
            step.text.size += line.size;
        } else {
            step.text = (struct span){0}; // What a blank line ends is not about the statement.
        }
    }
    if (found) {
        *step_out = step;
    }
    return found;
}

bool demo_is_marked(const struct demo_step *step, const char *word)
{
    return step->mark.size > 0 &&
           memmem(step->mark.data, step->mark.size, word, strlen(word)) != NULL;
}

// ---- pictures ----

struct pictures {
    float points[IMAGE_COUNT_MAX][IMAGE_SIDE * IMAGE_SIDE];
    char captions[IMAGE_COUNT_MAX][CAPTION_SIZE];
    size_t count;
};

/* A vector's text, "[0,12,...]"; points that are missing are white. */
static bool keep_picture(void *context, const struct span *values, uint32_t count)
{
    struct pictures *pictures = context;
    if (count < 2 || pictures->count == IMAGE_COUNT_MAX || values[0].data == NULL) {
        return false;
    }
    const char *at = (const char *)values[0].data;
    const char *end = at + values[0].size;
    float *points = pictures->points[pictures->count];
    for (size_t i = 0; i < (size_t)IMAGE_SIDE * IMAGE_SIDE; i++) {
        char *next = NULL;
        at += at < end && (*at == '[' || *at == ',') ? 1 : 0;
        points[i] = at < end ? strtof(at, &next) : 0.0f;
        at = next == NULL ? end : next;
    }
    (void)snprintf(pictures->captions[pictures->count], CAPTION_SIZE, "%.*s", (int)values[1].size,
                   values[1].data == NULL ? "" : (const char *)values[1].data);
    pictures->count++;
    return true;
}

static void put_cell(const float *points, size_t row, size_t column)
{
    // Dots of Braille are numbered down the left side, then the right, the lowest row last.
    static const unsigned bits[4][2] = {{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}};
    unsigned code = 0x2800;
    for (size_t y = 0; y < 4; y++) {
        for (size_t x = 0; x < 2; x++) {
            if (points[(row * 4 + y) * IMAGE_SIDE + column * 2 + x] >= INK_MIN) {
                code |= bits[y][x];
            }
        }
    }
    (void)printf("%c%c%c", (int)(0xE0 | code >> 12), (int)(0x80 | (code >> 6 & 0x3F)),
                 (int)(0x80 | (code & 0x3F)));
}

bool demo_pictures(struct shell *shell, struct span sql)
{
    static struct pictures pictures;
    struct buffer text;
    pictures.count = 0;
    buffer_init(&text, &alloc_system);
    buffer_put_span(&text, sql);
    buffer_put(&text, "", 1);
    const bool good =
        !text.failed && shell_rows(shell, (const char *)text.data, false, keep_picture, &pictures);
    buffer_deinit(&text);
    for (size_t row = 0; row < CELL_ROWS && good; row++) {
        for (size_t i = 0; i < pictures.count; i++) {
            (void)fputs(GAP, stdout);
            for (size_t column = 0; column < CELL_COLUMNS; column++) {
                put_cell(pictures.points[i], row, column);
            }
        }
        (void)putchar('\n');
    }
    bool has_captions = false;
    for (size_t i = 0; i < pictures.count && good; i++) {
        has_captions = has_captions || pictures.captions[i][0] != '\0';
    }
    for (size_t i = 0; i < pictures.count && has_captions; i++) {
        (void)printf(GAP "%-*s%s", CELL_COLUMNS, pictures.captions[i],
                     i + 1 == pictures.count ? "\n" : "");
    }
    return good && pictures.count > 0;
}
