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

enum Head : int32_t { LOG_SUM_EXP, CHOSEN, SCALAR, LOG_ODDS, MARGIN };

// Logits `[outputs][16]` to an energy, and to `seed`, the derivative of −energy by the logits.
// LOG_SUM_EXP: E = −log Σ_k exp f[k]. CHOSEN: E = −f[y]. SCALAR: E = −f.
// What attacks climb, as −E: LOG_ODDS, log Σ_{k≠y} exp f[k] − f[y], and MARGIN, max_{k≠y} f[k] − f[y].
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
  bool all = kind == LOG_SUM_EXP;
  for (int lane = 0; lane < LANES; lane += W) {
    Vec<T> own[1], most = splat(T(-INFINITY)), sum = Vec<T>{};
    // Which of the classes count: all, or all but each image's own.
    auto value = [&](int o) {
      Vec<T> v = load(logits + o * LANES + lane);
      if (!all)
        for (int i = 0; i < W; i++)
          if (labels[lane + i] == o) { own[0][i] = v[i]; v[i] = T(-INFINITY); }
      return v;
    };
    for (int o = 0; o < outputs; o++) { Vec<T> v = value(o); most = v > most ? v : most; }
    Vec<T> taken = Vec<T>{};
    for (int o = 0; o < outputs; o++) {
      Vec<T> v = value(o), e;
      if (kind == MARGIN) { // the first of equals, as PyTorch's maximum by index
        e = v == most ? splat(T(1)) - taken : Vec<T>{};
        taken += e;
      } else {
        e = vexp(v - most);
      }
      store(seed + o * LANES + lane, e);
      sum += e;
    }
    for (int o = 0; o < outputs; o++) store(seed + o * LANES + lane, load(seed + o * LANES + lane) / sum);
    Vec<T> total = kind == MARGIN ? most : most + vlog(sum);
    if (!all) {
      total -= own[0];
      for (int o = 0; o < outputs; o++)
        for (int i = 0; i < W; i++)
          if (labels[lane + i] == o) seed[o * LANES + lane + i] -= T(1);
    }
    store(energy + lane, -total);
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
  T step = T(s->step), noise = T(s->noise), low = T(s->low), high = T(s->high), bound = T(s->bound);
  bool clamp = s->low <= s->high, bounded = s->bound > 0;
  for (int f = 0; f < width; f += 4) {
    alignas(64) float z[4][LANES];
    if (noise > 0) normals(s->key, s->number, uint32_t(f / 4), s->chain, z);
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
