#include "server/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#define CHUNK_SIZE ((size_t)16 << 10)

struct tls_context {
    SSL_CTX *library;
    uint8_t end_point[TLS_END_POINT_SIZE_MAX];
    size_t end_point_size;
};

struct tls {
    SSL *library;
    BIO *from_socket;
    BIO *to_socket;
    bool over;
};

static tdbplus_status failed(struct err *err, const char *what)
{
    char reason[160] = "no reason given";
    unsigned long code = ERR_peek_last_error();
    if (code != 0) {
        ERR_error_string_n(code, reason, sizeof reason);
    }
    ERR_clear_error();
    return err_set(err, TDBPLUS_E_IO, "tls: %s: %s", what, reason);
}

/* By the hash of the certificate's signature, but SHA-256 in place of weaker ones (RFC 5929). */
static bool hash_certificate(struct tls_context *context)
{
    const X509 *certificate = SSL_CTX_get0_certificate(context->library);
    int digest_nid = NID_undef;
    if (certificate == NULL) {
        return false;
    }
    (void)OBJ_find_sigid_algs(X509_get_signature_nid(certificate), &digest_nid, NULL);
    bool weak = digest_nid == NID_undef || digest_nid == NID_md5 || digest_nid == NID_sha1;
    const EVP_MD *digest = weak ? EVP_sha256() : EVP_get_digestbynid(digest_nid);
    unsigned size = 0;
    if (digest == NULL || X509_digest(certificate, digest, context->end_point, &size) != 1) {
        return false;
    }
    context->end_point_size = size;
    return true;
}

#define SELF_SIGNED_SECONDS (365L * 24 * 3600)

static bool add_names(X509 *certificate)
{
    static const char names[] = "DNS:localhost,IP:127.0.0.1,IP:::1";
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names);
    bool good = extension != NULL && X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return good;
}

/* A certificate that is its own authority: encryption without proof of who serves. */
static bool fill_certificate(X509 *certificate, EVP_PKEY *key)
{
    X509_NAME *name = X509_get_subject_name(certificate);
    static const unsigned char text[] = "TDB+ self-signed";
    return X509_set_version(certificate, X509_VERSION_3) == 1 &&
           ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1) == 1 &&
           X509_gmtime_adj(X509_getm_notBefore(certificate), 0) != NULL &&
           X509_gmtime_adj(X509_getm_notAfter(certificate), SELF_SIGNED_SECONDS) != NULL &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, text, -1, -1, 0) == 1 &&
           X509_set_issuer_name(certificate, name) == 1 && add_names(certificate) &&
           X509_set_pubkey(certificate, key) == 1 && X509_sign(certificate, key, EVP_sha256()) > 0;
}

static tdbplus_status sign_self(struct tls_context *context, struct err *err)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    bool good = key != NULL && certificate != NULL && fill_certificate(certificate, key) &&
                SSL_CTX_use_certificate(context->library, certificate) == 1 &&
                SSL_CTX_use_PrivateKey(context->library, key) == 1;
    X509_free(certificate);
    EVP_PKEY_free(key);
    return good ? TDBPLUS_OK : failed(err, "a self-signed certificate");
}

static tdbplus_status load_files(struct tls_context *context, const struct tls_files *files,
                                 struct err *err)
{
    if (SSL_CTX_use_certificate_chain_file(context->library, files->certificate) != 1) {
        return failed(err, files->certificate);
    }
    if (SSL_CTX_use_PrivateKey_file(context->library, files->key, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(context->library) != 1) {
        return failed(err, files->key);
    }
    return TDBPLUS_OK;
}

static tdbplus_status load(struct tls_context *context, const struct tls_files *files,
                           struct err *err)
{
    context->library = SSL_CTX_new(TLS_server_method());
    if (context->library == NULL) {
        return failed(err, "a context");
    }
    (void)SSL_CTX_set_min_proto_version(context->library, TLS1_3_VERSION);
    (void)SSL_CTX_set_mode(context->library, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                                 SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                                 SSL_MODE_RELEASE_BUFFERS);
    TRY(files->self_signed ? sign_self(context, err) : load_files(context, files, err));
    if (files->client_ca != NULL) {
        if (SSL_CTX_load_verify_locations(context->library, files->client_ca, NULL) != 1) {
            return failed(err, files->client_ca);
        }
        SSL_CTX_set_verify(context->library, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                           NULL);
    }
    return hash_certificate(context) ? TDBPLUS_OK : failed(err, "the certificate's hash");
}

tdbplus_status tls_context_create(const struct tls_files *files, struct tls_context **context_out,
                                  struct err *err)
{
    struct tls_context *context = alloc_array(&alloc_system, 1, sizeof *context);
    if (context == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "tls: memory is out");
    }
    tdbplus_status status = load(context, files, err);
    if (status != TDBPLUS_OK) {
        tls_context_destroy(context);
        return status;
    }
    *context_out = context;
    return TDBPLUS_OK;
}

void tls_context_destroy(struct tls_context *context)
{
    if (context != NULL) {
        SSL_CTX_free(context->library);
        alloc_free(&alloc_system, context, 1, sizeof *context);
    }
}

struct span tls_end_point(const struct tls_context *context)
{
    return (struct span){.data = context->end_point, .size = context->end_point_size};
}

struct tls *tls_create(struct tls_context *context)
{
    struct tls *tls = alloc_array(&alloc_system, 1, sizeof *tls);
    if (tls == NULL) {
        return NULL;
    }
    tls->library = SSL_new(context->library);
    tls->from_socket = BIO_new(BIO_s_mem());
    tls->to_socket = BIO_new(BIO_s_mem());
    if (tls->library == NULL || tls->from_socket == NULL || tls->to_socket == NULL) {
        SSL_free(tls->library);
        BIO_free(tls->from_socket);
        BIO_free(tls->to_socket);
        alloc_free(&alloc_system, tls, 1, sizeof *tls);
        return NULL;
    }
    SSL_set_bio(tls->library, tls->from_socket, tls->to_socket); // It owns them now.
    SSL_set_accept_state(tls->library);
    return tls;
}

void tls_destroy(struct tls *tls)
{
    if (tls != NULL) {
        SSL_free(tls->library);
        alloc_free(&alloc_system, tls, 1, sizeof *tls);
    }
}

bool tls_receive(struct tls *tls, struct span bytes, struct buffer *plain)
{
    if (tls->over || BIO_write(tls->from_socket, bytes.data, (int)bytes.size) != (int)bytes.size) {
        return false;
    }
    for (;;) {
        if (!buffer_reserve(plain, CHUNK_SIZE)) {
            return false;
        }
        int size = SSL_read(tls->library, plain->data + plain->size, (int)CHUNK_SIZE);
        if (size <= 0) {
            // Also the answer while the handshake goes on.
            tls->over = SSL_get_error(tls->library, size) != SSL_ERROR_WANT_READ;
            ERR_clear_error();
            return !tls->over;
        }
        plain->size += (size_t)size;
    }
}

bool tls_send(struct tls *tls, struct span plain, struct buffer *bytes)
{
    size_t at = 0;
    while (at < plain.size) {
        size_t rest = plain.size - at;
        int size =
            SSL_write(tls->library, plain.data + at, (int)(rest < CHUNK_SIZE ? rest : CHUNK_SIZE));
        if (size <= 0) {
            ERR_clear_error();
            return false;
        }
        at += (size_t)size;
    }
    size_t pending = BIO_ctrl_pending(tls->to_socket);
    uint8_t *room = pending == 0 ? NULL : buffer_extend(bytes, pending);
    return pending == 0 ||
           (room != NULL && BIO_read(tls->to_socket, room, (int)pending) == (int)pending);
}

bool tls_pending(const struct tls *tls)
{
    return BIO_ctrl_pending(tls->to_socket) > 0;
}
