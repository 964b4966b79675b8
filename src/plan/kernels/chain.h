// The two ends of a pass, and what a chain does between passes.
#pragma once
#include "noise.h"

namespace {

// Rows `[rows][width]` of a tensor to a block, and back. `place[i]` is where number i of a row lies in the block.
template <class T> static void gather(const T *rows, int count, int width, const int32_t *place, T *block) {
  for (int f = 0; f < width; f++) {
    T *to = block + size_t(place[f]) * LANES;
    for (int i = 0; i < count; i++) to[i] = rows[size_t(i) * width + f];
    for (int i = count; i < LANES; i++) to[i] = T(0);
  }
}
template <class T> static void scatter(const T *block, int count, int width, const int32_t *place, T *rows) {
  for (int i = 0; i < count; i++)
    for (int f = 0; f < width; f++) rows[size_t(i) * width + f] = block[size_t(place[f]) * LANES + i];
}

enum Head : int32_t { LOG_SUM_EXP, CHOSEN, SCALAR, CROSS_ENTROPY };

// Logits `[outputs][16]` to what is differentiated, with `seed` = the derivative of −energy by the logits.
// LOG_SUM_EXP: E = −log Σ exp f. CHOSEN: E = −f[y]. SCALAR: E = −f. CROSS_ENTROPY: E = log Σ exp f − f[y].
template <class T> static void head(int kind, const T *logits, int outputs, const int64_t *labels, T *energy, T *seed) {
  constexpr int W = WIDTH<T>;
  if (kind == SCALAR || kind == CHOSEN) {
    for (int o = 0; o < outputs; o++)
      for (int i = 0; i < LANES; i++) {
        bool chosen = kind == SCALAR || labels[i] == o;
        seed[o * LANES + i] = chosen ? T(1) : T(0);
        if (chosen) energy[i] = -logits[o * LANES + i];
      }
    return;
  }
  for (int lane = 0; lane < LANES; lane += W) {
    Vec<T> most = load(logits + lane), sum = Vec<T>{};
    for (int o = 1; o < outputs; o++) most = larger<T>(most, load(logits + o * LANES + lane));
    for (int o = 0; o < outputs; o++) {
      Vec<T> e = vexp(load(logits + o * LANES + lane) - most);
      store(seed + o * LANES + lane, e);
      sum += e;
    }
    Vec<T> inverse = T(1) / sum;
    for (int o = 0; o < outputs; o++) store(seed + o * LANES + lane, load(seed + o * LANES + lane) * inverse);
    store(energy + lane, -(most + vlog(sum)));
  }
  if (kind != CROSS_ENTROPY) return;
  for (int i = 0; i < LANES; i++) energy[i] = -energy[i];
  for (int o = 0; o < outputs; o++)
    for (int i = 0; i < LANES; i++) {
      T p = seed[o * LANES + i];
      seed[o * LANES + i] = (labels[i] == o ? T(1) : T(0)) - p;
      if (labels[i] == o) energy[i] -= logits[o * LANES + i];
    }
}

// One Langevin step's numbers. Mirrored in Rust (`plan/kernel.rs`).
struct Stride {
  double step, noise;
  double low, high;   // where samples are clamped; low > high: nowhere
  double bound;       // of the score's coordinates; not above 0: none
  uint64_t key;
  uint32_t number;    // of the step
  uint32_t chain;     // of the block's first row
};

// x ← clamp(x + step · clamp(score) + noise · n), without the part that is null or 0; one pass over the block.
template <class T> static void langevin(T *x, const T *score, int width, const int32_t *place, const Stride *s) {
  constexpr int W = WIDTH<T>;
  uint32_t chains[LANES];
  for (int i = 0; i < LANES; i++) chains[i] = s->chain + i;
  T step = T(s->step), noise = T(s->noise), low = T(s->low), high = T(s->high), bound = T(s->bound);
  bool clamp = s->low <= s->high, bounded = s->bound > 0;
  for (int f = 0; f < width; f += 4) {
    alignas(64) float z[4][LANES];
    if (noise > 0) normals(s->key, s->number, uint32_t(f / 4), chains, z);
    for (int j = 0; j < 4 && f + j < width; j++) {
      size_t at = size_t(place[f + j]) * LANES;
      for (int lane = 0; lane < LANES; lane += W) {
        Vec<T> v = load(x + at + lane);
        if (noise > 0) {
          Vec<T> n;
          if constexpr (sizeof(T) == 4) n = load(z[j] + lane);
          else for (int i = 0; i < W; i++) n[i] = T(z[j][lane + i]);
          v += n * noise;
        }
        if (score) {
          Vec<T> d = load(score + at + lane);
          if (bounded) d = d > bound ? splat(bound) : d < -bound ? splat(-bound) : d;
          v += d * step;
        }
        if (clamp) v = v > high ? splat(high) : v < low ? splat(low) : v;
        store(x + at + lane, v);
      }
    }
  }
}

} // namespace
