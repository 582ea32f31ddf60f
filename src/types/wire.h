#pragma once

/*
 * wire: messages of the PostgreSQL protocol 3.0 (PostgreSQL 15 documentation, chapter 55), as
 * bytes. Numbers are big-endian, texts end with a zero byte, and a message is its letter, its size
 * without the letter, and that many bytes less four.
 *
 * Threads: plain memory.
 */

#include "base/buffer.h"
#include "base/err.h"

#define WIRE_HEADER_SIZE 5u /* Letter and size. */

/* Reads a message's content. Past the end it gives zeroes, and `overrun` stays set. */
struct wire_reader {
    struct span rest;
    bool overrun;
};

uint8_t wire_u8(struct wire_reader *reader);
int16_t wire_i16(struct wire_reader *reader);
int32_t wire_i32(struct wire_reader *reader);
int64_t wire_i64(struct wire_reader *reader);

/* Without its zero byte; borrowed. An unterminated text is an overrun, and "". */
const char *wire_text(struct wire_reader *reader);
struct span wire_bytes(struct wire_reader *reader, size_t size);

/* TDBPLUS_OK if everything was read and nothing missing; else 08P01, naming `message`. */
TDBPLUS_CHECKED tdbplus_status wire_finish(const struct wire_reader *reader, const char *message,
                                           struct err *err);

void wire_put_i16(struct buffer *buffer, int16_t value);
void wire_put_i32(struct buffer *buffer, int32_t value);
void wire_put_i64(struct buffer *buffer, int64_t value);
void wire_put_text(struct buffer *buffer, const char *text); /* With its zero byte. */

/* Begins a message; its size is set by wire_end(), which is given what this returned. */
size_t wire_begin(struct buffer *buffer, char letter);
void wire_end(struct buffer *buffer, size_t begin);

/* Sets four bytes that were put before, at `at`; nothing if the buffer has failed. */
void wire_set_i32(struct buffer *buffer, size_t at, int32_t value);
