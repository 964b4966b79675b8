// The groups of `world.h`, on c10d's `ProcessGroupGloo`, and `ProcessGroupNCCL` of nccl.cpp where there is one: the
// dispatcher and the wrapper around backends would add nothing.

#include "group.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <c10/util/Logging.h>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

namespace {

c10d::ReduceOp operation_of(int32_t operation) {
  switch (operation) {
    case JEM_MAX:
      return c10d::ReduceOp::MAX;
    case JEM_MIN:
      return c10d::ReduceOp::MIN;
    default:
      return c10d::ReduceOp::SUM;
  }
}

// Whether two ranks had better give each other all they have: one message each way, where Gloo's ring takes two rounds. For
// a small network's gradient it is half the time; what is a few numbers is quick by itself, and much is a matter of
// bandwidth.
bool is_swapped(const jem_group& group, const at::Tensor& tensor, int32_t operation) {
  return group.size == 2 && operation == JEM_SUM && tensor.is_cpu() && at::isFloatingType(tensor.scalar_type()) &&
         tensor.nbytes() > 64 && tensor.nbytes() <= (1 << 20);
}

void sum_of_two(jem_group* group, at::Tensor& tensor) {
  auto flat = tensor.view({-1});
  const auto all = gathered(group, flat);
  // In the order of ranks on both: the same bits.
  at::add_out(flat, all[0], all[1]);
}

}  // namespace

extern "C" {

jem_group* jem_group_join(const char* host, int32_t port, int32_t rank, int32_t size, int64_t timeout_ms,
                          const char* prefix, int32_t listen, const char* address, int32_t is_interface,
                          char** error) {
  jem_group* made = nullptr;
  jem::guarded(error, [&] {
    // What fails is said by our errors alone, unless somebody wants c10d's own pages of it.
    setenv("TORCH_CPP_LOG_LEVEL", "FATAL", 0);
    c10::initLogging();
    const auto timeout = std::chrono::milliseconds(timeout_ms);
    c10d::TCPStoreOptions options;
    options.port = static_cast<uint16_t>(port);
    options.isServer = listen >= 0;
    options.timeout = timeout;
    if (listen >= 0) options.masterListenFd = listen;
    if (listen > JEM_KEPT_STORE) options.numWorkers = size;
    auto store = c10::make_intrusive<c10d::TCPStore>(host, options);
    auto group = std::make_unique<jem_group>();
    group->store = c10::make_intrusive<c10d::PrefixStore>(prefix, store);
    group->timeout = timeout;
    group->size = size;
    auto gloo = c10d::ProcessGroupGloo::Options::create(timeout);
    gloo->devices.push_back(is_interface ? c10d::ProcessGroupGloo::createDeviceForInterface(address)
                                         : c10d::ProcessGroupGloo::createDeviceForHostname(address));
    group->backend = c10::make_intrusive<c10d::ProcessGroupGloo>(group->store, rank, size, gloo);
    made = group.release();
  });
  return made;
}

void jem_group_leave(jem_group* group) {
  char* error = nullptr;
  jem::guarded(&error, [&] {
    // NCCL's destructor would wait for work of ranks that may be gone.
    if (group->gpus) group->gpus->abort();
    delete group;
  });
  free(error);
}

int32_t jem_group_reduce(jem_group* group, void* tensor, int32_t operation, char** error) {
  return jem::guarded(error, [&] {
    c10::NoGradGuard no_grad;
    std::vector<at::Tensor> tensors{tensor_of(tensor)};
    if (is_swapped(*group, tensors[0], operation)) return sum_of_two(group, tensors[0]);
    c10d::AllreduceOptions options;
    options.reduceOp = operation_of(operation);
    options.timeout = group->timeout;
    finish(group, carrier(group, tensors[0]).allreduce(tensors, options));
  });
}

int32_t jem_group_broadcast(jem_group* group, void* tensor, int32_t root, char** error) {
  return jem::guarded(error, [&] {
    c10::NoGradGuard no_grad;
    std::vector<at::Tensor> tensors{tensor_of(tensor)};
    c10d::BroadcastOptions options;
    options.rootRank = root;
    options.timeout = group->timeout;
    finish(group, carrier(group, tensors[0]).broadcast(tensors, options));
  });
}

int32_t jem_group_gather(jem_group* group, void* tensor, void* all, char** error) {
  return jem::guarded(error, [&] {
    c10::NoGradGuard no_grad;
    gather(group, tensor_of(tensor), tensor_of(all));
  });
}

int32_t jem_group_note(jem_group* group, const char* key, const char* text, char** error) {
  return jem::guarded(error, [&] {
    const std::string value(text);
    group->store->set(key, std::vector<uint8_t>(value.begin(), value.end()));
  });
}

char* jem_group_noted(jem_group* group, const char* key, int64_t timeout_ms) {
  char* found = nullptr;
  char* error = nullptr;
  jem::guarded(&error, [&] {
    group->store->wait({key}, std::chrono::milliseconds(timeout_ms));
    const auto value = group->store->get(key);
    found = jem::copy_text(std::string(value.begin(), value.end()));
  });
  free(error);
  return found;
}

int64_t jem_group_layout(void) { return static_cast<int64_t>(sizeof(c10d::ProcessGroupGloo)); }
}
