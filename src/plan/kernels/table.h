// The kernels of one instruction set, as a table of functions. Mirrored in Rust (`plan/kernel.rs`).
#include "chain.h"
#include "linear.h"
#include "pointwise.h"
#include "winograd.h"

namespace {

template <class T> struct Table {
  void (*apply)(const Map *, const T *, const T *, const T *, const Finish<T> *, int, int);
  void (*lay_out)(T *, const T *, const int64_t *, int, const int64_t *, int);
  size_t (*winograd_scratch)(const Winograd *);
  void (*winograd)(const Winograd *, const T *, const T *, const T *, T *, const Finish<T> *, const Stage *);
  void (*winograd_lay_out)(const Winograd *, const T *, bool, T *);
  void (*pass)(const T *, int, int, const Finish<T> *);
  void (*mix)(const T *, int, int, const int32_t *, const int32_t *, const double *, const Finish<T> *);
  void (*largest)(const T *, int, int, const int32_t *, const int32_t *, T *, const Finish<T> *);
  void (*won)(const T *, int, int, const int32_t *, const int32_t *, const T *, const Finish<T> *);
  void (*normalise)(const Norm<T> *, const T *, const Finish<T> *);
  void (*normalise_back)(const Norm<T> *, const T *, const Finish<T> *);
  void (*gather)(const T *, int, int, const int32_t *, T *);
  void (*scatter)(const T *, int, int, const int32_t *, T *);
  void (*head)(int, const T *, int, const int64_t *, T *, T *);
  void (*langevin)(T *, const T *, int, const int32_t *, const Stride *);
  void (*add_noise)(T *, int64_t, int64_t, uint32_t, uint64_t, uint32_t, T);
};

template <class T> constexpr Table<T> TABLE = {
    apply<T>, lay_out<T>, winograd_scratch, winograd<T>, winograd_lay_out<T>, pass<T>, mix<T>, largest<T>, won<T>,
    normalise<T>, normalise_back<T>, gather<T>, scatter<T>, head<T>, langevin<T>, add_noise<T>,
};

} // namespace

#define JOIN(a, b) a##b
#define NAMED(name, suffix) JOIN(name, suffix)
extern "C" {
extern const Table<float> *const NAMED(jemscript_kernels_f32_, SET) = &TABLE<float>;
extern const Table<double> *const NAMED(jemscript_kernels_f64_, SET) = &TABLE<double>;
}
