/* A Node.js addon that hands one function of the library to JavaScript. */

#define NAPI_VERSION 8
#include <node_api.h>

#include <tdbplus/tdbplus.h>

static napi_value status_text(napi_env env, napi_callback_info info)
{
    size_t count = 1;
    napi_value argument = NULL;
    napi_value result = NULL;
    int32_t status = 0;
    if (napi_get_cb_info(env, info, &count, &argument, NULL, NULL) != napi_ok ||
        napi_get_value_int32(env, argument, &status) != napi_ok) {
        return NULL;
    }
    const char *text = tdbplus_status_text((tdbplus_status)status);
    (void)napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &result);
    return result;
}

/* Opens and closes a database in memory; returns the status. */
static napi_value open_memory(napi_env env, napi_callback_info info)
{
    (void)info;
    napi_value result = NULL;
    tdbplus_db *db = NULL;
    tdbplus_status status = tdbplus_open(":memory:", NULL, &db, NULL);
    tdbplus_close(db);
    (void)napi_create_int32(env, (int32_t)status, &result);
    return result;
}

static void add(napi_env env, napi_value exports, const char *name, napi_callback callback)
{
    napi_value function = NULL;
    (void)napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, NULL, &function);
    (void)napi_set_named_property(env, exports, name, function);
}

NAPI_MODULE_INIT()
{
    add(env, exports, "statusText", status_text);
    add(env, exports, "openMemory", open_memory);
    return exports;
}
