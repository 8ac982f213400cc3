/* lifecycle.h: the operations by which tasks come, change and go. */
#ifndef MMOWNER_LIFECYCLE_H
#define MMOWNER_LIFECYCLE_H

#include "ops.h"

enum outcome op_clone(const struct json *request, int task);
enum outcome op_clone_fails(const struct json *request, int task);
enum outcome op_exit(const struct json *request, int task);
enum outcome op_exec(const struct json *request, int task);
enum outcome op_exec_fails(const struct json *request, int task);
enum outcome op_reap(const struct json *request, int task);

#endif
