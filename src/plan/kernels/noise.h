// Normal numbers as a function of (key, step, chain, coordinate): Philox 4×32 with 10 rounds (Salmon et al., 2011) and
// Box and Muller's transform. No state: any thread may make any of them, in any order, and gets the same bits.
#pragma once
#include "lanes.h"

namespace {

// A 32-bit word of each of sixteen counters, in 64-bit lanes: there a product of two words fits, and what stands above
// a word does no harm until its last use.
typedef uint64_t Wide __attribute__((vector_size(BYTES)));
constexpr int WIDES = LANES * 8 / BYTES;
struct Words { Wide v[4][WIDES]; };

INLINE Wide product(Wide a, uint32_t b) {
#if defined(__AVX512F__)
  return reinterpret_cast<Wide>(_mm512_mul_epu32(reinterpret_cast<__m512i>(a), _mm512_set1_epi64(b)));
#elif defined(__AVX2__)
  return reinterpret_cast<Wide>(_mm256_mul_epu32(reinterpret_cast<__m256i>(a), _mm256_set1_epi64x(b)));
#elif defined(__SSE2__)
  return reinterpret_cast<Wide>(_mm_mul_epu32(reinterpret_cast<__m128i>(a), _mm_set1_epi64x(b)));
#else
  return (a & 0xffffffffu) * b;
#endif
}

INLINE void philox(uint64_t key, uint32_t step, uint32_t group, uint32_t chain, Words &w) {
  uint32_t k0 = uint32_t(key), k1 = uint32_t(key >> 32);
#pragma GCC unroll 8
  for (int p = 0; p < WIDES; p++) {
    Wide lane;
    for (int i = 0; i < BYTES / 8; i++) lane[i] = uint32_t(chain + p * (BYTES / 8) + i);
    w.v[0][p] = Wide{} + group; w.v[1][p] = lane; w.v[2][p] = Wide{} + step; w.v[3][p] = Wide{};
  }
  for (int round = 0; round < 10; round++) {
#pragma GCC unroll 8
    for (int p = 0; p < WIDES; p++) {
      Wide a = product(w.v[0][p], 0xD2511F53u), b = product(w.v[2][p], 0xCD9E8D57u);
      Wide x1 = w.v[1][p], x3 = w.v[3][p];
      w.v[0][p] = (b >> 32) ^ x1 ^ k0; w.v[1][p] = b;
      w.v[2][p] = (a >> 32) ^ x3 ^ k1; w.v[3][p] = a;
    }
    k0 += 0x9E3779B9u; k1 += 0xBB67AE85u;
  }
}

// The words of a register of float32 numbers.
INLINE Simd<float>::I words(const Wide (&w)[WIDES], int part) {
  typedef int32_t Half __attribute__((vector_size(BYTES / 2)));
  union { Half half[2]; Simd<float>::I whole; } both;
  both.half[0] = __builtin_convertvector(w[2 * part], Half);
  both.half[1] = __builtin_convertvector(w[2 * part + 1], Half);
  return both.whole;
}

// Four normal numbers for each of sixteen chains, coordinates 4·group … 4·group + 3.
INLINE void normals(uint64_t key, uint32_t step, uint32_t group, uint32_t chain, float (*out)[LANES]) {
  typedef Simd<float>::I I;
  constexpr int W = WIDTH<float>;
  Words w;
  philox(key, step, group, chain, w);
  for (int pair = 0; pair < 4; pair += 2)
    for (int lane = 0; lane < LANES; lane += W) {
      I a = words(w.v[pair], lane / W), b = words(w.v[pair + 1], lane / W);
      // In (0, 1]: the signed word, moved to the middle of its cell.
      Vec<float> u = __builtin_convertvector(a, Vec<float>) * 2.3283064e-10f + 0.5f + 1.1641532e-10f;
      u = u < 1.1641532e-10f ? splat(1.1641532e-10f) : u > 1.f ? splat(1.f) : u;
      Vec<float> radius = vsqrt(-2.f * vlog(u));
      // The angle in quarter turns, in [-2, 2]: a whole number of them and a rest in [-½, ½].
      Vec<float> turn = __builtin_convertvector(b, Vec<float>) * 9.3132257e-10f;
      const float MAGIC = 12582912.f;
      Vec<float> whole = (turn + MAGIC) - MAGIC, r = (turn - whole) * 1.57079632679f, z = r * r;
      I quarter = __builtin_convertvector(whole, I);
      Vec<float> s = splat(-1.9515295891e-4f);
      s = s * z + 8.3321608736e-3f;
      s = (s * z - 1.6666654611e-1f) * z * r + r;
      Vec<float> c = splat(2.443315711809948e-5f);
      c = c * z - 1.388731625493765e-3f;
      c = (c * z + 4.166664568298827e-2f) * z * z - 0.5f * z + 1.f;
      I odd = (quarter & 1) != 0;
      Vec<float> cosine = odd ? s : c, sine = odd ? c : s;
      cosine = ((quarter + 1) & 2) != 0 ? -cosine : cosine;
      sine = (quarter & 2) != 0 ? -sine : sine;
      store(out[pair] + lane, radius * cosine);
      store(out[pair + 1] + lane, radius * sine);
    }
}

// Adds `scale` · noise to rows `[rows][width]` of which the first is chain `first`.
template <class T> static void add_noise(T *x, int64_t rows, int64_t width, uint32_t first, uint64_t key, uint32_t step, T scale) {
  for (int64_t r = 0; r < rows; r += LANES) {
    int n = rows - r < LANES ? int(rows - r) : LANES;
    for (int64_t f = 0; f < width; f += 4) {
      alignas(64) float z[4][LANES];
      normals(key, step, uint32_t(f / 4), first + uint32_t(r), z);
      int m = width - f < 4 ? int(width - f) : 4;
      for (int i = 0; i < n; i++)
        for (int j = 0; j < m; j++) x[(r + i) * width + f + j] += scale * T(z[j][i]);
    }
  }
}

} // namespace
