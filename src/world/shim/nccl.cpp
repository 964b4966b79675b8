// The part of `world.h` that needs a GPU: c10d's `ProcessGroupNCCL`. Compiled with the feature `nccl` alone, since it needs
// the headers of CUDA and of NCCL, which libtorch does not come with.

#include "group.h"

#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>

extern "C" {

int32_t jem_group_join_gpus(jem_group* group, int32_t rank, char** error) {
  return jem::guarded(error, [&] {
    // Left to itself, its watchdog ends the process when a rank is gone. So `wait` waits on the host, and throws: we
    // can say who is gone, and keep what there is.
    setenv("TORCH_NCCL_BLOCKING_WAIT", "1", 0);
    setenv("TORCH_NCCL_ASYNC_ERROR_HANDLING", "0", 0);
    auto options = c10d::ProcessGroupNCCL::Options::create();
    options->timeout = group->timeout;
    auto store = c10::make_intrusive<c10d::PrefixStore>("nccl", group->store);
    group->gpus = c10::make_intrusive<c10d::ProcessGroupNCCL>(store, rank, group->size, options);
  });
}

int64_t jem_group_layout_gpus(int32_t options) {
  return static_cast<int64_t>(options ? sizeof(c10d::ProcessGroupNCCL::Options) : sizeof(c10d::ProcessGroupNCCL));
}
}
