/* COPY from and to the shell's own input and output, and \copy. */

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "cli/shell.h"

#define PIECE_SIZE 65536

static void complain(struct shell *shell, const tdbplus_call *call)
{
    (void)fflush(stdout);
    if (shell->source != NULL) {
        (void)fprintf(stderr, "%s:%d: ", shell->source, shell->line);
    }
    print_error(&call->error, "", 0);
    shell_failed(shell);
}

static void close_copy(struct shell *shell)
{
    answer_close(shell->copy);
    shell->copy = NULL;
}

static void end_copy(struct shell *shell)
{
    tdbplus_call call = TDBPLUS_CALL_INIT;
    if (!shell->copy_failed) {
        if (answer_copy_end(shell->copy, &call) == TDBPLUS_OK) {
            (void)printf("%s\n", answer_tag(shell->copy));
        } else {
            complain(shell, &call);
        }
    }
    close_copy(shell);
}

static void put_piece(struct shell *shell, const char *data, size_t size)
{
    tdbplus_call call = TDBPLUS_CALL_INIT;
    // After a failure the rest of the data is passed over, as psql does.
    if (!shell->copy_failed && answer_copy_put(shell->copy, data, size, &call) != TDBPLUS_OK) {
        complain(shell, &call);
        shell->copy_failed = true;
    }
}

bool shell_copy_begin(struct shell *shell, struct answer *answer)
{
    if (answer_copy(answer) != TDBPLUS_COPY_IN) {
        return false;
    }
    shell->copy = answer;
    shell->copy_failed = false;
    return true;
}

void shell_copy_line(struct shell *shell, const char *line, size_t size, bool begins)
{
    size_t bare = size;
    while (bare > 0 && (line[bare - 1] == '\n' || line[bare - 1] == '\r')) {
        bare--;
    }
    if (begins && bare == 2 && line[0] == '\\' && line[1] == '.') {
        end_copy(shell);
        return;
    }
    put_piece(shell, line, size);
}

void shell_copy_rest(struct shell *shell, FILE *file)
{
    static char piece[PIECE_SIZE];
    size_t size = 0;
    while (file != NULL && (size = fread(piece, 1, sizeof piece, file)) > 0) {
        put_piece(shell, piece, size);
    }
    end_copy(shell);
}

tdbplus_status shell_copy_out(struct answer *answer, tdbplus_call *call)
{
    tdbplus_status status = TDBPLUS_OK;
    while ((status = answer_next(answer, call)) == TDBPLUS_OK) {
        struct span piece = {0};
        status = answer_text(answer, 0, &piece, call);
        if (status != TDBPLUS_OK || fwrite(piece.data, 1, piece.size, stdout) != piece.size) {
            break;
        }
    }
    return status == TDBPLUS_END ? TDBPLUS_OK : status;
}

/* ---- \copy ---- */

/* The end of the word, quoted text or parentheses that begin at `at`. */
static const char *token_end(const char *at)
{
    if (*at == '(') {
        int depth = 0;
        for (char quote = 0; *at != '\0'; at++) {
            if (quote != 0) {
                quote = *at == quote ? (char)0 : quote;
            } else if (*at == '\'' || *at == '"') {
                quote = *at;
            } else {
                depth += (*at == '(') - (*at == ')');
            }
            if (depth == 0) {
                return at + 1;
            }
        }
        return at;
    }
    if (*at == '\'' || *at == '"') {
        const char *end = strchr(at + 1, *at);
        return end == NULL ? at + strlen(at) : end + 1;
    }
    return at + strcspn(at, " \t(");
}

static bool is_word(const char *at, const char *end, const char *word)
{
    return (size_t)(end - at) == strlen(word) && strncasecmp(at, word, strlen(word)) == 0;
}

/* What \copy says, as a COPY, and where the file is. */
struct copy_text {
    struct buffer sql;
    struct buffer path; /* Of a file; "": the shell's own input or output. */
    bool is_from;
};

/* Without its quotes. */
static void put_path(struct copy_text *copy, const char *at, const char *end)
{
    const bool quoted = *at == '\'' && end - at > 1 && end[-1] == '\'';
    buffer_put(&copy->path, at + (quoted ? 1 : 0), (size_t)(end - at) - (quoted ? 2 : 0));
}

static void put_place(struct copy_text *copy, const char *at, const char *end, bool is_remote)
{
    if (is_word(at, end, "pstdin") || is_word(at, end, "pstdout")) {
        at++;
    }
    if (is_word(at, end, "stdin") || is_word(at, end, "stdout")) {
        buffer_put(&copy->sql, at, (size_t)(end - at));
    } else if (is_word(at, end, "program")) {
        buffer_put(&copy->sql, at, (size_t)(end - at));
    } else if (is_remote) {
        put_path(copy, at, end);
        buffer_put_text(&copy->sql, copy->is_from ? "STDIN" : "STDOUT");
    } else {
        buffer_put_text(&copy->sql, *at == '\'' ? "" : "'");
        buffer_put(&copy->sql, at, (size_t)(end - at));
        buffer_put_text(&copy->sql, *at == '\'' ? "" : "'");
    }
}

static void read_copy(struct copy_text *copy, const char *at, bool is_remote)
{
    bool is_place = false; // The next token says from where or to where.
    buffer_put_text(&copy->sql, "COPY ");
    while (*at != '\0') {
        const size_t blank = strspn(at, " \t");
        buffer_put(&copy->sql, at, blank);
        at += blank;
        const char *end = token_end(at);
        if (is_place) {
            put_place(copy, at, end, is_remote);
        } else {
            buffer_put(&copy->sql, at, (size_t)(end - at));
        }
        copy->is_from = copy->is_from || is_word(at, end, "from");
        is_place = !is_place && (is_word(at, end, "from") || is_word(at, end, "to"));
        at = end;
    }
    buffer_put(&copy->path, "", 1);
}

/* The server gives or takes the rows, the file is this machine's. */
static void copy_file(struct shell *shell, const struct copy_text *copy)
{
    const char *path = (const char *)copy->path.data;
    const char *sql = (const char *)copy->sql.data;
    if (!copy->is_from) {
        if (shell->terminal >= 0) {
            shell_refuse(shell, "\\copy to a file: first take results back with \\o", "");
            return;
        }
        shell_redirect(shell, path);
        if (shell->terminal >= 0) {
            (void)shell_run(shell, sql, copy->sql.size);
            shell_redirect(shell, "");
        }
        return;
    }
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        (void)fprintf(stderr, "tdb: %s: %s\n", path, strerror(errno));
        shell_failed(shell);
        return;
    }
    if (shell_run(shell, sql, copy->sql.size) && shell->copy != NULL) {
        shell_copy_rest(shell, file);
    }
    (void)fclose(file);
}

/* A database in this process reads the file itself, so there a \copy is a COPY whose file may stand
 * without quotes. */
void shell_copy_command(struct shell *shell, const char *text)
{
    struct copy_text copy = {0};
    buffer_init(&copy.sql, &alloc_system);
    buffer_init(&copy.path, &alloc_system);
    read_copy(&copy, text, client_is_remote(shell->client));
    if (copy.sql.failed || copy.path.failed) {
        shell_refuse(shell, "no memory for so long a command", "");
    } else if (copy.path.size > 1) {
        copy_file(shell, &copy);
    } else {
        (void)shell_run(shell, (const char *)copy.sql.data, copy.sql.size);
    }
    buffer_deinit(&copy.sql);
    buffer_deinit(&copy.path);
}
