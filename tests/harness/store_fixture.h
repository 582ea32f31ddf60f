#pragma once

/*
 * A database in memory for one test, and what nearly every test of src/txn, src/catalog and
 * src/storage/store does with it. A test that needs more has a struct fixture of its own with these
 * four first members' names; the macros ask for no more.
 */

#include "test.h"
#include "txn/txn.h"
#include "types/schema.h"

struct store_fixture {
    struct env *env;
    struct store *store;
    struct err err;
    struct call call;
};

static inline void fixture_check(const struct err *err, tdbplus_status status, const char *file,
                                 int line)
{
    if (status != TDBPLUS_OK) {
        fprintf(stderr, "line %d: %d %s\n", line, (int)status, err->text);
        test_fail(file, line, "the call above should have succeeded");
    }
}

/* The call must succeed; `fixture` is a pointer to one. */
#define OK(call_) fixture_check(&fixture->err, (call_), __FILE__, __LINE__)

/* A transaction of the default kind. */
static inline struct txn *fixture_txn(struct store *store)
{
    struct err err = {0};
    struct txn *txn = NULL;
    fixture_check(&err, txn_begin(store, NULL, &alloc_system, &txn, &err), __FILE__, __LINE__);
    return txn;
}

/* Makes a collection in a transaction of its own; gives its id. */
static inline uint64_t fixture_create(struct store *store, const char *name,
                                      const struct schema *schema)
{
    struct err err = {0};
    struct call call = {.alloc = &alloc_system, .err = &err};
    uint64_t id = 0;
    struct txn *txn = fixture_txn(store);
    fixture_check(
        &err, txn_object_create(txn, OBJECT_COLLECTION, name, schema, (struct span){0}, &id, &err),
        __FILE__, __LINE__);
    fixture_check(&err, txn_commit(txn, &call), __FILE__, __LINE__);
    return id;
}

/* The collection must be there. */
static inline const struct object *fixture_table(struct txn *txn, const char *name)
{
    const struct object *object = txn_object(txn, OBJECT_COLLECTION, name);
    CHECK(object != NULL);
    return object;
}

/* An empty disk in memory. fixture_end() closes the store, if it is open, and takes both away. */
static inline void fixture_begin(struct store_fixture *fixture)
{
    *fixture = (struct store_fixture){0};
    fixture->call = (struct call){.alloc = &alloc_system, .err = &fixture->err};
    OK(env_ram_create(&alloc_system, &fixture->env, &fixture->err));
}

static inline void fixture_end(struct store_fixture *fixture)
{
    store_close(fixture->store);
    env_ram_destroy(fixture->env);
}

/* ---- what a process finds that starts after this one was killed ---- */

struct fixture_copy {
    const struct env *from;
    const char *directory;
    struct env *to;
};

static inline tdbplus_status fixture_copy_file(void *ctx, const char *name, bool is_directory)
{
    const struct fixture_copy *copy = ctx;
    char path[ENV_PATH_SIZE_MAX];
    struct err err = {0};
    struct bytes content = {0};
    CHECK(!is_directory);
    fixture_check(&err, env_join(path, copy->directory, name, &err), __FILE__, __LINE__);
    fixture_check(&err, env_read_file(copy->from, path, 64 << 20, &alloc_system, &content, &err),
                  __FILE__, __LINE__);
    fixture_check(&err,
                  env_write_file(copy->to, path, (struct span){content.data, content.size}, &err),
                  __FILE__, __LINE__);
    bytes_deinit(&content);
    return TDBPLUS_OK;
}

/* Another disk with the files of a directory as they are now. */
static inline struct env *fixture_copy(const struct env *from, const char *directory)
{
    struct err err = {0};
    struct fixture_copy copy = {.from = from, .directory = directory};
    fixture_check(&err, env_ram_create(&alloc_system, &copy.to, &err), __FILE__, __LINE__);
    fixture_check(&err, env_list(from, directory, fixture_copy_file, &copy, &err), __FILE__,
                  __LINE__);
    return copy.to;
}
