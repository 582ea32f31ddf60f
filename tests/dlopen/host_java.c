/* The JNI side of Host.java. */

#include <jni.h>

#include <tdbplus/status.h>

JNIEXPORT jstring JNICALL Java_Host_statusText(JNIEnv *env, jclass host, jint status)
{
    (void)host;
    return (*env)->NewStringUTF(env, tdbplus_status_text((tdbplus_status)status));
}
