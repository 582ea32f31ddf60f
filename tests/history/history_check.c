/*
 * The judge. Commits, snapshots and ticks are the nodes of a graph, and what
 * must come before what its edges: a version's writer before the snapshots that
 * read it, these before the writer of the next version, the ticks in their
 * order. Without a circle any topological order explains all.
 */

#include "history.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOBODY UINT32_MAX

struct edge {
    uint32_t to;
    uint32_t next;
};

struct judge {
    const struct history_txn *txns;
    size_t txn_count;
    uint64_t version_end;
    uint64_t tick_end;
    uint32_t *writer;    /* Version -> committed transaction whose last word it is,
                            or NOBODY. */
    uint64_t *successor; /* Version -> the committed version that replaced it, or 0. */
    bool *unfinished;    /* Version -> written by an aborted transaction or over by
                            its own. */
    uint32_t node_count; /* Ticks, then commits, then snapshots. */
    uint32_t *first_edge;
    uint32_t *incoming;
    struct edge *edges;
    uint32_t edge_count;
    uint32_t edge_capacity;
    char *why;
};

static uint32_t commit_node(const struct judge *judge, uint32_t txn)
{
    return (uint32_t)judge->tick_end + txn;
}

static bool add_edge(struct judge *judge, uint32_t from, uint32_t to)
{
    if (judge->edge_count == judge->edge_capacity) {
        uint32_t capacity = judge->edge_capacity * 2 + 1024;
        struct edge *edges = realloc(judge->edges, capacity * sizeof *edges);
        if (edges == NULL) {
            return false;
        }
        judge->edges = edges;
        judge->edge_capacity = capacity;
    }
    judge->edges[judge->edge_count] = (struct edge){.to = to, .next = judge->first_edge[from]};
    judge->first_edge[from] = judge->edge_count++;
    judge->incoming[to]++;
    return true;
}

static bool complain(struct judge *judge, uint32_t txn, const struct history_step *step,
                     const char *what)
{
    (void)snprintf(judge->why, 256, "transaction %u, register %u, version %llu: %s", txn, step->reg,
                   (unsigned long long)step->version, what);
    return false;
}

/* Is a later write of the same register in the transaction? */
static bool written_over(const struct history_txn *txn, uint32_t at)
{
    for (uint32_t i = at + 1; i < txn->step_count; i++) {
        if (txn->steps[i].kind == HISTORY_WRITE && txn->steps[i].reg == txn->steps[at].reg) {
            return true;
        }
    }
    return false;
}

/* What the transaction itself wrote last to the step's register before it, or
 * 0. */
static uint64_t own_version(const struct history_txn *txn, uint32_t at)
{
    for (uint32_t i = at; i > 0; i--) {
        const struct history_step *step = &txn->steps[i - 1];
        if (step->kind == HISTORY_WRITE && step->reg == txn->steps[at].reg) {
            return step->version;
        }
    }
    return 0;
}

static bool list_writer(struct judge *judge, uint32_t number)
{
    const struct history_txn *txn = &judge->txns[number];
    for (uint32_t i = 0; i < txn->step_count; i++) {
        const struct history_step *step = &txn->steps[i];
        if (step->kind != HISTORY_WRITE) {
            continue;
        }
        if (!txn->committed || written_over(txn, i)) {
            judge->unfinished[step->version] = true;
        } else {
            judge->writer[step->version] = number;
        }
        if (own_version(txn, i) != 0 || !txn->committed) {
            continue;
        }
        // The transaction's last version of the register follows what its first
        // write replaced.
        uint64_t last = step->version;
        for (uint32_t k = i + 1; k < txn->step_count; k++) {
            const struct history_step *later = &txn->steps[k];
            last = later->kind == HISTORY_WRITE && later->reg == step->reg ? later->version : last;
        }
        if (judge->successor[step->replaced] != 0) {
            return complain(judge, number, step, "a lost update: its base was replaced before");
        }
        judge->successor[step->replaced] = last;
    }
    return true;
}

/* Edges of one step that saw `version` in the snapshot with that node. */
static bool judge_seen(struct judge *judge, uint32_t number, uint32_t at, uint64_t version,
                       uint32_t snapshot)
{
    const struct history_txn *txn = &judge->txns[number];
    const struct history_step *step = &txn->steps[at];
    uint64_t own = own_version(txn, at);
    if (own != 0) {
        return own == version || complain(judge, number, step, "its own write was not seen");
    }
    if (version == 0 || version >= judge->version_end) {
        return complain(judge, number, step, "a version that was never written");
    }
    if (judge->unfinished[version]) {
        return complain(judge, number, step, "a dirty read");
    }
    uint32_t writer = judge->writer[version];
    if (writer != NOBODY && !add_edge(judge, commit_node(judge, writer), snapshot)) {
        return false;
    }
    uint64_t next = judge->successor[version];
    // The transaction's own commit comes after its snapshots anyway.
    return next == 0 || add_edge(judge, snapshot, commit_node(judge, judge->writer[next]));
}

static bool judge_txn(struct judge *judge, uint32_t number, uint32_t first_snapshot)
{
    const struct history_txn *txn = &judge->txns[number];
    uint32_t commit = commit_node(judge, number);
    bool ok = true;
    if (txn->committed) {
        ok = add_edge(judge, (uint32_t)txn->commit_tick, commit) &&
             add_edge(judge, commit, (uint32_t)txn->done_tick);
    }
    for (uint32_t i = 0; i < txn->snapshot_count && ok; i++) {
        ok = add_edge(judge, (uint32_t)txn->snapshots[i].begin_tick, first_snapshot + i) &&
             add_edge(judge, first_snapshot + i, (uint32_t)txn->snapshots[i].end_tick);
    }
    for (uint32_t i = 0; i < txn->step_count && ok; i++) {
        const struct history_step *step = &txn->steps[i];
        uint64_t version = step->kind == HISTORY_READ ? step->version : step->replaced;
        ok = judge_seen(judge, number, i, version, first_snapshot + step->snapshot);
    }
    return ok;
}

/* Takes away nodes that nothing comes before; what is left over is a circle. */
static bool no_circle(struct judge *judge)
{
    uint32_t *ready = calloc(judge->node_count, sizeof *ready);
    if (ready == NULL) {
        return false;
    }
    uint32_t count = 0;
    for (uint32_t i = 0; i < judge->node_count; i++) {
        if (judge->incoming[i] == 0) {
            ready[count++] = i;
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t e = judge->first_edge[ready[i]]; e != NOBODY; e = judge->edges[e].next) {
            if (--judge->incoming[judge->edges[e].to] == 0) {
                ready[count++] = judge->edges[e].to;
            }
        }
    }
    free(ready);
    if (count < judge->node_count) {
        (void)snprintf(judge->why, 256, "%u of %u events have no order that explains the reads",
                       judge->node_count - count, judge->node_count);
    }
    return count == judge->node_count;
}

static bool judge_all(struct judge *judge)
{
    bool ok = true;
    for (uint32_t i = 0; i < judge->txn_count && ok; i++) {
        ok = list_writer(judge, i);
    }
    for (uint64_t i = 0; i + 1 < judge->tick_end && ok; i++) {
        ok = add_edge(judge, (uint32_t)i, (uint32_t)i + 1);
    }
    uint32_t snapshot = (uint32_t)(judge->tick_end + judge->txn_count);
    for (uint32_t i = 0; i < judge->txn_count && ok; i++) {
        ok = judge_txn(judge, i, snapshot);
        snapshot += judge->txns[i].snapshot_count;
    }
    return ok && no_circle(judge);
}

bool history_check(const struct history_txn *txns, size_t txn_count, uint64_t version_end,
                   uint64_t tick_end, char why[256])
{
    struct judge judge = {.txns = txns,
                          .txn_count = txn_count,
                          .version_end = version_end,
                          .tick_end = tick_end,
                          .why = why};
    (void)snprintf(why, 256, "no memory to judge with");
    size_t nodes = tick_end + txn_count;
    for (size_t i = 0; i < txn_count; i++) {
        nodes += txns[i].snapshot_count;
    }
    judge.node_count = (uint32_t)nodes;
    judge.writer = malloc(version_end * sizeof *judge.writer);
    judge.successor = calloc(version_end, sizeof *judge.successor);
    judge.unfinished = calloc(version_end, sizeof *judge.unfinished);
    judge.first_edge = malloc(nodes * sizeof *judge.first_edge);
    judge.incoming = calloc(nodes, sizeof *judge.incoming);
    bool ok = judge.writer != NULL && judge.successor != NULL && judge.unfinished != NULL &&
              judge.first_edge != NULL && judge.incoming != NULL;
    if (ok) {
        memset(judge.writer, 0xFF, version_end * sizeof *judge.writer);
        memset(judge.first_edge, 0xFF, nodes * sizeof *judge.first_edge);
        ok = judge_all(&judge);
    }
    free(judge.writer);
    free(judge.successor);
    free(judge.unfinished);
    free(judge.first_edge);
    free(judge.incoming);
    free(judge.edges);
    return ok;
}
