/* tdb demo: loads the data of examples/data and tells what can be done with them. */

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "cli/demo.h"
#include "cli/editor.h"
#include "cli/shell_words.h"
#include "os/env.h"

#define SCRIPT_SIZE_MAX (1u << 20)
#define PATH_SIZE       4096
#define RULE_WIDTH      78
#define TABLE_COUNT     5
#define WRITTEN_FOLDER  "'examples/data/" /* As the scripts name it. */

struct demo {
    struct shell shell;     /* The session of everything. */
    struct client *second;  /* The other session; made when it is needed. */
    const char *target;     /* DIR or URL; NULL: in memory. */
    char folder[PATH_SIZE]; /* Of load.sql, tour.sql and data/. */
    bool is_here;           /* The folder is where the scripts say. */
    bool is_fast;
    bool is_terminal;
    bool has_colours;
    bool is_ended; /* By a key, or a failure. */
    int part;
    int part_count;
};

static const char usage_text[] =
    "usage: tdb demo [DIR | URL] [--fast] [--data FOLDER]\n\n"
    "A tour on real data: films, flights, earthquakes, handwritten digits. Without DIR in memory.\n"
    "  --fast           do not wait for a key between the parts\n"
    "  --data FOLDER    the folder examples of TDB+ (beside this program unless named)\n";

// ---- where the data are ----

static bool has_scripts(const char *folder)
{
    char path[PATH_SIZE];
    return snprintf(path, sizeof path, "%s/tour.sql", folder) < (int)sizeof path &&
           access(path, R_OK) == 0;
}

/* In the folder one works in, or beside the program: in its build folder, or installed. */
static bool find_folder(struct demo *demo)
{
    static const char *const beside[] = {"../../examples", "../share/tdbplus/examples"};
    char program[PATH_SIZE / 2];
    if (demo->folder[0] != '\0') {
        return has_scripts(demo->folder);
    }
    (void)snprintf(demo->folder, sizeof demo->folder, "examples");
    demo->is_here = has_scripts(demo->folder);
    if (demo->is_here) {
        return true;
    }
    const ssize_t size = readlink("/proc/self/exe", program, sizeof program - 1);
    program[size < 0 ? 0 : size] = '\0';
    char *slash = strrchr(program, '/');
    if (slash == NULL) {
        return false;
    }
    *slash = '\0';
    for (size_t i = 0; i < sizeof beside / sizeof beside[0]; i++) {
        (void)snprintf(demo->folder, sizeof demo->folder, "%s/%s", program, beside[i]);
        if (has_scripts(demo->folder)) {
            return true;
        }
    }
    return false;
}

static bool read_script(const struct demo *demo, const char *name, struct buffer *script)
{
    char path[PATH_SIZE + 16];
    (void)snprintf(path, sizeof path, "%s/%s", demo->folder, name);
    FILE *file = fopen(path, "r");
    uint8_t *data = file == NULL ? NULL : buffer_extend(script, SCRIPT_SIZE_MAX);
    if (data == NULL) {
        (void)fprintf(stderr, "tdb: demo: %s cannot be read\n", path);
    } else {
        script->size = fread(data, 1, SCRIPT_SIZE_MAX, file);
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return data != NULL;
}

/* The statement with the data where they are. */
static void put_statement(const struct demo *demo, struct span sql, struct buffer *text)
{
    const size_t written = strlen(WRITTEN_FOLDER);
    buffer_clear(text);
    for (size_t at = 0; at < sql.size;) {
        if (sql.size - at >= written && memcmp(sql.data + at, WRITTEN_FOLDER, written) == 0) {
            buffer_printf(text, "'%s/data/", demo->folder);
            at += written;
        } else {
            buffer_put(text, sql.data + at, 1);
            at++;
        }
    }
}

// ---- telling ----

static void colour(const struct demo *demo, const char *code)
{
    if (demo->has_colours) {
        (void)printf("\033[%sm", code);
    }
}

static void put_title(struct demo *demo, struct span title)
{
    demo->part++;
    const int taken = printf("\n") + 8 + (int)title.size;
    colour(demo, "1;35");
    (void)printf("── %d of %d: %.*s ", demo->part, demo->part_count, (int)title.size,
                 (const char *)title.data);
    for (int i = taken + 4; i < RULE_WIDTH; i++) {
        (void)fputs("─", stdout);
    }
    colour(demo, "0");
    (void)putchar('\n');
}

static void put_text(struct span text)
{
    bool at_start = true;
    for (size_t i = 0; i < text.size; i++) {
        if (at_start) {
            i += i + 2 < text.size && text.data[i + 2] == ' ' ? 3 : 2;
        }
        (void)putchar(text.data[i]);
        at_start = text.data[i] == '\n';
    }
}

/* The statement in colours, behind a mark for its session. */
static void put_sql(const struct demo *demo, const char *session, struct span sql)
{
    static const char *const colours[] = {"0", "1;34", "32", "36", "90", "35"};
    struct buffer styles;
    buffer_init(&styles, &alloc_system);
    const bool styled = demo->has_colours && buffer_extend(&styles, sql.size) != NULL;
    if (styled) {
        shell_style((const char *)sql.data, sql.size, styles.data);
    }
    (void)printf("\n%s", session);
    for (size_t i = 0; i < sql.size; i++) {
        if (styled && (i == 0 || styles.data[i] != styles.data[i - 1])) {
            (void)printf("\033[0m");
            colour(demo, colours[styles.data[i]]);
        }
        (void)putchar(sql.data[i]);
        if (sql.data[i] == '\n') {
            (void)fputs(session, stdout);
        }
    }
    colour(demo, "0");
    (void)putchar('\n');
    buffer_deinit(&styles);
}

static void put_time(const struct demo *demo, uint64_t took_us)
{
    colour(demo, "90");
    if (took_us < 1000000) {
        (void)printf("%.1f ms\n", (double)took_us / 1000.0);
    } else {
        (void)printf("%.2f s\n", (double)took_us / 1e6);
    }
    colour(demo, "0");
    (void)fflush(stdout);
}

/* Until a key; q, Escape and Ctrl-C end the tour. */
static void pause_tour(struct demo *demo)
{
    struct termios before;
    if (demo->is_fast || !demo->is_terminal || demo->is_ended ||
        tcgetattr(STDIN_FILENO, &before) != 0) {
        return;
    }
    struct termios raw = before;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG);
    (void)tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
    (void)printf("\n[any key: go on; q: end] ");
    (void)fflush(stdout);
    const int key = getchar();
    (void)tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
    (void)printf("\r\033[K\033[A");
    demo->is_ended = key == 'q' || key == 'Q' || key == 27 || key == 3 || key == EOF;
}

// ---- running ----

/* Those that must fail do not count as failures, and the others end the tour. */
static void run_statement(struct demo *demo, const struct demo_step *step, struct buffer *sql)
{
    struct shell *shell = &demo->shell;
    const bool is_second = demo_is_marked(step, "second");
    const bool must_fail = demo_is_marked(step, "fails");
    struct client *const first = shell->client;
    if (is_second && demo->second == NULL) {
        demo->second = client_another(first);
    }
    if (is_second && demo->second == NULL) {
        demo->is_ended = true;
        return;
    }
    put_statement(demo, step->sql, sql);
    put_sql(demo,
            is_second                       ? "second│ "
            : demo_is_marked(step, "first") ? "first │ "
                                            : "",
            demo->is_here ? step->sql : buffer_span(sql));
    (void)fflush(stdout);
    shell->client = is_second ? demo->second : first;
    const int failures = shell->failures;
    const uint64_t started = env_clock_mono_us(env_real());
    const bool good = demo_is_marked(step, "pictures")
                          ? demo_pictures(shell, buffer_span(sql))
                          : shell_run(shell, (const char *)sql->data, sql->size);
    put_time(demo, env_clock_mono_us(env_real()) - started);
    shell->client = first;
    shell->quit = false;
    if (must_fail) {
        shell->failures = failures + (good ? 1 : 0);
    }
    demo->is_ended = demo->is_ended || good == must_fail;
}

static void run_script(struct demo *demo, struct span script)
{
    struct demo_step step = {0};
    struct buffer sql;
    buffer_init(&sql, &alloc_system);
    while (!demo->is_ended && demo_next(&script, &step)) {
        if (step.title.size > 0) {
            if (demo->part > 0) {
                pause_tour(demo);
                if (demo->is_ended) {
                    break;
                }
            }
            put_title(demo, step.title);
        }
        if (step.text.size > 0) {
            (void)putchar('\n');
            put_text(step.text);
        }
        run_statement(demo, &step, &sql);
    }
    buffer_deinit(&sql);
}

static bool count_row(void *context, const struct span *values, uint32_t count)
{
    int *number = context;
    (void)count;
    *number = values[0].data == NULL ? 0 : (int)strtol((const char *)values[0].data, NULL, 10);
    return true;
}

/* All five tables: the data are there. None: they are loaded. Some: this is somebody's database. */
static bool load(struct demo *demo)
{
    struct buffer script;
    int there = 0;
    static const char sql[] =
        "SELECT count(*) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON"
        " n.oid = c.relnamespace WHERE n.nspname = 'public' AND c.relkind = 'r' AND"
        " c.relname IN ('films', 'flights', 'quakes', 'airports', 'digits')";
    if (!shell_rows(&demo->shell, sql, false, count_row, &there)) {
        return false;
    }
    if (there == TABLE_COUNT) {
        (void)printf("The tables are loaded already.\n");
        return true;
    }
    if (there > 0) {
        (void)fprintf(stderr,
                      "tdb: demo: there are tables of the tour's names, but not all of them\n"
                      "HINT:  Give it a directory of its own: tdb demo DIR\n");
        return false;
    }
    buffer_init(&script, &alloc_system);
    const bool good = read_script(demo, "load.sql", &script);
    if (good) {
        colour(demo, "1;35");
        (void)printf("── First, the data ──");
        colour(demo, "0");
        (void)putchar('\n');
        run_script(demo, buffer_span(&script));
    }
    buffer_deinit(&script);
    return good && !demo->is_ended;
}

/* The server reads the files, and does not work in the folder that this does. */
static bool make_absolute(struct demo *demo)
{
    char path[PATH_MAX];
    if (realpath(demo->folder, path) == NULL || strlen(path) >= sizeof demo->folder) {
        return false;
    }
    memcpy(demo->folder, path, strlen(path) + 1);
    return true;
}

static void tell_how_to_go_on(const struct demo *demo)
{
    const char *url = demo->target;
    const char *tdb = program_invocation_name; // As it was called: it may not be on the path.
    colour(demo, "1;35");
    (void)printf("\n── Go on ──\n");
    colour(demo, "0");
    if (!client_is_url(url)) {
        const char *directory = url == NULL ? "films.tdb" : url;
        (void)printf("  %s %-24s a shell; \\? tells its commands\n"
                     "  %s demo %-19s the tour again%s\n"
                     "  %s serve %-18s then psql, Python, Node: any PostgreSQL client\n",
                     tdb, directory, tdb, directory, url == NULL ? ", with data that stay" : "",
                     tdb, directory);
        return;
    }
    (void)printf("  %s %s\n  psql %s\n\n"
                 "  Python (pip install psycopg):\n"
                 "      import psycopg\n"
                 "      with psycopg.connect(\"%s\") as db:\n"
                 "          print(db.execute(\"SELECT count(*) FROM films\").fetchone())\n\n"
                 "  Node (npm install pg):\n"
                 "      const client = new (require('pg').Client)('%s')\n"
                 "      client.connect().then(() => client.query('SELECT count(*) FROM films'))\n"
                 "          .then(result => console.log(result.rows)).then(() => client.end())\n",
                 tdb, url, url, url, url);
}

static int count_parts(struct span script)
{
    struct demo_step step = {0};
    int count = 0;
    while (demo_next(&script, &step)) {
        count += step.title.size > 0 ? 1 : 0;
    }
    return count;
}

static int give_tour(struct demo *demo)
{
    struct buffer script;
    int status = CLI_FAILED;
    buffer_init(&script, &alloc_system);
    if (load(demo) && read_script(demo, "tour.sql", &script)) {
        demo->part_count = count_parts(buffer_span(&script));
        pause_tour(demo);
        run_script(demo, buffer_span(&script));
        status = demo->shell.failures == 0 ? CLI_OK : CLI_FAILED;
        tell_how_to_go_on(demo);
    }
    buffer_deinit(&script);
    return status;
}

static bool take_arguments(struct demo *demo, int count, char **arguments)
{
    for (int i = 0; i < count; i++) {
        if (strcmp(arguments[i], "--fast") == 0) {
            demo->is_fast = true;
        } else if (strcmp(arguments[i], "--data") == 0 && i + 1 < count) {
            (void)snprintf(demo->folder, sizeof demo->folder, "%s", arguments[++i]);
        } else if (arguments[i][0] != '-' && demo->target == NULL) {
            demo->target = arguments[i];
        } else {
            return false;
        }
    }
    return true;
}

int command_demo(int count, char **arguments)
{
    struct demo demo = {.shell = {.terminal = -1}};
    const bool asks = count == 1 && strcmp(arguments[0], "--help") == 0;
    if (asks || !take_arguments(&demo, count, arguments)) {
        (void)fputs(usage_text, asks ? stdout : stderr);
        return asks ? CLI_OK : CLI_USAGE;
    }
    if (!find_folder(&demo)) {
        (void)fprintf(stderr,
                      "tdb: demo: there is no tour.sql in %s\n"
                      "HINT:  --data names the folder examples of TDB+'s sources\n",
                      demo.folder);
        return CLI_FAILED;
    }
    if (client_is_url(demo.target) && !make_absolute(&demo)) {
        (void)fprintf(stderr, "tdb: demo: %s: %s\n", demo.folder, strerror(errno));
        return CLI_FAILED;
    }
    demo.is_terminal = editor_can();
    demo.has_colours = demo.is_terminal && editor_has_colours();
    buffer_init(&demo.shell.pending, &alloc_system);
    buffer_init(&demo.shell.last, &alloc_system);
    shell_prepare(!demo.is_terminal);
    demo.shell.client = client_open(demo.target);
    const int status = demo.shell.client == NULL ? CLI_FAILED : give_tour(&demo);
    client_close(demo.second);
    client_close(demo.shell.client);
    buffer_deinit(&demo.shell.pending);
    buffer_deinit(&demo.shell.last);
    return cli_flushed() ? status : CLI_FAILED;
}
