#include "base/assert.h"
#include "locks/lock_table_internal.h"

#define BIT(mode) (1u << (mode))

/* PostgreSQL 15, "Explicit Locking", tables 13.2 and 13.3. */
const uint16_t lock_conflicts[LOCK_MODE_COUNT] = {
    [LOCK_ACCESS_SHARE] = BIT(LOCK_ACCESS_EXCLUSIVE),
    [LOCK_ROW_SHARE] = BIT(LOCK_EXCLUSIVE) | BIT(LOCK_ACCESS_EXCLUSIVE),
    [LOCK_ROW_EXCLUSIVE] = BIT(LOCK_SHARE) | BIT(LOCK_SHARE_ROW_EXCLUSIVE) | BIT(LOCK_EXCLUSIVE) |
                           BIT(LOCK_ACCESS_EXCLUSIVE),
    [LOCK_SHARE_UPDATE_EXCLUSIVE] = BIT(LOCK_SHARE_UPDATE_EXCLUSIVE) | BIT(LOCK_SHARE) |
                                    BIT(LOCK_SHARE_ROW_EXCLUSIVE) | BIT(LOCK_EXCLUSIVE) |
                                    BIT(LOCK_ACCESS_EXCLUSIVE),
    [LOCK_SHARE] = BIT(LOCK_ROW_EXCLUSIVE) | BIT(LOCK_SHARE_UPDATE_EXCLUSIVE) |
                   BIT(LOCK_SHARE_ROW_EXCLUSIVE) | BIT(LOCK_EXCLUSIVE) | BIT(LOCK_ACCESS_EXCLUSIVE),
    [LOCK_SHARE_ROW_EXCLUSIVE] = BIT(LOCK_ROW_EXCLUSIVE) | BIT(LOCK_SHARE_UPDATE_EXCLUSIVE) |
                                 BIT(LOCK_SHARE) | BIT(LOCK_SHARE_ROW_EXCLUSIVE) |
                                 BIT(LOCK_EXCLUSIVE) | BIT(LOCK_ACCESS_EXCLUSIVE),
    [LOCK_EXCLUSIVE] = BIT(LOCK_ROW_SHARE) | BIT(LOCK_ROW_EXCLUSIVE) |
                       BIT(LOCK_SHARE_UPDATE_EXCLUSIVE) | BIT(LOCK_SHARE) |
                       BIT(LOCK_SHARE_ROW_EXCLUSIVE) | BIT(LOCK_EXCLUSIVE) |
                       BIT(LOCK_ACCESS_EXCLUSIVE),
    [LOCK_ACCESS_EXCLUSIVE] = BIT(LOCK_ACCESS_SHARE) | BIT(LOCK_ROW_SHARE) |
                              BIT(LOCK_ROW_EXCLUSIVE) | BIT(LOCK_SHARE_UPDATE_EXCLUSIVE) |
                              BIT(LOCK_SHARE) | BIT(LOCK_SHARE_ROW_EXCLUSIVE) |
                              BIT(LOCK_EXCLUSIVE) | BIT(LOCK_ACCESS_EXCLUSIVE),
    [LOCK_ROW_KEY_SHARE] = BIT(LOCK_ROW_UPDATE),
    [LOCK_ROW_FOR_SHARE] = BIT(LOCK_ROW_NO_KEY_UPDATE) | BIT(LOCK_ROW_UPDATE),
    [LOCK_ROW_NO_KEY_UPDATE] =
        BIT(LOCK_ROW_FOR_SHARE) | BIT(LOCK_ROW_NO_KEY_UPDATE) | BIT(LOCK_ROW_UPDATE),
    [LOCK_ROW_UPDATE] = BIT(LOCK_ROW_KEY_SHARE) | BIT(LOCK_ROW_FOR_SHARE) |
                        BIT(LOCK_ROW_NO_KEY_UPDATE) | BIT(LOCK_ROW_UPDATE),
};

bool lock_mode_is_row(uint8_t mode)
{
    return mode >= LOCK_ROW_KEY_SHARE;
}

bool lock_mode_conflicts(uint8_t left, uint8_t right)
{
    ASSERT(left < LOCK_MODE_COUNT);
    ASSERT(right < LOCK_MODE_COUNT);
    return (lock_conflicts[left] & lock_bit(right)) != 0;
}

bool lock_mode_covers(uint8_t stronger, uint8_t weaker)
{
    ASSERT(stronger < LOCK_MODE_COUNT);
    ASSERT(weaker < LOCK_MODE_COUNT);
    return (lock_conflicts[weaker] & ~lock_conflicts[stronger]) == 0;
}

const char *lock_mode_name(uint8_t mode)
{
    static const char *const names[LOCK_MODE_COUNT] = {
        [LOCK_NONE] = "none",
        [LOCK_ACCESS_SHARE] = "AccessShareLock",
        [LOCK_ROW_SHARE] = "RowShareLock",
        [LOCK_ROW_EXCLUSIVE] = "RowExclusiveLock",
        [LOCK_SHARE_UPDATE_EXCLUSIVE] = "ShareUpdateExclusiveLock",
        [LOCK_SHARE] = "ShareLock",
        [LOCK_SHARE_ROW_EXCLUSIVE] = "ShareRowExclusiveLock",
        [LOCK_EXCLUSIVE] = "ExclusiveLock",
        [LOCK_ACCESS_EXCLUSIVE] = "AccessExclusiveLock",
        [LOCK_ROW_KEY_SHARE] = "for key share",
        [LOCK_ROW_FOR_SHARE] = "for share",
        [LOCK_ROW_NO_KEY_UPDATE] = "for no key update",
        [LOCK_ROW_UPDATE] = "for update",
    };
    return mode < LOCK_MODE_COUNT ? names[mode] : names[LOCK_NONE];
}
