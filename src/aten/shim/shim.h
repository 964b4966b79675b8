// A C interface to what of libtorch the crate `tch` does not wrap: its operators by name, forward
// differentiation, and vmap.
//
// Rust owns every `at::Tensor*` that comes back, and frees it as `tch` does. No C++ exception
// crosses: a call that fails gives its message instead, to be freed with `jem_free_text`.
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
  JEM_NONE = 0,
  JEM_BOOL = 1,
  JEM_INT = 2,
  JEM_FLOAT = 3,
  JEM_TEXT = 4,
  JEM_TENSOR = 5,
  JEM_LIST = 6,
};

// A value, in or out. What a number, a text or a list becomes (dtype, device, int[], Tensor?[]) is
// for the operator's schema to say.
typedef struct jem_value {
  int32_t tag;
  int64_t whole;        // a bool, an int; the length of a text or a list
  double number;        // a float
  const void* pointer;  // char*, at::Tensor*, or jem_value*
} jem_value;

typedef struct jem_operator jem_operator;  // all forms (overloads) of one name; lives for ever
typedef struct jem_results jem_results;    // owns lists and texts among the results, not tensors

// All names that may be called, one a line, each with the most arguments that a form of it takes,
// and with 1 where it draws random numbers.
const char* jem_names(void);

// The operator of a name; null where there is none that may be called.
const jem_operator* jem_find(const char* name);

// Its forms, one a line, tab-separated: label, then `name:type:default:keyword` for each argument,
// then `->`, then `name:type` for each result. Free with jem_free_text.
char* jem_forms(const jem_operator*);

// Calls the form that fits best. `device` is where tensors are made if no argument says so.
// 0: `results` is set. 1: no form fits, 2: libtorch refused; `error` is set.
int jem_call(const jem_operator*, const jem_value* arguments, size_t count,
             const char* const* names, const jem_value* named, size_t named_count,
             const char* device, jem_results** results, char** error);

size_t jem_results_count(const jem_results*);
const jem_value* jem_results_values(const jem_results*);
// The schema's name of a result, or an empty text.
const char* jem_results_name(const jem_results*, size_t);
void jem_results_free(jem_results*);

void jem_free_text(char*);

// Makes a change of `with` in place count as one of `tensor`, as it does for views: what was computed
// with it before can then not be differentiated any more, and says so.
void jem_share_version(void* tensor, void* with);

// To be called once in each thread that calls operators. Attention is then computed by plain
// operators (the fused ones have no second derivative and no forward mode), and libtorch's warnings
// are one line each, once, without a place in its sources.
void jem_set_up(void);

// Forward differentiation: within a level, a tensor carries a tangent. -1 with an error on failure.
int64_t jem_forward_enter(char** error);
void jem_forward_leave(int64_t level);
void* jem_forward_make(void* primal, void* tangent, int64_t level, char** error);
// The tangent of a tensor, or null without an error where it has none.
void* jem_forward_tangent(void* tensor, int64_t level, char** error);
void* jem_forward_primal(void* tensor, int64_t level, char** error);

// vmap: within a level, a wrapped tensor hides one dimension, over which all operators are mapped.
// Random numbers differ along it.
int64_t jem_vmap_enter(int64_t size, char** error);
void jem_vmap_leave(void);
void* jem_vmap_wrap(void* tensor, int64_t dimension, int64_t level, char** error);
// With the mapped dimension first; a tensor that does not depend on it is repeated.
void* jem_vmap_unwrap(void* tensor, int64_t level, int64_t size, char** error);

// The level in which a gradient is taken inside vmap, where plain recording does not work.
int64_t jem_gradient_enter(char** error);
void jem_gradient_leave(void);
void* jem_gradient_wrap(void* tensor, int64_t level, char** error);
void* jem_gradient_unwrap(void* tensor, int64_t level, char** error);

#ifdef __cplusplus
}
#endif
