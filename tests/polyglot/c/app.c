// The sample of tests/polyglot in C, against the WIT of /wit. The host has checked the arguments before this runs, so the
// little JSON here need not be read by more than these few lines.

#include <stdlib.h>
#include <string.h>

#include "plugin.h"

#define ERROR(kind) MUSTER_PLUGIN_TYPES_CALL_ERROR_##kind

static void describe_one(exports_muster_plugin_commands_command_t *command, const char *name, const char *summary,
                         const char *input, const char *output) {
  memset(command, 0, sizeof *command);
  plugin_string_dup(&command->name, name);
  plugin_string_dup(&command->summary, summary);
  plugin_string_dup(&command->input, input);
  plugin_string_dup(&command->output, output);
  command->tags.ptr = malloc(sizeof *command->tags.ptr);
  command->tags.len = 1;
  plugin_string_dup(&command->tags.ptr[0], "polyglot");
  command->audience = MUSTER_PLUGIN_TYPES_AUDIENCE_RESTRICTED;
}

bool exports_muster_plugin_commands_describe(exports_muster_plugin_commands_list_command_t *ret, plugin_string_t *err) {
  (void)err;
  ret->len = 4;
  ret->ptr = malloc(ret->len * sizeof *ret->ptr);
  describe_one(&ret->ptr[0], "poly_greet", "Greets somebody",
               "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":64}},"
               "\"required\":[\"name\"]}",
               "{\"type\":\"string\"}");
  describe_one(&ret->ptr[1], "poly_sum", "Adds numbers",
               "{\"type\":\"object\",\"properties\":{\"numbers\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}}},"
               "\"required\":[\"numbers\"]}",
               "{\"type\":\"string\"}");
  describe_one(&ret->ptr[2], "poly_whoami", "Tells who calls", "{\"type\":\"object\",\"properties\":{}}",
               "{\"type\":\"object\"}");
  describe_one(&ret->ptr[3], "poly_fail", "Fails",
               "{\"type\":\"object\",\"properties\":{\"kind\":{\"type\":\"string\"}},\"required\":[\"kind\"]}", "{}");
  return true;
}

static bool is(const plugin_string_t *text, const char *expected) {
  return text->len == strlen(expected) && memcmp(text->ptr, expected, text->len) == 0;
}

static bool fail(exports_muster_plugin_commands_call_error_t *err, uint8_t kind, const char *text) {
  err->tag = kind;
  plugin_string_dup(&err->val.failed, text);
  return false;
}

// The strings of a JSON text, one after the other, as they stand between their quotes. A string that goes out again need
// not be unescaped on the way.
static bool next_string(const char **at, const char *end, const char **begin, size_t *len) {
  while (*at < end && **at != '"') ++*at;
  if (*at >= end) return false;
  *begin = ++*at;
  while (*at < end && **at != '"') *at += **at == '\\' ? 2 : 1;
  *len = *at - *begin;
  ++*at;
  return true;
}

static void write_json(plugin_string_t *ret, const char *before, const char *text, size_t len, const char *after) {
  size_t begin = strlen(before), end = strlen(after);
  ret->len = begin + len + end;
  ret->ptr = malloc(ret->len);
  memcpy(ret->ptr, before, begin);
  memcpy(ret->ptr + begin, text, len);
  memcpy(ret->ptr + begin + len, after, end);
}

static bool greet(const char *name, size_t len, plugin_string_t *ret, exports_muster_plugin_commands_call_error_t *err) {
  if (len == 6 && memcmp(name, "nobody", 6) == 0) {
    err->tag = ERROR(INVALID_ARGUMENT);
    plugin_string_dup(&err->val.invalid_argument.pointer, "/name");
    plugin_string_dup(&err->val.invalid_argument.message, "somebody to greet");
    return false;
  }
  write_json(ret, "\"Hello, ", name, len, "!\"");
  return true;
}

static bool sum(const char *at, const char *end, plugin_string_t *ret, exports_muster_plugin_commands_call_error_t *err) {
  const char *digits;
  size_t len;
  uint64_t total = 0;
  while (next_string(&at, end, &digits, &len)) {
    uint64_t number = 0;
    for (size_t i = 0; i < len; ++i) {
      if (__builtin_mul_overflow(number, 10, &number) || __builtin_add_overflow(number, digits[i] - '0', &number))
        return fail(err, ERROR(FAILED), "the sum has more than 64 bits");
    }
    if (__builtin_add_overflow(total, number, &total))
      return fail(err, ERROR(FAILED), "the sum has more than 64 bits");
  }
  char text[20];
  size_t first = sizeof text;
  do text[--first] = '0' + total % 10;
  while (total /= 10);
  write_json(ret, "\"", text + first, sizeof text - first, "\"");
  return true;
}

static bool whoami(const exports_muster_plugin_commands_caller_t *caller, plugin_string_t *ret) {
  plugin_string_t via;
  write_json(&via, "\",\"via\":\"", (const char *)caller->via.ptr, caller->via.len, "\"}");
  char *after = calloc(via.len + 1, 1);
  memcpy(after, via.ptr, via.len);
  write_json(ret, "{\"account\":\"", (const char *)caller->account.val.ptr, caller->account.val.len, after);
  return true;
}

bool exports_muster_plugin_commands_call(plugin_string_t *name, uint32_t version, plugin_string_t *input,
                                         exports_muster_plugin_commands_caller_t *caller, plugin_string_t *ret,
                                         exports_muster_plugin_commands_call_error_t *err) {
  (void)version;
  const char *at = (const char *)input->ptr, *end = at + input->len, *value = "";
  size_t len = 0;
  // The name of the one member, if there is one.
  next_string(&at, end, &value, &len);
  if (is(name, "poly_sum")) return sum(at, end, ret, err);
  if (is(name, "poly_whoami")) return whoami(caller, ret);
  next_string(&at, end, &value, &len);
  if (is(name, "poly_greet")) return greet(value, len, ret, err);
  plugin_string_t kind = {(uint8_t *)value, len};
  if (is(&kind, "crash")) abort();
  uint8_t error = is(&kind, "not_found")     ? ERROR(NOT_FOUND)
                  : is(&kind, "conflict")    ? ERROR(CONFLICT)
                  : is(&kind, "unavailable") ? ERROR(UNAVAILABLE)
                                             : ERROR(FAILED);
  return fail(err, error, "as asked");
}
