#include "files/charset.h"

#include <ctype.h>
#include <errno.h>
#include <iconv.h>
#include <stdio.h>
#include <string.h>

#define BLOCK_SIZE      ((size_t)64 << 10)
#define NAME_SIZE_MAX   32u
#define SPILL_SIZE      8u
#define CHARACTER_BYTES 4u /* That are shown of a character. */

struct charset {
    const char *key;  /* Its name in small letters and digits. */
    const char *name; /* PostgreSQL's; NULL: UTF-8. */
    const char *iconv;
    bool single; /* A byte a character. */
};

static const struct charset charsets[] = {
    {"utf8", NULL, "UTF-8", false},
    {"unicode", NULL, "UTF-8", false},
    {"sqlascii", NULL, "UTF-8", false}, // Taken as it is, which is checked.
    {"latin1", "LATIN1", "ISO-8859-1", true},
    {"iso88591", "LATIN1", "ISO-8859-1", true},
    {"latin2", "LATIN2", "ISO-8859-2", true},
    {"iso88592", "LATIN2", "ISO-8859-2", true},
    {"latin3", "LATIN3", "ISO-8859-3", true},
    {"iso88593", "LATIN3", "ISO-8859-3", true},
    {"latin4", "LATIN4", "ISO-8859-4", true},
    {"iso88594", "LATIN4", "ISO-8859-4", true},
    {"latin5", "LATIN5", "ISO-8859-9", true},
    {"iso88599", "LATIN5", "ISO-8859-9", true},
    {"latin6", "LATIN6", "ISO-8859-10", true},
    {"iso885910", "LATIN6", "ISO-8859-10", true},
    {"latin7", "LATIN7", "ISO-8859-13", true},
    {"iso885913", "LATIN7", "ISO-8859-13", true},
    {"latin8", "LATIN8", "ISO-8859-14", true},
    {"iso885914", "LATIN8", "ISO-8859-14", true},
    {"latin9", "LATIN9", "ISO-8859-15", true},
    {"iso885915", "LATIN9", "ISO-8859-15", true},
    {"latin10", "LATIN10", "ISO-8859-16", true},
    {"iso885916", "LATIN10", "ISO-8859-16", true},
    {"iso88595", "ISO_8859_5", "ISO-8859-5", true},
    {"iso88596", "ISO_8859_6", "ISO-8859-6", true},
    {"iso88597", "ISO_8859_7", "ISO-8859-7", true},
    {"iso88598", "ISO_8859_8", "ISO-8859-8", true},
    {"win1250", "WIN1250", "CP1250", true},
    {"windows1250", "WIN1250", "CP1250", true},
    {"win1251", "WIN1251", "CP1251", true},
    {"windows1251", "WIN1251", "CP1251", true},
    {"win", "WIN1251", "CP1251", true},
    {"win1252", "WIN1252", "CP1252", true},
    {"windows1252", "WIN1252", "CP1252", true},
    {"win1253", "WIN1253", "CP1253", true},
    {"windows1253", "WIN1253", "CP1253", true},
    {"win1254", "WIN1254", "CP1254", true},
    {"windows1254", "WIN1254", "CP1254", true},
    {"win1255", "WIN1255", "CP1255", true},
    {"windows1255", "WIN1255", "CP1255", true},
    {"win1256", "WIN1256", "CP1256", true},
    {"windows1256", "WIN1256", "CP1256", true},
    {"win1257", "WIN1257", "CP1257", true},
    {"windows1257", "WIN1257", "CP1257", true},
    {"win1258", "WIN1258", "CP1258", true},
    {"windows1258", "WIN1258", "CP1258", true},
    {"win866", "WIN866", "CP866", true},
    {"windows866", "WIN866", "CP866", true},
    {"alt", "WIN866", "CP866", true},
    {"win874", "WIN874", "CP874", true},
    {"windows874", "WIN874", "CP874", true},
    {"koi8", "KOI8R", "KOI8-R", true},
    {"koi8r", "KOI8R", "KOI8-R", true},
    {"koi8u", "KOI8U", "KOI8-U", true},
    {"eucjp", "EUC_JP", "EUC-JP", false},
    {"euckr", "EUC_KR", "EUC-KR", false},
    {"euccn", "EUC_CN", "EUC-CN", false},
    {"euctw", "EUC_TW", "EUC-TW", false},
    {"sjis", "SJIS", "CP932", false},
    {"shiftjis", "SJIS", "CP932", false},
    {"win932", "SJIS", "CP932", false},
    {"windows932", "SJIS", "CP932", false},
    {"big5", "BIG5", "CP950", false},
    {"win950", "BIG5", "CP950", false},
    {"windows950", "BIG5", "CP950", false},
    {"gbk", "GBK", "CP936", false},
    {"win936", "GBK", "CP936", false},
    {"windows936", "GBK", "CP936", false},
    {"uhc", "UHC", "CP949", false},
    {"win949", "UHC", "CP949", false},
    {"windows949", "UHC", "CP949", false},
    {"johab", "JOHAB", "JOHAB", false},
    {"gb18030", "GB18030", "GB18030", false},
    {"utf16", "UTF16", "UTF-16", false},
    {"utf16le", "UTF16LE", "UTF-16LE", false},
    {"utf16be", "UTF16BE", "UTF-16BE", false},
    {"utf32", "UTF32", "UTF-32", false},
};

bool charset_find(const char *name, const struct charset **encoding_out)
{
    char key[NAME_SIZE_MAX] = "";
    size_t size = 0;
    for (; *name != '\0'; name++) {
        if (isalnum((unsigned char)*name)) {
            if (size + 1 == sizeof key) {
                return false;
            }
            key[size++] = (char)tolower((unsigned char)*name);
        }
    }
    for (size_t i = 0; i < sizeof charsets / sizeof *charsets; i++) {
        if (strcmp(charsets[i].key, key) == 0) {
            *encoding_out = charsets[i].name == NULL ? NULL : &charsets[i];
            return true;
        }
    }
    return false;
}

static tdbplus_status open_iconv(const char *to, const char *from, const struct charset *encoding,
                                 iconv_t *iconv_out, struct err *err)
{
    *iconv_out = iconv_open(to, from);
    if (*iconv_out != (iconv_t)-1) {
        return TDBPLUS_OK;
    }
    return err_set_state(err, TDBPLUS_E_UNSUPPORTED, "0A000",
                         "the C library of this machine does not know the encoding %s",
                         encoding->name);
}

/* The bytes of a character, as PostgreSQL shows them. */
static void show_bytes(const uint8_t *at, size_t size, char text[CHARACTER_BYTES * 5 + 1])
{
    text[0] = '\0';
    for (size_t i = 0; i < size && i < CHARACTER_BYTES; i++) {
        (void)snprintf(text + i * 5, CHARACTER_BYTES * 5 + 1 - i * 5, " 0x%02x", at[i]);
    }
}

/* ---- in ---- */

struct encoded_input {
    struct file_input input;
    const struct alloc *alloc;
    const struct charset *encoding;
    struct file_input *from;
    bool owns; /* `from`. */
    iconv_t iconv;
    uint8_t *block;
    size_t begin;
    size_t size;
    bool ended;
    uint8_t spill[SPILL_SIZE]; /* Characters that the reader had no room for. */
    size_t spill_begin;
    size_t spill_size;
};

static tdbplus_status bad_bytes(const struct encoded_input *encoded, struct err *err)
{
    char shown[CHARACTER_BYTES * 5 + 1];
    size_t rest = encoded->size - encoded->begin;
    show_bytes(encoded->block + encoded->begin,
               encoded->encoding->single ? 1
               : rest < 2                ? rest
                                         : 2,
               shown);
    if (encoded->encoding->single) {
        return err_set_state(err, TDBPLUS_E_SYNTAX, "22P05",
                             "character with byte sequence%s in encoding \"%s\" has no equivalent "
                             "in encoding \"UTF8\"",
                             shown, encoded->encoding->name);
    }
    return err_set_state(err, TDBPLUS_E_SYNTAX, "22021",
                         "invalid byte sequence for encoding \"%s\":%s", encoded->encoding->name,
                         shown);
}

/* More bytes behind the beginning of a character that is left. */
static tdbplus_status fill(struct encoded_input *encoded, struct err *err)
{
    memmove(encoded->block, encoded->block + encoded->begin, encoded->size - encoded->begin);
    encoded->size -= encoded->begin;
    encoded->begin = 0;
    size_t size = 0;
    TRY(encoded->from->read(encoded->from, encoded->block + encoded->size,
                            BLOCK_SIZE - encoded->size, &size, err));
    encoded->ended = size == 0;
    encoded->size += size;
    return TDBPLUS_OK;
}

/* Converts into `data`; *written_out bytes. Returns what iconv says is wrong, or 0. */
static int convert(struct encoded_input *encoded, uint8_t *data, size_t capacity,
                   size_t *written_out)
{
    char *from = (char *)encoded->block + encoded->begin;
    size_t from_size = encoded->size - encoded->begin;
    char *to = (char *)data;
    size_t to_size = capacity;
    size_t result = from_size == 0 ? 0 : iconv(encoded->iconv, &from, &from_size, &to, &to_size);
    int reason = result == (size_t)-1 ? errno : 0;
    encoded->begin = encoded->size - from_size;
    *written_out = capacity - to_size;
    return reason;
}

static tdbplus_status read_encoded(struct file_input *input, uint8_t *data, size_t capacity,
                                   size_t *size_out, struct err *err)
{
    struct encoded_input *encoded = (struct encoded_input *)input;
    for (;;) {
        if (encoded->spill_begin < encoded->spill_size) {
            size_t rest = encoded->spill_size - encoded->spill_begin;
            *size_out = rest < capacity ? rest : capacity;
            memcpy(data, encoded->spill + encoded->spill_begin, *size_out);
            encoded->spill_begin += *size_out;
            return TDBPLUS_OK;
        }
        int reason = convert(encoded, data, capacity, size_out);
        if (*size_out > 0) {
            return TDBPLUS_OK; // What is wrong behind it comes up again.
        }
        if (reason == E2BIG) {
            encoded->spill_begin = 0;
            reason = convert(encoded, encoded->spill, SPILL_SIZE, &encoded->spill_size);
            if (encoded->spill_size > 0) {
                continue;
            }
        }
        if (reason == EILSEQ || (encoded->ended && encoded->begin < encoded->size)) {
            return bad_bytes(encoded, err);
        }
        if (encoded->ended) {
            return TDBPLUS_OK;
        }
        TRY(fill(encoded, err));
    }
}

static void close_encoded(struct file_input *input)
{
    struct encoded_input *encoded = (struct encoded_input *)input;
    if (encoded->iconv != (iconv_t)-1) {
        (void)iconv_close(encoded->iconv);
    }
    if (encoded->owns) {
        file_input_close(encoded->from);
    }
    alloc_free(encoded->alloc, encoded->block, BLOCK_SIZE, 1);
    alloc_free(encoded->alloc, encoded, 1, sizeof *encoded);
}

tdbplus_status charset_input_open(const struct charset *encoding, struct file_input *from,
                                  const struct alloc *alloc, struct file_input **input_out,
                                  struct err *err)
{
    struct encoded_input *encoded = alloc_array(alloc, 1, sizeof *encoded);
    if (encoded == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "no memory to read a file");
    }
    *encoded = (struct encoded_input){.input = {.read = read_encoded, .close = close_encoded},
                                      .alloc = alloc,
                                      .encoding = encoding,
                                      .from = from,
                                      .iconv = (iconv_t)-1};
    encoded->block = alloc_raw(alloc, BLOCK_SIZE);
    tdbplus_status status =
        encoded->block == NULL
            ? err_set(err, TDBPLUS_E_NOMEM, "no memory to read a file")
            : open_iconv("UTF-8", encoding->iconv, encoding, &encoded->iconv, err);
    if (status != TDBPLUS_OK) {
        close_encoded(&encoded->input);
        return status;
    }
    *input_out = &encoded->input;
    return TDBPLUS_OK;
}

tdbplus_status file_text_open(const char *path, const struct charset *encoding,
                              const struct alloc *alloc, struct file_input **input_out,
                              struct err *err)
{
    struct file_input *file = NULL;
    struct file_input *encoded = NULL;
    TRY(file_input_open(path, alloc, &file, err));
    if (encoding == NULL) {
        *input_out = file;
        return TDBPLUS_OK;
    }
    tdbplus_status status = charset_input_open(encoding, file, alloc, &encoded, err);
    if (status != TDBPLUS_OK) {
        file_input_close(file);
        return status;
    }
    ((struct encoded_input *)encoded)->owns = true;
    *input_out = encoded;
    return TDBPLUS_OK;
}

/* ---- out ---- */

struct charset_encoder {
    const struct alloc *alloc;
    const struct charset *encoding;
    iconv_t iconv;
};

tdbplus_status charset_encoder_create(const struct charset *encoding, const struct alloc *alloc,
                                      struct charset_encoder **encoder_out, struct err *err)
{
    struct charset_encoder *encoder = alloc_array(alloc, 1, sizeof *encoder);
    if (encoder == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "no memory to write a file");
    }
    encoder->alloc = alloc;
    encoder->encoding = encoding;
    tdbplus_status status = open_iconv(encoding->iconv, "UTF-8", encoding, &encoder->iconv, err);
    if (status != TDBPLUS_OK) {
        alloc_free(alloc, encoder, 1, sizeof *encoder);
        return status;
    }
    *encoder_out = encoder;
    return TDBPLUS_OK;
}

void charset_encoder_destroy(struct charset_encoder *encoder)
{
    if (encoder != NULL) {
        (void)iconv_close(encoder->iconv);
        alloc_free(encoder->alloc, encoder, 1, sizeof *encoder);
    }
}

static tdbplus_status no_character(const struct charset_encoder *encoder, const uint8_t *at,
                                   size_t rest, struct err *err)
{
    char shown[CHARACTER_BYTES * 5 + 1];
    size_t size = *at < 0x80 ? 1 : *at < 0xE0 ? 2 : *at < 0xF0 ? 3 : 4;
    show_bytes(at, size < rest ? size : rest, shown);
    return err_set_state(err, TDBPLUS_E_SYNTAX, "22P05",
                         "character with byte sequence%s in encoding \"UTF8\" has no equivalent in "
                         "encoding \"%s\"",
                         shown, encoder->encoding->name);
}

tdbplus_status charset_encoder_put(struct charset_encoder *encoder, struct span text,
                                   struct buffer *out, struct err *err)
{
    // The library reads through a char * that it does not write through.
    union {
        const uint8_t *data;
        char *text;
    } from = {.data = text.data};
    size_t from_size = text.size;
    while (from_size > 0) {
        size_t room = from_size * 2 + 16;
        if (!buffer_reserve(out, room)) {
            return err_set(err, TDBPLUS_E_NOMEM, "no memory to write a file");
        }
        char *to = (char *)out->data + out->size;
        size_t to_size = room;
        size_t result = iconv(encoder->iconv, &from.text, &from_size, &to, &to_size);
        int reason = result == (size_t)-1 ? errno : 0;
        out->size += room - to_size;
        if (reason != 0 && reason != E2BIG) {
            return no_character(encoder, from.data, from_size, err);
        }
    }
    return TDBPLUS_OK;
}
