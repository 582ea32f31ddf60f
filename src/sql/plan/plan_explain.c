/* EXPLAIN: a plan as lines of text or as JSON, with what a run of it found out. */

#include <inttypes.h>

#include "sql/plan/plan.h"

#define DEPTH_MAX 200u

struct printer {
    const struct plan_explain_context *context;
    struct buffer *buffer;
    uint32_t depth;
    bool first; /* JSON: the next item of a list is its first. */
};

static const struct plan_note *note_of(const struct printer *printer, const struct plan *plan)
{
    for (size_t i = 0; i < printer->context->note_count; i++) {
        if (printer->context->notes[i].plan == plan) {
            return &printer->context->notes[i];
        }
    }
    return NULL;
}

static void indent(const struct printer *printer)
{
    for (uint32_t i = 0; i < printer->depth; i++) {
        buffer_put_text(printer->buffer, "  ");
    }
}

/* ---- text ---- */

static void text_numbers(const struct printer *printer, const struct plan *plan)
{
    const struct plan_explain *options = &printer->context->options;
    if (options->costs) {
        buffer_printf(printer->buffer, "  (rows=%.0f)", printer->context->rows_of(plan));
    }
    if (!options->analyze) {
        return;
    }
    const struct plan_note *note = note_of(printer, plan);
    if (note == NULL || note->loops == 0) {
        buffer_put_text(printer->buffer, " (never executed)");
        return;
    }
    buffer_put_text(printer->buffer, " (actual ");
    if (options->timing) {
        buffer_printf(printer->buffer, "time=%.3f ",
                      (double)note->time_us / 1000 / (double)note->loops);
    }
    buffer_printf(printer->buffer, "rows=%.0f loops=%" PRIu64 ")",
                  (double)note->rows / (double)note->loops, note->loops);
}

static void text_columns(const struct printer *printer, const struct plan *plan)
{
    for (uint32_t i = 0; i < plan->column_count; i++) {
        buffer_put_text(printer->buffer, i == 0 ? "Output: " : ", ");
        buffer_printf(printer->buffer, "#%" PRIu32, plan->columns[i].id);
        if (plan->columns[i].name != NULL) {
            buffer_printf(printer->buffer, " %s", plan->columns[i].name);
        }
    }
}

static void text_node(struct printer *printer, struct plan *plan);

static bool text_subplans(void *ctx, struct expr *expr)
{
    struct printer *printer = ctx;
    if (expr->subquery != NULL) {
        indent(printer);
        buffer_put_text(printer->buffer, "SubPlan\n");
        printer->depth++;
        text_node(printer, expr->subquery->plan);
        printer->depth--;
    }
    for (uint32_t i = 0; i < expr->argument_count; i++) {
        (void)text_subplans(ctx, expr->arguments[i]);
    }
    return true;
}

static void text_children(struct printer *printer, struct plan *plan)
{
    const struct plan_explain *options = &printer->context->options;
    printer->depth++;
    if (options->verbose && plan->column_count > 0) {
        indent(printer);
        text_columns(printer, plan);
        buffer_put_text(printer->buffer, "\n");
    }
    text_node(printer, plan->left);
    text_node(printer, plan->right);
    for (uint32_t i = 0; plan->kind == PLAN_WITH && i < plan->cte_count; i++) {
        indent(printer);
        buffer_printf(printer->buffer, "CTE %s\n", plan->ctes[i]->name);
        printer->depth++;
        text_node(printer, plan->ctes[i]->plan);
        text_node(printer, plan->ctes[i]->step);
        printer->depth--;
    }
    if (options->verbose || options->analyze) {
        (void)plan_each_expr(plan, text_subplans, printer);
    }
    printer->depth--;
}

static void text_node(struct printer *printer, struct plan *plan)
{
    if (plan == NULL || printer->depth > DEPTH_MAX) {
        return;
    }
    indent(printer);
    plan_describe(plan, printer->buffer);
    text_numbers(printer, plan);
    buffer_put_text(printer->buffer, "\n");
    text_children(printer, plan);
}

/* ---- JSON ---- */

static void json_text(struct buffer *buffer, struct span text)
{
    buffer_put_text(buffer, "\"");
    for (size_t i = 0; i < text.size; i++) {
        uint8_t byte = text.data[i];
        if (byte == '"' || byte == '\\') {
            buffer_put_u8(buffer, '\\');
            buffer_put_u8(buffer, byte);
        } else if (byte < 0x20) {
            buffer_printf(buffer, "\\u%04x", byte);
        } else {
            buffer_put_u8(buffer, byte);
        }
    }
    buffer_put_text(buffer, "\"");
}

static void json_member(struct printer *printer, const char *name)
{
    buffer_put_text(printer->buffer, printer->first ? "\n" : ",\n");
    printer->first = false;
    indent(printer);
    buffer_printf(printer->buffer, "\"%s\": ", name);
}

static void json_numbers(struct printer *printer, const struct plan *plan)
{
    const struct plan_explain *options = &printer->context->options;
    struct buffer *buffer = printer->buffer;
    if (options->costs) {
        json_member(printer, "Plan Rows");
        buffer_printf(buffer, "%.0f", printer->context->rows_of(plan));
    }
    const struct plan_note *note = options->analyze ? note_of(printer, plan) : NULL;
    uint64_t loops = note == NULL ? 0 : note->loops;
    if (options->analyze && options->timing) {
        json_member(printer, "Actual Total Time");
        buffer_printf(buffer, "%.3f",
                      loops == 0 ? 0.0 : (double)note->time_us / 1000 / (double)loops);
    }
    if (options->analyze) {
        json_member(printer, "Actual Rows");
        buffer_printf(buffer, "%.0f", loops == 0 ? 0.0 : (double)note->rows / (double)loops);
        json_member(printer, "Actual Loops");
        buffer_printf(buffer, "%" PRIu64, loops);
    }
}

static void json_node(struct printer *printer, struct plan *plan, const char *relation);

static bool json_subplans(void *ctx, struct expr *expr)
{
    if (expr->subquery != NULL) {
        json_node(ctx, expr->subquery->plan, "SubPlan");
    }
    for (uint32_t i = 0; i < expr->argument_count; i++) {
        (void)json_subplans(ctx, expr->arguments[i]);
    }
    return true;
}

static bool has_no_subquery(void *ctx, struct expr *expr)
{
    (void)ctx;
    return !expr_contains(expr, EXPR_SUBQUERY);
}

static void json_children(struct printer *printer, struct plan *plan)
{
    bool any = plan->left != NULL || plan->kind == PLAN_WITH ||
               !plan_each_expr(plan, has_no_subquery, NULL);
    if (!any || printer->depth > DEPTH_MAX) {
        return;
    }
    json_member(printer, "Plans");
    buffer_put_text(printer->buffer, "[");
    printer->depth++;
    printer->first = true;
    json_node(printer, plan->left, "Outer");
    json_node(printer, plan->right, "Inner");
    for (uint32_t i = 0; plan->kind == PLAN_WITH && i < plan->cte_count; i++) {
        json_node(printer, plan->ctes[i]->plan, "InitPlan");
        json_node(printer, plan->ctes[i]->step, "InitPlan");
    }
    (void)plan_each_expr(plan, json_subplans, printer);
    printer->depth--;
    buffer_put_text(printer->buffer, "\n");
    indent(printer);
    buffer_put_text(printer->buffer, "]");
    printer->first = false;
}

static void json_columns(struct printer *printer, const struct plan *plan)
{
    json_member(printer, "Output");
    buffer_put_text(printer->buffer, "[");
    for (uint32_t i = 0; i < plan->column_count; i++) {
        const char *name = plan->columns[i].name;
        buffer_put_text(printer->buffer, i == 0 ? "" : ", ");
        json_text(printer->buffer, span_from_text(name != NULL ? name : "?column?"));
    }
    buffer_put_text(printer->buffer, "]");
}

static void json_body(struct printer *printer, struct plan *plan, const char *relation)
{
    struct buffer text;
    buffer_init(&text, printer->buffer->alloc);
    plan_describe(plan, &text);
    json_member(printer, "Node Type");
    json_text(printer->buffer, buffer_span(&text));
    buffer_deinit(&text);
    if (relation != NULL) {
        json_member(printer, "Parent Relationship");
        json_text(printer->buffer, span_from_text(relation));
    }
    json_numbers(printer, plan);
    if (printer->context->options.verbose) {
        json_columns(printer, plan);
    }
    json_children(printer, plan);
}

static void json_node(struct printer *printer, struct plan *plan, const char *relation)
{
    if (plan == NULL) {
        return;
    }
    buffer_put_text(printer->buffer, printer->first ? "\n" : ",\n");
    indent(printer);
    buffer_put_text(printer->buffer, "{");
    printer->first = true;
    printer->depth++;
    json_body(printer, plan, relation);
    printer->depth--;
    buffer_put_text(printer->buffer, "\n");
    indent(printer);
    buffer_put_text(printer->buffer, "}");
    printer->first = false;
}

static void json_print(struct printer *printer, struct plan *plan)
{
    const struct plan_explain_context *context = printer->context;
    buffer_put_text(printer->buffer, "[\n  {");
    printer->depth = 2;
    printer->first = true;
    json_member(printer, "Plan");
    buffer_put_text(printer->buffer, "{");
    printer->first = true;
    printer->depth++;
    json_body(printer, plan, NULL);
    printer->depth--;
    buffer_put_text(printer->buffer, "\n    }");
    printer->first = false;
    if (context->options.analyze && context->options.summary) {
        json_member(printer, "Execution Time");
        buffer_printf(printer->buffer, "%.3f", (double)context->time_us / 1000);
    }
    buffer_put_text(printer->buffer, "\n  }\n]\n");
}

void plan_explain_print(struct plan *plan, const struct plan_explain_context *context,
                        struct buffer *buffer)
{
    struct printer printer = {.context = context, .buffer = buffer};
    if (context->options.json) {
        json_print(&printer, plan);
        return;
    }
    text_node(&printer, plan);
    if (context->options.analyze && context->options.summary) {
        buffer_printf(buffer, "Execution Time: %.3f ms\n", (double)context->time_us / 1000);
    }
}
