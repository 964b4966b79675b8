// Normal numbers as a function of (key, step, chain, coordinate): Philox 4×32 with 10 rounds (Salmon et al., 2011) and
// Box and Muller's transform. No state: any thread may make any of them, in any order, and gets the same bits.
#pragma once
#include "lanes.h"

namespace {

// Sixteen counters at once. Plain loops: compilers know how to multiply such arrays.
struct Words { uint32_t v[4][LANES]; };

INLINE void philox(uint64_t key, uint32_t step, uint32_t group, const uint32_t *chains, Words &w) {
  uint32_t k0 = uint32_t(key), k1 = uint32_t(key >> 32);
  for (int i = 0; i < LANES; i++) { w.v[0][i] = group; w.v[1][i] = chains[i]; w.v[2][i] = step; w.v[3][i] = 0; }
  for (int round = 0; round < 10; round++) {
    for (int i = 0; i < LANES; i++) {
      uint64_t a = uint64_t(w.v[0][i]) * 0xD2511F53u, b = uint64_t(w.v[2][i]) * 0xCD9E8D57u;
      uint32_t x1 = w.v[1][i], x3 = w.v[3][i];
      w.v[0][i] = uint32_t(b >> 32) ^ x1 ^ k0; w.v[1][i] = uint32_t(b);
      w.v[2][i] = uint32_t(a >> 32) ^ x3 ^ k1; w.v[3][i] = uint32_t(a);
    }
    k0 += 0x9E3779B9u; k1 += 0xBB67AE85u;
  }
}

// Four normal numbers for each of sixteen chains, coordinates 4·group … 4·group + 3.
INLINE void normals(uint64_t key, uint32_t step, uint32_t group, const uint32_t *chains, float (*out)[LANES]) {
  typedef Simd<float>::I I;
  constexpr int W = WIDTH<float>;
  Words w;
  philox(key, step, group, chains, w);
  for (int pair = 0; pair < 4; pair += 2)
    for (int lane = 0; lane < LANES; lane += W) {
      I a = *reinterpret_cast<const I *>(reinterpret_cast<const char *>(w.v[pair] + lane));
      I b = *reinterpret_cast<const I *>(reinterpret_cast<const char *>(w.v[pair + 1] + lane));
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
    uint32_t chains[LANES];
    int n = rows - r < LANES ? int(rows - r) : LANES;
    for (int i = 0; i < LANES; i++) chains[i] = first + uint32_t(r) + i;
    for (int64_t f = 0; f < width; f += 4) {
      alignas(64) float z[4][LANES];
      normals(key, step, uint32_t(f / 4), chains, z);
      int m = width - f < 4 ? int(width - f) : 4;
      for (int i = 0; i < n; i++)
        for (int j = 0; j < m; j++) x[(r + i) * width + f + j] += scale * T(z[j][i]);
    }
  }
}

} // namespace
