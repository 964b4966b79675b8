// Affine maps between images, `[pixel][channel][16 images]`: convolutions, their transposes, and fully connected
// layers. Each output pixel is a sum over a few *runs*, stretches of input channels that lie side by side and meet
// weights that lie side by side. The images are innermost: every layer is a stream of fused multiply-adds, a weight
// for all images at once, with no reordering anywhere.
#pragma once
#include "finish.h"

namespace {

// `x`: first input (pixel · channels + channel), `w`: first row of weights, `len`: how many.
struct Run { int32_t x, w, len; };

// Mirrored in Rust (`plan/kernel.rs`).
struct Map {
  int32_t pixels;  // of the output
  int32_t out;     // channels that this map makes …
  int32_t offset;  // … from this one on …
  int32_t stride;  // … of so many
  int32_t depth;   // rows of weights: inputs of an output
  int32_t outer;   // whether blocks of channels are the outer loop: where weights fill the cache
  const Run *runs;
  const int32_t *first; // [pixels + 1], the runs of each
};

// How many output channels at once: as many as accumulators fit into the registers.
#if defined(__AVX512F__)
template <class T> constexpr int MOST = sizeof(T) == 4 ? 12 : 10;
#elif defined(__AVX2__)
template <class T> constexpr int MOST = sizeof(T) == 4 ? 6 : 3;
#elif defined(__aarch64__)
template <class T> constexpr int MOST = sizeof(T) == 4 ? 6 : 3;
#else
template <class T> constexpr int MOST = sizeof(T) == 4 ? 3 : 1;
#endif

// Channels in even blocks: where block `b` of `n` begins.
INLINE int begin(int b, int n, int out) { return int((int64_t(b) * out) / n); }
template <class T> INLINE int block_count(int out) { return (out + MOST<T> - 1) / MOST<T>; }

template <class T, int M> INLINE void multiply(const Run *runs, int n, const T *x0, const T *w0, Vec<T> (&sum)[M][PARTS<T>]) {
  constexpr int P = PARTS<T>, W = WIDTH<T>;
  // A multiply-add takes four cycles: with few channels, several sums of the same channel keep the unit busy.
  constexpr int S = M * P >= 8 ? 1 : M * P >= 4 ? 2 : M * P >= 2 ? 4 : 8;
  Vec<T> a[S][M][P];
#pragma GCC unroll 16
  for (int s = 0; s < S; s++)
#pragma GCC unroll 16
    for (int m = 0; m < M; m++)
#pragma GCC unroll 8
      for (int p = 0; p < P; p++) a[s][m][p] = s ? Vec<T>{} : sum[m][p];
  for (int r = 0; r < n; r++) {
    const T *x = x0 + size_t(runs[r].x) * LANES, *w = w0 + size_t(runs[r].w) * M;
    int len = runs[r].len, k = 0;
    if (S > 1)
      for (; k + S <= len; k += S, x += S * LANES, w += S * M)
#pragma GCC unroll 16
        for (int s = 0; s < S; s++)
#pragma GCC unroll 8
          for (int p = 0; p < P; p++) {
            Vec<T> in = load(x + s * LANES + p * W);
#pragma GCC unroll 16
            for (int m = 0; m < M; m++) a[s][m][p] += in * w[s * M + m];
          }
    for (; k < len; k++, x += LANES, w += M) {
      Vec<T> in[P];
#pragma GCC unroll 8
      for (int p = 0; p < P; p++) in[p] = load(x + p * W);
#pragma GCC unroll 16
      for (int m = 0; m < M; m++) {
        Vec<T> b = splat(w[m]);
#pragma GCC unroll 8
        for (int p = 0; p < P; p++) a[0][m][p] += in[p] * b;
      }
    }
  }
#pragma GCC unroll 16
  for (int m = 0; m < M; m++)
#pragma GCC unroll 8
    for (int p = 0; p < P; p++) {
      Vec<T> total = a[0][m][p];
#pragma GCC unroll 8
      for (int s = 1; s < S; s++) total += a[s][m][p];
      sum[m][p] = total;
    }
}

template <class T, int M> static void tile(const Map &map, int pixel, int channel, const T *x, const T *pack, const T *bias, const Finish<T> &f) {
  constexpr int P = PARTS<T>, W = WIDTH<T>;
  Vec<T> sum[M][P];
#pragma GCC unroll 16
  for (int m = 0; m < M; m++)
#pragma GCC unroll 8
    for (int p = 0; p < P; p++) sum[m][p] = splat(bias ? bias[channel + m] : T(0));
  int from = map.first[pixel], n = map.first[pixel + 1] - from;
  multiply<T, M>(map.runs + from, n, x, pack, sum);
  size_t to = size_t(map.offset + channel);
#pragma GCC unroll 16
  for (int m = 0; m < M; m++)
#pragma GCC unroll 8
    for (int p = 0; p < P; p++) finish<T>(f, (size_t(pixel) * map.stride + to + m) * LANES + p * W, to + m, sum[m][p]);
}

template <class T, int M> INLINE void tile_of(int m, const Map &map, int pixel, int channel, const T *x, const T *pack, const T *bias, const Finish<T> &f) {
  if constexpr (M > 0) {
    if (m == M) tile<T, M>(map, pixel, channel, x, pack, bias, f);
    else tile_of<T, M - 1>(m, map, pixel, channel, x, pack, bias, f);
  }
}

// One of `parts` of the map: each output is in one part, and made as if there was but one.
template <class T> static void apply(const Map *map, const T *x, const T *pack, const T *bias, const Finish<T> *f, int part, int parts) {
  int n = block_count<T>(map->out);
  int outer = map->outer ? n : map->pixels, inner = map->outer ? map->pixels : n;
  for (int i = begin(part, parts, outer); i < begin(part + 1, parts, outer); i++)
    for (int j = 0; j < inner; j++) {
      int b = map->outer ? i : j, pixel = map->outer ? j : i;
      int from = begin(b, n, map->out), m = begin(b + 1, n, map->out) - from;
      tile_of<T, MOST<T>>(m, *map, pixel, from, x, pack + size_t(from) * map->depth, bias, *f);
    }
}

// Lays weights out: `depth` rows times the channels of each block. `row` and `column` are places in `w`, which add up.
template <class T> static void lay_out(T *pack, const T *w, const int64_t *row, int depth, const int64_t *column, int out) {
  int n = block_count<T>(out);
  for (int b = 0; b < n; b++) {
    int from = begin(b, n, out), m = begin(b + 1, n, out) - from;
    T *to = pack + size_t(from) * depth;
    for (int k = 0; k < depth; k++)
      for (int j = 0; j < m; j++) to[size_t(k) * m + j] = w[row[k] + column[from + j]];
  }
}

} // namespace
