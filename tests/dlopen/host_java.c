/* The JNI side of Host.java. */

#include <jni.h>

#include <tdbplus/tdbplus.h>

JNIEXPORT jstring JNICALL Java_Host_statusText(JNIEnv *env, jclass host, jint status)
{
    (void)host;
    return (*env)->NewStringUTF(env, tdbplus_status_text((tdbplus_status)status));
}

JNIEXPORT jint JNICALL Java_Host_openMemory(JNIEnv *env, jclass host)
{
    (void)env;
    (void)host;
    tdbplus_db *db = NULL;
    tdbplus_status status = tdbplus_open(":memory:", NULL, &db, NULL);
    tdbplus_close(db);
    return (jint)status;
}
