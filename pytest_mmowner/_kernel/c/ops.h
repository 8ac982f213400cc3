/* ops.h: requests as operations and questions, and what they answer. */
#ifndef MMO_OPS_H
#define MMO_OPS_H

#include "../../_linux/json.h"
#include "world.h"

/* False, and why in *error, when the request is no operation of ours. */
bool op_read(const struct json *request, struct op *op, const char **error);
/* Appends the answer; false, and why in *error, for a question that has none. */
bool ask_answer(const struct json *request, struct out *out, const char **error);
/* Appends the list of what the C world can do, but for one word. */
void capabilities_write(struct out *out, const char *except);
/* Appends what was found since the last request, as a list. */
void findings_write(struct out *out);
/* One line that says it, for an operation that broke the world. */
void finding_line(struct out *out, const struct finding *finding);
void do_explore(const struct json *request, struct out *out);
void do_reached(struct out *out);
void do_follow(const struct json *request, struct out *out);

#endif
