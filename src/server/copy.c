/* COPY FROM STDIN and TO STDOUT: bytes between the client and the statement. */

#include <string.h>

#include "server/server_internal.h"

bool copy_wanted(const tdbplus_result *result)
{
    return result->copy.direction != TDBPLUS_COPY_NONE;
}

/* CopyInResponse ("G") and CopyOutResponse ("H") look alike. */
static void put_response(struct buffer *out, char letter, const tdbplus_copy *copy)
{
    size_t at = wire_begin(out, letter);
    buffer_put_u8(out, copy->binary);
    wire_put_i16(out, (int16_t)copy->column_count);
    for (uint32_t i = 0; i < copy->column_count; i++) {
        wire_put_i16(out, copy->binary);
    }
    wire_end(out, at);
}

static tdbplus_status hang_up(struct err *err)
{
    return err_set_state(err, TDBPLUS_E_CANCELLED, "08006", "the client went away during COPY");
}

/* The next message, waited for. */
static tdbplus_status next_message(struct connection *connection, char *letter_out,
                                   struct wire_reader *reader, struct err *err)
{
    for (;;) {
        char letter = protocol_next(connection, connection->server->message_size_max, reader);
        if (letter != 0) {
            *letter_out = letter;
            return TDBPLUS_OK;
        }
        // What is there is less than a message, or the connection is ending.
        if (connection->phase == PHASE_CLOSING || !connection_wait_for_input(connection)) {
            return hang_up(err);
        }
    }
}

static tdbplus_status copy_in(struct connection *connection, tdbplus_result *result,
                              const struct call *call)
{
    put_response(&connection->out, 'G', &result->copy);
    if (!connection_flush(connection)) {
        return hang_up(call->err);
    }
    for (;;) {
        char letter = 0;
        struct wire_reader reader = {0};
        TRY(next_message(connection, &letter, &reader, call->err));
        switch (letter) {
        case 'd':
            TRY(result_copy_put(result, reader.rest, call));
            break;
        case 'c':
            return result_copy_end(result, NULL, call);
        case 'f':
            return result_copy_end(result, wire_text(&reader), call);
        case 'H':
        case 'S':
            break; // Clients of the extended protocol may send them ahead.
        default:
            return err_set_state(call->err, TDBPLUS_E_INVALID, "08P01",
                                 "unexpected message type 0x%02X during COPY from stdin",
                                 (unsigned char)letter);
        }
    }
}

/* Clients expect a row in each message, so pieces of the output are cut at its rows' ends. */
struct row_cutter {
    const struct sql_prepared *prepared;
    bool inside;
};

/* One piece, as messages. False when the client is gone. */
static bool put_piece(struct connection *connection, struct span piece, struct row_cutter *cutter)
{
    while (piece.size > 0) {
        size_t size = sql_prepared_copy_row(cutter->prepared, piece, &cutter->inside);
        size_t at = wire_begin(&connection->out, 'd');
        buffer_put_span(&connection->out, (struct span){.data = piece.data, .size = size});
        wire_end(&connection->out, at);
        piece.data += size;
        piece.size -= size;
        if (connection->out.size >= CONNECTION_OUTPUT_SIZE && !connection_flush(connection)) {
            return false;
        }
    }
    return true;
}

static bool put_pieces(struct connection *connection, const struct batch *batch,
                       struct row_cutter *cutter)
{
    uint32_t live = batch_live_count(batch);
    for (uint32_t i = 0; i < live; i++) {
        struct datum piece;
        column_get(&batch->columns[0], batch->selection == NULL ? i : batch->selection[i], &piece);
        if (!put_piece(connection, piece.bytes, cutter)) {
            return false;
        }
    }
    return true;
}

static tdbplus_status copy_out(struct connection *connection, tdbplus_result *result,
                               const struct call *call)
{
    struct row_cutter cutter = {.prepared = result->prepared};
    put_response(&connection->out, 'H', &result->copy);
    tdbplus_status status = result_next_batch(result, call);
    while (status == TDBPLUS_OK) {
        if (!put_pieces(connection, &result->batch, &cutter)) {
            return hang_up(call->err);
        }
        result->at = batch_live_count(&result->batch);
        status = result_next_batch(result, call);
    }
    if (status != TDBPLUS_END) {
        return status;
    }
    size_t at = wire_begin(&connection->out, 'c');
    wire_end(&connection->out, at);
    return TDBPLUS_OK;
}

tdbplus_status copy_run(struct connection *connection, tdbplus_result *result,
                        const struct call *call)
{
    return result->copy.direction == TDBPLUS_COPY_IN ? copy_in(connection, result, call)
                                                     : copy_out(connection, result, call);
}
