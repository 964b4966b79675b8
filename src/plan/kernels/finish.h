// What happens to a number before it is written: the end of every kernel, forward and backward.
#pragma once
#include "lanes.h"

namespace {

enum Activation : int32_t { IDENTITY, RELU, LEAKY_RELU, SILU, GELU, ELU, TANH, SIGMOID, SOFTPLUS };

// a ← a + before; a ← a · slope of an activation; a ← a + after; `raw` = a; then `made` = act(scale · a + shift), and
// `slope` = its derivative by a. Null pointers leave a part out. Mirrored in Rust (`plan/kernel.rs`).
template <class T> struct Finish {
  const T *before;
  const T *times; // a stored derivative …
  const T *sign;  // … or the values of a (leaky) ReLU, of which the sign says it
  const T *after;
  T *raw;
  T *made;
  T *slope;
  const T *scale, *shift; // one a channel
  T leak;                 // the slope where `sign` is not positive
  T number;               // of the activation: slope of leaky ReLU, alpha of ELU
  int32_t activation;
};

template <class T> INLINE void activate(int kind, T number, Vec<T> x, Vec<T> &y, Vec<T> &slope) {
  const Vec<T> one = splat(T(1)), zero = splat(T(0));
  switch (kind) {
  case RELU: y = x > 0 ? x : (x == x ? zero : x); slope = x > 0 ? one : zero; break;
  case LEAKY_RELU: y = x > 0 ? x : x * number; slope = x > 0 ? one : splat(number); break;
  case SILU: { Vec<T> s = sigmoid<T>(x); y = x * s; slope = s + y * (one - s); break; }
  case GELU: { Vec<T> below = phi(x); y = x * below; slope = below + x * vexp(T(-.5) * x * x) * T(0.3989422804014327); break; }
  case ELU: { Vec<T> e = number * vexp(smaller<T>(x, zero)); y = x > 0 ? x : e - number; slope = x > 0 ? one : e; break; }
  case TANH: { // by the exponential of −2|x|, which cannot overflow
    Vec<T> size = x < 0 ? -x : x, e = vexp(T(-2) * size), t = (one - e) / (one + e);
    y = x < 0 ? -t : t; slope = one - y * y; break; }
  case SIGMOID: y = sigmoid<T>(x); slope = y * (one - y); break;
  case SOFTPLUS: { // PyTorch's: x itself above 20
    Vec<T> size = x < 0 ? -x : x, e = vexp(-size);
    y = (x > 0 ? x : zero) + vlog(one + e);
    slope = sigmoid<T>(x);
    y = x > 20 ? x : y; slope = x > 20 ? one : slope; break; }
  default: y = x; slope = one;
  }
}

// `at` is the place of the numbers in the image buffers, `channel` theirs in `scale` and `shift`.
template <class T> INLINE void finish(const Finish<T> &f, size_t at, size_t channel, Vec<T> a) {
  if (f.before) a += load(f.before + at);
  if (f.times) a *= load(f.times + at);
  if (f.sign) { Vec<T> s = load(f.sign + at); a = s > 0 ? a : a * f.leak; }
  if (f.after) a += load(f.after + at);
  if (f.raw) store(f.raw + at, a);
  if (!f.made) return;
  Vec<T> y, slope;
  if (f.scale) {
    T scale = f.scale[channel];
    activate<T>(f.activation, f.number, a * scale + f.shift[channel], y, slope);
    slope *= scale;
  } else {
    activate<T>(f.activation, f.number, a, y, slope);
  }
  store(f.made + at, y);
  if (f.slope) store(f.slope + at, slope);
}

} // namespace
