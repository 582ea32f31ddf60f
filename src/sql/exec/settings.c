/* Settings that this module listens to. */

#include <string.h>

#include "sql/exec/statement.h"
#include "sql/opt/optimize.h"

static bool same_word(struct span text, const char *word)
{
    size_t size = strlen(word);
    return text.size == size && memcmp(text.data, word, size) == 0;
}

/* "join_order, top": which rules the optimiser leaves out. */
tdbplus_status sql_read_rules(struct span text, uint32_t *rules_out, struct err *err)
{
    uint32_t rules = 0;
    size_t at = 0;
    while (at < text.size) {
        size_t end = at;
        while (end < text.size && text.data[end] != ',' && text.data[end] != ' ') {
            end++;
        }
        struct span word = {.data = text.data + at, .size = end - at};
        uint32_t rule = 0;
        while (rule < OPT_RULE_COUNT && !same_word(word, opt_rule_name(rule))) {
            rule++;
        }
        if (word.size > 0 && rule == OPT_RULE_COUNT) {
            return err_set_state(err, TDBPLUS_E_SQL, "22023", "there is no rule \"%.*s\"",
                                 (int)word.size, (const char *)word.data);
        }
        rules |= word.size > 0 ? (uint32_t)1 << rule : 0;
        at = end + 1;
    }
    *rules_out = rules;
    return TDBPLUS_OK;
}
