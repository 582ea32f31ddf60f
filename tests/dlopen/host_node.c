/* A Node.js addon that hands one function of the library to JavaScript. */

#define NAPI_VERSION 8
#include <node_api.h>

#include <tdbplus/status.h>

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

NAPI_MODULE_INIT()
{
    napi_value function = NULL;
    (void)napi_create_function(env, "statusText", NAPI_AUTO_LENGTH, status_text, NULL, &function);
    (void)napi_set_named_property(env, exports, "statusText", function);
    return exports;
}
