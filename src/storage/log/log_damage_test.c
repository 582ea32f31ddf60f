/*
 * Goal: S2 to the letter. Whatever happens to the bytes, opening gives all records, or exactly the
 * prefix that S2 permits, or TDBPLUS_E_CORRUPT exactly when a later intact record proves that the
 * damaged one was synced (L2-L5, L8).
 *
 * Method: a log over several small files is kept as one image. After each change the verdict is
 * computed from the changed image and the list of what was appended with which synced_lsn, by
 * comparing bytes: a record whose bytes changed is not intact. Then log_open() must agree.
 */

#include "log_model.h"
#include "storage/log/log_internal.h"

#include "test.h"

#define CAPACITY   (LOG_MODEL_FILE_SIZE - LOG_FILE_HEADER_SIZE)
#define FILES_MAX  8u
#define IMAGE_SIZE (FILES_MAX * CAPACITY)

static struct log_model model;
static uint8_t image[IMAGE_SIZE]; /* The records' space of all files, by position. */
static uint64_t file_count;
static uint64_t proof; /* What the file beside the log says. */

/* Records in groups, each synced or not, the last ones not. */
static struct env *make_log(uint64_t seed, size_t records, bool mark)
{
    log_model_reset(&model, seed);
    proof = 0;
    struct env *env = log_model_ram();
    struct log_options options = log_model_options(env, &alloc_system);
    struct log *log = log_model_open(&model, &options, 0);
    for (size_t i = 0; i < records; i++) {
        size_t size = log_model_random(&model, 12) == 0 ? 3000 : log_model_random(&model, 120);
        uint64_t lsn = log_model_append(&model, log, size);
        if (i < records - 4 && log_model_random(&model, 4) == 0) {
            CHECK(log_sync(log, lsn, NULL) == TDBPLUS_OK);
        }
    }
    if (mark) {
        CHECK(log_model_mark(&model, log, NULL) == TDBPLUS_OK);
        proof = model.records[model.count - 1].lsn;
    }
    log_close(log);
    file_count = (model.records[model.count - 1].lsn_end + CAPACITY - 1) / CAPACITY;
    CHECK(file_count <= FILES_MAX);
    for (uint64_t i = 0; i < file_count; i++) {
        log_model_peek(env, i + 1, LOG_FILE_HEADER_SIZE, image + i * CAPACITY, CAPACITY);
    }
    return env;
}

static uint64_t end_of_log(void)
{
    return model.records[model.count - 1].lsn_end;
}

static void poke_lsn(const struct env *env, uint64_t lsn, uint8_t byte)
{
    log_model_poke(env, lsn / CAPACITY + 1, LOG_FILE_HEADER_SIZE + lsn % CAPACITY, &byte, 1);
}

/* What S2 says when the records with `damaged[i]` are not intact: how many are replayed, or
 * SIZE_MAX for corruption. */
static size_t verdict(const bool *damaged)
{
    size_t prefix = 0;
    while (prefix < model.count && !damaged[prefix]) {
        prefix++;
    }
    uint64_t proven = proof;
    for (size_t i = 0; i < model.count; i++) {
        if (!damaged[i] && model.records[i].synced > proven) {
            proven = model.records[i].synced;
        }
    }
    uint64_t end = prefix == 0 ? 0 : model.records[prefix - 1].lsn_end;
    return proven > end ? SIZE_MAX : prefix;
}

static size_t record_at(uint64_t lsn)
{
    size_t at = 0;
    while (at < model.count && model.records[at].lsn_end <= lsn) {
        at++;
    }
    return at;
}

static void check_open(const struct env *env, size_t expected)
{
    struct log_options options = log_model_options(env, &alloc_system);
    options.read_only = true;
    struct log *log = NULL;
    struct err err = {0};
    tdbplus_status status = log_model_try_open(&model, &options, 0, &log, &err);
    if (expected == SIZE_MAX) {
        CHECK(status == TDBPLUS_E_CORRUPT);
        CHECK(strstr(err.text, "log-00000000") != NULL && strstr(err.text, "offset") != NULL);
        return;
    }
    CHECK(status == TDBPLUS_OK);
    CHECK(log_end(log) == (expected == 0 ? 0 : model.records[expected - 1].lsn_end));
    log_close(log);
}

/* Opens for writing, appends, closes: the torn tail must be gone for good. Cuts the model. */
static void go_on_after(const struct env *env, size_t prefix)
{
    struct log_options options = log_model_options(env, &alloc_system);
    log_model_cut(&model, prefix);
    struct log *log = log_model_open(&model, &options, 0);
    CHECK(model.next == prefix);
    for (int i = 0; i < 3; i++) {
        (void)log_model_append(&model, log, log_model_random(&model, 120));
    }
    log_close(log);
    log = log_model_open(&model, &options, 0);
    CHECK(model.next == model.count);
    log_close(log);
}

TEST(every_flipped_bit_gives_what_s2_permits)
{
    bool damaged[64];
    size_t torn = 0;
    size_t corrupt = 0;
    for (uint64_t seed = 1; seed <= 2; seed++) {
        struct env *env = make_log(seed, 40, seed == 2);
        uint64_t end =
            end_of_log() + 64 < file_count * CAPACITY ? end_of_log() + 64 : file_count * CAPACITY;
        for (uint64_t bit = 0; bit < end * 8; bit += bit % 64 < 8 ? 1 : 5) {
            uint64_t lsn = bit / 8;
            poke_lsn(env, lsn, image[lsn] ^ (uint8_t)(1u << bit % 8));
            memset(damaged, 0, sizeof damaged);
            damaged[record_at(lsn)] = true; // Behind the last record: of no record.
            size_t expected = verdict(damaged);
            check_open(env, expected);
            torn += expected != SIZE_MAX;
            corrupt += expected == SIZE_MAX;
            poke_lsn(env, lsn, image[lsn]);
        }
        env_ram_destroy(env);
    }
    CHECK(torn > 500);
    CHECK(corrupt > 500);
}

TEST(a_mark_protects_every_record_before_it)
{
    bool damaged[64];
    struct env *env = make_log(2, 40, true);
    memset(damaged, 0, sizeof damaged);
    damaged[model.count - 2] = true; // The last record that says something.
    CHECK(verdict(damaged) == SIZE_MAX);
    uint64_t lsn = model.records[model.count - 2].lsn + 3;
    poke_lsn(env, lsn, image[lsn] ^ 1);
    check_open(env, SIZE_MAX);
    env_ram_destroy(env);
}

/* Once this looked torn: nothing that was left told of the record. */
TEST(damage_to_the_mark_and_to_records_before_it_is_noticed)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct env *env = make_log(seed, 40, true);
        size_t mark = model.count - 1;
        for (size_t victim = mark - 3; victim < mark; victim++) {
            for (size_t at = victim; at <= mark; at++) {
                uint64_t lsn = model.records[at].lsn + 5;
                poke_lsn(env, lsn, image[lsn] ^ 4);
            }
            check_open(env, SIZE_MAX);
            for (size_t at = victim; at <= mark; at++) {
                poke_lsn(env, model.records[at].lsn + 5, image[model.records[at].lsn + 5]);
            }
        }
        // The mark alone is no loss.
        uint64_t lsn = model.records[mark].lsn + 5;
        poke_lsn(env, lsn, image[lsn] ^ 4);
        check_open(env, mark);
        poke_lsn(env, lsn, image[lsn]);
        // Nor are all files of a log that ended: they are missing, by name.
        for (uint64_t i = 1; i <= file_count + 1; i++) {
            char path[ENV_PATH_SIZE_MAX];
            log_model_path(path, i);
            (void)!env_unlink(env, path, NULL);
        }
        struct log_options options = log_model_options(env, &alloc_system);
        struct log *log = NULL;
        struct err err = {0};
        CHECK(log_model_try_open(&model, &options, 0, &log, &err) == TDBPLUS_E_CORRUPT);
        CHECK(strstr(err.text, "there is no file") != NULL);
        env_ram_destroy(env);
    }
}

TEST(a_damaged_proof_proves_less_and_harms_nothing)
{
    struct env *env = make_log(3, 40, false);
    struct log_options options = log_model_options(env, &alloc_system);
    struct log *log = log_model_open(&model, &options, 0);
    for (int i = 0; i < 3; i++) { // Both slots are in use.
        (void)log_model_append(&model, log, 100);
        CHECK(log_model_mark(&model, log, NULL) == TDBPLUS_OK);
    }
    log_close(log);
    char path[ENV_PATH_SIZE_MAX];
    CHECK(env_join(path, options.directory, "log-proof", NULL) == TDBPLUS_OK);
    struct bytes content = {0};
    CHECK(env_read_file(env, path, 1 << 20, &alloc_system, &content, NULL) == TDBPLUS_OK);
    CHECK(content.size == 8192);
    for (size_t bit = 0; bit < content.size * 8; bit += bit % 4096 < 40 ? 1 : 97) {
        content.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        CHECK(env_write_file(env, path, (struct span){content.data, content.size}, NULL) ==
              TDBPLUS_OK);
        check_open(env, model.count);
        content.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t size = 0; size <= 64; size++) {
        CHECK(env_write_file(env, path, (struct span){content.data, size}, NULL) == TDBPLUS_OK);
        check_open(env, model.count);
    }
    bytes_deinit(&content);
    env_ram_destroy(env);
}

TEST(flipped_bits_in_a_file_header_are_read_from_its_second_copy)
{
    struct env *env = make_log(3, 30, false);
    uint8_t block[LOG_FILE_HEADER_SIZE];
    log_model_peek(env, 1, 0, block, sizeof block);
    for (uint32_t bit = 0; bit < LOG_FILE_HEADER_BYTES * 8; bit++) {
        uint8_t byte = block[bit / 8] ^ (uint8_t)(1u << bit % 8);
        log_model_poke(env, 1, bit / 8, &byte, 1);
        check_open(env, model.count);
        log_model_poke(env, 1, LOG_FILE_HEADER_SECOND + bit / 8, &byte, 1);
        check_open(env, SIZE_MAX);
        log_model_poke(env, 1, 0, block, sizeof block);
    }
    check_open(env, model.count);
    env_ram_destroy(env);
}

/* The file ends early: what is missing was never there as far as anybody can prove. */
TEST(every_truncation_of_the_last_file_is_a_torn_tail)
{
    struct env *env = make_log(5, 30, false);
    char path[ENV_PATH_SIZE_MAX];
    log_model_path(path, file_count);
    uint64_t first = (file_count - 1) * CAPACITY;
    for (uint64_t size = LOG_MODEL_FILE_SIZE;; size--) {
        struct env_file *file = NULL;
        CHECK(env_open(env, path, ENV_OPEN_WRITE, &file, NULL) == TDBPLUS_OK);
        CHECK(env_truncate(env, file, size, NULL) == TDBPLUS_OK);
        env_close(env, file);
        if (size < LOG_FILE_HEADER_SIZE) {
            check_open(env, SIZE_MAX); // A named file has a whole header, always.
            break;
        }
        bool damaged[64] = {0};
        for (size_t i = 0; i < model.count; i++) {
            damaged[i] = model.records[i].lsn_end > first + size - LOG_FILE_HEADER_SIZE;
        }
        size_t expected = verdict(damaged);
        check_open(env, expected);
    }
    env_ram_destroy(env);
}

TEST(a_log_goes_on_after_every_torn_tail)
{
    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct env *env = make_log(seed, 30, false);
        uint64_t synced = model.records[model.count - 1].synced;
        // Unsynced bytes reach the disk in any order: lose some blocks of 512 bytes.
        for (uint64_t lsn = synced; lsn < end_of_log(); lsn++) {
            if (hash_u64(seed * 1000 + lsn / 512) % 3 == 0) {
                image[lsn] = 0;
                poke_lsn(env, lsn, 0);
            }
        }
        bool damaged[64] = {0};
        for (size_t i = 0; i < model.count; i++) {
            for (uint64_t lsn = model.records[i].lsn; lsn < model.records[i].lsn_end; lsn++) {
                damaged[i] |= lsn >= synced && hash_u64(seed * 1000 + lsn / 512) % 3 == 0;
            }
        }
        size_t expected = verdict(damaged);
        CHECK(expected != SIZE_MAX);
        struct log_options options = log_model_options(env, &alloc_system);
        options.read_only = true;
        struct log *log = NULL;
        CHECK(log_model_try_open(&model, &options, 0, &log, NULL) == TDBPLUS_OK);
        // A record may come back although its bytes were lost, if all of them were zero anyway.
        size_t prefix = record_at(log_end(log));
        CHECK(prefix >= expected);
        log_close(log);
        go_on_after(env, prefix);
        env_ram_destroy(env);
    }
}

/* Eight records fill a block: the one that is appended instead of the last of a block ends just
 * where the next block's leftovers begin, and nothing overwrites those. */
TEST(leftovers_behind_a_torn_record_never_come_back)
{
    for (uint64_t victim = 3; victim < 60; victim++) {
        log_model_reset(&model, victim);
        struct env *env = log_model_ram();
        struct log_options options = log_model_options(env, &alloc_system);
        options.file_size = LOG_FILE_HEADER_SIZE + 4 * LOG_BLOCK_SIZE;
        uint64_t capacity = options.file_size - LOG_FILE_HEADER_SIZE;
        struct log *log = log_model_open(&model, &options, 0);
        for (int i = 0; i < 64; i++) {
            CHECK(log_prepare(log, 512 - LOG_HEADER_SIZE, NULL) == TDBPLUS_OK);
            uint64_t lsn = log_model_append_prepared(&model, log, 1, 512 - LOG_HEADER_SIZE, 0);
            CHECK(lsn == ((uint64_t)i + 1) * 512);
        }
        log_close(log);
        uint64_t lsn = model.records[victim].lsn + 60;
        uint64_t number = lsn / capacity + 1;
        uint64_t offset = LOG_FILE_HEADER_SIZE + lsn % capacity;
        uint8_t byte = 0;
        log_model_peek(env, number, offset, &byte, 1);
        byte ^= 0xFF;
        log_model_poke(env, number, offset, &byte, 1);

        log_model_cut(&model, victim);
        log = log_model_open(&model, &options, 0);
        CHECK(model.next == victim);
        CHECK(log_prepare(log, 512 - LOG_HEADER_SIZE, NULL) == TDBPLUS_OK);
        (void)log_model_append_prepared(&model, log, 1, 512 - LOG_HEADER_SIZE, 0);
        log_close(log);
        log = log_model_open(&model, &options, 0);
        CHECK(model.next == victim + 1);
        CHECK(log_end(log) == model.records[victim].lsn_end);
        log_close(log);
        env_ram_destroy(env);
    }
}

TEST(a_missing_file_is_damage)
{
    struct env *env = make_log(6, 60, false);
    CHECK(file_count >= 3);
    char path[ENV_PATH_SIZE_MAX];
    log_model_path(path, 2);
    CHECK(env_unlink(env, path, NULL) == TDBPLUS_OK);
    struct log_options options = log_model_options(env, &alloc_system);
    struct log *log = NULL;
    CHECK(log_model_try_open(&model, &options, 0, &log, NULL) == TDBPLUS_E_CORRUPT);
    // Nobody needs it when replay starts behind it.
    size_t at = record_at(2 * CAPACITY) + 1;
    log = log_model_open(&model, &options, model.records[at].lsn_end);
    CHECK(model.next == model.count);
    log_close(log);
    log_model_path(path, 1);
    CHECK(env_unlink(env, path, NULL) == TDBPLUS_E_NOT_FOUND); // Opening dropped it.
    env_ram_destroy(env);
}

/* ---- lies with good checksums ---- */

static uint64_t key_of(const struct env *env)
{
    uint8_t block[LOG_FILE_HEADER_SIZE];
    struct log_file_header header;
    log_model_peek(env, 1, 0, block, sizeof block);
    CHECK(log_file_header_decode(block, "", &header, NULL) == TDBPLUS_OK);
    return log_key(header.database_id, header.epoch);
}

static void seal_record(uint8_t *at, uint64_t key, uint64_t lsn)
{
    uint32_t crc = crc32c((struct span){at + 4, log_header_size(at[13]) - 4});
    store_u32(at, crc ^ (uint32_t)hash_u64(key + lsn));
}

TEST(sealed_lies_in_a_head_are_not_believed)
{
    static const struct {
        uint32_t offset;
        uint8_t bytes[4];
        size_t size;
        tdbplus_status status;
    } lies[] = {
        {8, {0xFF, 0xFF, 0xFF, 0xFF}, 4, TDBPLUS_OK},  /* Longer than anything. */
        {8, {0xFF, 0x0F, 0, 0}, 4, TDBPLUS_OK},        /* Longer than the file's rest. */
        {8, {1, 0, 0, 0}, 4, TDBPLUS_OK},              /* Shorter than the payload. */
        {12, {9}, 1, TDBPLUS_E_VERSION},               /* A kind of the future. */
        {13, {0}, 1, TDBPLUS_OK},                      /* Neither first nor last. */
        {13, {1}, 1, TDBPLUS_OK},                      /* First, but the file is not full. */
        {13, {2}, 1, TDBPLUS_OK},                      /* Last without a first. */
        {13, {0x83}, 1, TDBPLUS_E_VERSION},            /* A flag of the future. */
        {14, {1, 0}, 2, TDBPLUS_OK},                   /* First, but the second fragment. */
        {20, {0xF0, 0xFF, 0xFF, 0x7F}, 4, TDBPLUS_OK}, /* Synced before the beginning. */
    };
    log_model_reset(&model, 1);
    struct env *env = log_model_ram();
    struct log_options options = log_model_options(env, &alloc_system);
    struct log *log = log_model_open(&model, &options, 0);
    for (int i = 0; i < 5; i++) {
        CHECK(log_prepare(log, 100, NULL) == TDBPLUS_OK);
        (void)log_model_append_prepared(&model, log, 1, 100, 0);
    }
    log_close(log);
    uint64_t key = key_of(env);
    uint64_t lsn = model.records[2].lsn;
    uint8_t good[LOG_HEADER_SIZE_MAX];
    log_model_peek(env, 1, LOG_FILE_HEADER_SIZE + lsn, good, sizeof good);
    options.read_only = true;
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        uint8_t bad[LOG_HEADER_SIZE_MAX];
        memcpy(bad, good, sizeof bad);
        memcpy(bad + lies[i].offset, lies[i].bytes, lies[i].size);
        seal_record(bad, key, lsn);
        log_model_poke(env, 1, LOG_FILE_HEADER_SIZE + lsn, bad, sizeof bad);
        log = NULL;
        tdbplus_status status = log_model_try_open(&model, &options, 0, &log, NULL);
        CHECK(status == lies[i].status);
        CHECK(status != TDBPLUS_OK || log_end(log) == lsn);
        log_close(log);
    }
    // The seal itself is right: without a lie the record is believed.
    seal_record(good, key, lsn);
    log_model_poke(env, 1, LOG_FILE_HEADER_SIZE + lsn, good, sizeof good);
    check_open(env, model.count);
    env_ram_destroy(env);
}

TEST(sealed_lies_in_a_file_header_are_refused)
{
    static const struct {
        uint32_t offset;
        uint64_t value;
        tdbplus_status status;
    } lies[] = {
        {12, 0, TDBPLUS_E_CORRUPT}, /* No version, and another database. */
        {12, 2, TDBPLUS_E_VERSION}, /* A later release. */
        {16, 1, TDBPLUS_E_CORRUPT}, /* Another database. */
        {32, 2, TDBPLUS_E_CORRUPT}, /* Another number. */
        {40, 4, TDBPLUS_E_CORRUPT}, /* A position that is none. */
        {40, UINT64_MAX - 7, TDBPLUS_E_CORRUPT},
        {48, 0, TDBPLUS_E_CORRUPT},              /* Ends before it begins. */
        {48, 32, TDBPLUS_E_CORRUPT},             /* Smaller than any file. */
        {48, UINT64_MAX - 7, TDBPLUS_E_CORRUPT}, /* Larger than any file. */
        {48, 4100, TDBPLUS_E_CORRUPT},
    };
    struct env *env = make_log(4, 20, false);
    uint8_t good[LOG_FILE_HEADER_SIZE];
    log_model_peek(env, 1, 0, good, sizeof good);
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        uint8_t bad[LOG_FILE_HEADER_SIZE];
        memcpy(bad, good, sizeof bad);
        for (uint32_t copy = 0; copy <= LOG_FILE_HEADER_SECOND; copy += LOG_FILE_HEADER_SECOND) {
            store_u64(bad + copy + lies[i].offset, lies[i].value);
            store_u32(bad + copy + 8,
                      crc32c((struct span){bad + copy + 12, LOG_FILE_HEADER_BYTES - 12}));
        }
        log_model_poke(env, 1, 0, bad, sizeof bad);
        struct log_options options = log_model_options(env, &alloc_system);
        struct log *log = NULL;
        CHECK(log_model_try_open(&model, &options, 0, &log, NULL) == lies[i].status);
    }
    env_ram_destroy(env);
}

/* ---- salvage ---- */

struct salvaged {
    bool seen[64];
    uint64_t gaps;
    uint64_t gap_from;
    uint64_t gap_to;
};

static tdbplus_status salvage_record(void *ctx, const struct log_record *record, struct err *err)
{
    struct salvaged *salvaged = ctx;
    (void)err;
    size_t at = record_at(record->lsn);
    CHECK(at < model.count && log_model_same(&model, at, record));
    CHECK(!salvaged->seen[at]);
    salvaged->seen[at] = true;
    return TDBPLUS_OK;
}

static void salvage_gap(void *ctx, const struct log_gap *gap)
{
    struct salvaged *salvaged = ctx;
    CHECK(gap->why != NULL);
    CHECK(gap->file_number >= 1);
    salvaged->gaps++;
    salvaged->gap_from = gap->lsn;
    salvaged->gap_to = gap->lsn_end;
}

TEST(salvage_finds_every_record_that_is_intact)
{
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct env *env = make_log(seed, 40, false);
        struct log_options options = log_model_options(env, &alloc_system);
        for (size_t victim = 0; victim + 1 < model.count; victim++) {
            uint64_t lsn = model.records[victim].lsn + 9;
            poke_lsn(env, lsn, image[lsn] ^ 0x40);
            struct salvaged salvaged = {0};
            CHECK(log_salvage(&options, 0, salvage_record, &salvaged, salvage_gap, NULL) ==
                  TDBPLUS_OK);
            for (size_t i = 0; i < model.count; i++) {
                CHECK(salvaged.seen[i] == (i != victim));
            }
            CHECK(salvaged.gaps == 1);
            CHECK(salvaged.gap_from == model.records[victim].lsn);
            CHECK(salvaged.gap_to == model.records[victim].lsn_end);
            poke_lsn(env, lsn, image[lsn]);
        }
        env_ram_destroy(env);
    }
}

TEST(salvage_steps_over_a_missing_and_a_damaged_file)
{
    for (int missing = 0; missing < 2; missing++) {
        struct env *env = make_log(6, 60, false);
        char path[ENV_PATH_SIZE_MAX];
        log_model_path(path, 2);
        uint8_t zeros[LOG_FILE_HEADER_SIZE] = {0};
        if (missing == 1) {
            CHECK(env_unlink(env, path, NULL) == TDBPLUS_OK);
        } else {
            log_model_poke(env, 2, 0, zeros, sizeof zeros);
        }
        struct log_options options = log_model_options(env, &alloc_system);
        struct salvaged salvaged = {0};
        CHECK(log_salvage(&options, 0, salvage_record, &salvaged, salvage_gap, NULL) == TDBPLUS_OK);
        for (size_t i = 0; i < model.count; i++) {
            bool touched =
                model.records[i].lsn < 2 * CAPACITY && model.records[i].lsn_end > CAPACITY;
            CHECK(salvaged.seen[i] == !touched);
        }
        CHECK(salvaged.gaps == 1);
        env_ram_destroy(env);
    }
}
