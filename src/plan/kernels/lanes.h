// Numbers of sixteen images side by side, the unit of everything in this folder.
//
// Each instruction set compiles these headers once more. All of it lies in an unnamed namespace, and nothing of the
// standard library with code of its own is used: else the linker could keep one copy of a function, compiled for a
// processor that this one is not.
#pragma once
#include <cstddef>
#include <cstdint>
#include <math.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace {

// Images in a block: one 512-bit register of float32, two of 256 bits, four of 128.
constexpr int LANES = 16;

#if defined(__AVX512F__)
constexpr int BYTES = 64;
#elif defined(__AVX2__)
constexpr int BYTES = 32;
#else
constexpr int BYTES = 16;
#endif

template <class T> struct Simd;
template <> struct Simd<float> {
  typedef float V __attribute__((vector_size(BYTES)));
  typedef int32_t I __attribute__((vector_size(BYTES)));
};
template <> struct Simd<double> {
  typedef double V __attribute__((vector_size(BYTES)));
  typedef int64_t I __attribute__((vector_size(BYTES)));
};
template <class T> using Vec = typename Simd<T>::V;

// Numbers in a register, and registers in a block of sixteen.
template <class T> constexpr int WIDTH = BYTES / int(sizeof(T));
template <class T> constexpr int PARTS = LANES / WIDTH<T>;

#define INLINE static inline __attribute__((always_inline))

template <class T> INLINE Vec<T> load(const T *p) { return *reinterpret_cast<const Vec<T> *>(p); }
template <class T> INLINE void store(T *p, Vec<T> v) { *reinterpret_cast<Vec<T> *>(p) = v; }
template <class T> INLINE Vec<T> splat(T a) { return a - Vec<T>{}; } // a − 0 is a, of −0 too; a + 0 would be an addition
template <class T> INLINE Vec<T> larger(Vec<T> a, Vec<T> b) { return a > b ? a : b; }
template <class T> INLINE Vec<T> smaller(Vec<T> a, Vec<T> b) { return a < b ? a : b; }

// exp, log by polynomials for float32 (relative error below 2e-7), by the library for float64, which is there to
// check the plan and not to be fast.
INLINE Vec<float> vexp(Vec<float> x) {
  typedef Simd<float>::I I;
  // Not-a-number passes: a chain that has blown up must not look sound.
  Vec<float> kept = x;
  x = x > 88.3f ? splat(88.3f) : x;
  x = x < -87.3f ? splat(-87.3f) : x;
  const float MAGIC = 12582912.f; // 1.5·2^23: adding it rounds to a whole number
  Vec<float> n = (x * 1.44269504088896341f + MAGIC) - MAGIC;
  Vec<float> r = x - n * 0.693359375f;
  r = r - n * -2.12194440e-4f;
  Vec<float> y = splat(1.9875691500e-4f);
  y = y * r + 1.3981999507e-3f;
  y = y * r + 8.3334519073e-3f;
  y = y * r + 4.1665795894e-2f;
  y = y * r + 1.6666665459e-1f;
  y = y * r + 5.0000001201e-1f;
  y = y * (r * r) + (r + 1.f);
  I bits = (__builtin_convertvector(n, I) + 127) << 23;
  Vec<float> power = reinterpret_cast<Vec<float>>(bits);
  return kept == kept ? y * power : kept;
}
INLINE Vec<float> vlog(Vec<float> x) { // of positive, normal numbers
  typedef Simd<float>::I I;
  I bits = reinterpret_cast<I>(x);
  Vec<float> e = __builtin_convertvector((bits >> 23) - 126, Vec<float>);
  Vec<float> m = reinterpret_cast<Vec<float>>((bits & 0x007fffff) | 0x3f000000); // in [0.5, 1)
  I small = m < 0.707106781186547524f;
  e = small ? e - 1.f : e;
  m = (small ? m + m : m) - 1.f;
  Vec<float> z = m * m, y = splat(7.0376836292e-2f);
  y = y * m - 1.1514610310e-1f;
  y = y * m + 1.1676998740e-1f;
  y = y * m - 1.2420140846e-1f;
  y = y * m + 1.4249322787e-1f;
  y = y * m - 1.6668057665e-1f;
  y = y * m + 2.0000714765e-1f;
  y = y * m - 2.4999993993e-1f;
  y = y * m + 3.3333331174e-1f;
  y = y * m * z;
  y = y + e * -2.12194440e-4f - 0.5f * z;
  return m + y + e * 0.693359375f;
}
template <class F> INLINE Vec<double> each(Vec<double> x, F f) {
  Vec<double> y = x;
  for (int i = 0; i < WIDTH<double>; i++) y[i] = f(x[i]);
  return y;
}
INLINE Vec<double> vexp(Vec<double> x) { return each(x, [](double a) { return exp(a); }); }
INLINE Vec<double> vlog(Vec<double> x) { return each(x, [](double a) { return log(a); }); }

template <class T> INLINE Vec<T> sigmoid(Vec<T> x) { return T(1) / (T(1) + vexp(-x)); }

// The normal distribution function, by formula 7.1.26 of Abramowitz and Stegun for erf (error below 1.5e-7).
INLINE Vec<float> phi(Vec<float> x) {
  Vec<float> z = (x < 0 ? -x : x) * 0.70710678118f, t = 1.f / (1.f + 0.3275911f * z);
  Vec<float> y = splat(1.061405429f);
  y = y * t - 1.453152027f;
  y = y * t + 1.421413741f;
  y = y * t - 0.284496736f;
  y = y * t + 0.254829592f;
  Vec<float> tail = 0.5f * y * t * vexp(-z * z);
  return x < 0 ? tail : 1.f - tail;
}
INLINE Vec<double> phi(Vec<double> x) {
  return each(x, [](double a) { return .5 * erfc(-a * 0.7071067811865476); });
}

INLINE Vec<float> vsqrt(Vec<float> x) {
#if defined(__AVX512F__)
  return _mm512_sqrt_ps(x);
#elif defined(__AVX2__)
  return _mm256_sqrt_ps(x);
#endif
  Vec<float> y = x;
  for (int i = 0; i < WIDTH<float>; i++) y[i] = sqrtf(x[i]);
  return y;
}
INLINE Vec<double> vsqrt(Vec<double> x) { return each(x, [](double a) { return sqrt(a); }); }

} // namespace
