// Everything else that a network does between affine maps: sums, pools, normalisations.
#pragma once
#include "finish.h"

namespace {

// Each number by itself: a sum of two images, an activation that nothing else could carry.
template <class T> static void pass(const T *x, int pixels, int channels, const Finish<T> *f) {
  for (int p = 0; p < pixels; p++)
    for (int c = 0; c < channels; c++)
      for (int lane = 0; lane < LANES; lane += WIDTH<T>) {
        size_t at = (size_t(p) * channels + c) * LANES + lane;
        finish<T>(*f, at, c, load(x + at));
      }
}

// Weighted sums of pixels, the same for all channels: means of windows, interpolation. Output pixel i is the sum over
// `first[i] .. first[i + 1]` of `weight · x[pixel]`.
template <class T> static void mix(const T *x, int pixels, int channels, const int32_t *first, const int32_t *pixel, const double *weight, const Finish<T> *f) {
  for (int i = 0; i < pixels; i++)
    for (int c = 0; c < channels; c++)
      for (int lane = 0; lane < LANES; lane += WIDTH<T>) {
        Vec<T> sum = Vec<T>{};
        for (int k = first[i]; k < first[i + 1]; k++) sum += load(x + (size_t(pixel[k]) * channels + c) * LANES + lane) * T(weight[k]);
        finish<T>(*f, (size_t(i) * channels + c) * LANES + lane, c, sum);
      }
}

// The largest of each window; `winner` keeps which, for the way back. Of equals the first wins, as in PyTorch.
template <class T> static void largest(const T *x, int pixels, int channels, const int32_t *first, const int32_t *pixel, T *winner, const Finish<T> *f) {
  for (int i = 0; i < pixels; i++)
    for (int c = 0; c < channels; c++)
      for (int lane = 0; lane < LANES; lane += WIDTH<T>) {
        Vec<T> best = splat(T(-INFINITY)), which = splat(T(-1));
        for (int k = first[i]; k < first[i + 1]; k++) {
          Vec<T> v = load(x + (size_t(pixel[k]) * channels + c) * LANES + lane);
          auto wins = !(v <= best); // not-a-number wins
          best = wins ? v : best;
          which = wins ? splat(T(pixel[k])) : which;
        }
        size_t at = (size_t(i) * channels + c) * LANES + lane;
        store(winner + at, which);
        finish<T>(*f, at, c, best);
      }
}

// Back to the inputs: input pixel i collects the gradients of the windows `pixel[first[i] ..]` that it won.
template <class T> static void won(const T *gradient, int pixels, int channels, const int32_t *first, const int32_t *pixel, const T *winner, const Finish<T> *f) {
  for (int i = 0; i < pixels; i++)
    for (int c = 0; c < channels; c++)
      for (int lane = 0; lane < LANES; lane += WIDTH<T>) {
        Vec<T> sum = Vec<T>{};
        for (int k = first[i]; k < first[i + 1]; k++) {
          size_t at = (size_t(pixel[k]) * channels + c) * LANES + lane;
          sum += load(winner + at) == T(i) ? load(gradient + at) : Vec<T>{};
        }
        finish<T>(*f, (size_t(i) * channels + c) * LANES + lane, c, sum);
      }
}

// Mirrored in Rust (`plan/kernel.rs`). Normalisation over groups of channels of one image.
template <class T> struct Norm {
  int32_t pixels, channels, groups;
  int32_t each;      // whether `weight` and `bias` have one number a place, not one a channel
  const T *weight, *bias; // or null
  T *normed;         // [pixels][channels]: (x − mean) / deviation
  T *inverse;        // [groups]: 1 / deviation
  T eps;
};

template <class T> INLINE size_t norm_weight(const Norm<T> &n, int p, int c) { return n.each ? size_t(p) * n.channels + c : size_t(c); }

template <class T> static void normalise(const Norm<T> *n, const T *x, const Finish<T> *f) {
  int size = n->channels / n->groups;
  T count = T(size) * T(n->pixels);
  for (int g = 0; g < n->groups; g++)
    for (int lane = 0; lane < LANES; lane += WIDTH<T>) {
      Vec<T> sum = Vec<T>{}, square = Vec<T>{};
      for (int p = 0; p < n->pixels; p++)
        for (int c = g * size; c < (g + 1) * size; c++) sum += load(x + (size_t(p) * n->channels + c) * LANES + lane);
      Vec<T> mean = sum / count;
      for (int p = 0; p < n->pixels; p++)
        for (int c = g * size; c < (g + 1) * size; c++) {
          Vec<T> d = load(x + (size_t(p) * n->channels + c) * LANES + lane) - mean;
          square += d * d;
        }
      Vec<T> inverse = T(1) / vsqrt(square / count + n->eps);
      store(n->inverse + size_t(g) * LANES + lane, inverse);
      for (int p = 0; p < n->pixels; p++)
        for (int c = g * size; c < (g + 1) * size; c++) {
          size_t at = (size_t(p) * n->channels + c) * LANES + lane;
          Vec<T> y = (load(x + at) - mean) * inverse;
          store(n->normed + at, y);
          if (n->weight) { size_t i = norm_weight(*n, p, c); y = y * n->weight[i] + n->bias[i]; }
          finish<T>(*f, at, c, y);
        }
    }
}

// dx = inverse · (g − mean(g) − y · mean(g · y)), with g the gradient at the normed number y.
template <class T> static void normalise_back(const Norm<T> *n, const T *gradient, const Finish<T> *f) {
  int size = n->channels / n->groups;
  T count = T(size) * T(n->pixels);
  for (int g = 0; g < n->groups; g++)
    for (int lane = 0; lane < LANES; lane += WIDTH<T>) {
      Vec<T> sum = Vec<T>{}, along = Vec<T>{}, inverse = load(n->inverse + size_t(g) * LANES + lane);
      auto at_normed = [&](int p, int c, size_t at) {
        Vec<T> v = load(gradient + at);
        return n->weight ? v * n->weight[norm_weight(*n, p, c)] : v;
      };
      for (int p = 0; p < n->pixels; p++)
        for (int c = g * size; c < (g + 1) * size; c++) {
          size_t at = (size_t(p) * n->channels + c) * LANES + lane;
          Vec<T> v = at_normed(p, c, at);
          sum += v;
          along += v * load(n->normed + at);
        }
      sum /= count;
      along /= count;
      for (int p = 0; p < n->pixels; p++)
        for (int c = g * size; c < (g + 1) * size; c++) {
          size_t at = (size_t(p) * n->channels + c) * LANES + lane;
          finish<T>(*f, at, c, inverse * (at_normed(p, c, at) - sum - load(n->normed + at) * along));
        }
    }
}

} // namespace
