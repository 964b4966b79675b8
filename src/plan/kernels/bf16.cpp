// The affine maps in bf16, for processors that multiply pairs of such numbers (AVX-512 BF16): twice as many products an
// instruction, summed in float32. Everything between the maps stays float32; their inputs are rounded here, two channels
// side by side in each lane.
#if defined(__AVX512BF16__)
#include "winograd.h"
#include <immintrin.h>

namespace {

// To the nearest bf16, to even in the middle; not-a-number stays one.
INLINE __m512i rounded(__m512 x) {
  __m512i bits = _mm512_castps_si512(x);
  __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  __m512i up = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), odd);
  return _mm512_mask_mov_epi32(up, _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), _mm512_set1_epi32(0x7fc00000));
}
INLINE __m512i pair(__m512 first, __m512 second) {
  __m512i high = _mm512_and_si512(rounded(second), _mm512_set1_epi32(int(0xffff0000)));
  return _mm512_or_si512(_mm512_srli_epi32(rounded(first), 16), high);
}
static uint32_t one(float x) {
  uint32_t bits;
  __builtin_memcpy(&bits, &x, 4);
  return x != x ? 0x7fc0 : (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}

template <int M> INLINE void multiply_pairs(const Run *runs, int n, const uint32_t *x0, const uint32_t *w0, __m512 (&sum)[M]) {
  constexpr int S = M >= 8 ? 1 : M >= 4 ? 2 : M >= 2 ? 4 : 8;
  __m512 a[S][M];
#pragma GCC unroll 16
  for (int s = 0; s < S; s++)
#pragma GCC unroll 16
    for (int m = 0; m < M; m++) a[s][m] = s ? _mm512_setzero_ps() : sum[m];
  for (int r = 0; r < n; r++) {
    const uint32_t *x = x0 + size_t(runs[r].x / 2) * LANES, *w = w0 + size_t(runs[r].w / 2) * M;
    int len = runs[r].len / 2, k = 0;
    if (S > 1)
      for (; k + S <= len; k += S, x += S * LANES, w += S * M)
#pragma GCC unroll 16
        for (int s = 0; s < S; s++) {
          __m512bh in = (__m512bh)_mm512_load_si512(x + s * LANES);
#pragma GCC unroll 16
          for (int m = 0; m < M; m++) a[s][m] = _mm512_dpbf16_ps(a[s][m], in, (__m512bh)_mm512_set1_epi32(int(w[s * M + m])));
        }
    for (; k < len; k++, x += LANES, w += M) {
      __m512bh in = (__m512bh)_mm512_load_si512(x);
#pragma GCC unroll 16
      for (int m = 0; m < M; m++) a[0][m] = _mm512_dpbf16_ps(a[0][m], in, (__m512bh)_mm512_set1_epi32(int(w[m])));
    }
  }
#pragma GCC unroll 16
  for (int m = 0; m < M; m++) {
    __m512 total = a[0][m];
#pragma GCC unroll 8
    for (int s = 1; s < S; s++) total = _mm512_add_ps(total, a[s][m]);
    sum[m] = total;
  }
}

template <int M> static void tile_pairs(const Map &map, int pixel, int channel, const uint32_t *x, const uint32_t *pack, const float *bias, const Finish<float> &f) {
  __m512 sum[M];
#pragma GCC unroll 16
  for (int m = 0; m < M; m++) sum[m] = _mm512_set1_ps(bias ? bias[channel + m] : 0.f);
  int from = map.first[pixel], n = map.first[pixel + 1] - from;
  multiply_pairs<M>(map.runs + from, n, x, pack, sum);
  size_t to = size_t(map.offset + channel);
#pragma GCC unroll 16
  for (int m = 0; m < M; m++) finish<float>(f, (size_t(pixel) * map.stride + to + m) * LANES, to + m, sum[m]);
}
template <int M> INLINE void tile_pairs_of(int m, const Map &map, int pixel, int channel, const uint32_t *x, const uint32_t *pack, const float *bias, const Finish<float> &f) {
  if constexpr (M > 0) {
    if (m == M) tile_pairs<M>(map, pixel, channel, x, pack, bias, f);
    else tile_pairs_of<M - 1>(m, map, pixel, channel, x, pack, bias, f);
  }
}

// `lanes` of float32 to half as many of pairs.
static void halve(const float *x, size_t lanes, uint32_t *to) {
  for (size_t i = 0; i + 1 < lanes; i += 2)
    _mm512_store_si512(to + i / 2 * LANES, pair(_mm512_load_ps(x + i * LANES), _mm512_load_ps(x + (i + 1) * LANES)));
}

static void apply_pairs(const Map *map, const uint32_t *x, const uint32_t *pack, const float *bias, const Finish<float> *f, int part, int parts) {
  int n = block_count<float>(map->out), depth = map->depth / 2;
  int outer = map->outer ? n : map->pixels, inner = map->outer ? map->pixels : n;
  for (int i = begin(part, parts, outer); i < begin(part + 1, parts, outer); i++)
    for (int j = 0; j < inner; j++) {
      int b = map->outer ? i : j, pixel = map->outer ? j : i;
      int from = begin(b, n, map->out), m = begin(b + 1, n, map->out) - from;
      tile_pairs_of<MOST<float>>(m, *map, pixel, from, x, pack + size_t(from) * depth, bias, *f);
    }
}

// Weights that `lay_out` has laid out, in pairs of rows.
static void halve_weights(const float *pack, int depth, int out, uint32_t *to) {
  int n = block_count<float>(out);
  for (int b = 0; b < n; b++) {
    int from = begin(b, n, out), m = begin(b + 1, n, out) - from;
    const float *w = pack + size_t(from) * depth;
    uint32_t *p = to + size_t(from) * (depth / 2);
    for (int k = 0; k + 1 < depth; k += 2)
      for (int j = 0; j < m; j++) *p++ = one(w[size_t(k) * m + j]) | one(w[size_t(k + 1) * m + j]) << 16;
  }
}

template <int M> static void plane_pairs(const uint32_t *x, const uint32_t *pack, float *y, int depth) {
  __m512 sum[M];
#pragma GCC unroll 16
  for (int m = 0; m < M; m++) sum[m] = _mm512_setzero_ps();
  Run all{0, 0, depth};
  multiply_pairs<M>(&all, 1, x, pack, sum);
#pragma GCC unroll 16
  for (int m = 0; m < M; m++) _mm512_store_ps(y + m * LANES, sum[m]);
}
template <int M> INLINE void plane_pairs_of(int m, const uint32_t *x, const uint32_t *pack, float *y, int depth) {
  if constexpr (M > 0) {
    if (m == M) plane_pairs<M>(x, pack, y, depth);
    else plane_pairs_of<M - 1>(m, x, pack, y, depth);
  }
}

// Planes of float32 are made as ever, and halved where they lie, tile by tile.
static void winograd_pairs(const Winograd *w, const float *x, const uint32_t *pack, const float *bias, float *scratch, const Finish<float> *f, const Stage *s) {
  Chunk at = chunk_of<float>(*w, *s);
  size_t in = plane(w->tiles, w->in), out = plane(w->tiles, w->out);
  float *u = scratch, *v = scratch + 16 * in;
  if (s->stage == TO_PLANES)
    for (int t = at.from; t < at.to; t++) {
      to_planes<float>(*w, x, (at.first + t) / at.across, (at.first + t) % at.across, u + size_t(t) * w->in * LANES, in);
      // The first half of each tile's place; reading runs ahead of writing.
      for (int q = 0; q < 16; q++) {
        float *place = u + q * in + size_t(t) * w->in * LANES;
        halve(place, w->in, reinterpret_cast<uint32_t *>(place));
      }
    }
  if (s->stage == PRODUCTS)
    for (int i = at.from; i < at.to; i++) {
      int n = block_count<float>(w->out), q = i / n, b = i % n;
      int from = begin(b, n, w->out), m = begin(b + 1, n, w->out) - from;
      const uint32_t *weights = pack + (size_t(q) * w->out + from) * (w->in / 2);
      for (int t = 0; t < at.count; t++)
        plane_pairs_of<MOST<float>>(m, reinterpret_cast<const uint32_t *>(u + q * in + size_t(t) * w->in * LANES), weights,
                                    v + q * out + (size_t(t) * w->out + from) * LANES, w->in);
    }
  if (s->stage == FROM_PLANES)
    for (int t = at.from; t < at.to; t++)
      from_planes<float>(*w, v + size_t(t) * w->out * LANES, out, (at.first + t) / at.across, (at.first + t) % at.across, bias, *f);
}

struct Halves {
  void (*halve)(const float *, size_t, uint32_t *);
  void (*apply)(const Map *, const uint32_t *, const uint32_t *, const float *, const Finish<float> *, int, int);
  void (*halve_weights)(const float *, int, int, uint32_t *);
  void (*winograd)(const Winograd *, const float *, const uint32_t *, const float *, float *, const Finish<float> *, const Stage *);
};
constexpr Halves HALVES = {halve, apply_pairs, halve_weights, winograd_pairs};

} // namespace

extern "C" {
extern const Halves *const jemscript_kernels_bf16 = &HALVES;
}
#else
extern "C" {
extern const void *const jemscript_kernels_bf16 = nullptr;
}
#endif
