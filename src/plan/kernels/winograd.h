// 3×3 convolutions of stride 1 and padding 1 by Winograd's F(2×2, 3×3) (Lavin and Gray, 2016): 16 products for four
// outputs instead of 36, and the same transforms backward with the kernel turned round.
#pragma once
#include "linear.h"

namespace {

// Mirrored in Rust (`plan/kernel.rs`).
struct Winograd {
  int32_t height, width, in, out;
  int32_t tiles; // at once, as many as keep weights and transforms in the cache
};

// Numbers that `scratch` must hold. The odd few keep the sixteen planes from falling onto the same cache lines.
static size_t plane(int tiles, int channels) { return (size_t(tiles) * channels + 3) * LANES; }
static size_t winograd_scratch(const Winograd *w) { return 16 * (plane(w->tiles, w->in) + plane(w->tiles, w->out)); }

template <class T, int M> static void plane_tile(const T *x, const T *pack, T *y, int depth) {
  constexpr int P = PARTS<T>, W = WIDTH<T>;
  Vec<T> sum[M][P];
#pragma GCC unroll 16
  for (int m = 0; m < M; m++)
#pragma GCC unroll 8
    for (int p = 0; p < P; p++) sum[m][p] = Vec<T>{};
  Run all{0, 0, depth};
  multiply<T, M>(&all, 1, x, pack, sum);
#pragma GCC unroll 16
  for (int m = 0; m < M; m++)
#pragma GCC unroll 8
    for (int p = 0; p < P; p++) store(y + m * LANES + p * W, sum[m][p]);
}
template <class T, int M> INLINE void plane_tile_of(int m, const T *x, const T *pack, T *y, int depth) {
  if constexpr (M > 0) {
    if (m == M) plane_tile<T, M>(x, pack, y, depth);
    else plane_tile_of<T, M - 1>(m, x, pack, y, depth);
  }
}

// The inputs of one tile, 4×4 pixels around its 2×2, transformed: Bᵀ d B.
template <class T> static void to_planes(const Winograd &w, const T *x, int row, int column, T *to, size_t step) {
  const T *from[16];
  for (int q = 0; q < 16; q++) {
    int r = 2 * row - 1 + q / 4, c = 2 * column - 1 + q % 4;
    bool inside = r >= 0 && r < w.height && c >= 0 && c < w.width;
    from[q] = inside ? x + (size_t(r) * w.width + c) * w.in * LANES : nullptr;
  }
  for (size_t at = 0; at < size_t(w.in) * LANES; at += WIDTH<T>) {
    Vec<T> d[4][4], s[4][4];
#pragma GCC unroll 16
    for (int q = 0; q < 16; q++) d[q / 4][q % 4] = from[q] ? load(from[q] + at) : Vec<T>{};
#pragma GCC unroll 4
    for (int c = 0; c < 4; c++) {
      s[0][c] = d[0][c] - d[2][c]; s[1][c] = d[1][c] + d[2][c];
      s[2][c] = d[2][c] - d[1][c]; s[3][c] = d[1][c] - d[3][c];
    }
#pragma GCC unroll 4
    for (int r = 0; r < 4; r++) {
      store(to + (r * 4 + 0) * step + at, s[r][0] - s[r][2]);
      store(to + (r * 4 + 1) * step + at, s[r][1] + s[r][2]);
      store(to + (r * 4 + 2) * step + at, s[r][2] - s[r][1]);
      store(to + (r * 4 + 3) * step + at, s[r][1] - s[r][3]);
    }
  }
}

// The outputs of one tile: Aᵀ m A, and what ends every kernel.
template <class T> static void from_planes(const Winograd &w, const T *from, size_t step, int row, int column, const T *bias, const Finish<T> &f) {
  int rows = 2 * row + 1 < w.height ? 2 : 1, columns = 2 * column + 1 < w.width ? 2 : 1;
  for (int o = 0; o < w.out; o++)
    for (int p = 0; p < PARTS<T>; p++) {
      size_t lane = size_t(p) * WIDTH<T>;
      Vec<T> m[4][4], s[2][4], b = splat(bias ? bias[o] : T(0));
#pragma GCC unroll 16
      for (int q = 0; q < 16; q++) m[q / 4][q % 4] = load(from + q * step + size_t(o) * LANES + lane);
#pragma GCC unroll 4
      for (int c = 0; c < 4; c++) { s[0][c] = m[0][c] + m[1][c] + m[2][c]; s[1][c] = m[1][c] - m[2][c] - m[3][c]; }
      for (int r = 0; r < rows; r++) {
        size_t at = ((size_t(2 * row + r) * w.width + 2 * column) * w.out + o) * LANES + lane;
        finish<T>(f, at, o, s[r][0] + s[r][1] + s[r][2] + b);
        if (columns == 2) finish<T>(f, at + size_t(w.out) * LANES, o, s[r][1] - s[r][2] - s[r][3] + b);
      }
    }
}

// A convolution is done chunk by chunk, `tiles` of them each, and a chunk in three stages, each of which needs all of the
// one before. What is counted in a stage can be shared out: tiles, planes times blocks of channels, and tiles again.
enum : int32_t { TO_PLANES, PRODUCTS, FROM_PLANES };

// Mirrored in Rust (`plan/kernel.rs`).
struct Stage {
  int32_t chunk, stage;
  int32_t part, parts; // this part of so many
};

struct Chunk {
  int across, first, count; // tiles in a row of the image; the first one and how many of the chunk
  int from, to;             // what a part does of what the stage counts
};
template <class T> static Chunk chunk_of(const Winograd &w, const Stage &s) {
  int across = (w.width + 1) / 2, all = across * ((w.height + 1) / 2), first = s.chunk * w.tiles;
  int count = all - first < w.tiles ? all - first : w.tiles;
  int counted = s.stage == PRODUCTS ? 16 * block_count<T>(w.out) : count;
  return {across, first, count, begin(s.part, s.parts, counted), begin(s.part + 1, s.parts, counted)};
}

template <class T> static void winograd(const Winograd *w, const T *x, const T *pack, const T *bias, T *scratch, const Finish<T> *f, const Stage *s) {
  Chunk at = chunk_of<T>(*w, *s);
  size_t in = plane(w->tiles, w->in), out = plane(w->tiles, w->out);
  T *u = scratch, *v = scratch + 16 * in;
  if (s->stage == TO_PLANES)
    for (int t = at.from; t < at.to; t++)
      to_planes<T>(*w, x, (at.first + t) / at.across, (at.first + t) % at.across, u + size_t(t) * w->in * LANES, in);
  if (s->stage == PRODUCTS)
    for (int i = at.from; i < at.to; i++) {
      int n = block_count<T>(w->out), q = i / n, b = i % n;
      int from = begin(b, n, w->out), m = begin(b + 1, n, w->out) - from;
      const T *weights = pack + (size_t(q) * w->out + from) * w->in;
      for (int t = 0; t < at.count; t++)
        plane_tile_of<T, MOST<T>>(m, u + q * in + size_t(t) * w->in * LANES, weights,
                                  v + q * out + (size_t(t) * w->out + from) * LANES, w->in);
    }
  if (s->stage == FROM_PLANES)
    for (int t = at.from; t < at.to; t++)
      from_planes<T>(*w, v + size_t(t) * w->out * LANES, out, (at.first + t) / at.across, (at.first + t) % at.across, bias, *f);
}

// Weights `[out][in][3][3]` of the layer as planes; for the way back, `turned`, in and out change places and the
// kernel is turned round. G g Gᵀ.
template <class T> static void winograd_lay_out(const Winograd *w, const T *weight, bool turned, T *pack) {
  int n = block_count<T>(w->out);
  for (int b = 0; b < n; b++) {
    int from = begin(b, n, w->out), m = begin(b + 1, n, w->out) - from;
    for (int j = 0; j < m; j++)
      for (int i = 0; i < w->in; i++) {
        const T *g = weight + (turned ? size_t(i) * w->out + from + j : size_t(from + j) * w->in + i) * 9;
        T s[4][3];
        for (int c = 0; c < 3; c++) {
          T a = turned ? g[8 - c] : g[c], d = turned ? g[5 - c] : g[3 + c], e = turned ? g[2 - c] : g[6 + c];
          s[0][c] = a; s[1][c] = T(.5) * (a + d + e); s[2][c] = T(.5) * (a - d + e); s[3][c] = e;
        }
        for (int r = 0; r < 4; r++) {
          T t[4] = {s[r][0], T(.5) * (s[r][0] + s[r][1] + s[r][2]), T(.5) * (s[r][0] - s[r][1] + s[r][2]), s[r][2]};
          for (int c = 0; c < 4; c++) pack[(size_t(r * 4 + c) * w->out + from) * w->in + size_t(i) * m + j] = t[c];
        }
      }
  }
}

} // namespace
