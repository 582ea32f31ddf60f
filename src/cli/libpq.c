/* Finding libpq's functions at run time. */

#ifdef TDBPLUS_LIBPQ

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "cli/libpq.h"

#define LIBPQ_FILE "libpq.so.5"

const struct libpq *libpq_load(void)
{
    static struct libpq loaded;
    static void *library;
    if (library != NULL) {
        return &loaded;
    }
    void *found = dlopen(LIBPQ_FILE, RTLD_NOW | RTLD_LOCAL);
    if (found == NULL) {
        (void)fprintf(stderr,
                      "tdb: connecting to a server needs PostgreSQL's client library: %s\n"
                      "HINT:  On Debian: apt-get install libpq5\n",
                      dlerror());
        return NULL;
    }
    // POSIX lets an object pointer become a function pointer, C does not: hence the copy.
#define LIBPQ_FIND(name)                                                              \
    {                                                                                 \
        void *address = dlsym(found, #name);                                          \
        if (address == NULL) {                                                        \
            (void)fprintf(stderr, "tdb: " LIBPQ_FILE " has no function " #name "\n"); \
            (void)dlclose(found);                                                     \
            return NULL;                                                              \
        }                                                                             \
        memcpy(&loaded.name, &address, sizeof address);                               \
    }
    LIBPQ_FUNCTIONS(LIBPQ_FIND)
#undef LIBPQ_FIND
    library = found;
    return &loaded;
}

#else

typedef int libpq_is_not_used; // A file of C must not be empty.

#endif
