/* A user's program, as C and as C++. It has names of its own that the library uses inside, which a
 * leaking archive would turn into a clash at link time. */

#include <stdio.h>
#include <string.h>

#include <tdbplus/status.h>

#ifdef __cplusplus
extern "C" {
#endif
int map_get(void);
int epoch_enter(void);
int arena_alloc(void);
int map_get(void)
{
    return 1;
}
int epoch_enter(void)
{
    return 2;
}
int arena_alloc(void)
{
    return 3;
}
#ifdef __cplusplus
}
#endif

int main(void)
{
    if (strcmp(tdbplus_status_sqlstate(TDBPLUS_E_UNIQUE), "23505") != 0) {
        return 1;
    }
    if (map_get() + epoch_enter() + arena_alloc() != 6) {
        return 2;
    }
    printf("%s\n", tdbplus_status_text(TDBPLUS_OK));
    return 0;
}
