#pragma once

/*
 * charset: texts of files in other encodings than UTF-8, by the C library's iconv. Names are
 * PostgreSQL's, and UTF16, UTF16LE, UTF16BE and UTF32 besides.
 *
 * Threads: one user at a time.
 */

#include "base/buffer.h"
#include "files/input.h"

struct charset;

/* By any spelling ("latin1", "ISO 8859-1"). *encoding_out NULL: UTF-8, nothing is to be done.
 * False: no such encoding. */
bool charset_find(const char *name, const struct charset **encoding_out);

/* The bytes of `from` in UTF-8. Errors are PostgreSQL's 22021 and 22P05; what `from` says otherwise
 * is passed on. `from` is borrowed. */
TDBPLUS_CHECKED tdbplus_status charset_input_open(const struct charset *encoding,
                                                  struct file_input *from,
                                                  const struct alloc *alloc,
                                                  struct file_input **input_out, struct err *err);

/* Opens a file, whose text is in `encoding`; NULL: in UTF-8. */
TDBPLUS_CHECKED tdbplus_status file_text_open(const char *path, const struct charset *encoding,
                                              const struct alloc *alloc,
                                              struct file_input **input_out, struct err *err);

struct charset_encoder;

TDBPLUS_CHECKED tdbplus_status charset_encoder_create(const struct charset *encoding,
                                                      const struct alloc *alloc,
                                                      struct charset_encoder **encoder_out,
                                                      struct err *err);
void charset_encoder_destroy(struct charset_encoder *encoder); /* NULL is fine. */

/* Appends valid UTF-8 in the encoding. 22P05: it has no such character. */
TDBPLUS_CHECKED tdbplus_status charset_encoder_put(struct charset_encoder *encoder,
                                                   struct span text, struct buffer *out,
                                                   struct err *err);
