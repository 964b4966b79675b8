// A sum over ranks through which gradients pass: what one rank's loss owes to another rank's rows.
//
// Its gradient is the sum of the gradients, and so is that of the gradient. Backward passes run
// inside libtorch, where Rust's guard does not reach: the same comparison is made here.

#include "group.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <sstream>

namespace {

void reduce(jem_group* group, const at::Tensor& tensor, c10d::ReduceOp::RedOpType operation) {
  std::vector<at::Tensor> tensors{tensor};
  c10d::AllreduceOptions options;
  options.reduceOp = operation;
  options.timeout = group->timeout;
  finish(group, carrier(group, tensor).allreduce(tensors, options));
}

// Numbers that travel with a fingerprint, as in guard.rs.
constexpr int64_t ALONG = 64;

// As `fingerprint` in guard.rs.
double fingerprint(const std::string& text) {
  uint64_t hash = 0xcbf29ce484222325;
  for (unsigned char byte : text) hash = (hash ^ byte) * 0x100000001b3;
  return static_cast<double>(hash >> 12);
}

// What all ranks asked for, as `texts_unguarded` in guard.rs exchanges it.
std::string asked_by_all(jem_group* group, const std::string& own) {
  auto longest = at::full({1}, static_cast<int64_t>(own.size()), at::kLong);
  reduce(group, longest, c10d::ReduceOp::MAX);
  const auto n = std::max<int64_t>(longest.item<int64_t>(), 1);
  auto mine = at::zeros({n}, at::kByte);
  memcpy(mine.data_ptr(), own.data(), own.size());
  const auto all = gathered(group, mine);
  std::ostringstream told;
  for (int64_t rank = 0; rank < group->size; rank++) {
    const auto* row = static_cast<const char*>(all[rank].data_ptr());
    told << (rank ? "; " : "") << "rank " << rank << " is at " << std::string(row, strnlen(row, n));
  }
  return told.str();
}

// `met` in guard.rs, without numbers of our own.
void guard(jem_group* group, const std::string& asked) {
  auto mine = at::zeros({1 + ALONG}, at::kDouble);
  mine[0] = fingerprint(asked);
  const auto all = gathered(group, mine);
  if (all.select(1, 0).eq(mine[0]).all().item<bool>()) return;
  TORCH_CHECK(false, "the ranks do not ask for the same thing: ", asked_by_all(group, asked));
}

struct SumOfRanks : public torch::autograd::Function<SumOfRanks> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x, int64_t group) {
    context->saved_data["group"] = group;
    auto* of = reinterpret_cast<jem_group*>(group);
    const auto stays = of->gpus && x.is_cuda();
    auto held = x.detach().to(stays ? x.device() : at::kCPU).contiguous().clone();
    std::ostringstream asked;
    asked << "a sum of statistics, " << held.sizes() << " " << held.scalar_type();
    guard(of, asked.str());
    reduce(of, held, c10d::ReduceOp::SUM);
    return held.to(x.device());
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const auto group = context->saved_data["group"].toInt();
    return {SumOfRanks::apply(gradients[0], group), at::Tensor()};
  }
};

}  // namespace

extern "C" void* jem_group_sum(jem_group* group, void* tensor, char** error) {
  void* made = nullptr;
  jem::guarded(error, [&] {
    auto sum = SumOfRanks::apply(tensor_of(tensor), reinterpret_cast<int64_t>(group));
    made = new at::Tensor(sum);
  });
  return made;
}
