/* \o: where results go. */

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "cli/shell.h"

/* Standard output is the screen again. */
static void take_back(struct shell *shell)
{
    (void)fflush(stdout);
    if (shell->terminal >= 0) {
        (void)dup2(shell->terminal, STDOUT_FILENO);
        (void)close(shell->terminal);
        shell->terminal = -1;
    }
    if (shell->pipe != NULL && pclose(shell->pipe) != 0) {
        shell_refuse(shell, "the program that took the results failed", "");
    }
    shell->pipe = NULL;
}

/* The descriptor is exchanged, not the stream, so that whatever prints need not know. */
void shell_redirect(struct shell *shell, const char *target)
{
    take_back(shell);
    if (target[0] == '\0') {
        return;
    }
    FILE *file = NULL;
    if (target[0] == '|') {
        shell->pipe = popen(target + 1, "w");
        file = shell->pipe;
    } else {
        file = fopen(target, "w");
    }
    const int before = file == NULL ? -1 : dup(STDOUT_FILENO);
    if (before < 0 || dup2(fileno(file), STDOUT_FILENO) < 0) {
        shell_refuse(shell, target, strerror(errno));
    } else {
        shell->terminal = before;
    }
    if (file != NULL && file != shell->pipe) {
        (void)fclose(file);
    }
}
