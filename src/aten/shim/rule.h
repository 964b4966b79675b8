// Which operators scripts may call.
//
// Wanted: every public operator that computes something from its arguments and leaves them as they
// are. The dispatcher does not say what is public or safe, so the rule goes by schema and by name,
// and the last list by trial: tests/fuzz calls each allowed operator with arguments that make no
// sense, in a process that may crash. What crashes or hangs there belongs into that list.
#pragma once

#include <array>
#include <string>
#include <string_view>

namespace jem {

inline bool starts_with(std::string_view text, std::string_view start) {
  return text.substr(0, start.size()) == start;
}

// Families of other devices, of formats of storage, and of what looks into or changes a tensor's
// storage. `empty…` gives whatever lies in memory, which no seed repeats.
constexpr std::array kFamilies{
    "cudnn_",       "miopen_",      "mkldnn_",      "mps_",        "fbgemm_",     "quantize",
    "quantized_",   "choose_qparams", "q_",         "fake_quantize", "int_repr",  "dequantize",
    "sparse",       "to_sparse",    "to_mkldnn",    "to_padded",   "nested_",     "coalesce",
    "sspaddmm",     "hspmm",        "copy_sparse",  "indices",     "values",      "crow",
    "ccol",         "col_indices",  "row_indices",  "unsafe_",     "as_strided",  "from_file",
    "sym_",         "set",          "resize",       "is_",         "record_stream", "align_",
    "refine_names", "rename",       "retain",       "requires_grad", "output_nr", "pin_memory",
    "unpack",       "lift",         "flatten_dense", "unflatten_dense", "convolution_overrideable",
    "data",         "get_device",   "storage_offset", "stride",    "empty",       "new_empty",
    "slow_conv",    "retains_grad",
};

// Found by trial: they crash, hang, or change their arguments against their schema.
constexpr std::array kFoundUnsafe{
    "embedding_bag",
    "binomial",  // hangs where a count is huge or not finite
    "ctc_loss",
    "cov",  // with aweights it changes its input
    "pdist",
    "native_batch_norm",
    "batch_norm_update_stats",
    "linalg_eigvals",  // float32 with NaN
    "segment_reduce",
    "lu_unpack",
    "linalg_ldl_solve",
    "thnn_conv2d",
    "range",
    "random",
    "special_legendre_polynomial_p",
    "special_laguerre_polynomial_l",
    "lstm",
    "gru",
    "rnn_tanh",
    "rnn_relu",
    "lstm_cell",
    "gru_cell",
    "rnn_tanh_cell",
    "rnn_relu_cell",
    "combinations",
};

// Public names of PyTorch for operators that are called otherwise inside.
struct Alias {
  const char* name;
  const char* inner;
};
constexpr std::array kAliases{
    Alias{"unique", "_unique2"},
    Alias{"cross_entropy", "cross_entropy_loss"},
    Alias{"fold", "col2im"},
};

inline bool allowed_by_name(const std::string& name) {
  for (auto& alias : kAliases)
    if (name == alias.inner) return true;
  if (name[0] == '_' || name.find("_backward") != std::string::npos) return false;
  for (auto* family : kFamilies)
    if (starts_with(name, family)) return false;
  for (auto* found : kFoundUnsafe)
    if (name == found) return false;
  return true;
}

// Whole numbers that kernels multiply without a look: beyond this they overflow, and crash.
constexpr int64_t kMostSteps = 4096;

inline bool is_count_of_steps(std::string_view argument) {
  constexpr std::array names{"stride",         "padding", "dilation",       "kernel_size",
                             "output_padding", "groups",  "pad",            "n",
                             "sections",       "chunks",  "upscale_factor", "downscale_factor",
                             "N",              "r"};
  for (auto* name : names)
    if (argument == name) return true;
  return false;
}

// Arguments whose whole numbers are bounds or values, not sizes.
inline bool is_free_number(std::string_view argument) {
  constexpr std::array names{"start", "end", "low",        "high",  "from",
                             "to",    "value", "fill_value", "other", "self"};
  for (auto* name : names)
    if (argument == name) return true;
  return false;
}

}  // namespace jem
